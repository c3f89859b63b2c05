"""Y'CbCr to R'G'B' and back, by libswscale, and high dynamic range to standard.

A clip of standard range keeps its own matrix, primaries and transfer function: its R'G'B' is painted as it is, and
written with the same tags. PQ and HLG clips are tone-mapped to BT.709.
"""

from typing import Any

import numpy as np

from impasto.video.clip import BT709, Color, Pixels

UNSPECIFIED = 2
_BT601, _BT709 = (5, 6), 1
_SWSCALE_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""H.273 matrix coefficients -> libswscale's number for them."""
SDR_WHITE = 203.0
"""Candelas a square metre of diffuse white in HDR pictures (ITU-R BT.2408)."""
KNEE = 0.6
"""Share of diffuse white above which highlights are compressed."""
HLG_PEAK = 1000.0
"""Candelas a square metre of the display that HLG is shown on (ITU-R BT.2100)."""


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


def tone_mapped(rgb: Any, color: Color) -> Pixels:
    """R'G'B' of PQ or HLG, uint16 (H, W, 3), as BT.709 R'G'B', uint8.

    Luminance up to `KNEE` of diffuse white stays as it is; above, it approaches 1 exponentially. All three channels
    are scaled alike, so hues stay.
    """
    values = np.arange(65536, dtype=np.float64) / 65535
    linear = (_pq_to_light(values) if color.transfer == 16 else _hlg_to_scene(values)).astype(np.float32)[rgb]
    luma = np.array([0.2627, 0.6780, 0.0593], np.float32)
    if color.transfer == 18:  # the opto-optical transfer function of BT.2100 for a display of HLG_PEAK
        scene = linear @ luma
        linear *= (HLG_PEAK * np.maximum(scene, 1e-6) ** 0.2)[..., np.newaxis]
    linear /= np.float32(SDR_WHITE)
    light = linear @ luma
    room = np.float32(1 - KNEE)
    mapped = np.where(light <= KNEE, light, 1 - room * np.exp(-(light - KNEE) / room))
    linear *= (mapped / np.maximum(light, 1e-6))[..., np.newaxis]
    if color.primaries in (9, UNSPECIFIED):
        linear = linear @ _TO_709.T
    linear = np.clip(linear, 0, 1)
    curved = np.where(linear < 0.018, 4.5 * linear, 1.099 * np.maximum(linear, 1e-9) ** 0.45 - 0.099)
    rounded: Pixels = np.rint(255 * np.clip(curved, 0, 1)).astype(np.uint8)
    return rounded


def _pq_to_light(signal: Any) -> Any:
    """SMPTE ST 2084: signal in [0, 1] to candelas a square metre."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = signal ** (1 / m2)
    return 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _hlg_to_scene(signal: Any) -> Any:
    """ITU-R BT.2100 hybrid log-gamma: signal in [0, 1] to linear scene light in [0, 1]."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
