"""The experiments outside the package: their arithmetic, and one quick run of all."""

from types import SimpleNamespace

import numpy as np
import pytest

from experiments import (
    contrast,
    few_photos,
    in_use,
    iterations,
    norms,
    page,
    samples,
    why,
)
from impasto.pictures.read import load_image

pytestmark = pytest.mark.usefixtures("undrawn")


def test_verdicts_take_the_spread_into_account():
    assert page.ordered([1, 2], [3, 4]) == "holds"
    assert page.ordered([1, 3], [2, 4]) == "holds in part"
    assert page.ordered([1, 3], [4, 2]) == "not resolved"  # the means are in order, one seed is not
    assert page.ordered([4, 2], [1, 3]) == "not resolved"  # nor is the contrary
    assert page.ordered([3, 4], [1, 2]) == "does not hold here"
    assert page.combined(["holds", "holds"]) == "holds"
    assert page.combined(["holds", "does not hold here"]) == "holds in part"
    assert page.combined(["holds in part", "does not hold here"]) == "holds in part"
    assert page.combined(["does not hold here", "does not hold here"]) == "does not hold here"
    assert page.combined(["does not hold here", "not resolved"]) == "does not hold here"
    assert page.combined(["holds in part", "not resolved"]) == "holds in part"
    assert page.combined(["not resolved", "not resolved"]) == "not resolved"
    assert page.spread([1.0, 2.0, 6.0]) == "3.000 (1.000 to 6.000)"


UNTRAINED = {"untrained": {"plain gray": [1.0, 1.0, 5.0], "another photo": [2.5, 1.0, 6.5]}}


def curve(*last):
    terms = {"content": [[5.0, 1.0] for _ in last], **{x: [[5.0, y] for y in last] for x in ("style", "objective")}}
    return {"steps": [0, 1], **terms}


@pytest.mark.parametrize(
    ("batch", "verdict"),
    [
        ((2.0, 3.0), "holds"),
        ((0.9, 3.0), "holds in part"),
        ((3.0, 0.9), "not resolved"),
        ((0.1, 0.2), "does not hold here"),
    ],
)
def test_norms_are_compared_by_the_worst_and_the_best_seed(tmp_path, batch, verdict):
    found = {f"{g}, {n}": curve(0.8, 1.0) for g in norms.GENERATORS for n in norms.NORMS}
    found |= {f"{g}, batch": curve(*batch) for g in norms.GENERATORS}
    section = norms.report(found | UNTRAINED, page.Plots(tmp_path))
    assert section.verdict == verdict
    assert "another photo</td><td>2.500" in section.tables[0]
    at_1, at_8 = (part for part in section.parts[2:4])  # contents are equal, so that the styles' order is the verdict
    assert (at_1.counts, at_1.verdict, at_8.verdict) == (False, verdict, verdict)
    assert f"Lower by {page.spread([8 * (b - a) for a, b in zip((0.8, 1.0), batch, strict=True)])}" in at_8.measured


def test_each_generator_is_a_part_of_its_own(tmp_path):
    found = {f"{g}, {n}": curve(0.8, 1.0) for g in norms.GENERATORS for n in norms.NORMS}
    found |= {"residual, batch": curve(0.1, 0.2), "texture, batch": curve(2.0, 3.0)}
    section = norms.report(found | UNTRAINED, page.Plots(tmp_path))
    assert [part.verdict for part in section.parts if part.counts] == ["does not hold here", "holds"]
    assert section.verdict == "holds in part"


