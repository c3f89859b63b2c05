"""The loop, on a loss network a few channels wide: what is learnt is little, what must hold is everything else."""

import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import impasto
from impasto import Settings
from impasto.errors import ImageError, TrainingError, UsageError
from impasto.models.catalogue import shipped, shipped_network
from impasto.models.modelfile import read_info
from impasto.models.stylefile import read_style
from impasto.nn.generator import Generator
from impasto.nn.generators import build_generator
from impasto.nn.losses import PAINTERLY, Objective, PerceptualLoss
from impasto.nn.tensors import to_picture, to_tensor
from impasto.pictures.resize import resize_short_side
from impasto.training import run, trainer
from impasto.training.base import load_base
from impasto.training.config import PRESETS, Recipe, TrainConfig
from impasto.training.distributed import World
from impasto.training.draws import draw_styles
from impasto.training.learner import Learner
from impasto.training.paths import run_folder
from impasto.training.trainer import SNAPSHOT_STEPS, train
from tests.conftest import make_photo

SMALL = Recipe(
    generator="residual",
    arguments={"width": 4, "blocks": 1},
    objective=Objective(tv_weight=0.5),
    style_size=64,
    crop=48,
    first_crop=32,
    photo_from=48,
    photo_to=80,
    pool=6,
    decay=0.5,
)


@pytest.fixture
def config(tmp_path, style_file, photo_folder, tiny_vgg_file):
    return TrainConfig(
        styles=(style_file,),
        output=tmp_path / "model.onnx",
        precision="float32",  # the same on every machine
        recipe=SMALL,
        content=photo_folder,
        minutes=None,
        steps=12,
        loss_network=tiny_vgg_file,
        threads=1,
    )


def weights(config):
    saved = torch.load(run_folder(config.output) / "checkpoint.pt", weights_only=True)
    return saved["run"]["generator"]


def assert_same_weights(one, other, **tolerance):
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], **(tolerance or {"atol": 0, "rtol": 0}), msg=name)


def stop_after(steps):
    """A report that presses Ctrl-C after so many steps."""

    def report(progress):
        if progress.step == steps:
            os.kill(os.getpid(), signal.SIGINT)

    return report


def test_a_run_makes_a_model_and_tells_how_it_went(config):
    seen = []
    result = train(config, progress=seen.append)
    assert result.finished
    assert [progress.step for progress in seen] == [*range(1, 13), 12]  # the last one says what comes then
    assert {path.name for path in result.folder.iterdir()} == {
        "config.json",
        "log.jsonl",
        "preview.jpg",
        "checkpoint.pt",
    }
    lines = [json.loads(line) for line in (result.folder / "log.jsonl").read_text().splitlines()]
    assert lines[0]["step"] == 1
    assert lines[0]["crop"] == 32
    assert lines[-1]["crop"] == 48
    info = read_info(result.model)
    assert info.training["steps"] == 12
    assert info.training["objective"]["objective"] == pytest.approx(result.objective, abs=1e-3)
    assert info.styles == ("stripes",)
    assert info.strength
    photo = impasto.load_image(next(config.content.glob("*.JPG")))
    stylizer = impasto.load(result.model, precision="float32")
    picture = stylizer(photo)
    assert picture.shape == photo.shape
    faint = stylizer(photo, Settings(strength=0.3))
    assert np.abs(faint - photo.astype(float)).mean() < np.abs(picture - photo.astype(float)).mean()
    assert result.objective == pytest.approx(result.content_error + 4 * result.style_error, rel=1e-4)


@pytest.mark.parametrize(
    ("steps", "photo_every", "precision"),
    [(60, 0, "float32"), (120, 10, "float32"), (120, 0, "bfloat16")],
    ids=["style alone", "and the photo", "in bfloat16"],
)
def test_training_lowers_the_objective(config, steps, photo_every, precision):
    config = replace(config, recipe=replace(config.recipe, photo_every=photo_every), precision=precision)
    before = train(replace(config, steps=1, output=config.output.with_name("before.onnx")))
    after = train(replace(config, steps=steps))
    assert after.objective < 0.8 * before.objective


FROM = {"nothing": "{}.onnx", "base": "{}.onnx", "base, style alone": "{}.safetensors"}


def beginning(config, start, name):
    """The same run from nothing or from the base, under another name."""
    recipe = config.recipe if start == "nothing" else FAST
    return replace(config, recipe=recipe, output=config.output.with_name(FROM[start].format(name)))


