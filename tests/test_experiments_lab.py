"""The lab of the experiments: what it trains and keeps, and the page of all results."""

import json
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from experiments import (
    contrast,
    contrast_raw,
    in_use,
    layout,
    page,
    recipes,
)
from experiments import lab as laboratory
from experiments.__main__ import MORE
from experiments.__main__ import main as experiments_main
from experiments.budget import FULL, QUICK, Arm
from experiments.claims import TESTED
from experiments.lab import EXPLODED, Lab
from impasto.nn.generators import build_generator
from impasto.nn.losses import YARDSTICK
from impasto.nn.norm import BatchNorm, InstanceNorm

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(None, QUICK, tmp_path_factory.mktemp("work"), lambda _: None)


@pytest.mark.usefixtures("real_loss_network")
def test_the_raw_content_term_is_ours_at_full_contrast_and_weighs_a_faint_photo_less(lab, monkeypatch):
    weights = {}

    def optimized(_, config, photo):
        weights[photo.std()] = config.objective.content_weight
        return photo

    monkeypatch.setattr(contrast_raw, "optimized", optimized)
    found = contrast_raw.measure(lab)
    faint, *_, full = (weights[deviation] for deviation in sorted(weights))
    assert full == 1.0
    assert 0 < faint < 0.25
    measured = {f"{name}, {condition}" for name in contrast.RAW for condition in contrast_raw.FADED}
    assert set(found) == measured | {contrast.WEIGHTS}
    assert found[contrast.WEIGHTS]["contrast 0.1"] == [faint]
    assert (lab.page / "contrast_raw.jpg").exists()


def test_a_claim_that_explodes_is_the_worst_there_is(lab, monkeypatch):
    monkeypatch.setattr(lab, "LEARNING_RATE", float("inf"))
    trained = lab.learn(Arm("residual", "none", 7))
    assert trained.last.objective == EXPLODED
    assert [point.step for point in trained.curve] == list(QUICK.marks)


def test_what_is_kept_is_found_by_what_differs_from_the_defaults():
    plain = {"bound": 0.0, "limit": 0.0, "negative_slope": 0.0}
    assert Arm("residual", "batch", 3).key() == {"generator": "residual", "norm": "batch", "seed": 3, **plain}
    gray = Arm("texture", "none", 0, content_weight=0.5, gray=True).key()
    assert gray == {
        "generator": "texture",
        "norm": "none",
        "seed": 0,
        "content_weight": 0.5,
        "gray": True,
        "standardize": False,
    }


def test_a_term_without_weight_is_no_part_of_what_is_kept():
    found = laboratory.weighed(replace(YARDSTICK, tv_weight=1.0))
    assert found["tv_weight"] == 1.0
    assert found["style_weight"] == YARDSTICK.style_weight
    assert not {"grid_weight", "weave_weight", "tone_weight", "palette_weight", "detail_weight"} & {*found}


def test_no_photo_is_trained_on_and_evaluated_on(lab):
    assert not {path.name for path in lab.learning} & set(lab.origin["held_out"])
    assert len(lab.held_out) == QUICK.held_out


def test_an_arm_is_trained_once_and_found_again(lab):
    said = []
    lab.say = said.append
    one = lab.learn(Arm("residual", "instance", 0))
    again = lab.learn(Arm("residual", "instance", 0))
    assert len(said) == 1
    assert again.curve == one.curve
    assert [point.step for point in one.curve] == list(QUICK.marks)
    for name, value in one.generator.state_dict().items():
        assert torch.equal(value, again.generator.state_dict()[name]), name


