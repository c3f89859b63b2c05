"""Claim 3: the result should not depend on the contrast of the content picture.

arXiv:1607.08022, section 2 and figure 2: the contrast of Gatys' result is that of the style, not of the photo. The
picture of a batch-normalized network changes with the photo's contrast; instance normalization removes it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from torch import Tensor

from experiments.lab import Lab
from experiments.norms import CALLED
from experiments.page import Figure, Part, Plots, Section, between, mean, minus, ordered, sheet, spread, table
from impasto.nn.generator import Generator
from impasto.nn.lpips import Lpips
from impasto.nn.tensors import to_picture, to_tensor
from impasto.optimize.gatys import GatysConfig
from impasto.pictures.picture import Pixels

CONTRASTS = (1.0, 0.5, 0.25, 0.1)
BRIGHTNESS = (-40, 40)
"""Levels of 255 that are added to a photo at half its contrast, so that nothing is clipped."""
NETWORKS = ("instance", "batch", "contrast")
Start = Literal["content", "noise"]

GATYS: dict[str, Start] = {"Gatys from the photo": "content", "Gatys from noise": "noise"}
"""The picture that the optimization starts from."""
RAW_NAME = ", raw content"
RAW: dict[str, Start] = {f"{name}{RAW_NAME}": start for name, start in GATYS.items()}
"""With the papers' content term: measured by contrast_raw."""
LONGER, LONG = 6, ", long"
"""The factor of evaluations in contrast_long, which also records the contrast of the pictures, and its name."""
DEVIATION = "deviation"
"""The key of the standard deviation of a picture's lightness, levels of 255: its contrast."""
KEPT = 0.9
"""Share of its contrast that the picture must keep when the photo is faint, to count as independent of it."""
WEIGHTS = "weight of the raw content term"
"""The key of these weights, by condition, one for each photo; in our content term it is always 1."""
LOW_CONTRAST = 0.25
"""The contrast at which systems are compared."""
LOW_CONDITION = f"contrast {LOW_CONTRAST:g}"
UNROUNDED = f"contrast {LOW_CONTRAST:g}, not rounded"
SMALL = 3.0
"""Levels of 255: a change that a person does not notice side by side."""


RULE = (
    "residual generators paint a photo at a quarter of its contrast, in 8 bits; the change is the mean over pixels, in "
    "levels of 255. A part holds if the worst seed is better than the best seed that it is compared with; in part, if "
    "each seed is better than the same seed. The contrast of a picture is the standard deviation of its lightness. "
    f"With Gatys' optimization, the papers' content term and {LONGER} times the evaluations of the other rows, every "
    "picture must keep its contrast (the limit was set when the first photo was known). Gatys' optimization is also "
    "compared by its change: this holds if on each of its photos (the first of the networks' photos) the change is "
    "less than that of any batch-normalized network. Brightness is changed at half the contrast, so that nothing is "
    "clipped, and compared with half the contrast. The spread is over seeds, for Gatys over photos; Gatys' "
    "optimization has half of the budget's evaluations."
)


def changed(photo: Pixels, contrast: float, shift: float = 0.0) -> Pixels:
    """The photo with its distances from mid-gray multiplied by ``contrast``, brightened, and rounded to 8 bits."""
    moved = (photo.astype(np.float32) - 127.5) * contrast + 127.5 + shift
    rounded: Pixels = np.rint(np.clip(moved, 0, 255)).astype(np.uint8)
    return rounded


CONDITIONS = {
    **{f"contrast {contrast:g}": (contrast, 0.0) for contrast in CONTRASTS},
    **{f"brightness {shift:+d}": (0.5, float(shift)) for shift in BRIGHTNESS},
}
"""The changes of a photo: contrast, and levels that are added."""
FADED = tuple(name for name in CONDITIONS if name.startswith("contrast"))


def reference(condition: str) -> str:
    """The condition to compare with: half the contrast for changes of brightness, which are made at that contrast."""
    return "contrast 0.5" if condition.startswith("brightness") else "contrast 1"


class Comparison:
    """How much the pictures of systems change with the photo: by system and condition, then by seed, one per photo."""

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
        """Measure a system on held-out photo ``number`` under these conditions, and return its pictures in order."""
        photo = self.lab.held_out[number]
        pictures = {name: to_tensor(paint(changed(photo, *CONDITIONS[name]))) for name in conditions}
        for name, picture in pictures.items():
            compared = pictures[reference(name)]
            self.keep(system, name, seed, "levels", 255 * float((picture - compared).abs().mean()))
            self.keep(system, name, seed, "lpips", float(self.distance(picture, compared)))
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
        for trained in lab.arms("residual", norm):
            for number in range(len(lab.held_out)):
                pictures = comparison.note(norm, number, trained.arm.seed, _painter(lab, trained.generator))
                shown.setdefault(norm, pictures)
                # The same without rounding the faint photo to 8 bits: the effect of the network, not of the file.
                faint, plain = (
                    lab.paint(trained.generator, (lab.held_out_tensors[number] - 0.5) * contrast + 0.5)
                    for contrast in (LOW_CONTRAST, 1.0)
                )
                change = 255 * float((faint - plain).abs().mean())
                comparison.keep(norm, UNROUNDED, trained.arm.seed, "levels", change)
    for name, start in GATYS.items():
        for number in range(lab.budget.gatys_photos):
            # The noise is the same each time, so there are no seeds: the spread is over photos.
            pictures = comparison.note(name, number, number, partial(optimized, lab, gatys_config(lab, start)))
            shown.setdefault(name, pictures)
    faded_sheet(lab, "contrast", {CALLED.get(system, system): pictures for system, pictures in shown.items()})
    return comparison.found


