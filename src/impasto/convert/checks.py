"""Runs a converted network: against the original, in tiles, and in 8 bits."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from impasto.convert.facts import Facts
from impasto.convert.foreign_onnx import Foreign
from impasto.errors import ModelError
from impasto.models import forms
from impasto.models.forms import Form, LazyGraph
from impasto.models.onnx_file import Value, parse_model
from impasto.models.protobuf import text_field
from impasto.models.ranges import MINIMUM_CHANNELS, best_range
from impasto.painting.engine import Array
from impasto.painting.noise import example_picture
from impasto.painting.onnxruntime_engine import OnnxRuntimeEngine

TOLERANCE = 1 / 255
"""Largest accepted difference from the original, in [0, 1]."""
MOST_LEVELS = 2.0
"""Largest accepted mean difference of 8 bits from float32, levels of 255."""
SAMPLES = 2**15
"""Number of values that are sampled of each convolution's input."""


def check_painting(content: bytes, facts: Facts) -> Array:
    """Paint an example. Returns the painted picture, (1, 3, H, W).

    Raises:
        ModelError: The painted picture is not finite, or is one color.
    """
    side = max(64, facts.minimum_size)
    painted = _run(content, "plain", {"image": example_picture(side, side + facts.multiple_of * 2)})[0]
    if not np.isfinite(painted).all():
        raise ModelError("paints values that are not numbers; its training went wrong")
    if float(painted.std()) < 1e-3:
        raise ModelError("paints every picture in one color: it is damaged, or its --range is another")
    return painted


def check_original(content: bytes, foreign: Foreign, facts: Facts) -> float:
    """The largest difference of any pixel from the original's, in [0, 1].

    The original is the file's own graph in ONNX Runtime, with sizes that it takes.

    Raises:
        ModelError: The difference is larger than `TOLERANCE`.
    """
    least = max(facts.minimum_size, 48)
    odd = (least + facts.multiple_of, least + 3 * facts.multiple_of)
    sizes = [foreign.only_size] if foreign.only_size else [(96, 112), odd]
    worst = 0.0
    for height, width in sizes:
        picture = example_picture(height, width)
        pixels = (picture[:, ::-1] if foreign.body.bgr else picture) * np.float32(foreign.body.white)
        wanted = foreign.run(np.ascontiguousarray(pixels))[:, :, :height, :width] / np.float32(foreign.body.white)
        wanted = np.clip(wanted[:, ::-1] if foreign.body.bgr else wanted, 0, 1)
        painted = _run(content, "plain", {"image": picture})[0]
        away = float(np.abs(painted - wanted).max()) if painted.shape == wanted.shape else math.inf
        if not away <= TOLERANCE:
            raise ModelError(
                f"cannot be converted: what the converted network paints differs by {255 * away:.0f} of 255 from the "
                "original; please report this with the file"
            )
        worst = max(worst, away)
    return worst


def paints_in_tiles(content: bytes, facts: Facts) -> bool:
    """Whether the corners of a picture that are painted as tiles, with its statistics, equal those of the whole."""
    if not facts.reach:
        return False
    kept = 16
    side = facts.reach + 3 * kept
    picture = example_picture(side, side)
    *outputs, whole = _run(content, "measuring", {"image": picture})
    statistics = forms.statistics(forms.norms(content), outputs)
    far = facts.reach + kept
    corners = (slice(0, far), slice(0, kept)), (slice(side - far, side), slice(-kept, None))
    for outer, inner in corners:
        tile = np.ascontiguousarray(picture[:, :, outer, outer])
        (painted,) = _run(content, "frozen", {"image": tile, **statistics})
        if np.abs(painted[:, :, inner, inner] - whole[:, :, inner, inner]).max() > TOLERANCE:
            return False
    return True


def measured_ranges(content: bytes, pictures: Sequence[Array]) -> dict[str, tuple[float, float]]:
    """The ranges for 8-bit quantization, `ModelInfo.ranges`; empty where 8 bits would change the paintings too much.

    Args:
        content: The converted network.
        pictures: Float32 (1, 3, H, W) in [0, 1].
    """
    model = parse_model(content)
    inputs = {
        node.inputs[1]: node.inputs[0]
        for node in model.nodes
        if node.operator == "Conv" and model.constants[node.inputs[1]].shape[1] >= MINIMUM_CHANNELS
    }
    if not inputs:
        return {}
    names = [*dict.fromkeys(inputs.values())]
    shown = replace(model, outputs=tuple(Value(name, (), message=text_field(1, name)) for name in names))
    samples: dict[str, list[Array]] = {name: [] for name in names}
    engine = OnnxRuntimeEngine(LazyGraph(shown.encoded()), "the network", threads=1)
    for picture in pictures:
        for name, values in zip(names, engine.run_all({"image": picture}), strict=True):
            samples[name].append(_sampled(values))
    ranges = {kernel: best_range(np.concatenate(samples[name])) for kernel, name in inputs.items()}
    if any(high - low < 1e-6 for low, high in ranges.values()):
        return {}
    exact, coarse = (_engine(content, "plain", with_ranges) for with_ranges in (None, ranges))
    away = [np.abs(exact.run({"image": x}) - coarse.run({"image": x})).mean() for x in pictures]
    return ranges if 255 * float(np.mean(away)) <= MOST_LEVELS else {}


def _sampled(values: Array) -> Array:
    """Some of the values, not the same positions in every channel."""
    step = 1 + values.size // SAMPLES
    while math.gcd(step, values[0, 0].size) > 1:
        step += 1
    return values.reshape(-1)[::step].copy()


def _run(content: bytes, form: Form, inputs: Mapping[str, Any]) -> list[Array]:
    return _engine(content, form).run_all(inputs)


def _engine(content: bytes, form: Form, ranges: Mapping[str, Any] | None = None) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(LazyGraph(content, form, ranges), "the network", threads=1)