@pytest.mark.parametrize(
    ("reached", "verdict"),
    [
        (0.1, "holds"),
        (1.0 / 20, "holds"),
        (2.5, "holds in part"),
        (4.0, "does not hold here"),
        (6.0, "does not hold here"),
    ],
)
def test_a_network_beyond_the_curve_counts_for_it_and_the_photo_itself_for_nothing(tmp_path, reached, verdict):
    falling = {"objective": [10 / k for k in range(1, 101)]}
    content = {"objective": [5.0, 0.001]}  # the photo itself is as good as two evaluations from noise
    found = {"sizes": [64], "64, content": [content], "64, noise": [falling], "64, evaluation": 0.5}
    found |= {f"64, {g}, {n}": [{"objective": [reached], "seconds": 0.2}] for g, n in iterations.NETWORKS}
    section = iterations.report(found, page.Plots(tmp_path))
    assert section.verdict == verdict
    assert ("more than 100" in section.tables[0]) == (reached < 0.1)
    assert ("no better than the photo" in section.tables[0]) == (reached >= 5)
    faster = section.parts[-1]  # 500 evaluations of 0.5 s beside a pass of 0.2; it is no part of the claim
    assert (faster.verdict, faster.counts, "1,250 x" in faster.measured) == ("holds", False, True)
    assert ("250 x" in section.tables[0]) == (reached == 0.1)  # a hundred evaluations of 0.5 s beside a pass of 0.2


@pytest.mark.parametrize(
    ("few", "last", "verdict"),
    [(1.0, 2.0, "holds"), (1.0, 2.495, "holds in part"), (3.0, 3.0, "does not hold here")],
    ids=["better", "better for each seed at most", "worse"],
)
def test_few_photos_are_tested_with_batch_norm_alone(tmp_path, few, last, verdict):
    def trained(best, end):
        curves = [[best, end + 0.01 * seed] for seed in range(2)]
        return {"steps": [0, 1], "objective": curves, "last": [[0.0, 0.0, curve[-1]] for curve in curves]}

    found = {"counts": {"residual": [16, 1000], "texture": [16, 1000]}}
    for generator in found["counts"]:
        found |= {f"{generator}, batch, 16": trained(few, last), f"{generator}, batch, 1000": trained(2.5, 2.5)}
        found |= {f"{generator}, instance, 16": trained(2.0, 2.0), f"{generator}, instance, 1000": trained(1.0, 1.0)}
    section = few_photos.report(found, page.Plots(tmp_path))
    assert section.verdict == verdict


@pytest.mark.parametrize(
    ("ends", "verdict"), [((2.1, 2.2), "holds"), ((2.1, 1.9), "holds in part"), ((1.9, 1.8), "does not hold here")]
)
def test_stopping_early_pays_where_the_objective_rises_again(tmp_path, ends, verdict):
    trained = {"steps": [0, 1], "objective": [[2.0, 1.0]] * 2, "last": [[0.0, 0.0, 1.0]] * 2}
    found = {f"{g}, {n}, {count}": trained for g in norms.GENERATORS for n in few_photos.NORMS for count in (16, 1000)}
    found["counts"] = {"residual": [16, 1000], "texture": [16, 1000]}
    curves = [[9.0, 2.5, 1.9, 1.6, end, end, end] for end in ends]  # before it 2.0 on average
    found[f"{few_photos.STEADY}, batch"] = {"steps": [0, 25, 50, 100, 200, 300, 400], "objective": curves}
    section = few_photos.report(found, page.Plots(tmp_path))
    (part,) = (part for part in section.parts if "gets worse again" in part.name)
    assert (part.verdict, part.counts) == (verdict, True)
    assert "From steps 25-100 to 200-400" in part.measured
    assert "lowest at step 100" in part.measured


@pytest.mark.parametrize(
    ("given", "batch", "verdict"),
    [(0.1, 1.0, "holds"), (0.9, 1.0, "holds"), (0.1, 0.05, "does not hold here")],
)
def test_why_needs_the_layers_and_shows_the_swap_on_every_photo(tmp_path, given, batch, verdict):
    far = {"photo": 2.0, "instance": 0.1, "batch": batch}
    layers = {
        name: [{light: dict.fromkeys(why.LAYERS, x) for light in ("as it is", "faint")}] for name, x in far.items()
    }
    one, other = why.PAIR
    swapped = {one: {one: [0.1, given], other: [0.5, 0.5]}, other: {one: [0.5, 0.5], other: [0.1, 0.1]}}
    swapped |= {why.MIXTURES[0]: {one: [0.2], other: [0.4]}, why.MIXTURES[1]: {one: [0.2], other: [0.4]}}
    section = why.report({"layers": layers, "swapped": swapped, "network": "abc"}, page.Plots(tmp_path))
    assert section.verdict == verdict
    assert f"{why.MIXTURES[0]}: nearer to the style of the scales" in section.parts[-1].measured
    assert f"{why.MIXTURES[1]}: nearer to the style of the shifts" in section.parts[-1].measured
    assert [(part.verdict, part.counts) for part in section.parts[-3:-1]] == [
        ("holds" if batch > 0.1 else "does not hold here", True),
        ("holds" if given < 0.5 else "does not hold here", False),  # built so: no part of the claim
    ]


