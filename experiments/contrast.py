"""Claim 3: the result should not depend on the contrast of the content picture.

arXiv:1607.08022, section 2 and figure 2: the contrast of Gatys' result is that of the style, not of the photo; a batch-
normalized network's picture changes with the photo's, and instance normalization takes the contrast out.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from torch import Tensor

from experiments.lab import Lab
from experiments.norms import CALLED
from experiments.page import Part, Plots, Section, between, mean, minus, ordered, sheet, spread, table
from impasto.nn.generator import Generator
from impasto.nn.lpips import Lpips
from impasto.nn.tensors import to_picture, to_tensor
from impasto.optimize.gatys import GatysConfig
from impasto.pictures.picture import Pixels

CONTRASTS = (1.0, 0.5, 0.25, 0.1)
BRIGHTNESS = (-40, 40)
"""Levels of 255 added to a photo at half its contrast, which leaves it room."""
NETWORKS = ("instance", "batch", "contrast")
Start = Literal["content", "noise"]

GATYS: dict[str, Start] = {"Gatys from the photo": "content", "Gatys from noise": "noise"}
"""Where its optimization starts."""
RAW_NAME = ", raw content"
RAW: dict[str, Start] = {f"{name}{RAW_NAME}": start for name, start in GATYS.items()}
"""With the papers' content term: measured by contrast_raw."""
LONGER, LONG = 6, ", long"
"""Times as many evaluations: measured by contrast_long, which keeps the pictures' own contrast as well."""
DEVIATION = "deviation"
"""Of a picture's lightness, levels of 255: its contrast."""
KEPT = 0.9
"""Share of its contrast that a picture of a faint photo must have, to be said not to depend on the photo's."""
WEIGHTS = "weight of the raw content term"
"""By condition, a value a photo: beside ours, whose is always 1."""
JUDGED = 0.25
UNROUNDED = f"contrast {JUDGED:g}, not rounded"
SMALL = 3.0
"""Levels of 255: a change that a person does not see side by side."""


def changed(photo: Pixels, contrast: float, shift: float = 0.0) -> Pixels:
    """The photo with its distances from middle grey multiplied, and brightened; rounded to 8 bits."""
    moved = (photo.astype(np.float32) - 127.5) * contrast + 127.5 + shift
    rounded: Pixels = np.rint(np.clip(moved, 0, 255)).astype(np.uint8)
    return rounded


CONDITIONS = {
    **{f"contrast {contrast:g}": (contrast, 0.0) for contrast in CONTRASTS},
    **{f"brightness {shift:+d}": (0.5, float(shift)) for shift in BRIGHTNESS},
}
"""What is done to a photo: contrast, and levels added."""
FADED = tuple(name for name in CONDITIONS if name.startswith("contrast"))


def reference(condition: str) -> str:
    """What the effect is told from: brightness is moved at half the contrast, so from that."""
    return "contrast 0.5" if condition.startswith("brightness") else "contrast 1"


