"""Converts a file of another project to a model file: `convert`."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from impasto.convert.checkpoint import is_checkpoint, read_checkpoint
from impasto.convert.checks import (
    check_original,
    check_painting,
    measured_ranges,
    paints_in_tiles,
)
from impasto.convert.facts import facts_of
from impasto.convert.foreign_onnx import Foreign, read_foreign
from impasto.convert.graph import Body, assemble
from impasto.convert.projects import recognize
from impasto.convert.tensorflow import TABLE_END, checkpoint_files, read_tensorflow
from impasto.convert.weight_folder import MANIFEST, read_weight_folder
from impasto.errors import ImageError, ModelError, TrainingError, UsageError
from impasto.files import check_writable, training_data
from impasto.models.modelfile import CONVERTED, ModelInfo, write_model
from impasto.options import opt
from impasto.painting.engine import Array
from impasto.painting.noise import example_picture
from impasto.pictures.folders import scan_folder
from impasto.pictures.picture import on_white
from impasto.pictures.read import read_picture

LARGEST = 2**29
"""Largest file that is read, bytes: the networks have 0.1 to 20 MB."""
DARK = 12 / 255
"""A painted example darker than this, on average, is most likely a network with tanh at its end."""
PHOTOS, PHOTO_SIDE = 4, 256
"""The number of photos on which ranges are measured, and their short side."""


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """How to read a file of another project, and what to write into its description."""

    range: float | None = opt(
        None, "value of white in the input and output of an ONNX file: 255 or 1 (default: 255)", least=1e-3
    )
    bgr: bool = opt(False, "the ONNX file's colors are blue, green, red")
    tanh: bool = opt(False, "the network is rrmina's TransformerNetworkTanh, which its file does not say")
    content: Path | None = opt(
        None, "photo, or folder of photos, on which to measure value ranges for 8 bits; default: those for training"
    )
    title: str | None = opt(None, "title and maker of the style picture, for the description")
    license: str | None = opt(None, "license of the model, for the description; default: that of its project")
    source: str | None = opt(None, "where the model comes from, for the description; default: its project")


@dataclass(frozen=True)
class Conversion:
    """What was written."""

    path: Path
    info: ModelInfo
    difference: float | None
    """The largest difference of any pixel from the original graph's, in [0, 1]; None for a file without a graph."""
    notes: tuple[str, ...] = ()
    """Messages for the user, one line each."""


def convert(source: Path, output: Path, options: ConvertOptions | None = None) -> Conversion:
    """Convert another project's model to a model file. Nothing of the file is executed.

    Args:
        source: An ONNX file; a checkpoint of `torch.save`; a folder of weights of ml5 (`manifest.json`); or a
            checkpoint of TensorFlow 1: its file, one of its files, their common name, or their folder.
        output: The model file to write, whole or not at all; an existing file is replaced.
        options: How to read it, and what to write into the description.

    Raises:
        ModelError: The file is missing, damaged, of an unknown network, or contains anything but weights; the
            converted network differs from the original; or the model file cannot be written.
        UsageError: An option does not fit the file.
    """
    options = options or ConvertOptions()
    try:
        return _convert(source, output, options)
    except ModelError as reason:
        text = str(reason)
        raise ModelError(text if text.startswith(str(source)) else f"{source}: {text}") from None


def _convert(source: Path, output: Path, options: ConvertOptions) -> Conversion:
    check_writable(output, ModelError)
    body, foreign, digest = _read(source, options)
    facts = facts_of(body)
    content = assemble(body)
    painted = check_painting(content, facts)
    difference = None if foreign is None else check_original(content, foreign, facts)
    notes = [*body.notes]
    if body.bgr and foreign is None and not options.tanh and float(painted.mean()) < DARK:
        notes.append(f"{source}: paints nearly black; if it is rrmina's TransformerNetworkTanh, convert it with --tanh")
    if not paints_in_tiles(content, facts):
        facts = replace(facts, reach=0, strides=())
        notes.append(f"{source}: cannot be painted in tiles: pictures of up to 40 megapixels")
    pictures, where = _photos(options.content)
    ranges = measured_ranges(content, pictures)
    if not ranges:
        notes.append(f"{source}: has no 8-bit form: its layers are too narrow, or it would paint differently")
    info = ModelInfo(
        architecture=CONVERTED,
        arguments={"project": body.project, **body.record},
        styles=(source.name.partition(".")[0] or source.name,),
        multiple_of=facts.multiple_of,
        minimum_size=facts.minimum_size,
        reach=facts.reach,
        strides=facts.strides,
        ranges=ranges,
        training={"converted_from": source.name, "sha256": digest, **({"ranges_from": where} if ranges else {})},
        style_title=options.title or "",
        license=body.license if options.license is None else options.license,
        source=body.source if options.source is None else options.source,
    )
    write_model(output, content, info)
    return Conversion(output, info, difference, tuple(notes))


