"""Keeping the photo's colors: Gatys, Bethge, Hertzmann, Shechtman 2016 (arXiv:1606.05897), "Preserving color".

Both methods of the paper, applied to the painted picture. Means and mixtures of light are computed in linear RGB, and
lightness is CIELAB's L*.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from impasto.errors import UsageError
from impasto.pictures.picture import Pixels, white

Method = Literal["luminance", "match"]
METHODS = ("luminance", "match")
"""luminance: the lightness of the painting with the hue and chroma of the photo at every pixel. match: the colors of
the painting under one linear map, so that their mean and covariance are those of the photo."""

Floats = NDArray[np.float32]

# Linear sRGB to XYZ relative to white, D65 (IEC 61966-2-1).
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_TO_XYZ = (_TO_XYZ / _TO_XYZ.sum(axis=1, keepdims=True)).astype(np.float32)
_FROM_XYZ = np.linalg.inv(_TO_XYZ).astype(np.float32)
_ROWS = 256
"""Number of rows that are processed at once, to limit memory."""


def keep_colors(painted: Pixels, photo: Pixels, method: Method, where: Floats | None = None) -> Pixels:
    """The painted picture with the colors of the photo: sRGB, of the shape and dtype of the arguments.

    Args:
        painted: The painted picture, uint8 or uint16 (H, W, 3).
        photo: The photo, of the same shape and dtype.
        method: One of `METHODS`.
        where: The share of the painting at each pixel, float32 (H, W), 0 to 1; None means 1 everywhere. Colors are
            measured and changed only where the share is above 0.

    Raises:
        UsageError: The method is unknown, or the shapes differ.
    """
    if method not in METHODS:
        raise UsageError(f"unknown way to keep colors '{method}': choose one of {', '.join(METHODS)}")
    if painted.shape != photo.shape:
        raise UsageError(f"the painting is {painted.shape} and the photo {photo.shape}; they must have one shape")
    result = painted.copy()
    if where is not None and not (where > 0).any():
        return result
    if method == "match":
        matrix, shift = _matching(_sample(painted, where), _sample(photo, where))
    for rows in _strips(painted):
        if method == "match":
            linear = _linear(painted[rows]) @ matrix.T + shift
        else:
            linear = _within_srgb(_lab(painted[rows])[..., 0], _lab(photo[rows]))
        kept = np.rint(_curved(linear) * white(painted))
        if where is not None:
            kept = np.rint(painted[rows] + where[rows][..., np.newaxis] * (kept - painted[rows]))
        result[rows] = kept
    return result


def _matching(painted: Floats, photo: Floats) -> tuple[Floats, Floats]:
    """Matrix and shift that give ``painted``, (N, 3), the mean and covariance of ``photo`` (Monge-Kantorovich)."""
    means = [x.mean(axis=0, dtype=np.float64) for x in (painted, photo)]
    of_painted, of_photo = (np.cov(x.T.astype(np.float64), bias=True) + 1e-6 * np.eye(3) for x in (painted, photo))
    root = _root(of_painted)
    inverse = np.linalg.inv(root)
    matrix = inverse @ _root(root @ of_photo @ root) @ inverse
    return matrix.astype(np.float32), (means[1] - matrix @ means[0]).astype(np.float32)


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    root: NDArray[np.float64] = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root


def _sample(picture: Pixels, where: Floats | None = None) -> Floats:
    """About a million pixels in linear light, (N, 3), evenly spread over where the share is above 0."""
    if where is not None:
        pixels = picture[where > 0]
        return _linear(pixels[:: max(1, len(pixels) // 1_000_000)])
    step = max(1, round((picture.shape[0] * picture.shape[1] / 1e6) ** 0.5))
    return _linear(picture[::step, ::step]).reshape(-1, 3)


def _within_srgb(lightness: Floats, lab: Floats) -> Floats:
    """Linear RGB of this lightness and the hue of ``lab``; chroma is reduced where it is outside sRGB."""
    share = np.ones_like(lightness)
    fits = np.zeros(lightness.shape, bool)
    rgb = np.zeros(lab.shape, np.float32)
    for _ in range(8):
        mixed = np.stack([lightness, lab[..., 1] * share, lab[..., 2] * share], axis=-1)
        rgb = np.where(fits[..., None], rgb, _from_lab(mixed))
        fits |= ((rgb > -0.002) & (rgb < 1.002)).all(axis=-1)
        if fits.all():
            break
        share = np.where(fits, share, share * np.float32(0.75))
    return rgb


def _strips(picture: Pixels) -> Iterator[slice]:
    return (slice(top, top + _ROWS) for top in range(0, picture.shape[0], _ROWS))


def _linear(picture: Pixels) -> Floats:
    """Linear RGB of sRGB samples, 0 to 1."""
    return _LINEAR[white(picture)][picture]


def _curved(linear: Floats) -> Floats:
    """The sRGB curve of linear values: 0 to 1."""
    x = linear.clip(0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** np.float32(1 / 2.4) - np.float32(0.055))


def _lab(picture: Pixels) -> Floats:
    """CIELAB relative to D65."""
    xyz = _linear(picture) @ _TO_XYZ.T
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    lab = np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)
    return lab.astype(np.float32)


def _from_lab(lab: Floats) -> Floats:
    """Linear RGB; values are outside 0 to 1 for colors outside sRGB."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, (116 * f - 16) * 27 / 24389)
    return (xyz @ _FROM_XYZ.T).astype(np.float32)


def _linear_table(most: int) -> Floats:
    values = np.arange(most + 1) / most
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR = {most: _linear_table(most) for most in (255, 65535)}
