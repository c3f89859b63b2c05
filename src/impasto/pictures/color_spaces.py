"""Color spaces that a file names without an ICC profile: gAMA and cHRM chunks of PNG, and code points (CICP)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.pictures import hdr, png
from impasto.pictures.picture import Samples, white
from impasto.pictures.profiles import is_readable

Primaries = tuple[float, ...]
"""x and y of red, green, blue and white."""

_D65, _DCI_WHITE, _C = (0.3127, 0.3290), (0.314, 0.351), (0.310, 0.316)
_SRGB: Primaries = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *_D65)
_PRIMARIES: dict[int, Primaries] = {
    1: _SRGB,
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, *_C),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *_D65),
    7: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *_D65),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    11: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, *_DCI_WHITE),
    12: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, *_D65),
}
"""Color primaries by their code (ITU-T H.273, table 2)."""
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
"""Exponents by the code of the transfer characteristics (H.273, table 3)."""
_SRGB_CODES = (1, 6, 13, 14, 15)
"""Codes that are treated as sRGB: sRGB itself, and video curves, which image viewers do not distinguish from it."""
_PQ, _HLG = 16, 18
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_ROWS = 256
"""Number of rows that are converted at once, to limit memory."""
_SAME_GAMMA = 0.05
"""Share by which an exponent may differ from 2.2 and still mean sRGB; libpng's threshold."""


@dataclass(frozen=True)
class ColorSpace:
    """A color space of red, green and blue."""

    primaries: Primaries = _SRGB
    transfer: Literal["srgb", "power", "pq", "hlg"] = "srgb"
    gamma: float = 1.0
    """Light is the value to this power, if the transfer is "power"."""
    full_range: bool = True
    """False if black and white are 16 and 235 of 255."""

    @property
    def is_hdr(self) -> bool:
        """Whether it can represent highlights brighter than white."""
        return self.transfer in ("pq", "hlg")

    @property
    def is_srgb(self) -> bool:
        """Whether nothing has to be converted."""
        same = np.abs(np.subtract(self.primaries, _SRGB)).max() < 0.002
        return bool(same) and self.transfer == "srgb" and self.full_range

    def to_srgb(self, pixels: Samples) -> Samples:
        """Pixels of this color space, (H, W, 3), as sRGB of the same dtype; HDR is tone-mapped."""
        table = self._table(white(pixels))
        matrix = (_from_xyz(_SRGB) @ _to_xyz(self.primaries)).astype(np.float32)
        luminance = _to_xyz(self.primaries)[1].astype(np.float32)

        def light_of(part: Samples) -> NDArray[np.float32]:
            light = table[part]
            if self.transfer == "hlg":
                light = hdr.hlg_display_light(light, luminance)
            return light @ matrix.T

        peak = 1.0
        if self.is_hdr:
            step = max(1, round((pixels.shape[0] * pixels.shape[1] / 1e6) ** 0.5))
            peak = float(np.quantile(light_of(pixels[::step, ::step]).max(axis=-1), 0.999))
        result = np.empty_like(pixels)
        for top in range(0, pixels.shape[0], _ROWS):
            rows = slice(top, top + _ROWS)
            result[rows] = np.rint(_srgb_curve(hdr.compressed(light_of(pixels[rows]), peak)) * white(pixels))
        return result

    def _table(self, most: int) -> NDArray[np.float32]:
        """Light, 1 for white, of each sample value."""
        values = np.arange(most + 1) / most
        if not self.full_range:
            values = ((values * 255 - 16) / 219).clip(0, 1)
        curves: dict[str, Callable[[NDArray[np.float64]], NDArray[Any]]] = {
            "srgb": lambda v: np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4),
            "power": lambda v: v**self.gamma,
            "pq": hdr.pq_light,
            "hlg": hdr.hlg_scene_light,
        }
        return curves[self.transfer](values).astype(np.float32)


def from_code_points(primaries: int, transfer: int, full_range: bool = True) -> ColorSpace | None:
    """The color space of these code points (H.273); None if they are unspecified or unknown."""
    if primaries not in _PRIMARIES:
        return None
    if transfer in _SRGB_CODES:
        return ColorSpace(_PRIMARIES[primaries], "srgb", full_range=full_range)
    if transfer in (_PQ, _HLG):
        return ColorSpace(_PRIMARIES[primaries], "pq" if transfer == _PQ else "hlg", full_range=full_range)
    if transfer in _GAMMAS:
        return ColorSpace(_PRIMARIES[primaries], "power", _GAMMAS[transfer], full_range)
    return None


