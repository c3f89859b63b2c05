"""Measures artifacts of painting networks: lattices, droplets, frames and repeated motifs.

Each measure compares the picture with its photo, so that a photo of a tiled wall does not count as an artifact.
docs/measures.md has the definitions, and pictures on both sides of each of the `LIMITS`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from impasto.pictures.picture import Pixels

Plane = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Artifacts:
    """The amount of each artifact, in excess of the photo's; more is worse.

    Attributes:
        lattice: height of the spectrum's lines at periods of 8, 4, 8/3 and 2 pixels above their neighbors, decibels:
            checkerboards of strided layers.
        droplets: number of isolated round spots, some 6 and 12 pixels wide, per million pixels. Spots among other
            spots, such as the stones of a mosaic, are a texture and do not count.
        border: difference in lightness between the outermost 8 pixels and those inside, levels of 255: frames caused
            by zero padding.
        repeat: autocorrelation of fine detail in quiet areas at some shift of 6 to 64 pixels, percent: one motif,
            repeated. Paintings have 8 to 11.
    """

    lattice: float
    droplets: float
    border: float
    repeat: float


LIMITS = Artifacts(lattice=6.0, droplets=60.0, border=12.0, repeat=15.0)

WORDS = {
    "lattice": "a fine grid or checkerboard",
    "droplets": "droplets: small spots that stand out",
    "border": "a dark or light frame along the border",
    "repeat": "one motif repeated in quiet areas",
}


def measure(picture: Pixels, photo: Pixels) -> Artifacts:
    """The artifacts of ``picture``, uint8 (H, W, 3), painted from ``photo`` of the same size."""
    painted, original = _luminance(picture), _luminance(photo)
    return Artifacts(
        lattice=max(0.0, _lattice(painted) - _lattice(original)),
        droplets=_droplets(painted, original),
        border=_border(painted, original),
        repeat=_repeat(painted, original),
    )


def mean(measured: Sequence[Artifacts]) -> Artifacts:
    """The means over several pictures."""
    return Artifacts(
        **{f.name: sum(getattr(one, f.name) for one in measured) / len(measured) for f in fields(Artifacts)}
    )


def complaints(found: Artifacts) -> list[str]:
    """A description of each artifact that exceeds its limit."""
    return [
        f"{WORDS[name]} ({value:.1f}, limit {getattr(LIMITS, name):g})"
        for name, value in asdict(found).items()
        if value > getattr(LIMITS, name)
    ]


def _luminance(picture: Pixels) -> Plane:
    plane: Plane = picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return plane


def _lattice(plane: Plane) -> float:
    """Height of the strongest lattice line in the spectrum above its neighbors, decibels."""
    strongest = 0.0
    for axis in (0, 1):
        length = plane.shape[axis] // 8 * 8
        if length < 64:
            continue
        lines = np.moveaxis(plane, axis, 1)[:, :length]
        lines = np.diff(lines, axis=1, append=lines[:, -1:])  # whitens: pictures have little energy at high frequencies
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
    """Number of isolated round spots where the photo has none, per million pixels."""
    found = 0
    for radius in (3, 6):
        painted, original = _spots(plane, radius), _spots(photo, radius)
        painted = np.where(painted > 10 * _blurred(painted, 6 * radius), painted, 0)
        cell = 4 * radius  # at most one spot a cell, so that none is counted twice
        height, width = (n // cell * cell for n in plane.shape)
        cells = [x[:height, :width].reshape(height // cell, cell, width // cell, cell) for x in (painted, original)]
        strongest, usual = (x.max(axis=(1, 3), initial=0) for x in cells)
        found += int(((strongest > 30) & (usual < 10)).sum())
    return found * 1e6 / plane.size


def _spots(plane: Plane, radius: int) -> Plane:
    """The contrast, in levels, of a round spot of about this radius at each pixel; 0 on edges and lines."""
    smooth = _blurred(plane, radius)
    ahead = np.pad(smooth, radius, mode="edge")
    north, south = ahead[: -2 * radius, radius:-radius], ahead[2 * radius :, radius:-radius]
    west, east = ahead[radius:-radius, : -2 * radius], ahead[radius:-radius, 2 * radius :]
    down, across = north + south - 2 * smooth, west + east - 2 * smooth
    corners = ahead[: -2 * radius, : -2 * radius] + ahead[2 * radius :, 2 * radius :]
    corners -= ahead[: -2 * radius, 2 * radius :] + ahead[2 * radius :, : -2 * radius]
    # The weaker of the Hessian's two curvatures where both have one sign; on an edge it is zero.
    half = np.sqrt((down - across) ** 2 / 4 + (corners / 4) ** 2)
    weaker: Plane = np.maximum(0, np.abs(down + across) / 2 - half)
    return weaker


def _border(plane: Plane, photo: Plane) -> float:
    """Largest difference over the four sides between the border and the pixels next to it, levels."""
    if min(plane.shape) < 64:
        return 0.0
    greatest = 0.0
    for turn in range(4):
        steps = [side[:8].mean() - side[12:28].mean() for side in (np.rot90(plane, turn), np.rot90(photo, turn))]
        greatest = max(greatest, abs(float(steps[0])) - abs(float(steps[1])))
    return greatest


WINDOW = 128
"""Side of the windows in which repetition is measured, pixels. Windows overlap by half."""
REPEATS = (6, 64)
"""Smallest and largest shift at which repetition is measured, pixels."""
FAINT = 4.0
"""Standard deviation at which detail has half its weight, levels of 255: repetition of faint detail is invisible."""


def _repeat(picture: Plane, photo: Plane) -> float:
    """Repetition of fine detail in excess of the photo's, percent, mean over the quietest quarter of the photo."""
    windows = [
        np.s_[top : top + WINDOW, left : left + WINDOW]
        for top in range(0, photo.shape[0] - WINDOW + 1, WINDOW // 2)
        for left in range(0, photo.shape[1] - WINDOW + 1, WINDOW // 2)
    ]
    detail, photo_detail = (plane - _blurred(plane, 8) for plane in (picture, photo))
    windows.sort(key=lambda window: float(photo_detail[window].std()))
    quiet = windows[: -(-len(windows) // 4)]
    beyond = [max(0.0, repetition(detail[window]) - repetition(photo_detail[window])) for window in quiet]
    return 100 * float(np.mean(beyond)) if beyond else 0.0


def repetition(patch: Plane) -> float:
    """How strongly a square patch repeats itself at its best shift, 0 to 1.

    This is the autocorrelation at a shift, minus that at half the shift if it is positive: a repeated motif differs
    from the area between its copies, while a long stroke does not.
    """
    side, (nearest, farthest) = len(patch), REPEATS
    reach = min(farthest, side // 2)
    patch = patch - patch.mean()
    spectrum = np.abs(np.fft.rfft2(patch, s=(2 * side, 2 * side))) ** 2
    products = np.fft.fftshift(np.fft.irfft2(spectrum, s=(2 * side, 2 * side)))
    products = products[side - reach : side + reach + 1, side - reach : side + reach + 1]
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    overlap = (1 - np.abs(down) / side) * (1 - np.abs(across) / side)
    correlation = products / (overlap * (products[reach, reach] + (FAINT * side) ** 2))
    halfway = correlation[reach + np.rint(down / 2).astype(int), reach + np.rint(across / 2).astype(int)]
    distance = np.hypot(down, across)
    again = np.where((distance >= nearest) & (distance <= reach), correlation - np.maximum(0, halfway), 0)
    return max(0.0, float(again.max()))


def sharpness(picture: Pixels) -> float:
    """Root mean square of the finest octave of a picture's lightness, levels of 255."""
    plane = _luminance(picture)
    height, width = (length // 2 * 2 for length in plane.shape)
    cells = plane[:height, :width].reshape(height // 2, 2, width // 2, 2)
    return float((cells - cells.mean(axis=(1, 3), keepdims=True)).std())


def _blurred(plane: Plane, radius: int) -> Plane:
    """Three box filters each way, close to a Gaussian; the edge pixels are continued."""
    side = radius // 2 * 2 + 1
    for _ in range(6):  # across and down in turn: each pass transposes the picture
        padded = np.pad(plane, [(0, 0), (side // 2 + 1, side // 2)], mode="edge")
        total = padded.cumsum(axis=1, dtype=np.float64)
        plane = ((total[:, side:] - total[:, :-side]) / side).astype(np.float32).T
    return plane