@pytest.mark.parametrize("start", FROM)
def test_the_same_seed_gives_the_same_model_and_another_does_not(config, start):
    one, two, other = (
        replace(beginning(config, start, name), seed=seed) for name, seed in (("one", 0), ("two", 0), ("other", 1))
    )
    for each in (one, two, other):
        assert train(each).from_base == (start != "nothing")
    assert_same_weights(weights(one), weights(two))
    assert any(not torch.equal(x, weights(other)[name]) for name, x in weights(one).items())


@pytest.mark.parametrize("start", FROM)
def test_minutes_are_kept_over_a_stop(config, start, monkeypatch):
    clock = itertools.count()  # a sixteenth of a second passes whenever it is looked at, an eighth in a step
    for module in (run, trainer):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock) / 16))
    straight, timed = (
        replace(beginning(config, start, name), steps=None, minutes=1 / 60) for name in ("straight", "timed")
    )
    whole = train(straight)
    assert whole.finished
    assert 1.0 <= whole.seconds < 1.0 + 1 / 8  # it ends with the step under way
    first = train(timed, progress=stop_after(3))
    assert not first.finished
    seen = []
    second = train(timed, resume=True, progress=seen.append)
    assert second.finished
    assert seen[0].seconds == first.seconds + 1 / 8  # the clock goes on from where it stood
    assert (second.steps, second.seconds) == (whole.steps, whole.seconds)


@pytest.mark.parametrize("start", ["base", "base, style alone"])
def test_stop_and_resume_equals_a_straight_run_from_the_base(config, start):
    straight, broken = (beginning(config, start, name) for name in ("straight", "broken"))
    train(straight)
    assert train(broken, progress=stop_after(5)).steps == 5
    assert train(broken, resume=True).from_base
    assert_same_weights(weights(straight), weights(broken))


def test_a_style_alone_goes_on_with_its_own_network_only(config, monkeypatch):
    alone = beginning(config, "base, style alone", "mine")
    train(alone, progress=stop_after(2))
    base = load_base("light", FAST.generator_arguments())
    monkeypatch.setattr(run, "load_base", lambda *_: replace(base, network="of another version"))
    with pytest.raises(TrainingError, match="it differs in network"):
        train(alone, resume=True)


@pytest.mark.parametrize("when", ["while it is measured", "while it is compared"])
def test_who_does_not_wait_for_the_comparison_has_all_the_rest(config, monkeypatch, when):
    compared = []

    def compare(held_out, paint):
        compared.append(1)
        raise KeyboardInterrupt

    def report(progress):
        if progress.message and when == "while it is measured":
            assert progress.message == "measuring the result, up to a minute more"
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(run.HeldOut, "equal_evaluations", compare)
    result = train(config, progress=report)
    assert result.finished
    assert result.equal_evaluations is None
    assert len(compared) == (when == "while it is compared")
    assert read_info(result.model).training["steps"] == 12
    assert torch.load(result.folder / "checkpoint.pt", weights_only=True)["finished"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"muon_rate": 0.0, "batch": 2},
        {"norm": "batch"},
        {"generator": "texture", "arguments": {"width": 2, "levels": 3}},
        {"pool": 0},
    ],
    ids=["default", "adam", "batch-norm", "texture-noise", "no-pool"],
)
def test_stop_and_resume_equals_a_straight_run(config, changes):
    straight = replace(config, recipe=replace(SMALL, **changes))
    broken = replace(straight, output=config.output.with_name("broken.onnx"))
    train(straight)
    first = train(broken, progress=stop_after(5))
    assert not first.finished
    assert first.steps == 5
    assert first.model.exists()  # what there is can be used
    second = train(broken, resume=True)
    assert second.finished
    assert second.steps == 12
    assert_same_weights(weights(straight), weights(broken))


def test_an_unfinished_run_is_not_overwritten_by_accident(config):
    train(config, progress=stop_after(3))
    with pytest.raises(TrainingError, match=r"unfinished run is here, at step 3: add --resume .* or --restart"):
        train(config)
    assert train(config, restart=True).finished


