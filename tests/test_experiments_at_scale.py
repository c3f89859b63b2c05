"""The comparison at the papers' scale: equal starts, exact resuming, the plan, the GPU's run, verdicts and figures."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments import at_scale, at_scale_others, at_scale_uses, costs, device, optimized, page, plan, remade
from experiments.plan import QUICK, STAGES, STEPS, Cost, Stage
from experiments.published import WARM_UP, Arm, Learning, Studio
from impasto.errors import TrainingError, UsageError
from impasto.nn.tensors import to_tensor
from impasto.training.config import PRESETS

TINY = replace(QUICK, crop=32, photos=1, photo_size=64)
PAIR = (Arm("texture", "instance"), Arm("texture", "batch"))


@pytest.fixture(scope="module")
def shared():
    nowhere = Path("not used")
    return Studio(None, TINY, nowhere, nowhere, torch.device("cpu"), lambda _: None)


@pytest.fixture
def studio(shared, tmp_path):
    own = copy.copy(shared)
    own.work, own.records = tmp_path / "work", tmp_path / "records"
    return own


def test_an_arm_is_its_papers_recipe_but_for_the_normalization():
    half, full = Arm("residual", "instance", width=16), Arm("residual", "batch", width=32)
    published = PRESETS["johnson2016"]
    assert full.recipe == published  # with batch normalization and full width it is the recipe itself
    assert half.recipe == replace(published, norm="instance", arguments={**published.arguments, "width": 16})
    assert sum(p.numel() for p in full.build().parameters()) == 1_679_235
    assert sum(p.numel() for p in half.build().parameters()) == 424_899
    assert Arm("texture", "instance").recipe == PRESETS["ulyanov2017"]


def test_rivals_start_with_equal_weights_and_see_equal_squares(studio):
    one, other = (Learning(studio, arm) for arm in PAIR)
    batch = other.generator.state_dict()
    for name, value in one.generator.state_dict().items():
        if value.ndim == 4:  # the kernels
            assert torch.equal(value, batch[name]), name
    for item in range(5):
        assert torch.equal(one._square(item), other._square(item))
    assert {path.name for path in studio.learning}.isdisjoint(path.name for path in studio.held_out_files)


def test_an_arm_stopped_and_continued_is_the_one_in_one_go(studio):
    straight = Learning(studio, PAIR[1])
    straight.advance(4)
    studio.work = studio.work.with_name("elsewhere")
    studio.records = studio.records.with_name("others")
    for _ in range(2):
        halves = Learning(studio, PAIR[1])
        halves.advance(2)
    assert halves.step == 4
    assert halves.held_out == straight.held_out
    for name, value in straight.generator.state_dict().items():
        assert torch.equal(value, halves.generator.state_dict()[name]), name


def test_a_computer_without_the_checkpoint_goes_on_from_the_record(studio):
    first = Learning(studio, PAIR[1])
    first.advance(2)
    first.file.unlink()
    second = Learning(studio, PAIR[1])
    assert (second.step, second.continued) == (2, [2])
    for name, value in first.generator.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, second.generator.state_dict()[name], rtol=1e-3, atol=1e-4), name
    second.advance(1)
    assert second.optimizer.param_groups[0]["lr"] == pytest.approx(second.rate / WARM_UP)
    second.advance(1)
    assert second.optimizer.param_groups[0]["lr"] == pytest.approx(second.rate * 2 / WARM_UP)
    assert first.optimizer.param_groups[0]["lr"] == first.rate
    record = json.loads((studio.records / f"{PAIR[1].name}.json").read_text())
    assert (record["step"], record["continued"]) == (4, [2])
    assert [step for step, _ in record["held_out"]] == [0, 4]
    record["scale"]["crop"] = 31
    (studio.records / f"{PAIR[1].name}.json").write_text(json.dumps(record))
    second.file.unlink()
    with pytest.raises(TrainingError, match="move it away"):
        Learning(studio, PAIR[1])


def test_arms_advance_at_equal_pace_until_the_time_is_over(studio):
    asked = iter([True, True, True, False])
    one, other = plan.advance(studio, PAIR, 8, lambda: next(asked))
    assert (one.step, other.step) == (4, 2)
    one, other = plan.advance(studio, PAIR, 5)
    assert one.step == other.step == 5


def test_what_is_not_finite_ends_an_arm(studio):
    learning = Learning(studio, PAIR[0])
    learning.rate = float("inf")
    learning.advance(4)
    assert learning.exploded
    assert plan.advance(studio, PAIR[:1], 8)[0].step == learning.step


def test_bfloat16_is_compared_with_float32_and_changes_nothing(studio):
    learning = Learning(studio, PAIR[0])
    learning.advance(1)
    before = {name: value.clone() for name, value in learning.generator.state_dict().items()}
    precision = studio.bfloat16
    (ratio, cosine), *_ = plan.measure_agreement(studio, PAIR).values()
    assert ratio == pytest.approx(1, abs=0.1)
    assert 0.5 < cosine <= 1.0 + 1e-9
    assert studio.bfloat16 == precision
    for name, value in learning.generator.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_plan_multiplies_seconds_steps_and_arms(tmp_path):
    names = {plan.kind(arm): 2.0 for arm in plan.arms()}
    (tmp_path / "seconds.json").write_text(json.dumps({"seconds": names}))
    first, *others = plan.costs({STAGES[0].arms[0].name: {"step": 1000}}, tmp_path)
    assert len(others) == len(STAGES) - 1
    assert first.hours == pytest.approx(2.0 * STEPS * 2 / 3600)
    assert first.hours_left == pytest.approx(2.0 * (2 * STEPS - 1000) / 3600)
    assert f"2.00 x  {STEPS} x    2" in plan.table({}, tmp_path)
    assert plan.costs({}, tmp_path / "nowhere") == []


def test_the_gpu_run_brings_all_stages_to_a_rung_before_the_next(studio, monkeypatch):
    messages = []
    studio.say = messages.append
    monkeypatch.setattr(device, "STAGES", (Stage("norms", "one", PAIR[:1]), Stage("norms", "other", PAIR[1:])))
    times = iter(range(100))
    assert not device.run(studio, 2.5, rungs=(2, 4), clock=lambda: next(times))
    assert messages[-1] == "out of time in stage 'one', on the way to 4 steps"
    assert device.run(studio, 1e9, rungs=(2, 4))
    steps = [json.loads(file.read_text())["step"] for file in studio.records.glob("*.json")]
    assert steps == [4, 4]


def test_without_a_gpu_there_is_one_clear_line(tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert device.main(["--work", str(tmp_path)], lambda _: None) == 1
    assert "device cuda" in capsys.readouterr().err
    with pytest.raises(UsageError):
        device.choose_device("abacus")


def record(*curves):
    """An arm's record with the own objectives of its photos, from step 100 on."""
    marks = zip(*curves, strict=True)
    held_out = [
        [100 * n, [[1.0, 1.0, value, 1.0, 1.0, value] for value in values]] for n, values in enumerate(marks, 1)
    ]
    return {"held_out": [[0, [[9.0] * 6] * len(curves)], *held_out], "continued": []}