def contrasts(**changes):
    """Results of the claim on contrast in which each system changes by so much, seed by seed, on each of two photos."""
    found = {}
    for system, values in changes.items():
        for condition in contrast.CONDITIONS:
            levels = {str(seed): [value, value] for seed, value in enumerate(values)}
            style = levels if condition != contrast.reference(condition) else {seed: [0.0, 0.0] for seed in levels}
            found[f"{system}, {condition}"] = {"levels": levels, "lpips": levels, "style": style, "deviation": levels}
        found[f"{system}, {contrast.UNROUNDED}"] = {"levels": levels}
    return found


@pytest.mark.parametrize(
    ("instance", "batch", "less", "seen"),
    [
        ((0.1, 0.2), (9.0, 12.0), "holds", "holds"),
        ((0.1, 4.0), (9.0, 12.0), "holds", "does not hold here"),  # a change that is seen
        ((0.1, 2.0), (1.0, 12.0), "holds in part", "holds"),  # one batch-normalized network changes less
        ((2.0, 0.1), (1.0, 12.0), "not resolved", "holds"),
        ((5.0, 9.0), (1.0, 2.0), "does not hold here", "does not hold here"),
    ],
)
def test_contrast_is_tested_by_every_seed_and_by_what_is_seen(tmp_path, instance, batch, less, seen):
    gatys = dict.fromkeys(contrast.GATYS, (50.0, 50.0))
    found = contrasts(instance=instance, batch=batch, contrast=(5.0, 5.0), **gatys)
    section = contrast.report(found, page.Plots(tmp_path))
    verdicts = {part.name: part.verdict for part in section.parts}
    assert verdicts["instance: changes less than batch"] == less
    assert verdicts["instance: style error changes less than batch's"] == less
    assert verdicts[f"instance: independent of contrast (less than {contrast.SMALL:g} levels)"] == seen
    wanted = {"holds"} if less == seen == "holds" else {"does not hold here"} if less == seen else {"holds in part"}
    assert {section.verdict} == wanted
    assert "contrast_raw.jpg" not in dict(section.figures)  # not measured