class Comparison:
    """How much systems' pictures change with the photo: by system and condition, then by seed, a value a photo."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.distance = Lpips(lab.network)
        self.found: dict[str, Any] = {}

    def note(
        self,
        system: str,
        number: int,
        seed: int,
        paint: Callable[[Pixels], Pixels],
        conditions: Sequence[str] = tuple(CONDITIONS),
    ) -> list[Pixels]:
        """Measure a system on held-out photo ``number`` under these conditions; the pictures, in their order."""
        photo = self.lab.held_out[number]
        pictures = {name: to_tensor(paint(changed(photo, *CONDITIONS[name]))) for name in conditions}
        for name, picture in pictures.items():
            told_from = pictures[reference(name)]
            self.keep(system, name, seed, "levels", 255 * float((picture - told_from).abs().mean()))
            self.keep(system, name, seed, "lpips", float(self.distance(picture, told_from)))
            self.keep(system, name, seed, "style", self.lab.terms(picture, number)[1])
            self.keep(system, name, seed, DEVIATION, deviation(picture))
        return [to_picture(picture) for picture in pictures.values()]

    def keep(self, system: str, condition: str, seed: int, what: str, value: float) -> None:
        by_seed = self.found.setdefault(f"{system}, {condition}", {}).setdefault(what, {})
        by_seed.setdefault(str(seed), []).append(value)


def deviation(picture: Tensor) -> float:
    """The standard deviation of lightness over the picture, (1, 3, H, W) in [0, 1], levels of 255."""
    return 255 * float((picture * picture.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1).std())


def measure(lab: Lab) -> dict[str, Any]:
    comparison = Comparison(lab)
    shown: dict[str, list[Pixels]] = {}
    for norm in NETWORKS:
        for learnt in lab.arms("residual", norm):
            for number in range(len(lab.judges)):
                pictures = comparison.note(norm, number, learnt.arm.seed, _painter(lab, learnt.generator))
                shown.setdefault(norm, pictures)
                # The same without rounding the faint photo to 8 bits: what the network does, and not the file.
                faint, plain = (
                    lab.paint(learnt.generator, (lab.judges[number] - 0.5) * contrast + 0.5)
                    for contrast in (JUDGED, 1.0)
                )
                change = 255 * float((faint - plain).abs().mean())
                comparison.keep(norm, UNROUNDED, learnt.arm.seed, "levels", change)
    for name, start in GATYS.items():
        for number in range(lab.budget.gatys_photos):
            # The same noise each time, so no seeds: the spread is over photos.
            pictures = comparison.note(name, number, number, partial(optimized, lab, gatys_config(lab, start)))
            shown.setdefault(name, pictures)
    faded_sheet(lab, "contrast", {CALLED.get(system, system): pictures for system, pictures in shown.items()})
    return comparison.found


def faded_sheet(lab: Lab, name: str, shown: Mapping[str, Sequence[Pixels]]) -> None:
    """Save what each system makes of the first held-out photo at falling contrast."""
    photos = [changed(lab.held_out[0], contrast) for contrast in CONTRASTS]
    rows = [photos, *(pictures[: len(CONTRASTS)] for pictures in shown.values())]
    sheet(lab, name, rows, captions=[[f"{system}: {x}" for x in FADED] for system in ("photo", *shown)])


def gatys_config(lab: Lab, start: Start) -> GatysConfig:
    """Of its optimization here; half the evaluations, as there are many."""
    size = lab.budget.judge_size
    return GatysConfig(evaluations=lab.budget.evaluations // 2, size=size, style_size=size, start=start)


def optimized(lab: Lab, config: GatysConfig, photo: Pixels) -> Pixels:
    """The picture of Gatys' optimization."""
    return lab.gatys("contrast", photo, config).picture


def _painter(lab: Lab, generator: Generator) -> Callable[[Pixels], Pixels]:
    return lambda photo: to_picture(lab.paint(generator, to_tensor(photo)))


def _by_seed(found: dict[str, Any], system: str, condition: str, what: str) -> list[float]:
    return [float(np.mean(values)) for values in found[f"{system}, {condition}"][what].values()]