@pytest.mark.parametrize("name", ["model.onnx", "style.safetensors", "made/network.onnx", "made/2.safetensors"])
def test_what_is_there_is_not_replaced_by_accident(config, tmp_path, name):
    there = tmp_path / name
    styles, output = config.styles, there
    if there.parent != tmp_path:
        styles, output = (*config.styles, config.content / "2.JPG"), there.parent
    made = replace(config, output=output, styles=styles, recipe=FAST, steps=1)
    there.parent.mkdir(exist_ok=True)
    there.write_bytes(b"years of work")
    with pytest.raises(UsageError, match=r"exists already: add --restart to replace it, or give another name"):
        train(made)
    assert there.read_bytes() == b"years of work"
    assert train(made, restart=True).finished
    with pytest.raises(UsageError, match="exists already: add --restart to replace it, --resume and a larger budget"):
        train(made)


def test_resume_wants_the_same_run(config, photo_folder):
    train(config, progress=stop_after(3))
    with pytest.raises(TrainingError, match="it differs in recipe"):
        train(replace(config, recipe=replace(SMALL, adam_rate=1e-4)), resume=True)
    with pytest.raises(TrainingError, match="it differs in style"):
        train(replace(config, styles=(photo_folder / "2.JPG",)), resume=True)
    assert train(replace(config, steps=4), resume=True).steps == 4  # the budget may change


def test_resume_wants_the_same_photos(config, tmp_path, photo_folder):
    train(config, progress=stop_after(3))
    other = tmp_path / "other"
    other.mkdir()
    for number, path in enumerate(photo_folder.glob("*.JPG")):
        (other / f"other{number}.jpg").write_bytes(path.read_bytes())
    with pytest.raises(TrainingError, match="it differs in content"):
        train(replace(config, content=other), resume=True)


def test_resume_wants_the_same_loss_network_wherever_it_lies(config, tmp_path, tiny_vgg_file):
    train(config, progress=stop_after(3))
    elsewhere = tmp_path / "elsewhere.safetensors"
    elsewhere.write_bytes(tiny_vgg_file.read_bytes())
    moved = replace(config, loss_network=elsewhere)
    assert train(moved, resume=True).finished
    weights = load_file(elsewhere)
    weights["conv1_1.bias"] += 1.0
    save_file(weights, elsewhere)
    with pytest.raises(TrainingError, match="it differs in loss network"):
        train(moved, resume=True)


def test_a_run_in_its_own_content_folder_does_not_learn_from_its_preview(config, tmp_path, photo_folder):
    folder = shutil.copytree(photo_folder, tmp_path / "photos")
    inside = replace(config, content=folder, output=folder / "model.onnx")
    train(inside, progress=stop_after(3))
    assert (run_folder(inside.output) / "preview.jpg").exists()
    assert train(inside, resume=True).finished


def test_one_odd_square_moves_the_weights_no_further_than_two_others():
    learner = Learner(SMALL, 1, 0, torch.device("cpu"), style_only=False)
    parameters = [*learner.generator.parameters()]

    def length_left_of(length):
        for p in parameters:
            p.grad = torch.ones_like(p)
        whole = sum(p.numel() for p in parameters) ** 0.5
        for p in parameters:
            p.grad *= length / whole
        learner.clip_gradients()
        return float(torch.cat([p.grad.flatten() for p in parameters]).norm())

    assert [length_left_of(3.0) for _ in range(5)] == pytest.approx([3.0] * 5, rel=1e-4)
    assert length_left_of(900.0) == pytest.approx(6.0, rel=1e-4)
    assert length_left_of(1.0) == pytest.approx(1.0, rel=1e-4)
    assert length_left_of(900.0) < 2 * 3.2  # what was cut off is not taken for usual
    for _ in range(150):
        length_left_of(900.0)
    assert length_left_of(900.0) == pytest.approx(900.0, rel=1e-4)  # what lasts is


def test_a_style_picture_that_vanishes_does_not_stop_a_run(config, tmp_path, monkeypatch):
    style = tmp_path / "style.png"
    style.write_bytes(config.styles[0].read_bytes())
    monkeypatch.setattr(trainer, "REPORT_SECONDS", 0.0)
    result = train(replace(config, styles=(style,)), progress=lambda _: style.unlink(missing_ok=True))
    assert result.finished


