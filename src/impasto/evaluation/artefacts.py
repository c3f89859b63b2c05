"""What goes wrong in pictures made by networks, measured: grids, droplets, borders, patterns and weaves in flat places.

Each measure compares the picture with the photo it was made of, so that a photo of a tiled wall is no fault of the
network's. `LIMITS` lie between networks of other projects that are clean to the eye and those that are known for the
fault (docs/results.md has both sides).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from impasto.pictures.picture import Pixels

Plane = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Artefacts:
    """How much of each fault there is; more is worse. Means over several pictures with :func:`mean`.

    grid: decibels by which the spectrum's lines at periods of 8, 4, 8/3 and 2 pixels stand above those beside them,
        beyond the photo's own: checkerboards of strided layers.
    droplets: lone round spots, some 6 and 12 pixels wide, in a million pixels, where the photo has none. Spots among
        spots, as a mosaic's stones, are a texture and do not count.
    border: levels of 255 by which the outermost 8 pixels are darker or lighter than those within, beyond the photo's
        own: frames made by zero padding.
    pattern: levels of 255 of what repeats itself where the photo is flat or softly shaded, beyond the photo's own:
        curls, scales and ripples of the network's. A mean over all such places: one bad sky counts by its share.
    weave: percent by which detail, where the photo is flattest, repeats better at some multiple of 4 pixels each way
        than 2 pixels beside it, beyond the photo's own: one mesh, over and over, of a generator that works at a quarter
        of the size. Paintings have some 5.
    """

    grid: float
    droplets: float
    border: float
    pattern: float
    weave: float


LIMITS = Artefacts(grid=6.0, droplets=60.0, border=12.0, pattern=7.0, weave=15.0)

WORDS = {
    "grid": "a fine grid or checkerboard",
    "droplets": "droplets: small spots that stand out",
    "border": "a dark or light frame along the border",
    "pattern": "a repeating pattern where the photo is flat",
    "weave": "a woven mesh where the photo is flat",
}


def measure(picture: Pixels, photo: Pixels) -> Artefacts:
    """The faults of ``picture``, uint8 (H, W, 3), painted from ``photo`` of the same size."""
    of_picture, of_photo = _luminance(picture), _luminance(photo)
    detail, photo_detail = (plane - _blurred(plane, 8) for plane in (of_picture, of_photo))
    return Artefacts(
        grid=max(0.0, _grid(of_picture) - _grid(of_photo)),
        droplets=_droplets(of_picture, of_photo),
        border=_border(of_picture, of_photo),
        pattern=_pattern(detail, photo_detail),
        weave=_weave(detail, photo_detail, of_photo),
    )


def mean(measured: Sequence[Artefacts]) -> Artefacts:
    """Of several pictures by one network."""
    return Artefacts(
        **{f.name: sum(getattr(one, f.name) for one in measured) / len(measured) for f in fields(Artefacts)}
    )


def complaints(found: Artefacts) -> list[str]:
    """What is beyond its limit, in words."""
    return [
        f"{WORDS[name]} ({value:.1f}, limit {getattr(LIMITS, name):g})"
        for name, value in asdict(found).items()
        if value > getattr(LIMITS, name)
    ]


def _luminance(picture: Pixels) -> Plane:
    plane: Plane = picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return plane


def _grid(plane: Plane) -> float:
    """How far the strongest line of a grid stands out of the spectrum, decibels."""
    strongest = 0.0
    for axis in (0, 1):
        length = plane.shape[axis] // 8 * 8
        if length < 64:
            continue
        lines = np.moveaxis(plane, axis, 1)[:, :length]
        lines = np.diff(lines, axis=1, append=lines[:, -1:])  # whitens: pictures have little at high frequencies
        window = np.hanning(length).astype(np.float32)
        power = (np.abs(np.fft.rfft(lines * window, axis=1)) ** 2).mean(axis=0)
        level = 10 * np.log10(power + 1e-3)
        for period in (8, 4, 8 / 3, 2):
            line = round(length / period)
            beside = np.r_[level[max(0, line - 12) : max(0, line - 3)], level[line + 4 : line + 13]]
            if len(beside):
                strongest = max(strongest, float(level[max(0, line - 1) : line + 2].max() - np.median(beside)))
    return max(0.0, strongest - 3.0)  # the highest of three lines of noise lies about that above the median


def _droplets(plane: Plane, photo: Plane) -> float:
    """Round spots that stand out, alone, where the photo has none, a million pixels."""
    found = 0
    for radius in (3, 6):
        of_picture, of_photo = _spots(plane, radius), _spots(photo, radius)
        of_picture = np.where(of_picture > 10 * _blurred(of_picture, 6 * radius), of_picture, 0)
        cell = 4 * radius  # one a cell: a spot is counted once
        height, width = (n // cell * cell for n in plane.shape)
        cells = [x[:height, :width].reshape(height // cell, cell, width // cell, cell) for x in (of_picture, of_photo)]
        strongest, usual = (x.max(axis=(1, 3), initial=0) for x in cells)
        found += int(((strongest > 30) & (usual < 10)).sum())
    return found * 1e6 / plane.size


def _spots(plane: Plane, radius: int) -> Plane:
    """By how many levels each place is the middle of a round spot of about this radius; 0 on edges and lines."""
    smooth = _blurred(plane, radius)
    ahead = np.pad(smooth, radius, mode="edge")
    north, south = ahead[: -2 * radius, radius:-radius], ahead[2 * radius :, radius:-radius]
    west, east = ahead[radius:-radius, : -2 * radius], ahead[radius:-radius, 2 * radius :]
    down, across = north + south - 2 * smooth, west + east - 2 * smooth
    corners = ahead[: -2 * radius, : -2 * radius] + ahead[2 * radius :, 2 * radius :]
    corners -= ahead[: -2 * radius, 2 * radius :] + ahead[2 * radius :, : -2 * radius]
    # The weaker of the Hessian's two curvatures, where both have one sign: what is left of an edge is nothing.
    half = np.sqrt((down - across) ** 2 / 4 + (corners / 4) ** 2)
    weaker: Plane = np.maximum(0, np.abs(down + across) / 2 - half)
    return weaker


def _border(plane: Plane, photo: Plane) -> float:
    """By how much the edge differs from what is next to it, levels; the greatest of the four sides."""
    if min(plane.shape) < 64:
        return 0.0
    greatest = 0.0
    for turn in range(4):
        steps = [x[:8].mean() - x[12:28].mean() for x in (np.rot90(plane, turn), np.rot90(photo, turn))]
        greatest = max(greatest, abs(float(steps[0])) - abs(float(steps[1])))
    return greatest


BLOCK = 64
"""Side of the places, half over each other, in which repetition is looked for, pixels."""
FLAT = 6.0
"""Deviation of a photo's detail, levels of 255, up to which a place is flat."""


