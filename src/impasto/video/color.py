"""Y'CbCr to R'G'B' and back, by libswscale, and high dynamic range to standard.

A clip of standard range keeps its own matrix, primaries and transfer function: its R'G'B' is painted as it is, and
written with the same tags. PQ and HLG clips are tone-mapped to BT.709.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.pictures import hdr
from impasto.video.clip import BT709, Color, Pixels

UNSPECIFIED = 2
_SWSCALE_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""H.273 matrix coefficients -> libswscale's number for them."""
_PQ, _HLG = 16, 18
HLG_PEAK = 1000.0
"""Candelas a square metre of the display that HLG is shown on, and for which PQ is mastered (ITU-R BT.2100)."""


def color_of(frame: Any) -> Color:
    """The colour description of a decoded frame; what it leaves open is what players assume.

    BT.601 is assumed for fewer than 720 rows and BT.709 for others, limited range for all but the "yuvj" formats.
    """
    large = max(frame.width, frame.height) >= 1280 or min(frame.width, frame.height) >= 720
    matrix, primaries, transfer = int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)
    if matrix not in _SWSCALE_MATRIX:
        matrix = (9 if primaries == 9 else 1) if large or primaries == 9 else 6
    if primaries == UNSPECIFIED:
        primaries = {1: 1, 5: 5, 6: 6, 9: 9, 10: 9}.get(matrix, UNSPECIFIED)
    if transfer == UNSPECIFIED:
        transfer = {1: 1, 5: 6, 6: 6}.get(matrix, UNSPECIFIED)
    full = int(frame.color_range) == 2 or frame.format.name.startswith("yuvj")
    return Color(matrix, primaries, transfer, full)


def to_rgb(frame: Any, color: Color, size: tuple[int, int] | None = None) -> Pixels:
    """A decoded frame as R'G'B', uint8 (H, W, 3); of HDR tone-mapped to BT.709.

    Args:
        frame: An ``av.VideoFrame``.
        color: How its samples are to be read.
        size: Width and height of the result; those of the frame when None.
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
    """R'G'B', uint8 (H, W, 3), as an ``av.VideoFrame`` of this format, tagged with this colour description."""
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


def written_color(color: Color) -> Color:
    """The colour description of what is written for a clip of this one: its own, or BT.709 for HDR."""
    return BT709 if color.is_hdr else color


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
    """R'G'B' of PQ or HLG, uint16 (H, W, 3), as BT.709 R'G'B', uint8, see :mod:`impasto.pictures.hdr`."""
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
