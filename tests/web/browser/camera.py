"""The film that the browser's fake camera shows, and what is to be seen of it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT, FRAMES = 160, 120, 30
DARK, BRIGHT = 40, 200


def write_ramp(path: Path) -> Path:
    """Write a film with a gray ramp from left to right, and a bar that moves down."""
    ramp = np.tile(np.linspace(DARK, BRIGHT, WIDTH, dtype=np.uint8), (HEIGHT, 1))
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F30:1 Ip A1:1 C420jpeg\n" % (WIDTH, HEIGHT))
        for number in range(FRAMES):
            luma = ramp.copy()
            luma[number * 4 : number * 4 + 4] = 235
            file.write(b"FRAME\n" + luma.tobytes() + bytes([128]) * (WIDTH * HEIGHT // 2))
    return path


def ramp(height: int, width: int) -> npt.NDArray[np.float64]:
    """What the camera shows, without the bar (the browser expands the video range), (H, W) of 0 to 255."""
    return np.tile(np.clip((np.linspace(DARK, BRIGHT, width) - 16) * 255 / 219, 0, 255), (height, 1))


def is_negative(painted: npt.NDArray[np.uint8], *, mirrored: bool) -> bool:
    """Whether a picture (H, W, 3) is the negative of what the camera shows."""
    gray = painted.astype(float).mean(2)
    expected = 255 - ramp(*gray.shape)
    return bool(np.median(np.abs(gray - (expected[:, ::-1] if mirrored else expected))) < 14)