def test_a_network_trained_in_two_runs_is_the_one_trained_in_one(lab, monkeypatch):
    straight = lab.learn(Arm("light", "instance", 5))
    monkeypatch.setattr(laboratory, "VERSION", 99)  # nothing kept counts
    monkeypatch.setitem(lab.origin, "lab", 99)
    monkeypatch.setattr(laboratory, "SAVE_EVERY", 4)
    calls = []

    def interrupted(*_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(lab, "evaluate", lambda *_: (interrupted(), (0.0, 0.0, 0.0))[1])
    with pytest.raises(KeyboardInterrupt):
        lab.learn(Arm("light", "instance", 5))
    assert len(calls) == 2
    again = lab.learn(Arm("light", "instance", 5))
    for name, value in straight.generator.state_dict().items():
        assert torch.equal(value, again.generator.state_dict()[name]), name


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_the_other_way_changes_the_statistics_and_nothing_else(lab, norm):
    torch.manual_seed(0)
    generator = build_generator("residual", {"norm": norm})
    photo = torch.rand(1, 3, 64, 64)
    for _ in range(3):
        generator.train()(torch.rand(2, 3, 64, 64))  # running averages for batch norm
    other = in_use.other_way(lab, generator, norm)
    kinds = {type(layer) for layer in other.modules()} & {InstanceNorm, BatchNorm}
    assert kinds == {BatchNorm if norm == "instance" else InstanceNorm}
    with torch.no_grad():
        as_trained, changed = generator.eval()(photo), other(photo)
        assert (as_trained - changed).abs().max() > 1e-3
        if norm == "batch":  # of one picture, its own statistics are what training would use
            assert torch.allclose(generator.train()(photo), changed, atol=1e-5)


def test_the_page_names_command_and_file_at_every_figure(tmp_path):
    plots = page.Plots(tmp_path)
    figure = plots.curves(
        "c", {"a": ([1, 2], [[2.0, 1.0], [3.0, 2.0]])}, x="steps", y="objective", levels={"b": [1.5, 1.6]}
    )
    section = page.Section(
        "Title",
        "a < b",
        [page.Part("one", "holds", "1 < 2"), page.Part("other", "does not hold here", "2 > 1", counts=False)],
        "when",
        "see docs/papers.md",
        "never said",
        [figure],
        [page.table(["x"], [["<1>"]])],
    )
    assert section.verdict == "holds"  # what is beside it does not count
    text = rendered(tmp_path, section, FULL)
    assert (tmp_path / "c.png").stat().st_size > 5000
    source = "<code>run norms</code>, <a href='../results/norms.json'>norms.json</a>"
    assert text.count(f"Made by {source}") == 2  # the figure and the table
    assert "<span class='verdict v0'>holds</span> <b>one</b><br>1 &lt; 2" in text
    assert "<span class='verdict v2'>does not hold here</span> <b>other</b><br>" in text
    for words in TESTED["norms"].quotes:
        assert words in text
    assert TESTED["norms"].false_if in text
    assert "<a href='#norms'>Title</a>" in text
    assert page.PARTS in text
    assert "a &lt; b" in text
    assert "2. Title" in text
    assert "not measured" in text
    assert "&lt;1&gt;" in text
    assert "<a href='../papers.md'>" in text
    assert "<a href='https://arxiv.org/abs/1607.08022'>arXiv:1607.08022</a> (Ulyanov" in text
    assert "never said" not in text
    assert "2 networks trained in 7 s on 1 threads by commit abc, measured in 1 s" in text
    assert "another budget" not in text
    assert "mean nothing" not in text


def rendered(folder, section, now, made=FULL):
    """The page of one claim measured under a budget."""
    record = {"seconds": 1.0, "version": "0", "commit": "abc", "machine": {}, "origin": {"precision": "float32"}}
    made_by = {"threads": 1, "commit": "abc"}
    record |= {
        "budget": json.loads(json.dumps(asdict(made))),
        "networks": [made_by | {"seconds": 3.0}, made_by | {"seconds": 4.0}],
    }
    sections = [("norms", section, {Path("norms.json"): record})]
    return layout.render(folder, sections, "run", "../results", ["in_use", "norms"], now).read_text()


def test_the_page_says_what_failed_is_old_or_means_nothing(tmp_path):
    section = page.Section(
        "Title", "a < b", [page.Part("x", "does not hold here", "y")], "when", "because", "too few steps"
    )
    assert "Too few steps" in rendered(tmp_path, section, FULL)
    assert "another budget" in rendered(tmp_path, section, FULL, made=replace(FULL, steps=FULL.steps + 1))
    assert "mean nothing" in rendered(tmp_path, section, QUICK, made=QUICK)


def test_recipes_with_logs_of_unequal_length_are_drawn(tmp_path):
    run = {"terms": [1, 2, 3], "seconds": 7.0, "steps": 11}
    runs = [run | {"own": [[1, 4.0], [11, 2.0]]}, run | {"own": [[1, 4.0]]}]
    section = recipes.report(dict.fromkeys(recipes.NAMES, runs), page.Plots(tmp_path))
    assert section.verdict == "shown"


def test_what_exploded_is_not_given_as_a_figure():
    assert page.spread([EXPLODED, EXPLODED]) == "exploded"
    assert page.spread([1.0, EXPLODED, 2.0]) == "1 of 3 exploded"
    assert page.spread(page.minus([EXPLODED, 3.0], [1.0, 1.0])) == "1 of 2 exploded"
    assert page.minus([3.0], [1.0]) == [2.0]


def test_seconds_and_counts_may_be_as_large_as_they_are(tmp_path):
    """Only an objective's terms explode."""
    assert page.between([148.0, 152.0], 0) == "150 (148 to 152)"
    runs = [{"terms": [1, 2, 3], "seconds": 150.0, "steps": 11, "own": [[1, 4.0]]}]
    section = recipes.report(dict.fromkeys(recipes.NAMES, runs), page.Plots(tmp_path))
    assert ">150<" in section.tables[0]
    assert "exploded" not in section.tables[0]


def test_results_say_which_photos_code_and_networks_they_come_from(lab, monkeypatch):
    monkeypatch.setattr(lab, "used", {})
    trained = lab.learn(Arm("residual", "instance", 0))
    lab.keep_result("norms", {"x": 1}, 2.0)
    record = json.loads((lab.results / "norms.json").read_text())
    made = {"seconds": round(trained.seconds, 1), "threads": trained.threads, "commit": lab.commit}
    assert record["networks"] == [trained.arm.key() | made]
    assert record["commit"] == lab.commit != ""
    data = json.loads((lab.results / "data.json").read_text())
    assert {name: laboratory.file_hash(path) for name, path in ((p.name, p) for p in lab.learning)} == data["learning"]
    assert data["drawn"]["1 photos, seed 0"] == [path.name for path in lab.drawn(1, 0)]


def test_the_page_alone_needs_no_photos(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["experiments", "--quick", "--page-only", "--work", str(tmp_path)])
    assert experiments_main() == 0
    assert "not measured" in (tmp_path / "page" / "index.html").read_text()
    assert "index.html" in capsys.readouterr().out
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "norms.json").write_text('{"origin": {"lab": 1}}')  # and in another shape
    assert experiments_main() == 0
    assert "norms.json was made by an older lab" in capsys.readouterr().out


@pytest.mark.usefixtures("undrawn")
def test_the_page_is_what_the_results_say(tmp_path, monkeypatch):
    kept = laboratory.PAGE / "index.html"
    monkeypatch.setattr(laboratory, "PAGE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["experiments", "--page-only"])
    assert experiments_main() == 0
    text = (tmp_path / "index.html").read_text()
    assert text == kept.read_text(), "`python -m experiments --page-only` writes it anew"
    assert all((kept.parent / image).exists() for image in re.findall("<img src='([^']+)'", text))


@pytest.mark.slow
def test_all_claims_run_in_quick_mode(tmp_path):
    command = [sys.executable, "-m", "experiments", "--quick", "--work", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "page" / "index.html").read_text()
    assert text.count("<blockquote>") == 8
    for image in {part.split("'")[0] for part in text.split("<img src='")[1:]}:
        assert (tmp_path / "page" / image).stat().st_size > 1000
    data = tmp_path / "results" / "data.json"
    results = [json.loads(path.read_text()) for path in data.parent.glob("*.json") if path != data]
    assert len(results) == 8 + sum(map(len, MORE.values()))
    assert all(result["version"] and result["origin"]["held_out"] for result in results)
