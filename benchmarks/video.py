"""Measure the flicker of painted videos, and the speed of painting: `make bench-video DATA=folder`.

DATA contains `flow/sintel_final` (frames with ground-truth flow), `clips` and `styles`. Everything is compared with
painting frame by frame with the same network in the same process.

Warping error: the root of the mean squared difference, 0 to 1, between a painted frame and the next one moved back
along the true flow, where both show the same surface. The frames before are painted first.
Noise: the mean change from frame to frame, levels of 255, of a still scene with a sensor's noise.
Style: the style distance of the second of these frames (docs/measures.md).
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

import impasto
from impasto import Settings
from impasto.evaluation.measures import StyleMeasure
from impasto.models.catalog import Variant
from impasto.nn.tensors import to_tensor
from impasto.nn.vgg import VGGFeatures
from impasto.nn.weights import load_loss_network
from impasto.painting.stylizer import Stylizer
from impasto.pictures.resize import resize_short_side
from impasto.video.clip import Pixels
from impasto.video.paint import VideoOptions, paint_video
from impasto.video.steady import Smoothing, Steady

STYLES = ("starry_night", "great_wave", "udnie", "the_scream", "composition_vii")
NOISE = 2.0
"""Levels of 255: standard deviation of a sensor's noise."""
NOISY_FRAMES = 24
SETTINGS = Settings()
EACH_METHOD: dict[str, float | Smoothing] = {
    "frame by frame": 0.0,
    "noise filter alone": Smoothing(noise=0.85, statistics=0, mixing=0),
    "statistics alone": Smoothing(noise=0, statistics=0.8, mixing=0),
    "mixing alone": Smoothing(noise=0, statistics=0, mixing=0.8),
    "all, --steady 0.5": 0.5,
    "all, --steady 1": 1.0,
}

Paint = Callable[[Pixels], Pixels]


def read_flow(path: Path) -> np.ndarray:
    """A .flo file (Middlebury): float32 (H, W, 2), pixels to the right and down."""
    data = path.read_bytes()
    if data[:4] != b"PIEH":
        raise SystemExit(f"{path}: is no .flo file")
    width, height = np.frombuffer(data[4:12], "<i4")
    return np.frombuffer(data[12:], "<f4").reshape(height, width, 2)


def warped_back(picture: Pixels, flow: np.ndarray) -> np.ndarray:
    """The later picture at the positions to which the earlier one's pixels moved: float32 (H, W, 3), bilinear."""
    height, width = flow.shape[:2]
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    x, y = np.clip(across + flow[..., 0], 0, width - 1), np.clip(down + flow[..., 1], 0, height - 1)
    left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    dx, dy = (x - left)[..., None].astype(np.float32), (y - top)[..., None].astype(np.float32)
    p = picture.astype(np.float32)
    upper = (1 - dx) * p[top, left] + dx * p[top, left + 1]
    lower = (1 - dx) * p[top + 1, left] + dx * p[top + 1, left + 1]
    return np.asarray((1 - dy) * upper + dy * lower)


def paint_pair(folder: Path, paint: Paint) -> tuple[Pixels, float]:
    """The painted frame 2 of a Sintel sequence, painted in order, and its warping error to frame 3."""
    frames = [impasto.load_image(folder / f"frame_{number:04d}.png") for number in (1, 2, 3)]
    painted = [paint(frame) for frame in frames]
    flow = read_flow(folder / "gt" / "frame_0002.flo")
    hidden = [impasto.load_image(folder / "gt" / name / "frame_0002.png") for name in ("occlusions", "invalid")]
    seen = (hidden[0].max(axis=2) == 0) & (hidden[1].max(axis=2) == 0)
    difference = (warped_back(painted[2], flow) - painted[1]) / 255
    return painted[1], float(np.sqrt(np.square(difference).mean(axis=2)[seen].mean()))


def noise_response(picture: Pixels, paint: Paint) -> float:
    """Mean change, levels of 255, from frame to frame of a still scene with sensor noise."""
    rng, changes, before = np.random.default_rng(0), [], None
    for number in range(NOISY_FRAMES):
        noisy = np.clip(np.rint(picture + rng.normal(0, NOISE, picture.shape)), 0, 255).astype(np.uint8)
        painted = paint(noisy).astype(np.float32)
        if before is not None and number >= NOISY_FRAMES // 2:  # after it has settled
            changes.append(float(np.abs(painted - before).mean()))
        before = painted
    return statistics.mean(changes)


class OtherNoise:
    """Paints frame by frame, with different noise in each frame."""

    def __init__(self, stylizer: Stylizer) -> None:
        self._stylizer, self._seed = stylizer, 0

    def __call__(self, frame: Pixels) -> Pixels:
        self._seed += 1
        return self._stylizer(frame, replace(SETTINGS, seed=self._seed))