def faded_sheet(lab: Lab, name: str, shown: Mapping[str, Sequence[Pixels]]) -> None:
    """Save the results of each system for the first held-out photo at falling contrast."""
    photos = [changed(lab.held_out[0], contrast) for contrast in CONTRASTS]
    rows = [photos, *(pictures[: len(CONTRASTS)] for pictures in shown.values())]
    sheet(lab, name, rows, captions=[[f"{system}: {x}" for x in FADED] for system in ("photo", *shown)])


def gatys_config(lab: Lab, start: Start) -> GatysConfig:
    """The configuration of Gatys' optimization, with half of the budget's evaluations, as there are many runs."""
    size = lab.budget.held_out_size
    return GatysConfig(evaluations=lab.budget.evaluations // 2, size=size, style_size=size, start=start)


def optimized(lab: Lab, config: GatysConfig, photo: Pixels) -> Pixels:
    """The result of Gatys' optimization."""
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
    lines = {}
    for system in (*NETWORKS, *gatys):
        by_contrast = [_by_seed(found, system, f"contrast {contrast:g}", "levels") for contrast in CONTRASTS]
        lines[named[system]] = (list(CONTRASTS), [list(seed) for seed in zip(*by_contrast, strict=True)])
    rows = [row for system in systems for row in _rows(found, system, named[system])]
    rows += [
        [named[norm], UNROUNDED, between(_by_seed(found, norm, UNROUNDED, "levels"), 1), "", ""] for norm in NETWORKS
    ]
    parts = [*_network_parts(found), *(_keeps_contrast(found, name, named[name], LOW_CONDITION) for name in patient)]
    parts += [part for name in (*gatys, *patient) for part in _gatys_parts(found, name, named[name])]
    curves = plots.curves(
        "contrast_change",
        lines,
        x="contrast of the photo (8 bits), 1 is unchanged",
        y="mean change, levels of 255",
        over="seeds, for Gatys over photos",
    )
    header = ["system", "photo", "change, levels of 255", "change, LPIPS", "change of the style error"]
    raw = set(RAW) <= set(gatys)
    return Section(
        title="Contrast",
        claim="With instance normalization the result does not depend on the photo's contrast; with batch "
        "normalization it does." + (" The contrast of Gatys' pictures hardly depends on it either." if patient else ""),
        parts=parts,
        rule=RULE,
        reason="The networks are those of claim 1. " + (_raw_told(found, found[WEIGHTS][LOW_CONDITION]) if raw else ""),
        likely="a faint photo of 8 bits has lost shades, and instance normalization amplifies the difference. Gatys' "
        "optimization from the photo starts with the photo's contrast; with more evaluations less of it is left (see "
        "the further parts)."
        + ("" if raw else " The papers' own content term is not measured yet (contrast_raw).")
        + ("" if patient else " Nor is the contrast of Gatys' pictures (contrast_long)."),
        figures=_figures(curves, raw=raw, patient=bool(patient)),
        tables=[table(header, rows)],
    )


def _figures(curves: Figure, *, raw: bool, patient: bool) -> list[Figure]:
    figures = [
        curves,
        ("contrast.jpg", "One photo at falling contrast, and the result of each system (as the paper's figure 2)."),
    ]
    if raw:
        figures.append(("contrast_raw.jpg", "The same with Gatys' optimization and the papers' content term."))
    if patient:
        more = f"The same after {LONGER} times the evaluations, with both content terms."
        figures.append(("contrast_long.jpg", more))
    return figures


def _rows(found: dict[str, Any], system: str, named: str) -> list[list[str]]:
    """The rows of one system in the table."""
    rows = []
    for condition in CONDITIONS:
        if condition == reference(condition) or f"{system}, {condition}" not in found:
            continue
        moved, lpips = (_by_seed(found, system, condition, what) for what in ("levels", "lpips"))
        style = spread(_style(found, system, condition))
        rows.append([named, condition, between(moved, 1), between(lpips, 3), style])
    return rows


def _network_parts(found: dict[str, Any]) -> list[Part]:
    """What the claim says of networks."""
    condition = LOW_CONDITION
    levels = {norm: _by_seed(found, norm, condition, "levels") for norm in NETWORKS}
    styles = {norm: _style(found, norm, condition) for norm in NETWORKS}
    light = {norm: _worst_light(found, norm) for norm in NETWORKS}
    told = {name: f"{between(values, 1)} levels" for name, values in levels.items()}
    by_photo, batch_by_photo = (
        ", ".join(f"{mean(photo):.1f}" for photo in zip(*found[f"{norm}, {condition}"]["levels"].values(), strict=True))
        for norm in ("instance", "batch")
    )
    unrounded = _by_seed(found, "instance", UNROUNDED, "levels")
    return [
        Part(
            "instance: changes less than batch",
            ordered(levels["instance"], levels["batch"]),
            f"{told['instance']}; batch {told['batch']}, by photo {batch_by_photo}.",
        ),
        Part(
            f"instance: independent of contrast (less than {SMALL:g} levels)",
            "holds" if max(levels["instance"]) < SMALL else "does not hold here",
            f"{told['instance']}; by photo {by_photo}. The rest is rounding: a faint photo of 8 bits has lost shades, "
            "most of all a photo with little contrast of its own.",
        ),
        Part(
            "the same, photo not rounded to 8 bits",
            "holds" if max(unrounded) < SMALL else "does not hold here",
            f"{between(unrounded, 2)} levels: this follows from the layers, whatever a network has learned.",
            counts=False,
        ),
        Part(
            "eq. 1: changes less than batch",
            ordered(levels["contrast"], levels["batch"]),
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
    ]


def _gatys_parts(found: dict[str, Any], system: str, named: str) -> list[Part]:
    """Gatys' optimization beside batch-normalized networks, which is no part of the claim."""
    condition = LOW_CONDITION
    levels, styles = _by_seed(found, system, condition, "levels"), _style(found, system, condition)
    # The least change of each photo by a batch-normalized network: Gatys' optimization has only the first photos.
    least = [min(photo) for photo in zip(*found[f"batch, {condition}"]["levels"].values(), strict=True)]
    least_style = [min(photo) for photo in zip(*_style_by_photo(found, "batch", condition), strict=True)]
    return [
        Part(
            f"{named}: changes less than a batch-normalized network",
            _every(levels, least),
            f"{between(levels, 1)} levels{_sooner(found, system, condition)}.",
            counts=False,
        ),
        Part(
            f"{named}: style error changes less than a batch-normalized network's",
            _every(styles, least_style),
            f"By {spread(styles)}.",
            counts=False,
        ),
    ]


def _style(found: dict[str, Any], system: str, condition: str) -> list[float]:
    """The absolute change of the style error, by seed, as means over photos."""
    return [mean(photos) for photos in _style_by_photo(found, system, condition)]


def _style_by_photo(found: dict[str, Any], system: str, condition: str) -> list[list[float]]:
    faded, plain = (found[f"{system}, {which}"]["style"] for which in (condition, reference(condition)))
    return [[abs(change) for change in minus(values, plain[seed])] for seed, values in faded.items()]


def _keeps_contrast(found: dict[str, Any], system: str, named: str, condition: str) -> Part:
    """Whether the picture keeps its contrast on every photo when the photo is faint."""
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
    """For a result after more evaluations: the change of the same photos after fewer."""
    if not system.endswith(LONG):
        return ""
    fewer = found[f"{system.removesuffix(LONG)}, {condition}"]["levels"]
    same = [mean(fewer[photo]) for photo in found[f"{system}, {condition}"]["levels"]]
    return f"; the same photo{'s' * (len(same) > 1)} after {LONGER} times fewer evaluations {between(same, 1)}"


def _every(levels: Sequence[float], least: Sequence[float]) -> str:
    """Whether each photo's change is below the one in ``least`` for the same photo; there may be fewer photos."""
    return "holds" if all(a < b for a, b in zip(levels, least, strict=False)) else "does not hold here"


def _worst_light(found: dict[str, Any], system: str) -> list[float]:
    """The larger change of the two shifts of brightness, by seed."""
    return [
        max(pair)
        for pair in zip(*(_by_seed(found, system, f"brightness {x:+d}", "levels") for x in BRIGHTNESS), strict=True)
    ]


def _raw_told(found: dict[str, Any], weights: list[float]) -> str:
    """Whether the content term explains why Gatys' optimization depends on contrast here."""

    def than(raw: list[float], ours: list[float]) -> str:
        if ordered(raw, ours) == "holds":
            return "less"
        return "more" if ordered(ours, raw) == "holds" else "about as much"

    levels = {name: _by_seed(found, name, LOW_CONDITION, "levels") for name in (*GATYS, *RAW)}
    changes = [f"{than(levels[f'{name}{RAW_NAME}'], levels[name])} ({name})" for name in GATYS]
    return (
        "Our content term is relative to the variance of the photo's features, so a faint photo is kept as faithfully "
        "as any other. The papers' content term is not (raw content: for the faint photo it has "
        f"{between(weights, 2)} of its weight at full contrast, over photos). With theirs the picture changes "
        f"{' and '.join(changes)}, comparing the worst photo with the best."
    )