def test_a_full_disk_on_the_way_is_said_and_the_run_goes_on(config, monkeypatch):
    real = run.write_checkpoint

    def full(path, identity, state, *, finished):
        if state["state"]["step"] < 12:
            raise TrainingError("No space left on device")
        real(path, identity, state, finished=finished)

    monkeypatch.setattr(run, "write_checkpoint", full)
    monkeypatch.setattr(trainer, "REPORT_SECONDS", 0.0)
    messages = []
    assert train(config, progress=lambda p: messages.append(p.message)).finished
    assert "not saved on the way: No space left on device" in messages


def test_resume_without_a_run_is_said(config):
    with pytest.raises(TrainingError, match="nothing to resume"):
        train(config, resume=True)
    run_folder(config.output).mkdir()
    (run_folder(config.output) / "checkpoint.pt").write_text("garbage")
    with pytest.raises(TrainingError, match="not a checkpoint, or damaged"):
        train(config, resume=True)


def test_a_loss_that_is_not_finite_rolls_back(config, monkeypatch):
    real, calls = World.mean_terms, []

    def poisoned(world, terms):
        calls.append(1)
        return (float("nan"), 0.0) if len(calls) == 8 else real(world, terms)

    monkeypatch.setattr(World, "mean_terms", poisoned)
    monkeypatch.setattr(trainer, "SNAPSHOT_STEPS", 5)
    messages = []
    result = train(config, progress=lambda p: messages.append(p.message))
    assert result.finished
    assert [m for m in messages if m] == [
        "the loss exploded at step 7: back to 0 at half the learning rate",
        "measuring the result, up to a minute more",
    ]
    assert all(torch.isfinite(w).all() for w in weights(config).values())
    state = torch.load(result.folder / "checkpoint.pt", weights_only=True)["run"]["state"]
    assert (state["rate"], state["rollbacks"]) == (0.5, 1)


def test_a_gradient_that_is_not_finite_rolls_back(config, monkeypatch):
    real, calls = Learner.set_rates, []

    def poison(learner, fraction):
        calls.append(1)
        if len(calls) == 4:
            learner.generator.last.conv.bias.register_hook(lambda g: g * float("nan"))
        if len(calls) == 5:
            learner.generator.last.conv.bias._backward_hooks.clear()
        real(learner, fraction)

    monkeypatch.setattr(Learner, "set_rates", poison)
    result = train(config)
    assert result.finished
    assert all(torch.isfinite(w).all() for w in weights(config).values())
    assert torch.load(result.folder / "checkpoint.pt", weights_only=True)["run"]["state"]["rollbacks"] == 1


def test_a_run_that_keeps_exploding_gives_up(config, monkeypatch):
    monkeypatch.setattr(World, "mean_terms", lambda world, terms: (float("inf"), 0.0))
    with pytest.raises(TrainingError, match="the loss keeps exploding: lower --muon-rate"):
        train(config)


def test_a_lasting_rise_is_an_explosion_and_one_odd_photo_is_not():
    learner = Learner(SMALL, 1, 0, torch.device("cpu"), style_only=False)
    for step in range(400):
        learner.state.step = step
        assert not learner.exploded(20.0 if step % 100 == 99 else 2.0, 0.1)
    assert any(learner.exploded(9.0, 0.5) for _ in range(SNAPSHOT_STEPS))  # noticed before the good state is forgotten


def test_rates_and_style_weight_follow_the_run():
    learner = Learner(replace(SMALL, ramp=0.4, decay=0.5, decay_every=100), 1, 0, torch.device("cpu"), style_only=False)
    assert learner.style_weight(0.0) == pytest.approx(4.0 * 0.05)
    assert learner.style_weight(0.4) == learner.style_weight(1.0) == 4.0
    learner.set_rates(0.2)
    assert [group["lr"] for optimizer, _ in learner.optimizers for group in optimizer.param_groups] == [
        0.02,
        2e-3,
        2e-3,
    ]
    learner.state.step = 200
    learner.set_rates(0.75)
    assert learner.optimizers[1][0].param_groups[0]["lr"] == pytest.approx(2e-3 * 0.5 * 0.64)


def test_from_the_base_a_style_is_found_before_the_network_is_bent_to_it():
    learner = Learner(replace(SMALL, style_first=0.2, decay=0.0), 1, 0, torch.device("cpu"), style_only=False)
    rates = lambda: [group["lr"] for optimizer, _ in learner.optimizers for group in optimizer.param_groups]  # noqa: E731
    learner.set_rates(0.1)
    assert rates() == [0.02, 2e-3, 2e-3]  # from nothing there is no such time
    learner.from_base = True
    learner.set_rates(0.1)
    assert rates() == [0.0, 0.0, 2e-3]
    learner.set_rates(0.2)
    assert rates() == [0.02, 2e-3, 2e-3]


