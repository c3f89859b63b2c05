"""What a worker process does for the server: it reads, paints and writes pictures. See :mod:`impasto.web.child`."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from impasto.errors import ImageError, UsageError
from impasto.models.catalog import VARIANTS, Variant
from impasto.models.records import RecordError, from_mapping
from impasto.painting.load import load
from impasto.painting.regions import paint_regions
from impasto.painting.settings import Settings
from impasto.painting.stylizer import Stylizer
from impasto.pictures.decode import decode_picture
from impasto.pictures.metadata import orientation_of
from impasto.pictures.picture import Picture, Pixels, on_white
from impasto.pictures.plugins import format_of_data, open_header
from impasto.pictures.read import load_mask
from impasto.pictures.resize import resize, resize_mask
from impasto.pictures.unsupported import unknown_format
from impasto.pictures.write import encode_picture, save_picture
from impasto.web.failures import naming

VIEW_QUALITY = 90
"""JPEG quality of previews."""
MOST_MODELS = 3
MOST_BYTES = 100_000_000
"""Bytes of small copies of photos that are kept in memory."""
EXAMPLE = Path(__file__).parent / "static" / "example.webp"
LONGEST = 3
"""A preview is at most this many times as long as its short side."""

Answer = tuple[dict[str, Any], bytes]


class Tasks:
    """The tasks of one process.

    Args:
        stop: Whether the running task was asked to end.
        report: Sends an event about the running task.
    """

    def __init__(self, stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> None:
        self._stop = stop
        self._report = report
        self._bases: dict[Variant, Stylizer] = {}
        self._models: OrderedDict[str, Stylizer] = OrderedDict()
        self._copies: OrderedDict[tuple[str, int], Pixels] = OrderedDict()
        self._cameras: OrderedDict[str, Any] = OrderedDict()

    def run(self, task: str, arguments: Mapping[str, Any], block: bytes) -> Answer:
        """Run the public method with this name."""
        if task not in TASKS:
            raise ValueError(f"there is no task {task!r}")
        answer: Answer = (
            getattr(self, task)(block, **arguments) if task in _WITH_BYTES else getattr(self, task)(**arguments)
        )
        return answer

    # ---- photos ---------------------------------------------------------------------------------------------------

    def admit(self, path: str, name: str, pixels: int) -> Answer:
        """Check that a file is a picture of at most so many pixels; returns its upright width and height."""
        data = Path(path).read_bytes()
        width, height = checked_size(data, name, pixels)
        _small(data, name, 512)  # all of it can be decoded
        return {"width": width, "height": height}, b""

    def view(self, path: str, name: str, side: int) -> Answer:
        """The photo as a JPEG whose short side is at most ``side`` pixels, without metadata."""
        return {}, _jpeg(self._copy(path, name, side))

    def check_mask(self, block: bytes, pixels: int) -> Answer:
        """Check that the bytes are a mask."""
        width, height = checked_size(block, "mask", pixels)
        load_mask(block)
        return {"width": width, "height": height}, b""

    def _copy(self, path: str, name: str, side: int) -> Pixels:
        key = path, side
        if key not in self._copies:
            self._copies[key] = _small(Path(path).read_bytes(), name, side)
        self._copies.move_to_end(key)
        while len(self._copies) > 1 and sum(copy.nbytes for copy in self._copies.values()) > MOST_BYTES:
            self._copies.popitem(last=False)
        return self._copies[key]

    # ---- painting -------------------------------------------------------------------------------------------------

    def warm(self, variant: Variant) -> Answer:
        """Load a network before it is needed."""
        self._base(variant)
        return {}, b""

    def example(self, options: Mapping[str, Any]) -> Answer:
        """The page's example photo in a style, as a JPEG, where the style's own picture is not at hand."""
        photo = on_white(decode_picture(EXAMPLE.read_bytes(), EXAMPLE.name, metadata=False))
        return {}, _jpeg(self._painted(photo, options))

    def preview(self, path: str, name: str, options: Mapping[str, Any], side: int) -> Answer:
        """A small copy of the photo, painted, as a JPEG."""
        return {}, _jpeg(self._painted(self._copy(path, name, side), options))

    def paint(
        self, path: str, name: str, options: Mapping[str, Any], target: str, quality: int, size: int | None, strip: bool
    ) -> Answer:
        """Paint the photo at its own size, or with a long side of ``size``, into the file ``target``."""
        picture = decode_picture(Path(path).read_bytes(), name, depth="own", metadata=not strip)
        painted = self._painted_picture(_with_long_side(picture, size), options)
        with naming(target, name):
            save_picture(target, painted, quality=quality)
        height, width = painted.pixels.shape[:2]
        return {"width": width, "height": height, "notes": [*picture.notes]}, b""

    def stylize(
        self,
        block: bytes,
        name: str,
        options: Mapping[str, Any],
        pixels: int,
        suffix: str,
        quality: int,
        size: int | None,
    ) -> Answer:
        """Paint a picture in memory; returns the bytes of a file with this suffix."""
        checked_size(block, name, pixels)
        picture = decode_picture(block, name, depth="own")
        painted = self._painted_picture(_with_long_side(picture, size), options)
        return {}, encode_picture(painted, f"painted{suffix}", quality=quality)

    def _painted_picture(self, picture: Picture, options: Mapping[str, Any]) -> Picture:
        """The painted picture; its transparency stays."""
        return replace(picture, pixels=self._painted(picture.pixels, options))

    def _painted(self, image: Pixels, options: Mapping[str, Any]) -> Pixels:
        """Paint with ``options``: style (shares by name or file), model, variant, settings, mask, invert, blur."""
        stylizer, settings = self._stylizer(options), settings_of(options["settings"])
        if not options.get("mask"):
            return stylizer(image, settings)
        mask = load_mask(Path(options["mask"]))
        if options.get("invert"):
            mask = 255 - mask
        if blur := options.get("blur") or 0:
            mask = _blurred(mask, blur, image)
        return paint_regions(image, [(stylizer, mask)], settings)

    def _stylizer(self, options: Mapping[str, Any]) -> Stylizer:
        model = options.get("model")
        if model is None:
            return self._base(options["variant"]).restyled(options["style"], variant=options["variant"])
        stamp = f"{model} {Path(model).stat().st_mtime_ns}" if Path(model).is_file() else model
        if stamp not in self._models:
            self._models[stamp] = load(model)
        self._models.move_to_end(stamp)
        while len(self._models) > MOST_MODELS:
            self._models.popitem(last=False)
        return self._models[stamp]

    def _base(self, variant: Variant) -> Stylizer:
        if variant not in self._bases:
            assert variant in VARIANTS
            self._bases[variant] = load("udnie", variant=variant)
        return self._bases[variant]

    # ---- clips and training; their modules are loaded when they are needed ------------------------------------------

    def clip(self, path: str, name: str) -> Answer:
        """The size and length of a clip, and its suffix, which its file gets."""
        from impasto.web.films import describe

        return describe(path, name), b""

    def clip_frame(self, path: str, name: str, at: float, side: int) -> Answer:
        """One frame of a clip, as a JPEG."""
        from impasto.web.films import frame_at

        return {}, _jpeg(frame_at(path, name, at, side))

    def clip_preview(self, path: str, name: str, at: float, side: int, options: Mapping[str, Any]) -> Answer:
        """One frame of a clip, painted as in the whole clip, as a JPEG."""
        from impasto.video.steady import Steady
        from impasto.web.films import frame_at

        painter = Steady(self._stylizer(options), settings_of(options["settings"]), 0)
        return {}, _jpeg(painter(frame_at(path, name, at, side)))

    def film(
        self, path: str, name: str, target: str, options: Mapping[str, Any], steady: float, size: int | None
    ) -> Answer:
        """Paint a clip into the file ``target``."""
        from impasto.web.films import film

        stylizer, settings = self._stylizer(options), settings_of(options["settings"])
        return film(path, name, target, stylizer, settings, steady, size, self._stop, self._report), b""

    def learn(self, picture: str, output: str, title: str, minutes: float, options: Mapping[str, Any]) -> Answer:
        """Learn the style of a picture, into the file ``output``."""
        from impasto.web.films import learn

        return learn(picture, output, title, minutes, options, self._stop, self._report), b""

    # ---- camera ---------------------------------------------------------------------------------------------------

    def frame(self, block: bytes, camera: str, options: Mapping[str, Any], steady: float, pixels: int) -> Answer:
        """Paint one frame of a live stream, a JPEG."""
        from impasto.video.steady import Steady

        checked_size(block, "frame", pixels)
        image = on_white(decode_picture(block, "frame", metadata=False))
        stylizer, settings = self._stylizer(options), settings_of(options["settings"])
        found = self._cameras.get(camera)
        if found is None or found.steady != steady:
            found = self._cameras[camera] = _Camera(dict(options), steady, Steady(stylizer, settings, steady))
            while len(self._cameras) > MOST_MODELS + 1:
                self._cameras.popitem(last=False)
        if found.options != options:
            found.options = dict(options)
            found.painter.restyle(stylizer, settings)
        return {}, _jpeg(found.painter(image))

    def end_camera(self, camera: str) -> Answer:
        """Forget a live stream."""
        self._cameras.pop(camera, None)
        return {}, b""


@dataclass
class _Camera:
    """A live stream: how it is painted."""

    options: dict[str, Any]
    steady: float
    painter: Any


TASKS = (
    *("admit", "view", "check_mask", "warm", "example", "preview", "paint", "stylize", "frame", "end_camera"),
    *("clip", "clip_frame", "clip_preview", "film", "learn"),
)
"""The names of the tasks."""
_WITH_BYTES = ("check_mask", "stylize", "frame")


def settings_of(values: Mapping[str, Any]) -> Settings:
    """The settings in a request. Raises UsageError for those that are unknown or out of range."""
    try:
        return from_mapping(Settings, values)
    except RecordError as reason:
        raise UsageError(f"settings: {reason}") from None


def checked_size(data: bytes, name: str, pixels: int) -> tuple[int, int]:
    """The upright width and height in a file's header. Raises ImageError unless it is a picture within the limit."""
    kind = format_of_data(data)
    if kind is None:
        raise ImageError(f"{name}: {unknown_format(data)}")
    try:
        image = open_header(data, kind)
        width, height = image.size
    except ImageError as reason:
        raise ImageError(f"{name}: {reason}") from None
    except Exception as cause:  # decoders raise nearly anything for damaged files
        raise ImageError(f"{name}: is damaged or cut short; copy or download it again") from cause
    if width * height > pixels:
        raise ImageError(
            f"{name}: {width} x {height} pixels are more than the limit of {pixels // 1_000_000} million; "
            "make it smaller first"
        )
    return (height, width) if orientation_of(image) in (5, 6, 7, 8) else (width, height)