@pytest.mark.parametrize(
    ("batch", "verdict"),
    [
        ([(9.0, 4.0), (8.0, 5.0)], "holds in part"),  # of one seed, however clear
        ([(9.0, 4.0), (8.0, 1.5)], "not resolved"),  # one photo is lower, the other is not
        ([(9.0, 1.0), (8.0, 1.5)], "does not hold here"),
    ],
)
def test_one_seed_holds_in_part_at_most(tmp_path, batch, verdict):
    records = {"texture-instance-0": record((5.0, 2.0), (5.0, 3.0)), "texture-batch-0": record(*batch)}
    section = at_scale.claim_1(records, page.Plots(tmp_path), [], {})
    assert section.verdict == verdict
    assert (tmp_path / section.figures[0][0]).stat().st_size > 5000
    assert "200 steps, 1 seed" in section.budget
    assert "moments" not in section.reason
    for network in records.values():
        network["continued"] = [100, 150]
    section = at_scale.claim_1(records, page.Plots(tmp_path), [], {})
    assert section.reason.endswith("(texture pyramid, seed 0: step 100 and 150).")


@pytest.mark.usefixtures("undrawn")
def test_three_seeds_can_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(at_scale, "STEPS", 200)  # the plan is at its end
    records = {}
    for seed in range(3):
        records[f"texture-instance-{seed}"] = record((5.0, 2.0 + 0.1 * seed))
        records[f"texture-batch-{seed}"] = record((9.0, 3.0 - 0.1 * seed))
    assert at_scale.claim_1(records, page.Plots(tmp_path), [], {}).verdict == "holds"
    records["texture-batch-2"] = record((9.0, 2.1))  # its own seed's rival has 2.2
    assert at_scale.claim_1(records, page.Plots(tmp_path), [], {}).verdict == "not resolved"


