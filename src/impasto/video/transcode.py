"""How a source's audio, subtitle or picture stream gets into the output: copied, or encoded for its container."""

from collections.abc import Iterator
from typing import Any, Protocol

from impasto.video.clip import pyav

_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""Number of channels -> the layout that is meant where a file names none."""
_TEXT = {"srt", "subrip", "ass", "ssa", "mov_text", "webvtt", "text"}
"""FFmpeg's names of subtitles that are text, not pictures."""


class Track(Protocol):
    """A stream on its way into the output.

    Attributes:
        stream: The output's stream.
    """

    stream: Any

    def packets(self, packet: Any) -> Iterator[Any]:
        """The output's packets for one packet of the source."""

    def rest(self) -> Iterator[Any]:
        """The packets that an encoder still holds at the end."""


class Copy:
    """Copies packets untouched."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def packets(self, packet: Any) -> Iterator[Any]:
        """See :class:`Track`."""
        packet.stream = self.stream
        yield packet

    def rest(self) -> Iterator[Any]:
        """See :class:`Track`."""
        return iter(())


class AudioEncoder:
    """Decodes audio packets and encodes them for another container.

    Args:
        result: The output's container.
        encoder: FFmpeg's name of the encoder.
        context: The codec context of the source's stream.
    """

    def __init__(self, result: Any, encoder: str, context: Any) -> None:
        av = pyav()
        codec = av.codec.Codec(encoder, "w")
        rates = codec.audio_rates or [context.sample_rate]
        rate = min(rates, key=lambda rate: (rate < context.sample_rate, abs(rate - context.sample_rate)))
        formats = codec.audio_formats or [context.format]
        layout = context.layout.name
        if layout not in _LAYOUTS.values():
            layout = _LAYOUTS.get(context.layout.nb_channels, "stereo")
        self.stream = result.add_stream(encoder, rate=rate)
        self.stream.codec_context.layout = layout
        self._resampler = av.AudioResampler(format=formats[0].name, layout=layout, rate=rate)
        self._errors = av.error

    def packets(self, packet: Any) -> Iterator[Any]:
        """See :class:`Track`. Packets that cannot be decoded are skipped."""
        try:
            frames = packet.decode()
        except (self._errors.FFmpegError, ValueError):
            return
        for frame in frames:
            for resampled in self._resampler.resample(frame):
                yield from self.stream.encode(resampled)

    def rest(self) -> Iterator[Any]:
        """See :class:`Track`."""
        for resampled in self._resampler.resample(None):
            yield from self.stream.encode(resampled)
        yield from self.stream.encode(None)


def is_text(stream: Any) -> bool:
    """Whether a subtitle stream is text that can be decoded."""
    return stream.codec_context is not None and stream.codec_context.name in _TEXT


class TextEncoder:
    """Decodes text subtitles and encodes them for another container.

    Args:
        result: The output's container.
        encoder: FFmpeg's name of the encoder.
        source: The source's stream.
    """

    def __init__(self, result: Any, encoder: str, source: Any) -> None:
        source.codec_context.open(strict=False)
        self.stream = result.add_stream(encoder)
        context = self.stream.codec_context
        context.subtitle_header = source.codec_context.subtitle_header
        self.stream.time_base = context.time_base = source.time_base
        self._errors = pyav().error

    def packets(self, packet: Any) -> Iterator[Any]:
        """See :class:`Track`. Packets without text are skipped."""
        from av.subtitles.subtitle import SubtitleSet

        try:
            lines = [line.ass for line in packet.decode() if line.type == b"ass"]
        except (self._errors.FFmpegError, ValueError):
            return
        if not lines or not packet.duration:
            return
        end = int(packet.duration * packet.time_base * 1000)
        text = SubtitleSet.create(text=b"\n".join(lines), start=0, end=end)
        encoded = self.stream.codec_context.encode_subtitle(text)
        encoded.stream, encoded.time_base = self.stream, packet.time_base
        encoded.pts, encoded.dts, encoded.duration = packet.pts, packet.pts, packet.duration
        yield encoded

    def rest(self) -> Iterator[Any]:
        """See :class:`Track`."""
        return iter(())