# ---- the source -------------------------------------------------------------------------------------------------


def _read(source: Path, options: ConvertOptions) -> tuple[Body, Foreign | None, str]:
    """The network, the original if it has a graph, and the SHA-256 of the file."""
    if (source / MANIFEST).is_file():
        weights = read_weight_folder(source)
        return _from_weights(weights, options), None, _digest(source / MANIFEST, *sorted(source.glob("Variable*")))
    if source.is_dir() or not source.exists() or source.suffix in (".index", ".meta") or ".data-" in source.name:
        files = checkpoint_files(source)
        if not files:
            what = "is a folder without a checkpoint or manifest.json" if source.is_dir() else "no such file"
            raise ModelError(f"{source}: {what}; check the name")
        return _from_weights(read_tensorflow(files), options), None, _digest(*files)
    content = _bytes(source)
    if content[-8:] == TABLE_END:
        return _from_weights(read_tensorflow(checkpoint_files(source)), options), None, _digest(source)
    if is_checkpoint(content[:512]):
        return _from_weights(read_checkpoint(content), options), None, _digest(source)
    if not content:
        raise ModelError("is empty (0 bytes); copy or download it again")
    if content[:1] != b"\x08":
        raise ModelError(
            "is of no format that can be converted: ONNX, a checkpoint of torch.save or TensorFlow 1, a folder of ml5"
        )
    if options.tanh:
        raise UsageError("--tanh is for checkpoints of rrmina/fast-neural-style-pytorch: leave it out")
    foreign = read_foreign(content, white=options.range or 255.0, bgr=options.bgr)
    return foreign.body, foreign, _digest(source)


def _from_weights(weights: dict[str, Any], options: ConvertOptions) -> Body:
    if options.range is not None or options.bgr:
        raise UsageError("--range and --bgr are for ONNX files: those of a known project are known; leave them out")
    return recognize(weights, tanh=options.tanh)


def _bytes(source: Path) -> bytes:
    try:
        if source.stat().st_size > LARGEST:
            raise ModelError(f"is larger than {LARGEST // 2**20} MB, and no network that can be converted is")
        return source.read_bytes()
    except OSError as cause:
        raise ModelError(f"{source}: cannot read: {cause.strerror or cause}") from cause


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


# ---- photos for ranges ------------------------------------------------------------------------------------------


def _photos(content: Path | None) -> tuple[Sequence[Array], str]:
    """Pictures, float32 (1, 3, H, W) in [0, 1], and where they come from."""
    if content is None:
        try:
            content, where = training_data("photos"), "photos for training"
        except TrainingError:
            return [example_picture(PHOTO_SIDE, PHOTO_SIDE)], "an example"
    else:
        where = content.name
    found: list[Array] = []
    paths = scan_folder(content).images if content.is_dir() else [content]
    for path in paths[:: max(1, len(paths) // PHOTOS)]:
        try:
            pixels = on_white(read_picture(path, short_side=PHOTO_SIDE, metadata=False))
        except ImageError:
            continue
        side = min(*pixels.shape[:2], PHOTO_SIDE) // 16 * 16
        if side >= 16 and len(found) < PHOTOS:
            square = pixels[:side, :side].transpose(2, 0, 1)[np.newaxis]
            found.append(np.ascontiguousarray(square, np.float32) / np.float32(255))
    if not found:
        raise UsageError(f"{content}: there are no photos that can be read; give others with --content")
    return found, where
