"""Claim 7, why it works: the statistics of each picture are moved to those of the style, whatever they were.

Instance normalization as domain adaptation: the features of the painted picture should have the style picture's
statistics, layer by layer, whatever the photo's contrast and color. A style as scales and shifts (Dumoulin 2017,
arXiv:1610.07629): exchanging only those between two styles of a network exchanges the styles.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from experiments.contrast import changed
from experiments.lab import Lab
from experiments.page import Part, Plots, Section, combined, mean, ordered, spread, table
from impasto.nn.losses import YARDSTICK
from impasto.nn.tensors import to_tensor
from impasto.pictures.picture import Pixels
from impasto.pictures.resize import resize_short_side

NORMS = ("instance", "batch")
PAIR = ("starry_night", "udnie")
MIXTURES = ("scales of the first, shifts of the second", "scales of the second, shifts of the first")
LAYERS = YARDSTICK.style_layers


def conditions(photo: Pixels) -> dict[str, Pixels]:
    """The photo unchanged, faint, dark and faint, and under red and blue light."""
    red, blue = (
        np.clip(photo * np.array(light, np.float32), 0, 255).astype(np.uint8)
        for light in ((1, 0.5, 0.4), (0.4, 0.6, 1))
    )
    faint = {"faint": changed(photo, 0.3), "dark and faint": changed(photo, 0.3, -60)}
    return {"as it is": photo} | faint | {"red light": red, "blue light": blue}


def mean_std(features: torch.Tensor) -> torch.Tensor:
    """Mean and standard deviation of each channel over space, (N, C, H, W) -> (N, 2, C) (Huang, Belongie 2017)."""
    variance, mean = torch.var_mean(features.float(), dim=(2, 3), correction=0)
    return torch.stack([mean, (variance + 1e-8).sqrt()], dim=1)


def measure(lab: Lab) -> dict[str, Any]:
    with torch.no_grad():
        wanted = lab.network(to_tensor(resize_short_side(lab.style, lab.budget.held_out_size)), LAYERS)
    wanted = {layer: mean_std(x) for layer, x in wanted.items()}

    @torch.no_grad()
    def distances(pictures: Sequence[torch.Tensor]) -> dict[str, float]:
        """The relative distance of means and deviations from the style's, for each layer; mean over pictures."""
        found: dict[str, list[float]] = {layer: [] for layer in LAYERS}
        for picture in pictures:
            for layer, x in lab.network(picture, LAYERS).items():
                found[layer].append(float((mean_std(x) - wanted[layer]).norm() / wanted[layer].norm()))
        return {layer: float(np.mean(values)) for layer, values in found.items()}

    lights: dict[str, list[torch.Tensor]] = {}
    for photo in lab.held_out:
        for name, changed_photo in conditions(photo).items():
            lights.setdefault(name, []).append(to_tensor(changed_photo))

    def by_light(paint: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, dict[str, float]]:
        return {name: distances([paint(photo) for photo in photos]) for name, photos in lights.items()}

    found: dict[str, Any] = {"layers": {"photo": [by_light(lambda photo: photo)]}}
    for norm in NORMS:
        found["layers"][norm] = [by_light(partial(lab.paint, one.generator)) for one in lab.arms("residual", norm)]
    return found