class Distance:
    """The style distance of painted frames."""

    def __init__(self, network: VGGFeatures, style: Path, photo: Pixels) -> None:
        picture = resize_short_side(impasto.load_image(style), min(photo.shape[:2]))
        self._measure = StyleMeasure(to_tensor(picture), network)
        self._reference = self._measure.reference(to_tensor(photo))

    def __call__(self, painted: Pixels) -> float:
        return self._measure.compare(to_tensor(painted), self._reference).style_distance


def painters(stylizer: Stylizer) -> dict[str, Callable[[], Paint]]:
    """Functions that make a fresh painter for each method."""
    methods: dict[str, Callable[[], Paint]] = {
        name: partial(Steady, stylizer, smoothing=smoothing) for name, smoothing in EACH_METHOD.items()
    }
    if stylizer.info.noise_channels:
        methods["other noise in each frame"] = partial(OtherNoise, stylizer)
    return methods


def stillness(data: Path, variant: Variant) -> dict[str, dict[str, float]]:
    """Means over styles, by method and measure."""
    sequences = sorted(path for path in (data / "flow" / "sintel_final").iterdir() if path.is_dir())
    scene = impasto.load_image(sequences[0] / "frame_0002.png")
    network = load_loss_network()[0]
    found: dict[str, dict[str, list[float]]] = {}
    for style in STYLES:
        stylizer = impasto.load(style, variant=variant)
        distances = {
            folder: Distance(network, data / "styles" / f"{style}.jpg", impasto.load_image(folder / "frame_0002.png"))
            for folder in sequences
        }
        for name, make in painters(stylizer).items():
            values = found.setdefault(name, {})
            for folder in sequences:
                painted, error = paint_pair(folder, make())
                values.setdefault(f"warping, {folder.name}", []).append(error)
                values.setdefault("style", []).append(distances[folder](painted))
            values.setdefault("noise", []).append(noise_response(scene, make()))
    return {name: {key: statistics.mean(x) for key, x in values.items()} for name, values in found.items()}


def speed(data: Path, variant: Variant, runs: int) -> list[dict[str, float]]:
    """Frames per second from file to file, and the share of the time in which a frame is being painted."""
    stylizer = impasto.load("starry_night", variant=variant)
    clip = data / "clips" / "bigbuckbunny.mp4"
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for short_side in (360, 720):
            for steady in (0.0, 0.5):
                rates, shares = [], []
                for _ in range(runs):
                    options = VideoOptions(size=short_side, steady=steady, force=True)
                    result = paint_video(clip, Path(folder) / "a.mp4", stylizer, options=options)
                    rates.append(result.frames / result.seconds)
                    shares.append(result.painting_seconds / result.seconds)
                row: dict[str, float] = {
                    "short side": short_side,
                    "steady": steady,
                    "frames a second": statistics.median(rates),
                }
                rows.append(row | {"painting": statistics.median(shares)})
    return rows


def offset_of_sound(data: Path) -> list[float]:
    """Seconds by which sound starts later in painted clips than in their sources, beside the picture (ffprobe)."""
    offsets = []
    with tempfile.TemporaryDirectory() as folder:
        for clip in sorted((data / "clips").glob("*.mp4")):
            out = Path(folder) / clip.name
            stylizer = impasto.load("udnie", variant="fast")
            paint_video(clip, out, stylizer, options=VideoOptions(size=64, steady=0, force=True))
            starts = [{s["codec_type"]: Fraction(s["start_time"]) for s in _streams(path)} for path in (clip, out)]
            offsets.append(
                float(abs((starts[1]["audio"] - starts[1]["video"]) - (starts[0]["audio"] - starts[0]["video"])))
            )
    return offsets


def _streams(path: Path) -> list[dict[str, str]]:
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "stream=codec_type,start_time", str(path)]
    found: list[dict[str, str]] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["streams"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--variants", nargs="+", default=["fast", "best"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--part", choices=("stillness", "speed", "sound", "all"), default="all")
    a = parser.parse_args()
    for variant in a.variants:
        begun = time.monotonic()
        if a.part in ("stillness", "all"):
            rows = stillness(a.data, variant)
            alone = rows["frame by frame"]
            print(f"\n{variant}, mean over {len(STYLES)} styles: value, and value relative to frame by frame")
            for name, row in rows.items():
                values = [f"{key} {value:.4g} ({value / alone[key]:.2f})" for key, value in row.items()]
                print("|", " | ".join([name, *values]), "|", flush=True)
        if a.part in ("speed", "all"):
            for rates in speed(a.data, variant, a.runs):
                print("|", " | ".join(f"{k} {v:.3g}" for k, v in rates.items()), "|", flush=True)
        print(f"{time.monotonic() - begun:.0f} s")
    if a.part in ("sound", "all"):
        print("offset of sound, s:", offset_of_sound(a.data))


if __name__ == "__main__":
    main()
