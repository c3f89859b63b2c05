"""Sessions: the photos, masks, clips and results of one browser, which are deleted with it."""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from impasto.errors import ImpastoError
from impasto.files import replacing
from impasto.web.limits import Limits, Refusal
from impasto.web.uploads import check_disk

COOKIE = "impasto_session"
STATE = "session.json"
EMPTY_SECONDS = 60.0
"""A session that holds nothing is deleted after this time."""
_COOKIE_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


def new_id() -> str:
    """A name that nobody can guess."""
    return secrets.token_urlsafe(12)


@dataclass
class Photo:
    """A photo, or the picture of a mask.

    Attributes:
        id: Its name in the interface.
        name: The name of the file that was sent.
        path: Where it is.
        width: Width, pixels, upright.
        height: Height.
        bytes: Its size.
    """

    id: str
    name: str
    path: Path
    width: int
    height: int
    bytes: int

    def record(self) -> dict[str, Any]:
        """What the interface says of it."""
        return {"id": self.id, "name": self.name, "width": self.width, "height": self.height}


@dataclass
class Clip(Photo):
    """A clip.

    Attributes:
        frames: Number of frames; None if unknown.
        seconds: Duration; None if unknown.
    """

    frames: int | None = None
    seconds: float | None = None

    def record(self) -> dict[str, Any]:
        """What the interface says of it."""
        return {**super().record(), "frames": self.frames, "seconds": self.seconds}


@dataclass
class Result:
    """A painted picture or clip.

    Attributes:
        id: Its name in the interface.
        name: The name that it is downloaded under.
        path: Where it is.
        width: Width, pixels.
        height: Height.
        bytes: Its size.
        kind: Its media type.
    """

    id: str
    name: str
    path: Path
    width: int
    height: int
    bytes: int
    kind: str

    def record(self) -> dict[str, Any]:
        """What the interface says of it."""
        size = {"width": self.width, "height": self.height, "bytes": self.bytes}
        return {"id": self.id, "name": self.name, "url": f"api/results/{self.id}", **size, "type": self.kind}


@dataclass
class Session:
    """What one browser has sent and made. The folder exists as long as the session."""

    key: str
    folder: Path
    photos: dict[str, Photo] = field(default_factory=dict)
    masks: dict[str, Photo] = field(default_factory=dict)
    clips: dict[str, Clip] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    seen: float = field(default_factory=time.monotonic)
    returned: bool = False
    """Whether its cookie came back; programs that keep no cookies begin a session with every request."""
    previews: int = 0
    galleries: int = 0
    uploads: int = 0
    thumbnails: int = 0
    """Size of all thumbnails."""
    streams: int = 0

    @property
    def bytes(self) -> int:
        """The size of all that is stored."""
        sent = [*self.photos.values(), *self.masks.values(), *self.clips.values()]
        return (
            self.thumbnails + sum(photo.bytes for photo in sent) + sum(result.bytes for result in self.results.values())
        )

    @contextlib.contextmanager
    def uploading(self) -> Iterator[None]:
        """Within the block the session is not idle, however long it takes."""
        self.uploads += 1
        try:
            yield
        finally:
            self.uploads -= 1
            self.seen = time.monotonic()

    def file(self, suffix: str) -> Path:
        """A path for a new file of this session."""
        return self.folder / f"{secrets.token_hex(8)}{suffix}"

    def photo(self, id: object) -> Photo:
        """A photo; raises Refusal if there is none with this id."""
        return _found(self.photos, id, "photo")

    def clip(self, id: object) -> Clip:
        """A clip; raises Refusal if there is none with this id."""
        return _found(self.clips, id, "clip")

    def mask(self, id: object) -> Photo:
        """A mask; raises Refusal if there is none with this id."""
        return _found(self.masks, id, "mask")

    def result(self, id: object) -> Result:
        """A result; raises Refusal if there is none with this id."""
        return _found(self.results, id, "result")

    def check_room(self, limits: Limits) -> None:
        """Raise Refusal if nothing more may be stored."""
        if self.bytes >= limits.session_bytes:
            raise Refusal(413, "this session is full: delete photos or results first")
        check_disk(self.folder, limits)


Item = TypeVar("Item")


def _found(items: dict[str, Item], id: object, what: str) -> Item:
    item = items.get(id) if isinstance(id, str) else None
    if item is None:
        raise Refusal(404, f"there is no such {what} in this session; it was deleted, or the server was started again")
    return item


