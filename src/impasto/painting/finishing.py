"""Turns a network's output into pixels: color matching for strengths below 1, rounding, checks."""

from collections.abc import Callable

import numpy as np

from impasto.errors import ModelError
from impasto.painting.engine import Array
from impasto.pictures.picture import Pixels, white

NEAR_PHOTO = 0.2
"""Below this strength the photo's own pixels are mixed in, as the network would blur them."""


def color_match(painted: Array, photo: Array, strength: float) -> Callable[[Array], Array]:
    """A function that moves the colors and contrast of painted pictures toward the photo's for strengths below 1.

    Instance normalization removes both. Each channel's mean and standard deviation are interpolated with the photo's,
    which has the weight 1 - strength.

    Args:
        painted: The painted picture, float32 (1, 3, H, W), or a sample of it.
        photo: The same region of the photo, float32 (1, 3, H, W).
        strength: The strength of the painted picture.
    """
    if strength >= 1:
        return lambda picture: picture
    share, axes = np.float32(1 - strength), (2, 3)
    mean, deviation = painted.mean(axes, keepdims=True), painted.std(axes, keepdims=True)
    wanted_mean = mean + share * (photo.mean(axes, keepdims=True) - mean)
    wanted_deviation = deviation + share * (photo.std(axes, keepdims=True) - deviation)
    scale = wanted_deviation / (deviation + np.float32(1e-6))

    def matched(picture: Array) -> Array:
        moved: Array = (picture - mean) * scale + wanted_mean
        return moved

    return matched


def restore_detail(painted: Array, photo: Array, strength: Array | np.float32) -> Array:
    """Mix the photo's own pixels into the painted picture where the strength is near 0.

    At strength 0 the network returns a slightly blurred photo.

    Args:
        painted: float32 (1, 3, h, w).
        photo: float32 (1, 3, H, W), at most as large.
        strength: One number, or (H, W).
    """
    rest = np.maximum(np.float32(0), 1 - strength / np.float32(NEAR_PHOTO))
    if not rest.any():
        return painted
    height, width = photo.shape[2:]
    there = painted[:, :, :height, :width]
    finished: Array = there + rest * (photo - there)
    return finished


def to_pixels(output: Array, image: Pixels) -> Pixels:
    """Crop the output (1, 3, h, w), in [0, 1], to the size of ``image`` (H, W, 3), and round it to the same dtype.

    Raises:
        ModelError: The output has another shape, is too small, or is not finite.
    """
    height, width = image.shape[:2]
    if output.ndim != 4 or output.shape[:2] != (1, 3) or output.shape[2] < height or output.shape[3] < width:
        raise ModelError(f"the model made {output.shape} of a {width} x {height} picture; it is not a stylizing model")
    picture = output[0, :, :height, :width].transpose(1, 2, 0)
    if not np.isfinite(picture).all():
        raise ModelError("the model's output is not finite; its training went wrong, train it again")
    rounded = np.rint(np.clip(picture, 0, 1) * np.float32(white(image)))
    return np.ascontiguousarray(rounded, image.dtype)