def _places(plane: Plane) -> list[tuple[slice, slice]]:
    tops, lefts = (range(0, length - BLOCK + 1, BLOCK // 2) for length in plane.shape)
    return [np.s_[top : top + BLOCK, left : left + BLOCK] for top in tops for left in lefts]


def _weave(detail: Plane, photo_detail: Plane, photo: Plane) -> float:
    """Percent by which the flattest eighth of the photo's places repeats itself on the grid of 4 pixels."""
    flattest = sorted(_places(photo), key=lambda place: float(photo[place].std()))
    flattest = flattest[: -(-len(flattest) // 8)]
    if not flattest:
        return 0.0
    of_picture, of_photo = (
        np.mean([_on_grid(of[place]) for place in flattest], axis=0) for of in (detail, photo_detail)
    )
    return 100 * max(0.0, float((of_picture - of_photo.clip(0)).max()))


def _on_grid(patch: Plane) -> Plane:
    """By how much its correlation with itself is better at multiples of 4 pixels than 2 beside: (6, 11), down, across.

    As :func:`impasto.nn.pixel_terms.lattice`, which training holds down, has it; the nearest shifts are left out.
    """
    spectrum = np.abs(np.fft.rfft2(patch - patch.mean(), s=(2 * BLOCK, 2 * BLOCK))) ** 2
    products = np.fft.fftshift(np.fft.irfft2(spectrum))
    down, across = np.mgrid[-22:23, -22:23]
    overlap = (1 - np.abs(down) / BLOCK) * (1 - np.abs(across) / BLOCK)
    energy = products[BLOCK, BLOCK] + BLOCK**2  # of one level: what is even has no mesh to speak of
    correlation = products[BLOCK - 22 : BLOCK + 23, BLOCK - 22 : BLOCK + 23] / (overlap * energy)
    between = (correlation[:-4, :-4] + correlation[:-4, 4:] + correlation[4:, :-4] + correlation[4:, 4:]) / 4
    better: Plane = (correlation[2:-2, 2:-2] - between)[20::4, ::4]
    rows, columns = np.mgrid[0:6, -5:6]
    return np.where(np.hypot(rows, columns) > 1, better, np.float32(0))


def _pattern(detail: Plane, photo_detail: Plane) -> float:
    """Levels of what repeats itself in places where the photo has little detail, beyond the photo's own; 0 without.

    By detail and not by level: a soft shadow is flat as well.
    """
    flat = [place for place in _places(photo_detail) if photo_detail[place].std() <= FLAT]
    beyond = [max(0.0, _repetition(detail[place]) - _repetition(photo_detail[place])) for place in flat]
    return float(np.mean(beyond)) if beyond else 0.0


def _repetition(patch: Plane) -> float:
    """Its deviation, levels, times its correlation with itself at the best shift of 7 pixels or more."""
    patch = patch - patch.mean()
    window = np.hanning(BLOCK).astype(np.float32)
    spectrum = np.abs(np.fft.rfft2(patch * window[:, None] * window, s=(2 * BLOCK, 2 * BLOCK))) ** 2
    again = np.fft.fftshift(np.fft.irfft2(spectrum))[BLOCK - 28 : BLOCK + 29, BLOCK - 28 : BLOCK + 29]
    down, across = np.mgrid[-28:29, -28:29]
    far = np.hypot(down, across) >= 7
    return float(patch.std()) * max(0.0, float(again[far].max() / (again.max() + 1e-6)))


def _blurred(plane: Plane, radius: int) -> Plane:
    """Three box filters each way, near a Gaussian; the edge is continued."""
    side = radius // 2 * 2 + 1
    for _ in range(6):  # across and down in turn: every pass leaves the picture transposed
        padded = np.pad(plane, [(0, 0), (side // 2 + 1, side // 2)], mode="edge")
        total = padded.cumsum(axis=1, dtype=np.float64)
        plane = ((total[:, side:] - total[:, :-side]) / side).astype(np.float32).T
    return plane
