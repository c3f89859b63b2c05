"""HDR to SDR: the transfer functions of ITU-R BT.2100 and a tone curve."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

REFERENCE_WHITE = 203.0
"""Luminance of diffuse white in cd/m2 (ITU-R BT.2408). It is mapped to white, 1.0."""
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2
_KNEE = 0.6
"""Light, relative to white, up to which the tone curve is the identity."""


def pq_light(signal: NDArray[np.float64]) -> Floats:
    """Light relative to diffuse white from PQ values, 0 to 1 (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = signal ** (1 / m2)
    light = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return (light / REFERENCE_WHITE).astype(np.float32)


def hlg_scene_light(signal: NDArray[np.float64]) -> Floats:
    """Scene light, 0 to 1, from HLG values, 0 to 1 (ARIB STD-B67)."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)


def hlg_display_light(scene: Floats, luminance: Floats) -> Floats:
    """Light relative to diffuse white from scene light, (..., 3), on the reference display of 1000 cd/m2.

    Args:
        scene: Scene light of red, green and blue.
        luminance: The luminance weights of red, green and blue, (3,).
    """
    y = np.maximum(scene @ luminance, np.float32(1e-6))[..., np.newaxis]
    light: Floats = scene * (y ** np.float32(_HLG_GAMMA - 1)) * np.float32(_HLG_PEAK / REFERENCE_WHITE)
    return light


def compressed(light: Floats, peak: float) -> Floats:
    """Light, (..., 3), relative to white, with highlights up to `peak` compressed to at most 1.

    The curve is applied to the largest of the three channels; the others keep their ratio to it, which preserves hues.
    The curve is smooth, and the identity below a knee; with a peak of at most 1 it is the identity.
    """
    if peak <= 1:
        return light
    largest = light.max(axis=-1, keepdims=True)
    slope = np.float32((peak - _KNEE) / (1 - _KNEE))
    t = (largest.clip(_KNEE, peak) - np.float32(_KNEE)) / np.float32(peak - _KNEE)
    target = np.float32(_KNEE) + np.float32(1 - _KNEE) * slope * t / (1 + (slope - 1) * t)
    return np.where(largest > _KNEE, light * (target / np.maximum(largest, np.float32(_KNEE))), light)