@pytest.mark.usefixtures("undrawn")
def test_the_furthest_seed_and_all_seeds_are_compared_apart(tmp_path):
    records = {"texture-instance-0": record((5.0, 4.0, 3.0, 2.0)), "texture-batch-0": record((9.0, 8.0, 7.0, 1.0))}
    for seed in (1, 2):
        records[f"texture-instance-{seed}"] = record((5.0, 4.0 + 0.1 * seed))
        records[f"texture-batch-{seed}"] = record((9.0, 6.0))
    section = at_scale.claim_1(records, page.Plots(tmp_path), [], {})
    compared = {part.name: part.verdict for part in section.parts if "seed" in part.name}
    assert compared == {
        "texture pyramid, 400 steps, 1 seed: lower objective with instance normalization": "holds in part",
        "texture pyramid, 200 steps, 3 seeds: lower objective with instance normalization": "holds",
    }
    assert section.budget == "papers' scale: texture pyramid 400 steps, 1 seed and 200 steps, 3 seeds"
    assert [name for name, _ in section.figures if "published" in name] == [
        "published_texture.png",
        "published_texture_seeds.png",
    ]
    records["texture-batch-2"] = record((9.0,))  # too few steps to be compared
    section = at_scale.claim_1(records, page.Plots(tmp_path), [], {})
    assert section.budget == "papers' scale: texture pyramid 400 steps, 1 seed and 200 steps, 2 seeds"


@pytest.mark.usefixtures("undrawn")
def test_predictions_are_checked_by_networks_that_have_come_to_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(at_scale, "STEPS", 800)
    falling = tuple(7.0 * (100 * n) ** -0.5 for n in range(1, 9))
    leveled = (*falling[:4], *[2 * value for value in falling[4:]])  # twice what its first four marks predict
    records = {"residual16-instance-0": record(falling), "residual16-batch-0": record(leveled)}
    records |= {"texture-instance-0": record(falling[:4]), "texture-batch-0": record(falling[:4])}
    section = at_scale.claim_1(records, page.Plots(tmp_path), [], {})
    (predicted,) = (part.measured for part in section.parts if part.name.endswith("after 800 steps, predicted"))
    assert predicted.endswith(" off by -25 (-50 to 0) %.")


def test_there_is_no_claim_before_both_networks_of_a_pair_are_there(tmp_path):
    assert at_scale.claim_1({"texture-instance-0": record((5.0, 2.0))}, page.Plots(tmp_path), [], {}) is None


def test_a_power_law_is_extrapolated_exactly():
    curve = tuple(7.0 * (100 * n) ** -0.5 for n in range(1, 5))
    assert at_scale.extrapolated(record(curve), 400, to=1600) == [pytest.approx(7.0 / 40)]


