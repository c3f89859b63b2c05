"""Joins painted segments into the output file, with the source's audio, subtitles, chapters and metadata."""

import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from impasto.errors import VideoError
from impasto.files import replacing
from impasto.video.clip import Clip, Color, pyav
from impasto.video.codecs import Container, container_of
from impasto.video.transcode import AudioEncoder, Copy, TextEncoder, Track, is_text

_NOT_COPIED = {"encoder", "major_brand", "minor_version", "compatible_brands", "creation_time"}
"""Metadata about the source file itself, not about its content."""
_ATTACHED_PICTURE = 0x0400
"""FFmpeg's AV_DISPOSITION_ATTACHED_PIC: cover art, not video."""


def join(
    output: Path,
    segments: list[Path],
    clip: Clip,
    *,
    begin: Fraction = Fraction(0),
    end: Fraction | None = None,
    with_audio: bool = True,
) -> list[str]:
    """Write the output file. Returns one note for each stream that was re-encoded or left out.

    Args:
        output: The file to write; it appears whole or not at all.
        segments: Files of :class:`impasto.video.encoder.SegmentWriter`.
        clip: The source, whose other streams are copied if it is a file.
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
                video = _video_stream(result, segments[0], clip.info.color)
                with _Others(result, clip, begin, end, with_audio, container) as others:
                    packets = heapq.merge(_segment_packets(segments, video, begin), others.packets(), key=_seconds)
                    for packet in packets:
                        result.mux(packet)
        except (av.error.FFmpegError, ValueError) as cause:
            raise VideoError(f"{output}: cannot write: {getattr(cause, 'strerror', None) or cause}") from cause
    return others.notes


def _options(container: str) -> dict[str, str]:
    return {"movflags": "+faststart"} if container in ("mp4", "mov") else {}


def _video_stream(result: Any, segment: Path, color: Color) -> Any:
    with pyav().open(str(segment)) as first:
        template = first.streams.video[0]
        stream = result.add_stream_from_template(template, opaque=True)
        stream.time_base = template.time_base
    # Segments do not hold all of this, and not every codec does.
    context = stream.codec_context
    context.colorspace, context.color_range = color.matrix, 2 if color.full_range else 1
    context.color_primaries, context.color_trc = color.primaries, color.transfer
    return stream


def _segment_packets(segments: list[Path], stream: Any, begin: Fraction) -> Iterator[Any]:
    av = pyav()
    for path in segments:
        with av.open(str(path)) as segment:
            for packet in segment.demux(segment.streams.video[0]):
                if packet.pts is None:  # PyAV's flush packet at the end
                    continue
                packet.pts -= round(begin / packet.time_base)
                packet.dts = packet.pts  # there are no B-frames
                packet.stream = stream
                yield packet


def _seconds(packet: Any) -> float:
    return float(packet.dts * packet.time_base)


class _Others:
    """Copies the source's other streams (audio, subtitles, cover art, fonts) and its metadata to the output."""

    def __init__(
        self,
        result: Any,
        clip: Clip,
        begin: Fraction,
        end: Fraction | None,
        with_audio: bool,
        container: Container,
    ) -> None:
        self.notes: list[str] = []
        self._result, self._container, self._with_audio = result, container, with_audio
        self._timeline = clip.timeline
        self._begin, self._end = begin, end
        # A container without timestamps cannot start before 0, so the encoder's priming samples are left out.
        self._from_zero = bool(begin) or container.fixed_rate
        self._tracks: dict[int, Track] = {}
        self._source: Any = None
        if clip.source is None or not clip.source.is_file():
            return
        self._source = pyav().open(str(clip.source), metadata_errors="replace")
        for stream in self._source.streams:
            self._add(stream)
        for name, value in self._source.metadata.items():
            if name not in _NOT_COPIED:
                result.metadata[name] = value
        chapters = self._source.chapters()
        if chapters and not begin and end is None:
            result.set_chapters(chapters)
        elif chapters:
            self.notes.append("chapters are not copied if only part of a clip is painted")

    def _add(self, stream: Any) -> None:
        if stream.type == "attachment":
            if self._container.attachments:
                self._result.add_attachment(stream.name or "attachment", stream.mimetype or "", stream.data)
            else:
                self.notes.append(f"the attachment {stream.name} is left out; write .mkv to keep it")
            return
        is_cover = stream.type == "video" and bool(int(stream.disposition) & _ATTACHED_PICTURE)
        is_wanted = stream.type == "subtitle" or (stream.type == "audio" and self._with_audio)
        if not is_wanted and not (is_cover and self._container.covers):
            return
        track = self._track(stream)
        if track is None:
            return
        self._tracks[stream.index] = track
        for key, value in stream.metadata.items():
            track.stream.metadata[key] = value
        track.stream.disposition = stream.disposition

    def _track(self, stream: Any) -> Track | None:
        """How a stream gets into the output; None, and a note, if it cannot."""
        context = stream.codec_context
        name = context.name if context is not None else "unknown"
        names = {name} if context is None else {name, context.codec.canonical_name}
        if names & set(self._result.supported_codecs) and not names & self._container.not_copied:
            copy = self._result.add_stream_from_template(stream, opaque=True)
            copy.time_base = stream.time_base
            return Copy(copy)
        if stream.type == "audio" and context is not None:
            self.notes.append(
                f"audio: {name} is re-encoded ({self._container.audio_encoder}), which this kind of file needs"
            )
            return AudioEncoder(self._result, self._container.audio_encoder, context)
        if stream.type == "subtitle" and self._container.text_encoder and is_text(stream):
            self.notes.append(
                f"subtitles: {name} becomes {self._container.text_encoder}, which this kind of file needs"
            )
            return TextEncoder(self._result, self._container.text_encoder, stream)
        advice = "" if self._container.format == "matroska" else "; write .mkv to keep it"
        self.notes.append(f"{stream.type} ({name}) cannot be stored in this kind of file{advice}")
        return None

    def packets(self) -> Iterator[Any]:
        """The output's packets, in the order of the source file."""
        if not self._tracks:
            return
        self._timeline.rewind()
        last: dict[int, int] = {}
        for packet in self._demuxed():
            index = packet.stream_index
            is_cover = index in self._tracks and packet.stream.type == "video"
            if is_cover and packet.size:
                packet.pts = packet.dts = 0
            if packet.pts is None and packet.dts is None:
                continue
            if index not in self._tracks:  # the video, which says where timestamps jump
                self._timeline.lead(packet)
                continue
            if not is_cover:
                self._timeline.follow(packet)
                self._place(packet)
                if not self._is_inside(packet) or packet.dts <= last.get(index, packet.dts - 1):
                    continue  # joined recordings may overlap by a few packets
            last[index] = packet.dts
            yield from self._tracks[index].packets(packet)
        for track in self._tracks.values():
            yield from track.rest()

    def _place(self, packet: Any) -> None:
        """Complete a packet's timestamps, and count them from the beginning of the output."""
        packet.pts = packet.dts if packet.pts is None else packet.pts
        packet.dts = packet.pts if packet.dts is None else packet.dts
        ticks = round(self._begin / packet.time_base)
        packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks

    def _is_inside(self, packet: Any) -> bool:
        time = packet.pts * packet.time_base
        is_early = self._from_zero and time < 0
        return not is_early and (self._end is None or time < self._end - self._begin)

    def _demuxed(self) -> Iterator[Any]:
        errors = pyav().error
        streams = [s for s in self._source.streams if s.index in self._tracks or s.index == self._timeline.leader]
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
