"""The slow last mile: a network's picture as the start of Gatys' optimisation. Needs torch."""

from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors.torch import load_file

from impasto.errors import UsageError
from impasto.files import training_data
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import YARDSTICK_SIZE, StyleStatistics, refine
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side

STATISTICS = "statistics"
"""The folder of the training data with the statistics of each shipped style's picture."""


def refined(
    paint: Callable[[Pixels], Pixels], styles: Mapping[str, float], picture: Path | None, evaluations: int
) -> Callable[[Pixels], Pixels]:
    """``paint``, and then so many evaluations of Gatys' optimisation.

    What is wanted is the look of ``picture``; without one, that of the shipped style.

    Raises:
        UsageError: there is no picture, and not one shipped style alone.
        ImageError: the picture cannot be read.
    """
    network, _ = load_loss_network()
    if picture is None:
        if len(styles) != 1 or not styles_with_statistics().issuperset(styles):
            raise UsageError("to refine with anything but one shipped style, give its picture: --picture FILE")
        look = shipped_statistics(next(iter(styles)))
    else:
        style = to_tensor(resize_short_side(load_image(picture), YARDSTICK_SIZE))
        look = StyleStatistics.of(PerceptualLoss(network, YARDSTICK, style))

    def both(photo: Pixels) -> Pixels:
        return refine(paint(photo), photo, look, evaluations, network=network)

    return both


def styles_with_statistics() -> set[str]:
    """The shipped styles whose picture's look comes along."""
    return {path.stem for path in training_data(STATISTICS).iterdir()}


def shipped_statistics(name: str) -> StyleStatistics:
    """The look of a shipped style's picture; ``name`` is one of :func:`styles_with_statistics`."""
    factors = load_file(training_data(f"{STATISTICS}/{name}.safetensors"))
    return StyleStatistics({layer: factor.float() for layer, factor in factors.items()})