def test_the_papers_scale_replaces_what_it_measures_again(tmp_path):
    def rows(change, worse):
        photo = {"change": change, "unrounded": 0.0, "kept": 1.0, "as_trained": 5.0, "other_way": 5.0 + worse}
        return {"step": 400, "photos": [photo, photo]}

    def seeds(count):
        networks = {f"residual16-instance-{seed}": rows(0.5, 1.0) for seed in range(count)}
        networks |= {f"residual16-batch-{seed}": rows(9.0, -1.0) for seed in range(count)}
        return {"photos": ["a", "b"], "networks": networks}

    small = page.Section(
        "t",
        "c",
        [page.Part("instance: changes less than batch", "not resolved", ""), page.Part("eq. 1", "holds", "")],
        "r",
        "",
    )
    assert [part.verdict for part in at_scale_uses.claim_3(small, seeds(2)).parts[:2]] == ["holds in part"] * 2
    section = at_scale_uses.claim_3(small, seeds(3))
    assert [(part.verdict, part.counts) for part in section.parts] == [
        ("holds", True),
        ("holds", True),
        ("not resolved", False),
        ("holds", True),
    ]
    assert section.verdict == "holds"
    assert section.figures[0][0] == "remade_2.jpg"
    assert section.budget == "papers' scale (residual, half width, 400 steps), and the small budget"
    assert at_scale_uses.claim_3(small, {}) is small
    worse = at_scale_uses.claim_2(small, seeds(3))
    assert [part.verdict for part in worse.parts[:2]] == ["holds", "holds"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("few", "better", "worse"),
    [
        ([(9.0, 2.0, 2.0, 3.0), (9.0, 2.0, 2.0, 3.5)], "holds in part", "holds in part"),
        ([(9.0, 2.0, 2.0, 3.0), (9.0, 2.0, 2.0, 9.5)], "not resolved", "holds in part"),
        ([(9.0, 8.0, 7.0, 6.0), (9.0, 8.0, 7.0, 6.0)], "does not hold here", "not resolved"),
    ],
)
def test_few_photos_at_the_papers_scale(tmp_path, few, better, worse):
    every = {**record((9.0, 8.0, 6.0, 4.0), (9.0, 8.0, 6.0, 5.0)), "origin": {"learning": "211 photos, hash 0"}}
    records = {"texture-batch-0": every, "texture-batch-16photos-0": record(*few)}
    small = page.Section("t", "c", [page.Part("texture, batch: 16 photos", "holds", "")], "r", "")
    section = at_scale_others.claim_4(small, records, page.Plots(tmp_path))
    assert [(part.verdict, part.counts) for part in section.parts] == [(better, True), (worse, True), ("holds", False)]
    assert "16 photos are better than 211" in section.parts[0].name
    assert "texture pyramid, batch, 400 steps" in section.budget
    del records["texture-batch-0"]
    assert at_scale_others.claim_4(small, records, page.Plots(tmp_path)) is small


@pytest.mark.usefixtures("undrawn")
def test_the_recipes_at_the_papers_scale_have_curves_and_no_verdict(tmp_path):
    small = page.Section("t", "c", (), "r", "", figures=[("small.png", "before")])
    records = {"texture-instance-0": record((8.0, 4.0, 2.0))}
    section = at_scale_others.claim_8(small, records, page.Plots(tmp_path))
    assert section.verdict == "shown"
    assert "ulyanov2017</td><td>300</td><td>2.00</td><td>0.25" in section.tables[0]
    assert [name for name, _ in section.figures] == ["published_recipes.png", "remade_recipes.jpg", "small.png"]
    assert at_scale_others.claim_8(small, {}, page.Plots(tmp_path)) is small


@pytest.mark.usefixtures("undrawn")
def test_curves_level_off_where_the_last_quarter_is_as_low_as_the_one_before(tmp_path):
    flat, falling = (record(tuple(curve)) for curve in ([5.0] * 4, [8.0, 4.0, 2.0, 1.0]))
    for one, verdict in ((flat, "holds"), (falling, "does not hold here")):
        records = {"texture-instance-0": one, "texture-batch-0": record((9.0, 9.0, 9.0, 9.0))}
        section = at_scale.claim_1(records, page.Plots(tmp_path), [], {})
        assert section.parts[1].name == "texture pyramid: the curves have leveled off after 400 steps"
        assert (section.parts[1].verdict, section.parts[1].counts) == (verdict, False)
    assert "instance by -62 %" in section.parts[1].measured  # from 4 to 1.5, the mean of 2 and 1