def gradients(config):
    """Each parameter's gradient in the first step, from the optimisers' momenta: (1 - beta) times it."""
    saved = torch.load(run_folder(config.output) / "checkpoint.pt", weights_only=True)
    muon, *adams = (optimizer["state"] for optimizer in saved["run"]["optimizers"])
    return [s["momentum"] / 0.05 for s in muon.values()] + [s["exp_avg"] / 0.1 for adam in adams for s in adam.values()]


def test_two_processes_equal_one_on_the_same_batch(config, tmp_path):
    """Instance norm sees each picture alone, so sharing a batch changes nothing but the order of sums.

    Gradients are compared, not weights: both optimisers blow up rounding errors where a gradient is nearly zero. And
    the photos are noise: in smooth ones the loss network's max-pooling meets ties that rounding decides.
    """
    noisy = tmp_path / "noisy"
    noisy.mkdir()
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        impasto.save_image(noisy / f"{seed}.png", pixels)
    objective = replace(PAINTERLY, style_weight=4.0, tv_weight=0.5)
    recipe = replace(SMALL, objective=objective, batch=2, photo_every=2, jitter=4)
    straight = replace(config, content=noisy, recipe=recipe, steps=1)
    train(straight)
    shared = replace(straight, output=tmp_path / "shared.onnx")
    flags = {"content": noisy, "loss-network": config.loss_network, "output": shared.output, "threads": 1, "steps": 1}
    flags |= {
        "style-weight": 4,
        "tv-weight": 0.5,
        "jitter": 4,
        "style-size": 64,
        "crop": 48,
        "first-crop": 32,
        "photo-from": 48,
        "photo-every": 2,
        "generator": "residual",
    }
    flags |= {"photo-to": 80, "pool": 6, "batch": 2, "set.width": 4, "set.blocks": 1, "precision": "float32"}
    words = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "-m", "impasto"]
    command = [*launch, "train", str(config.styles[0]), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("learnt after 1 steps") == 1  # one of them speaks
    one, two = gradients(straight), gradients(shared)
    scale = max(g.abs().max() for g in one)
    assert scale > 1e-3
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5 * float(scale), rtol=1e-4)
    objectives = [
        json.loads((run_folder(c.output) / "log.jsonl").read_text().splitlines()[0])["objective"]
        for c in (straight, shared)
    ]
    assert objectives[0] == pytest.approx(objectives[1], abs=1e-3)
    assert shared.output.exists()


def test_bad_input_is_said_before_any_work(config, tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        train(replace(config, styles=(tmp_path / "nothing.jpg",)))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(TrainingError, match="no pictures in this folder"):
        train(replace(config, content=empty))
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(TrainingError, match="is a folder"):
        train(replace(config, output=tmp_path / "folder.onnx"))
    with pytest.raises(TrainingError, match="does not exist"):
        train(replace(config, output=tmp_path / "no" / "model.onnx"))
    with pytest.raises(UsageError, match="unknown layer 'relu7_1'"):
        train(replace(config, recipe=replace(SMALL, objective=Objective(content_layers=("relu7_1",)))))
    assert not (tmp_path / "model.onnx").exists()
    assert not run_folder(config.output).exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minutes": 0.0, "steps": None}, "minutes must be more than 0"),
        ({"minutes": -3.0, "steps": None}, "minutes must be more than 0"),
        ({"minutes": 1.0, "steps": 5}, "either minutes or steps"),
        ({"steps": 0}, "steps must be 1 or more"),
        ({"threads": 0}, "threads must be 1 or more"),
        ({"seed": -1}, "seed must be from 0"),
    ],
)
def test_impossible_budgets_are_refused(config, changes, message):
    with pytest.raises(UsageError, match=message):
        replace(config, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generator": "unet"}, "unknown generator 'unet': choose one of residual, light, texture"),
        ({"start": "middle"}, "unknown start 'middle': choose one of base, nothing"),
        ({"norm": "layer"}, "unknown norm 'layer': choose one of instance, batch, contrast, none"),
        ({"arguments": {"norm": "batch"}}, "'norm' is not for --set"),
        ({"arguments": {"styles": 2}}, "'styles' is not for --set"),
        ({"crop": 8}, "crop must be 32 or more"),
        ({"ramp": 1.5}, "ramp is a share, 0 to 1"),
        ({"muon_rate": -1}, "muon-rate must be from 0 to 10"),
        ({"photo_from": 600}, "photo-from must be 32 or more"),
    ],
)
def test_impossible_recipes_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        Recipe(**changes)