def color_space_of(image: Image.Image, data: bytes) -> ColorSpace | None:
    """The color space that a file names, if it has precedence over the ICC profile; None for sRGB or none.

    In a PNG the order of precedence is cICP, iCCP, sRGB, gAMA and cHRM. In all formats, code points of HDR have
    precedence over an ICC profile; other code points only count without a profile.
    """
    profile = image.info.get("icc_profile")
    space = None
    if image.format == "PNG":
        found = {chunk.kind: chunk.data for chunk in png.chunks(data) if chunk.kind in (b"cICP", b"gAMA", b"cHRM")}
        if len(code := found.get(b"cICP", b"")) == 4:
            space = from_code_points(code[0], code[1], full_range=code[3] != 0)
        if space is None and "srgb" not in image.info and not (profile and is_readable(profile)):
            space = _from_chunks(found.get(b"gAMA"), found.get(b"cHRM"))
    elif image.format in ("AVIF", "HEIF") and (codes := _heif_code_points(image, data)):
        space = from_code_points(*codes)
        if profile and space and not space.is_hdr:
            space = None
    if space is None and profile and (codes := _profile_code_points(profile)):
        space = from_code_points(*codes)
        space = space if space and space.is_hdr else None
    return None if space is None or space.is_srgb else space


def _from_chunks(gamma_chunk: bytes | None, primaries_chunk: bytes | None) -> ColorSpace | None:
    """The color space of gAMA and cHRM chunks; invalid values are ignored."""
    gamma, primaries = None, _SRGB
    if gamma_chunk is not None and len(gamma_chunk) == 4:
        encoded = int.from_bytes(gamma_chunk) / 100_000
        gamma = 1 / encoded if 0.05 <= encoded <= 20 else None
    if primaries_chunk is not None and len(primaries_chunk) == 32:
        x_and_y = [int.from_bytes(primaries_chunk[at : at + 4]) / 100_000 for at in range(0, 32, 4)]
        stated = (*x_and_y[2:], *x_and_y[:2])  # the chunk begins with white
        primaries = stated if _is_sound(stated) else _SRGB
    if gamma is None or abs(gamma / 2.2 - 1) < _SAME_GAMMA:
        return ColorSpace(primaries)
    return ColorSpace(primaries, "power", gamma)


def _is_sound(primaries: Primaries) -> bool:
    if min(primaries[1::2]) <= 0 or max(primaries) > 1:
        return False
    try:
        return bool(np.abs(_from_xyz(primaries)).max() < 50)
    except np.linalg.LinAlgError:
        return False


def _heif_code_points(image: Image.Image, data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer of a HEIC or AVIF file. Its decoder has applied the range already."""
    nclx = image.info.get("nclx_profile")
    if nclx:
        return int(nclx["color_primaries"]), int(nclx["transfer_characteristics"])
    if image.format == "AVIF" and (found := re.search(rb"colrnclx(....)", data[:1_000_000], re.DOTALL)):
        return int.from_bytes(found[1][:2]), int.from_bytes(found[1][2:])
    return None


def _profile_code_points(profile: bytes) -> tuple[int, int] | None:
    """Primaries and transfer of an ICC profile with a cicp tag (ICC.1:2022, 9.2.17)."""
    count = min(int.from_bytes(profile[128:132]), 100)
    for at in range(132, 132 + 12 * count, 12):
        if profile[at : at + 4] == b"cicp":
            start = int.from_bytes(profile[at + 4 : at + 8])
            if profile[start : start + 4] == b"cicp" and len(profile) >= start + 12:
                return profile[start + 8], profile[start + 9]
    return None


def _to_xyz(primaries: Primaries) -> NDArray[np.float64]:
    """Linear RGB of these primaries to XYZ of white D65 (Bradford adaptation)."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in zip(primaries[::2], primaries[1::2], strict=True)]).T
    own_white = columns[:, 3]
    matrix = columns[:, :3] * np.linalg.solve(columns[:, :3], own_white)
    d65 = np.array([_D65[0] / _D65[1], 1, (1 - sum(_D65)) / _D65[1]])
    cones = np.diag((_BRADFORD @ d65) / (_BRADFORD @ own_white))
    adapted: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ matrix
    return adapted


def _from_xyz(primaries: Primaries) -> NDArray[np.float64]:
    inverse: NDArray[np.float64] = np.linalg.inv(_to_xyz(primaries)).astype(np.float64)
    return inverse


def _srgb_curve(light: NDArray[np.float32]) -> NDArray[np.float32]:
    x = light.clip(0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** np.float32(1 / 2.4) - np.float32(0.055))