class Sessions:
    """All sessions, by their cookies.

    Args:
        folder: An existing folder of our own. Sessions of an earlier server that was killed go on; the rest is deleted.
        limits: The limits of the server.
        in_use: Whether something works for a session, however long ago its last request was.
    """

    def __init__(
        self, folder: Path, limits: Limits, in_use: Callable[["Session"], bool] = lambda session: False
    ) -> None:
        self._folder = folder
        self._limits = limits
        self._in_use = in_use
        self._sessions: dict[str, Session] = {}
        self._revived: list[tuple[Session, list[dict[str, Any]]]] = []
        for left in folder.iterdir():
            found = _loaded(left, limits.idle_seconds)
            if found is None:
                _remove(left)
            else:
                self._revived.append(found)
                self._sessions[left.name] = found[0]

    def revived(self) -> list[tuple[Session, list[dict[str, Any]]]]:
        """The sessions of an earlier server, and the records of their jobs."""
        return self._revived

    def of_key(self, key: str | None) -> Session | None:
        """The session with this key."""
        return self._sessions.get(key or "")

    def save(self, session: Session, jobs: list[dict[str, Any]]) -> None:
        """Write down what a session holds, so that it survives a server that is killed; not, if the disk is full."""
        stored = {
            name: [{**asdict(item), "path": item.path.name} for item in getattr(session, name).values()]
            for name in _STORED
        }
        with contextlib.suppress(OSError, ImpastoError), replacing(session.folder / STATE, ImpastoError) as part:
            part.write_text(json.dumps({**stored, "jobs": jobs}), encoding="utf-8")

    def find(self, cookie: str | None) -> Session | None:
        """The session of a cookie, if it has stored anything."""
        session = self._sessions.get(_key(cookie)) if cookie else None
        if session is not None:
            session.seen, session.returned = time.monotonic(), True
        return session

    def open(self, cookie: str) -> Session:
        """The session of a cookie, which is made if there is none.

        Raises:
            Refusal: There are too many sessions, or the disk is full.
        """
        found = self.find(cookie)
        if found is not None:
            return found
        self.forget_idle()
        if len(self._sessions) >= self._limits.sessions:
            raise Refusal(503, f"{self._limits.sessions} browsers use this server already; try again in an hour")
        key = _key(cookie)
        session = Session(key, self._folder / key)
        try:
            session.folder.mkdir(mode=0o700)
        except OSError as error:
            raise Refusal(503, f"cannot make a folder: {error.strerror}; check the disk") from None
        self._sessions[key] = session
        return session

    def delete(self, session: Session) -> None:
        """Delete a session and its files."""
        self._sessions.pop(session.key, None)
        _remove(session.folder)

    def all(self) -> list[Session]:
        """All sessions that have stored something."""
        return [*self._sessions.values()]

    def idle(self) -> list[Session]:
        """The sessions that have not been used for a while; for those that hold nothing, it is a minute."""
        most = self._limits.idle_seconds
        unused = self._unused(min(most, EMPTY_SECONDS))
        return [session for session in unused if not session.bytes or time.monotonic() - session.seen > most]

    def _unused(self, seconds: float) -> list[Session]:
        """The sessions that have not been used for so long."""
        now = time.monotonic()
        return [
            session
            for session in self._sessions.values()
            if now - session.seen > seconds
            and not session.uploads
            and not session.streams
            and not self._in_use(session)
        ]

    def forget_idle(self) -> None:
        """Delete the sessions that have not been used for a while; of too many, those to which nobody came back."""
        for session in self.idle():
            self.delete(session)
        if len(self._sessions) >= self._limits.sessions:
            for session in self._unused(EMPTY_SECONDS):
                if not session.returned:
                    self.delete(session)

    def close(self) -> None:
        """Delete all sessions."""
        for session in tuple(self._sessions.values()):
            self.delete(session)


_STORED: dict[str, type[Photo | Clip | Result]] = {"photos": Photo, "masks": Photo, "clips": Clip, "results": Result}


def _loaded(folder: Path, most_seconds: float) -> tuple[Session, list[dict[str, Any]]] | None:
    """A session of an earlier server with the records of its jobs, if it is young and whole."""
    if not re.fullmatch(r"[0-9a-f]{32}", folder.name) or folder.is_symlink():
        return None
    session = Session(folder.name, folder, returned=True)
    try:
        if time.time() - os.lstat(folder / STATE).st_mtime > most_seconds:
            return None
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        for name, kind in _STORED.items():
            for values in state[name]:
                path = folder / Path(values["path"]).name
                if stat.S_ISREG(os.lstat(path).st_mode):
                    getattr(session, name)[values["id"]] = kind(**{**values, "path": path})
        jobs: list[dict[str, Any]] = state["jobs"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return session, jobs


def is_cookie(text: str | None) -> bool:
    """Whether a cookie has the form of ours."""
    return text is not None and _COOKIE_FORM.fullmatch(text) is not None


def _key(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()[:32]


def _remove(path: Path) -> None:
    """Remove a file, a link (not what it leads to) or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