def test_unreadable_photos_do_not_stop_a_run(config, tmp_path, photo_folder):
    content = tmp_path / "content"
    content.mkdir()
    for number, path in enumerate(sorted(photo_folder.glob("*.JPG"))):
        (content / f"{number}.jpg").write_bytes(path.read_bytes())
    (content / "3.jpg").write_bytes(b"\xff\xd8 broken")
    (content / "thin.png").write_bytes(thin_picture())
    judges = tmp_path / "judges"
    judges.mkdir()
    (judges / "a.jpg").write_bytes((content / "0.jpg").read_bytes())
    (judges / "broken.jpg").write_bytes(b"not a picture")
    result = train(replace(config, content=content, held_out=judges, recipe=replace(SMALL, pool=20)))
    assert {path.name for path in result.unreadable} == {"3.jpg", "thin.png", "broken.jpg"}


def thin_picture():
    file = io.BytesIO()
    Image.new("RGB", (60_000, 1)).save(file, "PNG")
    return file.getvalue()


def test_no_readable_held_out_photo_is_fatal(config, tmp_path):
    (tmp_path / "judges").mkdir()
    (tmp_path / "judges" / "a.jpg").write_bytes(b"not a picture")
    with pytest.raises(TrainingError, match="not one of the 1 held-out photos can be read"):
        train(replace(config, held_out=tmp_path / "judges"))


def test_the_preview_shows_style_photo_and_result(config):
    sheet = impasto.load_image(train(config).preview)
    assert sheet.shape[1] > 2 * 480
    assert np.ptp(sheet) > 200


# ---- several styles, and the package's network -------------------------------------------------------------------

REAL = replace(SMALL, generator="light", arguments={})
FAST = replace(REAL, arguments=PRESETS["fast"].arguments)
"""Recipes whose generators are those of the package's networks."""


def test_several_styles_share_a_network_and_each_has_a_file(config, photo_folder, tmp_path):
    several = replace(config, styles=(*config.styles, photo_folder / "2.JPG"), output=tmp_path / "made")
    result = train(several)
    made = {path.name for path in result.model.iterdir()}
    assert made == {"network.onnx", "stripes.safetensors", "2.safetensors", "run"}
    photo = impasto.load_image(photo_folder / "4.JPG")
    one, other = (impasto.load(result.model / name)(photo) for name in ("stripes.safetensors", "2.safetensors"))
    assert one.shape == photo.shape
    assert (one != other).any()
    assert (impasto.load(result.model / "2.safetensors")(photo, impasto.Settings(strength=0)) == photo).all()
    assert read_info(result.model / "network.onnx").styles == ("stripes", "2")


def test_of_several_styles_only_those_of_the_replaced_network_go(config, photo_folder, tmp_path):
    pictures = tuple(sorted(photo_folder.glob("*.JPG")))[:2]
    several = replace(config, styles=pictures, output=tmp_path / "made", steps=1)
    train(several)
    others = {
        "weights.safetensors": config.loss_network,
        "udnie.safetensors": shipped_network("best").with_name("udnie.safetensors"),
    }
    for name, source in others.items():
        (several.output / name).write_bytes(source.read_bytes())
    renamed = several.output / f"{pictures[0].stem}_old.safetensors"
    (several.output / f"{pictures[0].stem}.safetensors").rename(renamed)
    train(replace(several, seed=1), restart=True)
    assert not renamed.exists()
    assert {path.name for path in several.output.glob("*.safetensors")} == {
        *others,
        *(f"{x.stem}.safetensors" for x in pictures),
    }


def test_several_styles_stop_and_resume_too(config, photo_folder, tmp_path):
    straight = replace(config, styles=(*config.styles, photo_folder / "2.JPG"), output=tmp_path / "made")
    broken = replace(straight, output=tmp_path / "broken")
    train(straight)
    assert not train(broken, progress=stop_after(5)).finished
    assert train(broken, resume=True).finished
    assert_same_weights(weights(straight), weights(broken))


