"""The experiments outside the package: their arithmetic, and one quick run of all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from experiments import few_photos, in_use, iterations, norms, page, recipes, why
from experiments import lab as laboratory
from experiments.lab import EXPLODED, QUICK, Arm, Lab
from impasto.nn.generators import build_generator
from impasto.nn.norm import BatchNorm, InstanceNorm

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(None, QUICK, tmp_path_factory.mktemp("work"), lambda _: None)


def test_verdicts_take_the_spread_into_account():
    assert page.ordered([1, 2], [3, 4]) == "holds"
    assert page.ordered([1, 3], [2, 4]) == "holds in part"
    assert page.ordered([3, 4], [1, 2]) == "does not hold here"
    assert page.combined(["holds", "holds"]) == "holds"
    assert page.combined(["holds", "does not hold here"]) == "holds in part"
    assert page.spread([1.0, 2.0, 6.0]) == "3.000 (1.000 to 6.000)"


def curve(*last):
    return {"steps": [0, 1], **{term: [[5.0, x] for x in last] for term in ("content", "style", "objective")}}


@pytest.mark.parametrize(
    ("batch", "verdict"), [((2.0, 3.0), "holds"), ((0.5, 3.0), "holds in part"), ((0.1, 0.2), "does not hold here")]
)
def test_norms_are_judged_by_the_worst_and_the_best_seed(tmp_path, batch, verdict):
    found = {f"{g}, {n}": curve(0.8, 1.0) for g in norms.GENERATORS for n in norms.NORMS}
    found |= {f"{g}, batch": curve(*batch) for g in norms.GENERATORS}
    assert norms.report(found, page.Plots(tmp_path)).verdict == verdict


@pytest.mark.parametrize(("reached", "verdict"), [(0.1, "holds"), (1.0 / 20, "holds"), (5.0, "does not hold here")])
def test_a_network_beyond_the_curve_counts_for_it(tmp_path, reached, verdict):
    falling = {"objective": [10 / k for k in range(1, 101)], "seconds": [float(k) for k in range(1, 101)]}
    found = {"sizes": [64], "64, content": [falling], "64, noise": [falling]}
    found |= {f"64, {g}, {n}": [{"objective": [reached], "seconds": 0.1}] for g, n in iterations.NETWORKS}
    section = iterations.report(found, page.Plots(tmp_path))
    assert section.verdict == verdict
    assert ("more than 100" in section.tables[0]) == (reached < 0.1)


@pytest.mark.parametrize(
    ("few", "last", "verdict"),
    [(1.0, 2.0, "holds"), (1.0, 1.0, "holds in part"), (3.0, 3.0, "does not hold here")],
    ids=["better and stopped early", "better", "worse"],
)
def test_few_photos_are_judged_with_batch_norm_alone(tmp_path, few, last, verdict):
    def learnt(best, end):
        curves = [[best, end + 0.01 * seed] for seed in range(2)]
        return {"steps": [0, 1], "objective": curves, "last": [[0.0, 0.0, curve[-1]] for curve in curves]}

    found = {"counts": [16, 1000], "batch, 16": learnt(few, last), "batch, 1000": learnt(2.5, 2.5)}
    found |= {"instance, 16": learnt(2.0, 2.0), "instance, 1000": learnt(1.0, 1.0)}
    section = few_photos.report(found, page.Plots(tmp_path))
    assert section.verdict == verdict


def test_recipes_with_logs_of_unequal_length_are_drawn(tmp_path):
    runs = [{"terms": [1, 2, 3], "own": [[1, 4.0], [11, 2.0]]}, {"terms": [1, 2, 3], "own": [[1, 4.0]]}]
    section = recipes.report(dict.fromkeys(recipes.NAMES, runs), page.Plots(tmp_path))
    assert section.verdict == "shown"


@pytest.mark.parametrize(("given", "verdict"), [(0.1, "holds"), (0.9, "holds in part")])
def test_why_needs_the_swap_on_every_photo(tmp_path, given, verdict):
    layers = {name: [dict.fromkeys(why.LAYERS, x)] for name, x in (("photo", 2.0), ("instance", 0.1), ("batch", 1.0))}
    one, other = why.PAIR
    swapped = {one: {one: [0.1, given], other: [0.5, 0.5]}, other: {one: [0.5, 0.5], other: [0.1, 0.1]}}
    section = why.report({"layers": layers, "swapped": swapped}, page.Plots(tmp_path))
    assert section.verdict == verdict


def test_a_claim_that_explodes_is_the_worst_there_is(lab, monkeypatch):
    monkeypatch.setattr(lab, "LEARNING_RATE", float("inf"))
    learnt = lab.learn(Arm("residual", "none", 7))
    assert learnt.last.objective == EXPLODED
    assert [point.step for point in learnt.curve] == list(QUICK.marks)


def test_what_is_kept_is_found_by_what_differs_from_the_defaults():
    plain = {"bound": 0.0, "limit": 0.0, "negative_slope": 0.0}
    assert Arm("residual", "batch", 3).key() == {"generator": "residual", "norm": "batch", "seed": 3, **plain}
    grey = Arm("texture", "none", 0, content_weight=0.5, grey=True).key()
    assert grey == {
        "generator": "texture",
        "norm": "none",
        "seed": 0,
        "content_weight": 0.5,
        "grey": True,
        "standardize": False,
    }


def test_no_photo_is_learnt_from_and_judged_by(lab):
    assert not {path.name for path in lab.learning} & set(lab.origin["held_out"])
    assert len(lab.held_out) == QUICK.judges


def test_an_arm_is_learnt_once_and_found_again(lab):
    said = []
    lab.say = said.append
    one = lab.learn(Arm("residual", "instance", 0))
    again = lab.learn(Arm("residual", "instance", 0))
    assert len(said) == 1
    assert again.curve == one.curve
    assert [point.step for point in one.curve] == list(QUICK.marks)
    for name, value in one.generator.state_dict().items():
        assert torch.equal(value, again.generator.state_dict()[name]), name


def test_a_network_learnt_in_two_goes_is_the_one_learnt_in_one(lab, monkeypatch):
    straight = lab.learn(Arm("light", "instance", 5))
    monkeypatch.setattr(laboratory, "VERSION", 99)  # nothing kept counts
    monkeypatch.setitem(lab.origin, "lab", 99)
    monkeypatch.setattr(laboratory, "SAVE_EVERY", 4)
    calls = []

    def interrupted(*_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(lab, "judge", lambda *_: (interrupted(), (0.0, 0.0, 0.0))[1])
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
    figure = plots.curves("c", {"a": ([1, 2], [[2.0, 1.0], [3.0, 2.0]])}, x="steps", y="objective", levels={"b": 1.5})
    section = page.Section("Title", "a < b", "holds", "when", "because", [figure], [page.table(["x"], [["<1>"]])])
    record = {"seconds": 1.0, "version": "0", "budget": {}, "origin": {}, "machine": {}}
    written = page.render(
        tmp_path, [("norms", section, record, Path("norms.json"))], "run", "../results", ["in_use", "norms"]
    )
    text = written.read_text()
    assert (tmp_path / "c.png").stat().st_size > 5000
    assert "<code>run norms</code>" in text
    assert "../results/norms.json" in text
    assert "a &lt; b" in text
    assert "2. Title" in text
    assert "not measured" in text
    assert "&lt;1&gt;" in text


@pytest.mark.slow
def test_all_claims_run_in_quick_mode(tmp_path):
    command = [sys.executable, "-m", "experiments", "--quick", "--work", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "page" / "index.html").read_text()
    assert text.count("<h2") == 8
    for image in {part.split("'")[0] for part in text.split("<img src='")[1:]}:
        assert (tmp_path / "page" / image).stat().st_size > 1000
    results = [json.loads(path.read_text()) for path in (tmp_path / "results").glob("*.json")]
    assert all(result["version"] and result["origin"]["held_out"] for result in results)
