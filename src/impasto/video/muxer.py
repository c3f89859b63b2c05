"""Joins painted segments into the output file, with the source's audio, subtitles, chapters and metadata."""

import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from impasto.errors import VideoError
from impasto.files import replacing
from impasto.video.clip import pyav
from impasto.video.codecs import Container, container_of

_NOT_COPIED = {"encoder", "major_brand", "minor_version", "compatible_brands", "creation_time"}
"""Metadata about the source file itself, not about its content."""


def join(
    output: Path,
    segments: list[Path],
    source: Path | None,
    *,
    begin: Fraction = Fraction(0),
    end: Fraction | None = None,
    with_audio: bool = True,
) -> list[str]:
    """Write the output file. Returns one note for each stream that was re-encoded or left out.

    Args:
        output: The file to write; it appears whole or not at all.
        segments: Files of :class:`impasto.video.encoder.SegmentWriter`.
        source: The clip whose other streams are copied; None for none.
        begin: Source time, in seconds, that becomes time 0.
        end: Source time, in seconds, at which the other streams are cut; None for their end.
        with_audio: Whether to copy audio.

    Raises:
        VideoError: The file cannot be written.
    """
    av = pyav()
    container = container_of(output)
    with replacing(output, VideoError) as part:
        try:
            with av.open(str(part), "w", format=container.format, options=_options(container.format)) as result:
                first = av.open(str(segments[0]))
                video = result.add_stream_from_template(first.streams.video[0], opaque=True)
                video.time_base = first.streams.video[0].time_base
                first.close()
                others = _Others(result, source, begin, end, with_audio, container)
                with others:
                    packets = heapq.merge(_segment_packets(segments, video, begin), others.packets(), key=_seconds)
                    for packet in packets:
                        result.mux(packet)
        except (av.error.FFmpegError, ValueError) as cause:
            raise VideoError(f"{output}: cannot write: {getattr(cause, 'strerror', None) or cause}") from cause
    return others.notes


def _options(container: str) -> dict[str, str]:
    return {"movflags": "+faststart"} if container in ("mp4", "mov") else {}


def _segment_packets(segments: list[Path], stream: Any, begin: Fraction) -> Iterator[Any]:
    av = pyav()
    for path in segments:
        with av.open(str(path)) as segment:
            for packet in segment.demux(segment.streams.video[0]):
                if packet.pts is None:  # PyAV's flush packet at the end
                    continue
                packet.dts = packet.pts  # there are no B-frames
                _shift(packet, begin)
                packet.stream = stream
                yield packet


def _shift(packet: Any, begin: Fraction) -> None:
    if begin:
        offset = round(begin / packet.time_base)
        packet.pts, packet.dts = packet.pts - offset, packet.dts - offset


def _seconds(packet: Any) -> float:
    return float(packet.dts * packet.time_base)


class _Others:
    """Copies the source's other streams (audio, subtitles) and its metadata to the output."""

    def __init__(
        self,
        result: Any,
        source: Path | None,
        begin: Fraction,
        end: Fraction | None,
        with_audio: bool,
        container: Container,
    ) -> None:
        self.notes: list[str] = []
        self._begin, self._end = begin, end
        # A container without timestamps cannot start before 0, so the encoder's priming samples are left out.
        self._from_zero = bool(begin) or container.fixed_rate
        self._copies: dict[int, Any] = {}
        self._encoded: dict[int, tuple[Any, Any]] = {}
        self._source: Any = None
        if source is None:
            return
        av = pyav()
        self._source = av.open(str(source), metadata_errors="replace")
        kinds = ("audio", "subtitle") if with_audio else ("subtitle",)
        for stream in self._source.streams:
            if stream.type in kinds:
                self._add(result, stream, container.audio_encoder)
        for name, value in self._source.metadata.items():
            if name not in _NOT_COPIED:
                result.metadata[name] = value
        chapters = self._source.chapters()
        if chapters and not begin and end is None:
            result.set_chapters(chapters)
        elif chapters:
            self.notes.append("chapters are not copied if only part of a clip is painted")

    def _add(self, result: Any, stream: Any, encoder: str) -> None:
        name = stream.codec_context.name if stream.codec_context is not None else "unknown"
        canonical = stream.codec_context.codec.canonical_name if stream.codec_context is not None else name
        if {name, canonical} & set(result.supported_codecs):
            copy = result.add_stream_from_template(stream, opaque=True)
            copy.time_base = stream.time_base
            self._copies[stream.index] = copy
        elif stream.type == "audio" and stream.codec_context is not None:
            copy = result.add_stream(encoder, rate=stream.codec_context.sample_rate)
            self._encoded[stream.index] = (copy, _Encoder(copy, stream))
            self.notes.append(f"audio: {name} is re-encoded ({encoder}), which this kind of file needs")
        else:
            self.notes.append(f"{stream.type}s ({name}) cannot be stored in this kind of file; write .mkv to keep them")
            return
        for key, value in stream.metadata.items():
            copy.metadata[key] = value
        copy.disposition = stream.disposition

    def packets(self) -> Iterator[Any]:
        """The output's packets, in the order of the source file."""
        if self._source is None or not (self._copies or self._encoded):
            return
        streams = [s for s in self._source.streams if s.index in self._copies or s.index in self._encoded]
        for packet in self._demuxed(streams):
            index = packet.stream_index
            if packet.dts is None or packet.pts is None:
                continue
            time = packet.pts * packet.time_base
            if (self._from_zero and time < self._begin) or (self._end is not None and time >= self._end):
                continue
            if index in self._copies:
                _shift(packet, self._begin)
                packet.stream = self._copies[index]
                yield packet
            else:
                yield from self._encoded[index][1].encode(packet, self._begin)
        for _, encoder in self._encoded.values():
            yield from encoder.flush()

    def _demuxed(self, streams: list[Any]) -> Iterator[Any]:
        errors = pyav().error
        packets = self._source.demux(streams)
        while True:
            try:
                yield next(packets)
            except StopIteration:
                return
            except errors.FFmpegError as cause:
                self.notes.append(f"sound and subtitles end early: the source is damaged ({cause.strerror})")
                return

    def __enter__(self) -> "_Others":
        return self

    def __exit__(self, *_: object) -> None:
        if self._source is not None:
            self._source.close()


class _Encoder:
    """Decodes packets of one audio stream and encodes them for another container."""

    def __init__(self, stream: Any, source: Any) -> None:
        av = pyav()
        self._stream = stream
        context = source.codec_context
        stream.codec_context.layout = context.layout
        formats = stream.codec_context.codec.audio_formats or []
        self._resampler = av.AudioResampler(
            format=formats[0].name if formats else context.format.name, layout=context.layout, rate=context.sample_rate
        )
        self._errors = av.error

    def encode(self, packet: Any, begin: Fraction) -> Iterator[Any]:
        """Packets for the output; packets that cannot be decoded are skipped."""
        try:
            frames = packet.decode()
        except (self._errors.FFmpegError, ValueError):
            return
        for frame in frames:
            if frame.pts is not None and begin:
                frame.pts -= round(begin / frame.time_base)
            for resampled in self._resampler.resample(frame):
                yield from self._stream.encode(resampled)

    def flush(self) -> Iterator[Any]:
        """The packets that the encoder still holds."""
        for resampled in self._resampler.resample(None):
            yield from self._stream.encode(resampled)
        yield from self._stream.encode(None)