def test_of_gatys_every_photo_is_tested_with_either_content_term(tmp_path):
    ours, raw = ([*names] for names in (contrast.GATYS, contrast.RAW))
    changes = {ours[0]: (1.0, 8.0), ours[1]: (1.0, 11.0), raw[0]: (0.5, 1.9), raw[1]: (0.5, 0.9)}
    found = contrasts(instance=(0.1, 0.2), batch=(9.0, 12.0), contrast=(1.0, 2.0), **changes)
    found[contrast.WEIGHTS] = {condition: [0.5, 0.5] for condition in contrast.CONDITIONS}
    # For longer: one photo keeps its contrast, the other does not.
    # And a style error that one photo raises and another lowers has changed.
    found |= contrasts(**{f"{ours[0]}{contrast.LONG}": (9.5,), f"{raw[0]}{contrast.LONG}": (1.0, 1.0)})
    found[f"{raw[0]}{contrast.LONG}, contrast 0.25"]["deviation"] = {"0": [0.95], "1": [0.8]}
    found[f"{raw[0]}{contrast.LONG}, contrast 1"]["deviation"] = {"0": [1.0], "1": [1.0]}
    found["instance, contrast 0.25"]["style"] = {"0": [0.3, -0.3], "1": [0.3, -0.3]}
    section = contrast.report(found, page.Plots(tmp_path))
    split = {tuple(part.name.partition(": ")[::2]): part for part in section.parts}
    parts = {
        name: part for (name, what), part in split.items() if what == "changes less than a batch-normalized network"
    }
    assert [parts[name].verdict for name in changes] == ["holds", "does not hold here", "holds", "holds"]
    long = parts[f"{ours[0]}, 6 times as long"]
    assert (long.verdict, long.counts) == ("does not hold here", False)
    assert long.measured.endswith("the same photo after 6 times fewer evaluations 1.0.")
    kept = {name: part for (name, what), part in split.items() if what.startswith("the picture keeps its contrast")}
    assert kept[f"{ours[0]}, 6 times as long"].counts is False
    theirs = kept[f"{raw[0]}, 6 times as long"]
    assert (theirs.counts, theirs.verdict) == (True, "does not hold here")
    assert theirs.measured.startswith("0.88 (0.80 to 0.95)")
    assert "contrast_long.jpg" in dict(section.figures)
    assert any(part.measured.startswith("By 0.300 (0.300 to 0.300)") for part in section.parts)
    assert "changes about as much (Gatys from the photo) and less (Gatys from noise)" in section.reason
    assert "contrast_raw.jpg" in dict(section.figures)


def test_a_white_picture_is_told_from_the_sheet(tmp_path):
    white = np.full((64, 96, 3), 255, np.uint8)
    page.sheet(SimpleNamespace(page=tmp_path), "white", [[white]])
    assert load_image(tmp_path / "white.jpg").min() < 200


@pytest.mark.parametrize(
    ("texture", "without", "beside", "verdict"),
    [
        ((0.5, 0.6), (0.4, 0.6), (0.1, 0.15), "holds"),
        ((0.5, 0.6), (0.4, 0.6), (0.1, 0.25), "holds in part"),
        ((0.2, 0.6), (0.4, 0.6), (0.1, 0.25), "does not hold here"),
    ],
)
def test_noise_must_differ_half_as_much_as_gatys_and_twice_as_much_as_beside_content(
    tmp_path, texture, without, beside, verdict
):
    def seeds(values):
        return [{"lpips": x, "content": 1.0, "style": 0.4, "objective": 2.0} for x in values]

    found = {name: seeds((0.3, 0.3)) for name in (*samples.KINDS, *samples.LOUD)}
    found[samples.TEXTURE] = seeds(texture)
    for one, other in samples.SILENCED.values():
        found |= {one: seeds(without), other: seeds(beside)}
    found |= {"gatys": [[0.9, 0.5, 0.4, 0.3], [0.9, 0.4, 0.3, 0.2]], samples.GATYS_APART: [0.5, 0.9]}
    section = samples.report(found, page.Plots(tmp_path))
    assert section.verdict == verdict
    assert "equals 2 (2 to 3) evaluations" in section.parts[-1].measured
    del found[samples.GATYS_APART]
    assert len(samples.report(found, page.Plots(tmp_path)).parts) == len(section.parts) - 1


@pytest.mark.parametrize(
    ("worse", "verdict"),
    [((0.1, 0.2), "holds"), ((-0.1, 0.3), "not resolved"), ((-0.3, -0.1), "does not hold here")],
)
def test_a_network_used_the_other_way_is_compared_with_itself(tmp_path, worse, verdict):
    trained = (1.0, 5.0)  # seeds far apart: only pairs tell
    found = {}
    for generator in norms.GENERATORS:
        for norm in ("instance", "batch"):
            found[f"{generator}, {norm}, {in_use.WAYS[0]}"] = [[0.0, 0.0, x] for x in trained]
            found[f"{generator}, {norm}, {in_use.WAYS[1]}"] = [
                [0.0, 0.0, x + y] for x, y in zip(trained, worse, strict=True)
            ]
    assert in_use.report(found, page.Plots(tmp_path)).verdict == verdict
