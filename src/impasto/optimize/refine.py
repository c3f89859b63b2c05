"""Refines a network's picture with Gatys' optimization."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch.nn.functional as F

from impasto.errors import ImageError, UsageError
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.tensors import to_picture, to_tensor
from impasto.nn.vgg import VGGFeatures
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import MINIMUM_SIZE, YARDSTICK_SIZE, GatysConfig, optimize
from impasto.optimize.statistics import StyleStatistics, shipped_statistics, styles_with_statistics
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side

REFINED_PIXELS = 1_000_000
"""Largest number of pixels that are optimized: the loss network's features take about 2 KB per pixel."""


def refined(
    paint: Callable[[Pixels], Pixels], styles: Mapping[str, float], picture: Path | None, evaluations: int
) -> Callable[[Pixels], Pixels]:
    """A function that paints a photo and refines the result.

    Args:
        paint: photo to painted picture, both uint8 (H, W, 3).
        styles: the shipped styles that ``paint`` mixes, by name, with their weights.
        picture: the style picture to refine toward; with None, the picture of the one shipped style.
        evaluations: number of evaluations of the objective.

    Raises:
        UsageError: if there is no picture, and not exactly one shipped style.
        ImageError: if the picture cannot be read.
    """
    network, _ = load_loss_network()
    if picture is None:
        if len(styles) != 1 or not styles_with_statistics().issuperset(styles):
            raise UsageError("to refine with anything but one shipped style, give its picture: --picture FILE")
        statistics = shipped_statistics(next(iter(styles)))
    else:
        style = to_tensor(resize_short_side(load_image(picture), YARDSTICK_SIZE))
        statistics = StyleStatistics.of(PerceptualLoss(network, YARDSTICK, style))

    def paint_and_refine(photo: Pixels) -> Pixels:
        return refine(paint(photo), photo, statistics, evaluations, network=network)

    return paint_and_refine


def refine(
    picture: Pixels,
    photo: Pixels,
    style: StyleStatistics,
    evaluations: int,
    *,
    network: VGGFeatures | None = None,
) -> Pixels:
    """Optimize the pixels of a network's ``picture`` of ``photo``, both uint8 (H, W, 3); returns the same shape.

    A picture of more than :data:`REFINED_PIXELS` is refined at a smaller size, and the change is enlarged.

    Raises:
        ImageError: if the picture is too narrow for the loss network.
        KeyboardInterrupt: after Ctrl-C.
    """
    height, width = photo.shape[:2]
    shrink = min(1.0, (REFINED_PIXELS / (height * width)) ** 0.5)
    size = round(min(height, width) * shrink)
    if size < MINIMUM_SIZE:
        raise ImageError(f"a picture of {width} x {height} is too narrow to refine: leave --refine out")
    config = GatysConfig(objective=YARDSTICK, evaluations=evaluations, size=size, style_size=YARDSTICK_SIZE)
    result = optimize(photo, style, config, begin=picture, network=network)
    if not result.finished:
        raise KeyboardInterrupt
    refined = result.picture
    if refined.shape == picture.shape:
        return refined
    before = F.interpolate(to_tensor(picture), refined.shape[:2], mode="bicubic", antialias=True)
    change = F.interpolate(to_tensor(refined) - before, (height, width), mode="bicubic")
    return to_picture(to_tensor(picture) + change)
