"""The limits of the server, and the error with which it refuses a request."""

from dataclasses import dataclass

MB = 1_000_000


class Refusal(Exception):
    """A request that is refused.

    Attributes:
        status: The HTTP status.
        text: One line for the user: what is wrong, and what to do.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the server accepts. Sizes are in bytes, times in seconds.

    Attributes:
        picture_bytes: Size of one picture file.
        pixels: Pixels of one picture.
        files: Photos in one session.
        upload_bytes: Size of one request with photos.
        video_bytes: Size of one clip.
        mask_bytes: Size of one mask.
        json_bytes: Size of every other request.
        session_bytes: Size of everything that one session stores.
        sessions: Number of sessions that store something.
        free_bytes: Disk space that uploads and results leave free.
        jobs: Number of jobs of one session that wait or run.
        all_jobs: Number of jobs of all sessions that wait or run.
        trainings: Number of trainings that wait or run.
        waiting: Number of pictures of all sessions that wait to be painted at once (previews, API).
        cameras: Number of live streams.
        connections: Number of open connections; more are closed at once.
        header_seconds: Time for the head of a request.
        chunk_seconds: Longest pause within the body of a request.
        slowest: Least mean rate of a body after ``chunk_seconds``, bytes per second.
        idle_seconds: A session without requests is deleted after this time.
    """

    picture_bytes: int = 100 * MB
    pixels: int = 100 * MB
    files: int = 500
    upload_bytes: int = 2000 * MB
    video_bytes: int = 4000 * MB
    mask_bytes: int = 20 * MB
    json_bytes: int = 256_000
    session_bytes: int = 8000 * MB
    sessions: int = 32
    free_bytes: int = 300 * MB
    jobs: int = 8
    all_jobs: int = 32
    trainings: int = 8
    waiting: int = 32
    cameras: int = 4
    connections: int = 256
    header_seconds: float = 10.0
    chunk_seconds: float = 15.0
    slowest: float = 1000.0
    idle_seconds: float = 3600.0

    def body_bytes(self, path: str) -> int:
        """The largest body of a request to this path."""
        if path == "/api/photos":
            return self.upload_bytes
        if path == "/api/videos":
            return self.video_bytes + MB
        if path == "/api/masks":
            return self.mask_bytes
        if path in ("/api/stylize", "/api/train"):
            return self.picture_bytes + MB
        return self.json_bytes