def test_gatys_begins_at_the_photos_own_objective(studio):
    found = optimized.measure(studio, 1, 3)
    loss = studio.own_loss(optimized.ARM)
    photo = to_tensor(studio.held_out[0])
    expected = float(loss(photo, loss.content_target(photo)).total)
    assert found["content"][0][0] == pytest.approx(expected, rel=1e-3)
    assert min(found["content"][0]) < expected < found["noise"][0][0]
    assert found["photos"] == [studio.held_out_files[0].name]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("objective", "verdict"), [(1.0, "holds"), (3.5, "holds in part"), (9.0, "does not hold here")]
)
def test_a_pass_equals_as_many_evaluations_as_gatys_needs_to_be_as_low(tmp_path, objective, verdict):
    noise = [20.0, 12.0, 9.5, *(4.0 - 0.05 * n for n in range(60))]  # below the photo itself, 10, after 3
    curves = {"photos": ["a", "b"], "content": [[10.0, *[1.0] * 62]] * 2, "noise": [noise] * 2}
    networks = {"residual16-instance-0": objective, "residual16-batch-0": 30.0}
    networks = {name: {"step": 9, "photos": [{"as_trained": value}] * 3} for name, value in networks.items()}
    uses = {"photos": ["a", "b", "c"], "networks": networks}
    small = page.Section("t", "c", [page.Part("small", "holds", "")], "r", "", cost="much")
    section = optimized.claim_5(small, uses, curves, page.Plots(tmp_path))
    assert section.verdict == verdict
    assert "the photo itself 3." in section.parts[0].measured
    assert not section.cost
    assert optimized.claim_5(small, uses, {}, page.Plots(tmp_path)) is small
    assert optimized.claim_5(small, {}, curves, page.Plots(tmp_path)) is small


def test_the_cost_names_what_is_left():
    left = [Cost(STAGES[0], 1.8, (STEPS, 0)), Cost(STAGES[1], 3.6, (0, 0))]
    text = costs.cost_of("norms", left)
    assert text.startswith("About 2.0 hours of one core")
    assert "and 8 for the other" in text
    assert costs.cost_of("contrast", left) == f"The networks are those of claim 1. {text}"
    assert costs.cost_of("norms", [Cost(STAGES[0], 1.8, (STEPS, STEPS))]) == ""


@pytest.mark.slow
def test_the_figures_need_both_networks_and_are_remade_from_records(studio, tmp_path):
    with pytest.raises(TrainingError, match="both normalizations"):
        remade.Remade(studio.records, tmp_path, print, (64, 96), 1)
    for learning in plan.advance(studio, PAIR, 2):
        assert learning.step == 2
    made = remade.Remade(studio.records, tmp_path, lambda _: None, (64, 96), 1)
    made.figure_2()
    made.figure_3()
    made.figure_5()
    made.figure_recipes()
    for name in ("2", "3", "5_512", "5_1080", "5_detail", "recipes"):
        assert (tmp_path / f"remade_{name}.jpg").stat().st_size > 1000
    made.uses(studio)
    uses = json.loads((studio.records / "uses.json").read_text())
    assert [*uses["networks"]] == [f"texture-{norm}-0" for norm in plan.NORMS]
    assert {(used["step"], len(used["photos"])) for used in uses["networks"].values()} == {(2, TINY.photos)}
    uses["networks"]["texture-batch-0"]["photos"] = "kept as the network has not gone on"
    uses["networks"]["texture-instance-0"] |= {"step": 1, "weights": "others"}
    (studio.records / "uses.json").write_text(json.dumps(uses))
    made.uses(studio)
    again = json.loads((studio.records / "uses.json").read_text())["networks"]
    assert again["texture-batch-0"] == uses["networks"]["texture-batch-0"]
    assert again["texture-instance-0"]["step"] == 2
    with pytest.raises(TrainingError, match="not trained yet"):
        remade.load_network(studio.records, "residual16-batch-0")
