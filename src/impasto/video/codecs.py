"""The codecs and containers that can be written, and their options."""

from dataclasses import dataclass
from pathlib import Path

from impasto.errors import UsageError


@dataclass(frozen=True)
class Codec:
    """A video codec.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name of the pixel format of its input.
        options: The encoder's options; "{crf}" is replaced by the rate factor.
        best: Rate factor at quality 100.
        worst: Rate factor at quality 0.
        segment_format: FFmpeg's container for segments; "nut" keeps every time base.
        tags_color: Whether its stream says which colors its samples stand for.
    """

    encoder: str
    pixel_format: str
    options: dict[str, str]
    best: float = 0.0
    worst: float = 0.0
    segment_format: str = "nut"
    tags_color: bool = True

    def options_at(self, quality: int) -> dict[str, str]:
        """The encoder's options for a quality from 0 to 100."""
        crf = round(self.worst + (self.best - self.worst) * quality / 100)
        return {name: value.format(crf=crf) for name, value in self.options.items()}


CODECS: dict[str, Codec] = {
    # No B-frames: frames are then decoded in presentation order, so a file can be split and joined anywhere.
    "h264": Codec("libx264", "yuv420p", {"preset": "veryfast", "crf": "{crf}", "bf": "0"}, best=12, worst=40),
    "hevc": Codec(
        "libx265", "yuv420p", {"preset": "veryfast", "crf": "{crf}", "x265-params": "bframes=0:log-level=none"}, 14, 42
    ),
    "vp9": Codec(
        "libvpx-vp9",
        "yuv420p",
        {"crf": "{crf}", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1", "lag-in-frames": "0"},
        best=15,
        worst=60,
    ),
    "av1": Codec("libsvtav1", "yuv420p", {"preset": "10", "crf": "{crf}", "svtav1-params": "pred-struct=1"}, 15, 60),
    "mpeg4": Codec(
        "mpeg4",
        "yuv420p",
        {"flags": "+qscale", "global_quality": "{crf}*QP2LAMBDA", "qmin": "1", "bf": "0"},
        best=1,
        worst=25,
        tags_color=False,
    ),
    "prores": Codec("prores_ks", "yuv422p10le", {"profile": "3"}, segment_format="mov"),
    "ffv1": Codec("ffv1", "yuv444p", {"level": "3"}),
}
"""Codecs by the value of `--codec`. Of the encoders, only libx264 and libx265 are licensed under the GPL."""


@dataclass(frozen=True)
class Container:
    """A container format.

    Attributes:
        format: FFmpeg's name.
        codecs: Names of the codecs it can hold; the first is the default.
        audio_encoder: FFmpeg's encoder for audio that cannot be copied.
        text_encoder: FFmpeg's encoder for subtitles that cannot be copied; None if it holds none.
        fixed_rate: Whether it only supports a constant frame rate.
        attachments: Whether it can hold attached files, such as fonts.
        covers: Whether it can hold cover art.
        tags_color: Whether it says which colors the samples stand for.
        not_copied: Codecs that it could hold, but few players read there.
    """

    format: str
    codecs: tuple[str, ...]
    audio_encoder: str
    text_encoder: str | None = None
    fixed_rate: bool = False
    attachments: bool = False
    covers: bool = False
    tags_color: bool = True
    not_copied: frozenset[str] = frozenset()


_PCM = frozenset(f"pcm_{kind}{end}" for kind in ("s16", "s24", "s32", "f32", "f64") for end in ("le", "be"))
_MP4 = Container(
    "mp4", ("h264", "hevc", "av1", "vp9", "mpeg4"), "aac", text_encoder="mov_text", covers=True, not_copied=_PCM
)
CONTAINERS: dict[str, Container] = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container("mov", ("h264", "hevc", "prores", "mpeg4"), "aac", text_encoder="mov_text"),
    ".mkv": Container(
        "matroska",
        ("h264", "hevc", "av1", "vp9", "mpeg4", "prores", "ffv1"),
        "aac",
        text_encoder="srt",
        attachments=True,
    ),
    ".webm": Container("webm", ("vp9", "av1"), "libopus", text_encoder="webvtt"),
    ".avi": Container("avi", ("mpeg4", "h264"), "mp3", fixed_rate=True, tags_color=False),
}
"""Containers by suffix."""


def container_of(path: Path) -> Container:
    """The container for a file's suffix.

    Raises:
        UsageError: The suffix is unknown.
    """
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        known = ", ".join([*CONTAINERS, ".gif", ".webp", ".png"])
        raise UsageError(f"{path}: no video format has the suffix '{suffix}': use one of {known}, or a folder")
    return CONTAINERS[suffix]


def codec_for(path: Path, name: str) -> Codec:
    """The codec called ``name``; "auto" is the default of the file's container.

    Raises:
        UsageError: There is no such codec, or the container cannot hold it.
    """
    container = container_of(path)
    if name == "auto":
        return CODECS[container.codecs[0]]
    if name not in CODECS:
        raise UsageError(f"unknown codec '{name}': use auto, {', '.join(CODECS)}")
    if name not in container.codecs:
        raise UsageError(
            f"{path}: {path.suffix} cannot hold {name}: use {', '.join(container.codecs)}, or another suffix"
        )
    return CODECS[name]