def report(found: dict[str, Any], plots: Plots) -> Section:
    gatys = [name for name in (*GATYS, *RAW) if f"{name}, contrast 1" in found]
    patient = [f"{name}{LONG}" for name in (*GATYS, *RAW) if f"{name}{LONG}, contrast 1" in found]
    systems = (*NETWORKS, *gatys, *patient)
    named = {system: CALLED.get(system, system.replace(LONG, f", {LONGER} times as long")) for system in systems}
    lines, rows = {}, []
    for system in systems:
        if system not in patient:
            by_contrast = [_by_seed(found, system, f"contrast {contrast:g}", "levels") for contrast in CONTRASTS]
            lines[named[system]] = (list(CONTRASTS), [list(seed) for seed in zip(*by_contrast, strict=True)])
        for condition in CONDITIONS:
            if condition == reference(condition) or f"{system}, {condition}" not in found:
                continue
            moved, lpips = (_by_seed(found, system, condition, what) for what in ("levels", "lpips"))
            rows.append(
                [
                    named[system],
                    condition,
                    between(moved, 1),
                    between(lpips, 3),
                    spread(_style(found, system, condition)),
                ]
            )
    rows += [
        [named[norm], UNROUNDED, between(_by_seed(found, norm, UNROUNDED, "levels"), 1), "", ""] for norm in NETWORKS
    ]

    condition = f"contrast {JUDGED:g}"
    levels = {system: _by_seed(found, system, condition, "levels") for system in systems}
    styles = {system: _style(found, system, condition) for system in systems}
    light = {norm: _worst_light(found, norm) for norm in NETWORKS}
    instance, batch = levels["instance"], levels["batch"]
    told = {name: f"{between(values, 1)} levels" for name, values in levels.items()}
    by_photo, batch_by_photo = (
        [mean(photo) for photo in zip(*found[f"{norm}, {condition}"]["levels"].values(), strict=True)]
        for norm in ("instance", "batch")
    )
    # Of each photo, the least change by a batch-normalized network: Gatys' optimization has the first photos alone.
    least = [min(photo) for photo in zip(*found[f"batch, {condition}"]["levels"].values(), strict=True)]
    least_style = [min(photo) for photo in zip(*_style_by_photo(found, "batch", condition), strict=True)]
    unrounded = _by_seed(found, "instance", UNROUNDED, "levels")
    parts = [
        Part(
            "instance: changes less than batch",
            ordered(instance, batch),
            f"{told['instance']}; batch {told['batch']}, by photo {', '.join(f'{x:.1f}' for x in batch_by_photo)}.",
        ),
        Part(
            f"instance: contrast drops out (less than {SMALL:g} levels)",
            "holds" if max(instance) < SMALL else "does not hold here",
            f"{told['instance']}; by photo {', '.join(f'{value:.1f}' for value in by_photo)}. What is left is "
            "rounding: a faint photo of 8 bits has lost shades, most of all one that was dull already.",
        ),
        Part(
            "the same, photo not rounded to 8 bits",
            "holds" if max(unrounded) < SMALL else "does not hold here",
            f"{between(unrounded, 2)} levels: whatever a network has learnt, that is how it is built.",
            counts=False,
        ),
        Part(
            "eq. 1: changes less than batch",
            ordered(levels["contrast"], batch),
            f"{told['contrast']}; batch {told['batch']}.",
        ),
        Part(
            "instance: style error changes less than batch's",
            ordered(styles["instance"], styles["batch"]),
            f"By {spread(styles['instance'])}; batch {spread(styles['batch'])}.",
        ),
        Part(
            "instance: brightness changes it less than batch",
            ordered(light["instance"], light["batch"]),
            f"{between(light['instance'], 1)} levels; batch {between(light['batch'], 1)}.",
        ),
        *(_keeps_contrast(found, name, named[name], condition) for name in patient),
        *(
            part
            for name in (*gatys, *patient)
            for part in (
                Part(
                    f"{named[name]}: changes less than a batch-normalized network",
                    _every(levels[name], least),
                    f"{told[name]}{_sooner(found, name, condition)}.",
                    counts=False,
                ),
                Part(
                    f"{named[name]}: style error changes less than a batch-normalized network's",
                    _every(styles[name], least_style),
                    f"By {spread(styles[name])}.",
                    counts=False,
                ),
            )
        ),
    ]
    return Section(
        title="Contrast",
        claim="With instance normalization the photo's contrast drops out; with batch normalization it does not."
        + (" The contrast of Gatys' pictures hardly depends on it either." if patient else ""),
        parts=parts,
        rule="a photo at a quarter of its contrast, in 8 bits, painted by residual generators; the change is the mean "
        "over pixels, in levels of 255. A part holds where the worst seed is better than the best seed it is compared "
        "with, in part where each is better than the same seed's. A picture's contrast is the deviation of its "
        f"lightness; that of Gatys' optimization with the papers' content term, after {LONGER} times the evaluations "
        "of the other rows, must be kept on every photo (the limit was set when the first photo was known). By change "
        "it holds (beside the claim) where on each of his photos (the first of the networks') it is less than by any "
        "batch-normalized network on the same. Brightness "
        "is shifted at half the contrast, so that nothing is cut off, and the change is that from half the contrast. "
        "The spread is over seeds, Gatys' over photos; his optimization has half the budget's evaluations.",
        reason="The networks are those of claim 1. "
        + (_raw_told(levels, found[WEIGHTS][condition]) if set(RAW) <= set(gatys) else ""),
        likely="a faint photo of 8 bits has lost shades, which instance normalization enlarges. Gatys' optimization "
        "from the photo begins with its contrast; the more evaluations, the less of it is left (its parts beside the "
        "claim)."
        + ("" if set(RAW) <= set(gatys) else " His own content term is not measured yet (contrast_raw).")
        + ("" if patient else " Nor is the contrast of his pictures (contrast_long)."),
        figures=[
            plots.curves(
                "contrast_change",
                lines,
                x="contrast of the photo (8 bits), 1 as it is",
                y="mean change, levels of 255",
                over="seeds, Gatys' over photos",
            ),
            (
                "contrast.jpg",
                "One photo at falling contrast, and what each system makes of it (as the paper's figure 2).",
            ),
            *(
                [("contrast_raw.jpg", "The same of Gatys' optimization with the papers' content term.")]
                * bool(set(RAW) <= set(gatys))
            ),
            *(
                [("contrast_long.jpg", f"The same after {LONGER} times the evaluations, with either content term.")]
                * bool(patient)
            ),
        ],
        tables=[
            table(["system", "photo", "change, levels of 255", "change, LPIPS", "change of the style error"], rows)
        ],
    )