def report(found: dict[str, Any], plots: Plots) -> Section:
    far = {
        name: {layer: [mean([light[layer] for light in one.values()]) for one in seeds] for layer in LAYERS}
        for name, seeds in found["layers"].items()
    }
    lights = list(found["layers"]["photo"][0])
    by_light = {
        name: {light: [mean([*one[light].values()]) for one in found["layers"][name]] for light in lights}
        for name in ("photo", *NORMS)
    }
    parts = []
    for layer in LAYERS:
        instance, batch = (far[norm][layer] for norm in NORMS)
        measured = f"Distance {spread(instance)}; batch normalization {spread(batch)}."
        parts.append(Part(f"{layer}: nearer to the style's statistics", ordered(instance, batch), measured))
    moved = [max(map(mean, by_light[norm].values())) - min(map(mean, by_light[norm].values())) for norm in NORMS]
    parts.append(
        Part(
            "nearer under each light",
            combined([ordered(*(by_light[norm][light] for norm in NORMS)) for light in lights]),
            f"From light to light the mean changes by {moved[0]:.3f}, with batch normalization by {moved[1]:.3f}.",
        )
    )
    parts += _swap_parts(found["swapped"])
    failing = [part.name for part in parts if part.counts and part.verdict != "holds"]
    return Section(
        title="Why it works",
        claim="Instance normalization brings each picture's features closer to the style's statistics than batch "
        "normalization does, whatever the photo's light; and a style can consist of scales and shifts alone.",
        parts=parts,
        rule="distances are means over photos and lights, for residual generators. A layer, or a light, holds if the "
        "worst seed with instance normalization is nearer to the style's statistics than the best with batch "
        "normalization; in part, if each seed is nearer than the same seed. Swapping must swap the styles on every "
        "photo; it does not count, because the network was made for it.",
        reason="The networks of the first parts are those of claim 1. A network that keeps less of the photo can match "
        "the style's statistics more easily, and these parts do not measure how much is kept. The statistics are means "
        "and deviations of the painted picture's features, at the layers whose Gram matrices the networks were trained "
        "to match. They are a consequence of training rather than its cause, and similar to the style error of claim "
        "1. Instance normalization treats faint photos like others but for rounding, so the colored lights say most. "
        f"Scales and shifts are swapped in the package's network (hash {found['network']}).",
        likely=f"where it does not hold ({', '.join(failing)}), seeds differ more than the normalizations do. A "
        "batch-normalized network also brings a photo to the style if it is similar to the training photos; the second "
        "table, by the photo's light, shows the difference.",
        figures=[("why_swapped.jpg", "One network with the parameters of two styles, and with both mixed.")],
        tables=[
            table(
                ["distance of the features' statistics from the style's", *LAYERS],
                [[name, *(spread(far[name][layer]) for layer in LAYERS)] for name in by_light],
            ),
            table(
                ["the same, mean over layers, by the photo's light", *lights],
                [[name, *map(spread, each.values())] for name, each in by_light.items()],
            ),
            table(
                ["style parameters (spread over photos)", *(f"style error, {name}" for name in PAIR)],
                [[name, *(spread(found["swapped"][name][style]) for style in PAIR)] for name in (*PAIR, *MIXTURES)],
            ),
        ],
    )


def _swap_parts(swapped: dict[str, Any]) -> list[Part]:
    """What the parameters of one style do in the place of the other's."""
    # On every photo the style whose parameters are used is nearer than the other.
    swaps = [
        all(a < b for a, b in zip(swapped[own][own], swapped[own][other], strict=True))
        for own, other in (PAIR, PAIR[::-1])
    ]
    # Mixed: whether the style of the scales is nearer, or that of the shifts.
    gaps = [
        mean(swapped[mixture][shifts]) - mean(swapped[mixture][scales])
        for mixture, (scales, shifts) in zip(MIXTURES, (PAIR, PAIR[::-1]), strict=True)
    ]
    nearer = {True: "nearer to the style of the scales", False: "nearer to the style of the shifts"}
    carried = "; ".join(f"{mixture}: {nearer[gap > 0]}" for mixture, gap in zip(MIXTURES, gaps, strict=True))
    return [
        Part(
            "swapping scales and shifts swaps the styles",
            "holds" if all(swaps) else "does not hold here",
            f"{'On every' if all(swaps) else 'Not on every'} photo the style of the parameters is nearer than the "
            "other. In this network nothing but scales and shifts depends on the style.",
            counts=False,
        ),
        Part("scales of one style with shifts of the other", "shown", f"{carried}.", counts=False),
    ]
