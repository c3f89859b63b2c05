"""Color conversion between Y'CbCr and R'G'B' with libswscale, and tone mapping of HDR.

A standard-range clip keeps its matrix, primaries and transfer function: its R'G'B' values are painted unchanged and
written with the same tags. PQ and HLG clips are tone-mapped to BT.709.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.pictures import hdr
from impasto.video.clip import BT601, BT709, Color, Pixels

UNSPECIFIED = 2
_SWSCALE_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""H.273 matrix coefficients -> libswscale's number for them."""
_PQ, _HLG = 16, 18
HLG_PEAK = 1000.0
"""Peak luminance of the reference display for HLG and PQ, cd/m² (ITU-R BT.2100)."""


def color_of(frame: Any) -> Color:
    """The color description of a decoded frame. Unspecified values are those that common players assume."""
    assumed = assumed_color(frame.width, frame.height)
    matrix, primaries, transfer = int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)
    if matrix not in _SWSCALE_MATRIX:
        matrix = 9 if primaries == 9 else assumed.matrix
    if primaries == UNSPECIFIED:
        primaries = {1: 1, 5: 5, 6: 6, 9: 9, 10: 9}.get(matrix, UNSPECIFIED)
    if transfer == UNSPECIFIED:
        transfer = {1: 1, 5: 6, 6: 6}.get(matrix, UNSPECIFIED)
    full = int(frame.color_range) == 2 or frame.format.name.startswith("yuvj")
    return Color(matrix, primaries, transfer, full)


def assumed_color(width: int, height: int) -> Color:
    """What players assume of a video without a color description: BT.601 for fewer than 720 rows, else BT.709."""
    return BT709 if max(width, height) >= 1280 or min(width, height) >= 720 else BT601


def has_transparency(frame: Any) -> bool:
    """Whether a decoded frame has an alpha channel."""
    return any(component.is_alpha for component in frame.format.components)


def to_rgb(frame: Any, color: Color, size: tuple[int, int] | None = None) -> Pixels:
    """Convert a decoded frame to R'G'B', uint8 (H, W, 3). HDR is tone-mapped to BT.709.

    Args:
        frame: An ``av.VideoFrame``.
        color: The color description of its samples.
        size: Width and height of the output; None keeps those of the frame.
    """
    width, height = size or (frame.width, frame.height)
    rgb = frame.reformat(
        width=width,
        height=height,
        format="rgb48le" if color.is_hdr else "rgb24",
        src_colorspace=_SWSCALE_MATRIX[color.matrix],
        src_color_range=2 if color.full_range else 1,
        dst_color_range=2,
        interpolation=_interpolation(shrinks=width < frame.width),
    ).to_ndarray()
    return tone_mapped(rgb, color) if color.is_hdr else rgb


def from_rgb(pixels: Pixels, color: Color, pixel_format: str) -> Any:
    """Convert R'G'B', uint8 (H, W, 3), to an ``av.VideoFrame`` of this pixel format, tagged with this color."""
    from av import VideoFrame

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
        format=pixel_format,
        dst_colorspace=_SWSCALE_MATRIX[color.matrix],
        src_color_range=2,
        dst_color_range=2 if color.full_range else 1,
        interpolation=_interpolation(shrinks=False),
    )
    frame.colorspace, frame.color_range = color.matrix, 2 if color.full_range else 1
    frame.color_primaries, frame.color_trc = color.primaries, color.transfer
    return frame


def written_color(color: Color, frame: Any) -> Color:
    """The output's color description for a clip with this one and such frames: the same, or BT.709 for HDR.

    R'G'B' samples become Y'CbCr of limited range, which every player shows.
    """
    if color.is_hdr:
        return BT709
    return replace(color, full_range=color.full_range and not frame.format.is_rgb)


def _interpolation(*, shrinks: bool) -> Any:
    from av.video.reformatter import Interpolation

    return (Interpolation.AREA if shrinks else Interpolation.BICUBIC) | Interpolation.ACCURATE_RND


# ---- high dynamic range ----

_TO_709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
"""Linear BT.2020 RGB to linear BT.709 RGB (ITU-R BT.2087)."""
_LUMINANCE_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)


def tone_mapped(rgb: NDArray[np.uint16], color: Color) -> Pixels:
    """Tone-map PQ or HLG R'G'B', uint16 (H, W, 3), to BT.709 R'G'B', uint8; see :mod:`impasto.pictures.hdr`."""
    values = np.arange(65536, dtype=np.float64) / 65535
    if color.transfer == _PQ:
        light = hdr.pq_light(values)[rgb]
    else:
        light = hdr.hlg_display_light(hdr.hlg_scene_light(values)[rgb], _LUMINANCE_2020)
    if color.primaries in (9, UNSPECIFIED):
        light = np.maximum(light @ _TO_709.T, 0)
    light = hdr.compressed(light, HLG_PEAK / hdr.REFERENCE_WHITE).clip(0, 1)
    curved = np.where(light < 0.018, 4.5 * light, 1.099 * np.maximum(light, 1e-9) ** 0.45 - 0.099)
    rounded: Pixels = np.rint(255 * curved).astype(np.uint8)
    return rounded