def test_every_style_has_its_turn():
    which, strength = draw_styles(range(39), 3, seed=1, photo_every=10)
    for turn in range(13):
        assert sorted(which[3 * turn : 3 * turn + 3]) == [0, 1, 2]
    each = [draw_styles(range(item, item + 1), 3, seed=1, photo_every=10) for item in range(39)]
    assert which == [number for one, _ in each for number in one]
    assert torch.equal(strength, torch.cat([one for _, one in each]))


def test_of_so_many_squares_one_is_the_photo_or_on_the_way_to_it():
    which, strength = draw_styles(range(600), 1, seed=1, photo_every=3)
    assert which == [0] * 600
    weak = strength[2::3]
    assert (strength.view(200, 3)[:, :2] == 1).all()
    assert weak.max() < 1
    assert 80 < (weak == 0).sum() < 120
    between = weak[weak > 0]
    assert between.min() < 0.1
    assert 0.4 < between.mean() < 0.6
    assert between.max() > 0.9
    assert (draw_styles(range(5), 1, seed=1)[1] == 1).all()


def test_without_the_photo_there_is_one_strength(config):
    result = train(replace(config, steps=2, recipe=replace(config.recipe, photo_every=0)))
    assert not read_info(result.model).strength
    with pytest.raises(UsageError, match="this model has one strength"):
        impasto.load(result.model)(make_photo(1), Settings(strength=0.3))


@pytest.mark.parametrize("preset", ["johnson2016", "ulyanov2016", "ulyanov2017"])
def test_the_published_recipes_learn_nothing_but_the_style(preset):
    learner = Learner(PRESETS[preset], 1, 0, torch.device("cpu"), style_only=False)
    assert learner.generator.styles == 1
    which, strength = learner.draw_styles(range(40), seed=0)
    assert which == [0] * 40
    assert (strength == 1).all()


def test_the_photo_is_learnt_with_several_styles_whatever_the_recipe_says():
    learner = Learner(replace(SMALL, photo_every=0), 2, 0, torch.device("cpu"), style_only=False)
    _, strength = learner.draw_styles(range(60), seed=0)
    assert (strength < 1).sum() == 20
    assert (strength > 0).sum() > 40


def test_raw_terms_have_nothing_between_the_photo_and_a_style():
    learner = Learner(replace(PRESETS["ulyanov2017"], norm="instance"), 2, 0, torch.device("cpu"), style_only=False)
    _, strength = learner.draw_styles(range(60), seed=0)
    assert (strength == 0).sum() == 20
    assert (strength == 1).sum() == 40


def test_what_is_painted_in_part_is_judged_in_part(config, monkeypatch):
    painted, judged = [], []
    forward, judge = Generator.forward, PerceptualLoss.forward

    def paints(self, image, noise=None, style=None):
        if self.training:
            painted.append(style)
        return forward(self, image, noise, style)

    def judges(self, image, target, style_weight=None, which=(0,), strength=None):
        if strength is not None:
            judged.append(strength)
        return judge(self, image, target, style_weight, which, strength)

    monkeypatch.setattr(Generator, "forward", paints)
    monkeypatch.setattr(PerceptualLoss, "forward", judges)
    recipe = replace(SMALL, photo_every=2)
    train(replace(config, recipe=recipe, steps=6))
    expected = draw_styles(range(6), 1, 0, 2)[1]
    assert 0 < expected[1] < 1
    assert torch.equal(torch.cat(judged), expected)
    torch.testing.assert_close(torch.cat(painted), torch.stack([expected, 1 - expected], dim=1))


def test_a_style_alone_is_a_small_file_for_the_packages_network(config, tmp_path):
    alone = replace(config, output=tmp_path / "mine.safetensors", recipe=REAL, steps=4)
    result = train(alone)
    assert result.model.stat().st_size < 30_000
    trained = {name: x for name, x in weights(alone).items() if x.ndim != 2}
    base = load_base("light", Recipe().generator_arguments())
    for name, x in base.weights.items():
        assert torch.equal(trained[name], x), name  # only scales and shifts have moved
    style = read_style(result.model)
    assert not any(np.allclose(style.parameters, code) for code in base.style_parameters.numpy())
    photo = impasto.load_image(next(config.content.glob("*.JPG")))
    assert impasto.load(result.model)(photo).shape == photo.shape
    with pytest.raises(TrainingError, match="there is no shared network with these arguments"):
        train(replace(alone, recipe=SMALL), restart=True)