def _style(found: dict[str, Any], system: str, condition: str) -> list[float]:
    """By how much the style error changes, up or down, by seed: means over photos."""
    return [mean(photos) for photos in _style_by_photo(found, system, condition)]


def _style_by_photo(found: dict[str, Any], system: str, condition: str) -> list[list[float]]:
    faded, plain = (found[f"{system}, {which}"]["style"] for which in (condition, reference(condition)))
    return [[abs(change) for change in minus(values, plain[seed])] for seed, values in faded.items()]


def _keeps_contrast(found: dict[str, Any], system: str, named: str, condition: str) -> Part:
    """Whether the picture's contrast is hardly less where the photo's is: on every photo."""
    plain, faint = (
        [value for photo in found[f"{system}, {which}"][DEVIATION].values() for value in photo]
        for which in (reference(condition), condition)  # both of all photos
    )
    shares = [b / a for a, b in zip(plain, faint, strict=True)]
    return Part(
        f"{named}: the picture keeps its contrast ({KEPT:g} of it or more)",
        "holds" if min(shares) >= KEPT else "does not hold here",
        f"{between(shares, 2)} of it, over {len(shares)} photo{'s' * (len(shares) > 1)}.",
        counts=RAW_NAME in system,
    )


def _sooner(found: dict[str, Any], system: str, condition: str) -> str:
    """Beside what is said of more evaluations: the same photos after fewer."""
    if not system.endswith(LONG):
        return ""
    fewer = found[f"{system.removesuffix(LONG)}, {condition}"]["levels"]
    same = [mean(fewer[photo]) for photo in found[f"{system}, {condition}"]["levels"]]
    return f"; the same photo{'s' * (len(same) > 1)} after {LONGER} times fewer evaluations {between(same, 1)}"


def _every(levels: Sequence[float], least: Sequence[float]) -> str:
    """Whether each photo's change is below what is named for the same photo; there may be fewer photos."""
    return "holds" if all(a < b for a, b in zip(levels, least, strict=False)) else "does not hold here"


def _worst_light(found: dict[str, Any], system: str) -> list[float]:
    """The greater change of both shifts of brightness, by seed."""
    return [
        max(pair)
        for pair in zip(*(_by_seed(found, system, f"brightness {x:+d}", "levels") for x in BRIGHTNESS), strict=True)
    ]


def _raw_told(levels: dict[str, list[float]], weights: list[float]) -> str:
    """Whether it is the content term that makes ours depend on contrast."""

    def than(raw: list[float], ours: list[float]) -> str:
        if ordered(raw, ours) == "holds":
            return "less"
        return "more" if ordered(ours, raw) == "holds" else "about as much"

    changes = [f"{than(levels[f'{name}{RAW_NAME}'], levels[name])} ({name})" for name in GATYS]
    return (
        "Our content term is relative to the variance of the photo's features, which keeps a faint photo as faithfully "
        f"as any; the papers' is not (raw content: here it weighs {between(weights, 2)} of what it does at full "
        f"contrast, over photos). With theirs the picture changes {' and '.join(changes)}, worst photo against best."
    )
