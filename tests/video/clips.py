"""Small clips of every awkward kind, made with PyAV, and a reading of them by FFmpeg's own tools where installed."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

WIDTH, HEIGHT = 64, 48


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A smooth picture whose colors say which frame it is."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (x + 0.05 * number))
    return np.rint(255 * np.stack([0.8 * wave + 0.1, 0.8 * y + 0.1, 0.2 + 0.6 * x * (1 - y)], axis=2)).astype(np.uint8)


def make_clip(
    path: Path,
    *,
    frames: int = 10,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    size: tuple[int, int] = (WIDTH, HEIGHT),
    rate: int | Fraction = 25,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    options: dict[str, str] | None = None,
    audio: Sequence[str] = (),
    audio_rate: int = 48_000,
    subtitles: bool = False,
    rotation: int = 0,
    mirrored: bool = False,
    pixel_aspect: Fraction | None = None,
    color: tuple[int, int, int, int] | None = None,
    metadata: dict[str, str] | None = None,
    chapters: bool = False,
    seconds_of_audio: float | None = None,
    format: str | None = None,
    begin: float = 0.0,
) -> Path:
    """Encode a clip; ``color`` is matrix, primaries, transfer, range as FFmpeg numbers them.

    ``begin`` is added to all timestamps, where the format allows it.
    """
    container_options = {"output_ts_offset": str(begin)} if begin else {}
    with av.open(str(path), "w", format=format, container_options=container_options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        context = stream.codec_context
        context.options = options if options is not None else ({"preset": "ultrafast"} if codec == "libx264" else {})
        if time_base is not None:
            stream.time_base = context.time_base = time_base
        if pixel_aspect is not None:
            context.sample_aspect_ratio = pixel_aspect
        if color is not None:
            context.colorspace, context.color_primaries, context.color_trc, context.color_range = color
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        sounds = []
        for number, name in enumerate(audio):
            sound = container.add_stream(name, rate=audio_rate)
            sound.codec_context.layout = "stereo"
            sound.metadata["language"] = ("eng", "deu")[number]
            sounds.append(sound)
        container.metadata.update(metadata or {})
        if chapters:
            base = Fraction(1, 1000)
            container.set_chapters(
                [
                    {"id": 1, "start": 0, "end": 200, "time_base": base, "metadata": {"title": "one"}},
                    {"id": 2, "start": 200, "end": 400, "time_base": base, "metadata": {"title": "two"}},
                ]
            )
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            if color is not None:
                frame = frame.reformat(
                    format=pixel_format,
                    dst_colorspace={6: 5}.get(color[0], color[0]),
                    src_color_range=2,
                    dst_color_range=color[3],
                )
                frame.colorspace, frame.color_range = color[0], color[3]
                frame.color_primaries, frame.color_trc = color[1], color[2]
            frame.pts = pts[number] if pts is not None else number
            frame.time_base = time_base or 1 / Fraction(rate)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
        seconds = seconds_of_audio if seconds_of_audio is not None else frames / float(rate)
        for number, sound in enumerate(sounds):
            _add_tone(container, sound, seconds, 440 * (number + 1))
    return path


def _add_tone(container: Any, stream: Any, seconds: float, frequency: int) -> None:
    layout, size, rate = stream.codec_context.layout.name, 1024, stream.codec_context.sample_rate
    fifo = av.AudioFifo()
    time = np.arange(int(rate * seconds)) / rate
    wave = (0.3 * np.sin(2 * np.pi * frequency * time * (1 + time))).astype(np.float32)  # no two packets are alike
    frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout=layout)
    frame.rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    formats = stream.codec_context.codec.audio_formats
    resampler = av.AudioResampler(format=formats[0].name, layout=layout, rate=rate)
    for resampled in resampler.resample(frame):
        fifo.write(resampled)
    size = stream.codec_context.frame_size or size
    while (piece := fifo.read(size, partial=True)) is not None:
        for packet in stream.encode(piece):
            container.mux(packet)
    for packet in stream.encode(None):
        container.mux(packet)


def probe(path: Path, entries: str, *more: str) -> dict[str, Any]:
    """What ffprobe says of a file; the test is skipped where there is none."""
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed")
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", entries, *more, str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def packet_times(path: Path, kind: str = "video", index: int = 0) -> list[Fraction]:
    """The presentation times of a stream's packets in seconds, in order, read by PyAV's demuxer alone."""
    with av.open(str(path)) as container:
        stream = [s for s in container.streams if s.type == kind][index]
        return sorted(p.pts * p.time_base for p in container.demux(stream) if p.pts is not None)


def packet_bytes(path: Path, kind: str = "audio", index: int = 0) -> list[bytes]:
    """The packets of a stream as they are stored."""
    with av.open(str(path)) as container:
        stream = [s for s in container.streams if s.type == kind][index]
        return [bytes(p) for p in container.demux(stream) if p.size]


def decoded(path: Path) -> list[np.ndarray]:
    """The frames of a file as FFmpeg's command shows them (upright), or the test is skipped."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    stream = probe(path, "stream=width,height:stream_side_data=rotation", "-select_streams", "v:0")["streams"][0]
    turned = any(abs(int(x.get("rotation", 0))) % 180 == 90 for x in stream.get("side_data_list", []))
    width, height = (stream["height"], stream["width"]) if turned else (stream["width"], stream["height"])
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(path),
        "-fps_mode",
        "passthrough",
        "-sws_flags",
        "bicubic+accurate_rnd",
    ]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    return list(np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3))
