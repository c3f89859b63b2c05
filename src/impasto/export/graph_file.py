"""Writes a painting as a plain ONNX file, after checking that it paints what Impasto paints."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from impasto import __version__
from impasto.errors import ModelError, UsageError
from impasto.export.half import halved
from impasto.export.standalone import PATCH, Constants, finished, folded, with_constants, with_noise_patch
from impasto.files import check_writable, replacing
from impasto.models.catalog import Variant
from impasto.models.forms import LazyGraph, rewrite
from impasto.models.onnx_file import (
    IR_VERSION,
    OPSET_IMPORT,
    Model,
    Value,
    metadata_entry,
    parse_model,
    top_level,
)
from impasto.models.protobuf import Field, text_field
from impasto.options import check_ranges, opt
from impasto.painting.load import load
from impasto.painting.network import ModelGraph
from impasto.painting.noise import example_picture
from impasto.painting.onnxruntime_engine import OnnxRuntimeEngine
from impasto.painting.settings import MOST_STRENGTH, Settings
from impasto.painting.stylizer import Stylizer
from impasto.painting.tiles import WHOLE_PIXELS
from impasto.pictures.picture import Pixels

FilePrecision = Literal["float32", "float16", "int8"]

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_TOLERANCES: dict[FilePrecision, tuple[str, float]] = {
    "float32": ("at any pixel", 1.0),
    "float16": ("on average", 0.5),
    "int8": ("on average", 4.0),
}
"""Largest accepted difference from Impasto's float32 painting, levels of 255. Like `impasto.painting.choice`, 8 bits
are refused only where they are wrong: how coarse they may be was decided when their ranges were measured."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What becomes part of a plain ONNX file."""

    strength: float = opt(
        1.0, "how much of the style, above 0; it becomes part of the file", least=0.01, most=MOST_STRENGTH
    )
    seed: int = opt(0, "draws the noise, which becomes part of the file", least=0)
    size: str | None = opt(None, "the only size of its pictures, as 640x360 (width x height); default: any size")
    precision: FilePrecision = opt("float32", "float32; float16, with statistics in float32; or int8")


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    precision: FilePrecision
    shape: tuple[int | str, ...]
    """Of the input `image` and the output `stylized`."""
    difference: float
    """The largest difference of any pixel from Impasto's own painting in float32, levels of 255."""
    mean_difference: float
    """The mean difference, likewise."""
    file_size: int
    """Bytes."""


def export_onnx(
    name: str, output: Path, options: ExportOptions | None = None, *, variant: Variant = "best"
) -> Exported:
    """Write a style or model as an ONNX file with one input and one output, whole or not at all.

    The input `image` and the output `stylized` are float32 (1, 3, H, W), RGB, from 0 to 1. The file paints what
    :class:`impasto.Stylizer` paints at the picture's own size, and is written only if it does.

    Args:
        name: The name of a shipped style, a style file or a model file.
        output: The file; an existing one is replaced.
        options: What becomes part of the file.
        variant: The network for shipped styles.

    Raises:
        UsageError: An option is out of range, or the model does not support it.
        ModelError: The style or model cannot be read, the file differs from the original, or cannot be written.
    """
    options = options or ExportOptions()
    check_ranges(options)
    check_writable(output, ModelError)
    stylizer = load(name, variant=variant, backend="onnxruntime", precision="float32")
    size = _size(options, stylizer)
    content = assembled(stylizer, options, size)
    largest, mean = _differences(content, stylizer, options, [size] if size else _sizes(stylizer))
    kind, most = _TOLERANCES[options.precision]
    if not (largest if kind == "at any pixel" else mean) <= most:
        raise ModelError(
            f"{output}: not written: in {options.precision} it would differ from Impasto's own painting by {mean:.1f} "
            f"of 255 on average and up to {largest:.0f}; use float32"
            if options.precision != "float32"
            else f"{output}: not written: it would differ from Impasto's own painting by {largest:.0f} of 255; please "
            "report this with the model"
        )
    with replacing(output, ModelError) as part:
        part.write_bytes(content)
    shape = parse_model(content).inputs[0].shape
    return Exported(output, options.precision, tuple(map(_plain, shape)), largest, mean, len(content))