def _small(data: bytes, name: str, side: int) -> Pixels:
    """The picture on white; its short side is at most ``side``, its long side `LONGEST` times that."""
    width, height = checked_size(data, name, 1 << 40)
    short, long = sorted((width, height))
    scale = min(1.0, side / short, LONGEST * side / long)
    return on_white(decode_picture(data, name, short_side=max(1, round(short * scale)), metadata=False))


def _with_long_side(picture: Picture, size: int | None) -> Picture:
    height, width = picture.pixels.shape[:2]
    if size is None or size >= max(height, width):
        return picture
    scale = size / max(height, width)
    wanted = max(1, round(width * scale)), max(1, round(height * scale))
    alpha = None if picture.alpha is None else resize(picture.alpha, *wanted)
    return replace(picture, pixels=resize(picture.pixels, *wanted), alpha=alpha)


def _blurred(mask: "np.typing.NDArray[np.uint8]", blur: float, image: Pixels) -> "np.typing.NDArray[np.uint8]":
    """The mask with soft edges, ``blur`` wide in pixels of a picture whose short side is 512."""
    from PIL import Image, ImageFilter

    height, width = image.shape[:2]
    scale = 512 / min(height, width)
    small = resize_mask(mask, max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(small).filter(ImageFilter.GaussianBlur(blur)))


def _jpeg(image: Pixels) -> bytes:
    return encode_picture(Picture(image), "view.jpg", quality=VIEW_QUALITY)
