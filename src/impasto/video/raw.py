"""Raw video (YUV4MPEG2) on standard output, to be piped into other programs."""

from typing import Any, BinaryIO

from impasto.errors import VideoError
from impasto.video.clip import ClipInfo, Frame, pyav
from impasto.video.color import from_rgb

STANDARD_OUTPUT = "-"


class RawWriter:
    """Writes YUV4MPEG2, 4:4:4, at a constant frame rate: the format stores no timestamps."""

    def __init__(self, stream: BinaryIO, info: ClipInfo) -> None:
        self._av = pyav()
        self._info = info
        self._stream = stream
        self._count = 0
        self._container: Any = None

    def write(self, frame: Frame) -> None:
        """See :class:`impasto.video.clip.Writer`."""
        try:
            if self._container is None:
                self._open()
            picture = from_rgb(frame.pixels, self._info.color, "yuv444p")
            picture.pts, picture.time_base = self._count, 1 / self._info.rate
            self._count += 1
            for packet in self._video.encode(picture):
                self._container.mux(packet)
        except (self._av.error.FFmpegError, OSError, ValueError) as cause:
            raise VideoError(f"cannot write to standard output: {getattr(cause, 'strerror', None) or cause}") from cause

    def _open(self) -> None:
        options = {"strict": "-1"}
        self._container = self._av.open(self._stream, "w", format="yuv4mpegpipe", options=options)
        self._video = self._container.add_stream("wrapped_avframe", rate=self._info.rate.limit_denominator(100_000))
        self._video.width, self._video.height, self._video.pix_fmt = self._info.width, self._info.height, "yuv444p"
        self._video.codec_context.time_base = 1 / self._info.rate
        self._video.codec_context.sample_aspect_ratio = self._info.pixel_aspect

    def finish(self) -> None:
        """See :class:`impasto.video.clip.Writer`."""
        if self._container is not None:
            for packet in self._video.encode(None):
                self._container.mux(packet)
            self._container.close()
            self._stream.flush()

    def abandon(self) -> None:
        """See :class:`impasto.video.clip.Writer`."""
        if self._container is not None:
            self._container.close()