def assembled(stylizer: Stylizer, options: ExportOptions, size: tuple[int, int] | None) -> bytes:
    """The content of the file, not yet checked; ``size`` is (height, width), None for any."""
    graph, info = stylizer.network.graph, stylizer.info
    assert isinstance(graph, ModelGraph)
    content = graph.content
    if options.precision == "int8":
        if not info.ranges:
            raise UsageError(f"{graph.name}: has no 8-bit form; use float16, or float32")
        content = rewrite(content, ranges=info.ranges)
    style = stylizer.network.style_inputs(stylizer.style, options.strength)
    example = _inputs(stylizer, *(size or _sizes(stylizer)[0]), options.seed)
    model = folded(with_constants(parse_model(content), style), example, shapes=size is not None)
    try:
        model = halved(model, example) if options.precision == "float16" else model
    except ModelError as reason:
        raise ModelError(f"{graph.name}: {reason}") from None
    model = finished(model, options.strength)
    if info.noise_channels and size:
        model = with_constants(model, {"noise": example["noise"]})
    elif info.noise_channels:
        if not info.noise_scales:
            raise UsageError(f"{graph.name}: draws its noise anew for each size; give --size WIDTHxHEIGHT")
        side = PATCH // info.noise_stride * info.noise_stride
        model = with_noise_patch(model, _inputs(stylizer, side, side, options.seed)["noise"], info.noise_stride)
    return _described(model, stylizer, options, size)


def _described(model: Model, stylizer: Stylizer, options: ExportOptions, size: tuple[int, int] | None) -> bytes:
    """The file's content, with its sizes and metadata, without Impasto's description of a model file."""
    info, style = stylizer.info, stylizer.style
    head = memoryview(model.rest)
    versions = [head[item.start : item.stop] for item in _fields(model) if item.number in (IR_VERSION, OPSET_IMPORT)]
    entries = {
        "title": style.info.title if style else info.style_title,
        "license": style.info.license if style else info.license,
        "source": style.info.source if style else info.source,
        "strength": f"{options.strength:g}",
        "seed": str(options.seed) if info.noise_channels else "",
        "precision": options.precision,
        "sizes": "" if size else f"at least {info.minimum_size}, divisible by {info.multiple_of}",
    }
    described = [metadata_entry(key, text) for key, text in entries.items() if text]
    rest = b"".join([*versions, text_field(2, "impasto"), text_field(3, __version__), *described])
    shape = (1, 3, *(size or ("height", "width")))
    inputs, outputs = (Value("image", shape),), (Value(model.outputs[0].name, shape),)
    return replace(model, rest=rest, inputs=inputs, outputs=outputs).encoded()


def _fields(model: Model) -> list[Field]:
    return [item for item in top_level(model.encoded()) if item.stop <= len(model.rest)]


def _differences(
    content: bytes, stylizer: Stylizer, options: ExportOptions, sizes: list[tuple[int, int]]
) -> tuple[float, float]:
    """The largest and the mean difference from what the stylizer paints, levels of 255."""
    engine = OnnxRuntimeEngine(LazyGraph(content), "the exported file", threads=1)
    settings = Settings(strength=options.strength, seed=options.seed)
    largest = mean = 0.0
    for height, width in sizes:
        picture = _example(height, width)
        wanted = stylizer.paint_at_own_size(picture, settings)
        painted = engine.run({"image": _batch(picture)})
        if painted.shape != (1, 3, height, width) or not np.isfinite(painted).all():
            return float("inf"), float("inf")
        away = np.abs(np.rint(255 * painted[0].transpose(1, 2, 0).clip(0, 1)) - wanted)
        largest, mean = max(largest, float(away.max())), max(mean, float(away.mean()))
    return largest, mean


def _size(options: ExportOptions, stylizer: Stylizer) -> tuple[int, int] | None:
    """The fixed height and width; None for any size."""
    if options.size is None:
        return None
    found = _SIZE.fullmatch(options.size)
    if not found:
        raise UsageError(f"the size is WIDTHxHEIGHT, as 640x360, not {options.size!r}")
    width, height = map(int, found.groups())
    least, multiple = stylizer.info.minimum_size, stylizer.info.multiple_of
    if min(width, height) < least or width % multiple or height % multiple:
        raise UsageError(f"the size must be at least {least} x {least} and divisible by {multiple}, not {options.size}")
    if width * height > WHOLE_PIXELS:
        raise UsageError(
            f"{options.size} is more than a graph paints at once ({WHOLE_PIXELS / 1e6:.1f} megapixels): larger "
            "pictures need tiles, as in `impasto stylize`"
        )
    return height, width


def _sizes(stylizer: Stylizer) -> list[tuple[int, int]]:
    """Sizes, (height, width), on which a graph of any size is checked: a small, an odd and a larger one."""
    least, multiple = stylizer.info.minimum_size, stylizer.info.multiple_of
    return [
        (max(least, -(-height // multiple) * multiple), max(least, -(-width // multiple) * multiple))
        for height, width in ((96, 112), (161, 203), (384, 320))
    ]


def _inputs(stylizer: Stylizer, height: int, width: int, seed: int) -> Constants:
    return stylizer.network.image_inputs(_example(height, width), seed)


def _example(height: int, width: int) -> Pixels:
    picture = np.rint(255 * example_picture(height, width)[0].transpose(1, 2, 0))
    return np.ascontiguousarray(picture, np.uint8)


def _batch(picture: Pixels) -> Any:
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[np.newaxis], np.float32) / np.float32(255)


def _plain(size: int | str | None) -> int | str:
    return "any" if size is None else size
