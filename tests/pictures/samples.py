"""Images for the tests of this folder."""

import numpy as np


def noise(height=40, width=60):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