@pytest.mark.parametrize(("preset", "variant"), [("impasto", "best"), ("fast", "fast")])
def test_the_base_is_the_packages_network_and_its_styles(preset, variant):
    arguments = PRESETS[preset].generator_arguments()
    base, generator = load_base("light", arguments), build_generator("light", arguments)
    number = [*shipped()].index("udnie")
    base.load_into(generator, base.style_parameters[number : number + 1])
    photo = to_tensor(make_photo(5, 64, 64))
    with torch.no_grad():
        painted = to_picture(generator(photo))
    difference = painted.astype(float) - impasto.load("udnie", variant=variant, precision="float32")(to_picture(photo))
    assert np.abs(difference).max() <= 1
    for architecture, arguments in (("texture", {}), ("light", {"width": 32})):
        assert load_base(architecture, arguments) is None


def test_a_run_begins_with_the_nearest_style(tiny_vgg):
    base = load_base("light", Recipe().generator_arguments())
    photo = to_tensor(make_photo(5, 64, 64))
    generator = build_generator("light", Recipe().generator_arguments())
    for number in (0, 5):
        base.load_into(generator, base.style_parameters[number : number + 1])
        with torch.no_grad():
            loss = PerceptualLoss(tiny_vgg, Objective(content_weight=0.0), generator(photo))
        nearest = base.nearest(loss, photo, loss.content_target(photo), None)
        assert torch.equal(nearest[0], base.style_parameters[number])


def test_a_default_run_begins_with_the_base_and_keeps_the_photo_from_the_start(config):
    based, nothing = (
        replace(config, recipe=replace(REAL, start=start), output=config.output.with_name(f"{start}.onnx"), steps=1)
        for start in ("base", "nothing")
    )
    results = [train(each) for each in (based, nothing)]
    assert [read_info(result.model).training["start"] for result in results] == ["base", "nothing"]
    photo = resize_short_side(impasto.load_image(Path(__file__).parents[2] / "examples" / "photos" / "castle.jpg"), 128)
    alike = [np.corrcoef(photo.mean(2).ravel(), impasto.load(x.model)(photo).mean(2).ravel())[0, 1] for x in results]
    assert alike[0] > 0.4 > abs(alike[1]) + 0.1


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((20, 300, 3), np.uint8), "300 x 20 pixels are too few for a style: give a picture of 64 or more"),
        (np.full((90, 90, 3), 77, np.uint8), "the picture is a single colour"),
        (np.zeros((64, 640, 3), np.uint8), "640 x 64 pixels are too long a strip: cut out a part of it"),
    ],
    ids=["tiny", "flat", "strip"],
)
def test_a_picture_without_a_look_is_said(config, tmp_path, picture, message):
    impasto.save_image(tmp_path / "style.png", picture)
    with pytest.raises(TrainingError, match=message):
        train(replace(config, styles=(tmp_path / "style.png",)))
    assert not run_folder(config.output).exists()


@pytest.mark.parametrize("kind", ["grey", "photo"])
def test_grey_pictures_and_photos_are_learnt(config, tmp_path, kind):
    picture = make_photo(9, 90, 90)
    impasto.save_image(tmp_path / "style.png", picture if kind == "photo" else picture[:, :, :1].repeat(3, axis=2))
    config = replace(config, styles=(tmp_path / "style.png",), precision="float32")
    before = train(replace(config, steps=1, output=config.output.with_name("before.onnx")))
    after = train(replace(config, steps=80))
    assert after.objective < 0.8 * before.objective


@pytest.mark.parametrize("size", [100, 300])
def test_a_style_picture_that_is_much_enlarged_is_said(config, tmp_path, size):
    impasto.save_image(tmp_path / "style.png", make_photo(9, size, size + 20))
    recipe = replace(SMALL, style_size=512)
    messages = []
    small = replace(config, styles=(tmp_path / "style.png",), recipe=recipe, steps=1)
    train(small, progress=lambda p: messages.append(p.message))
    said = f"{tmp_path / 'style.png'}: 120 x 100 pixels, enlarged to 512: expect soft strokes, or give a larger picture"
    assert messages[0] == (said if size == 100 else None)
