"""Runs the application on a socket."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from impasto.errors import ImpastoError, UsageError
from impasto.web.app import make_app
from impasto.web.guard import Access
from impasto.web.limits import MB, Limits

_log = logging.getLogger(__name__)

GRACE_SECONDS = 3
BACKLOG = 64
"""Connections that are accepted at once: few, so that a flood is turned away before the process runs out of files."""
LONGEST_FRAME = 4 * MB
"""The largest message of a WebSocket."""


class Connection(H11Protocol):
    """An HTTP connection that is closed if there are too many, or if a request's head takes too long."""

    limits = Limits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
            return
        self.loop.call_later(self.limits.header_seconds, self.check, None)

    def check(self, before: Any) -> None:
        """Close the connection if it has waited for the same request since the last check."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        waits = self.cycle is None or self.cycle.response_complete
        if waits and (before is self.cycle):
            self.transport.abort()
            return
        self.loop.call_later(self.limits.header_seconds, self.check, self.cycle if waits else self)


class Server(uvicorn.Server):
    """A server that ends its event streams when it is asked to end.

    Args:
        config: Its configuration.
        ending: Called when it is asked to end.
    """

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    def end(self) -> None:
        """Ask it to end; from any thread."""
        self._ending()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See `uvicorn.Server`."""
        self._ending()
        super().handle_exit(sig, frame)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on this address.

    Raises:
        UsageError: The address is in use, or not this computer's.
    """
    found = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        if os.name != "nt":
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except OSError as error:
        if found is not None:
            found.close()
        reason = "is in use" if error.errno in (98, 48, 10048) else f"cannot be used: {error.strerror or error}"
        raise UsageError(f"{host}:{port} {reason}; give another --port, or --port 0 for any that is free") from None
    return found


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other servers from using the folder.

    Raises:
        ImpastoError: Another server uses it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("a")
    except OSError as error:
        raise ImpastoError(f"{folder}: cannot be used: {error.strerror}; give another --folder") from None
    with lock:
        try:
            if os.name == "nt":
                import msvcrt

                msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            else:
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ImpastoError(f"{folder}: another `impasto serve` uses it; end that, or give --folder") from None
        yield


def serve(
    found: socket.socket,
    folder: Path,
    access: Access,
    limits: Limits | None = None,
    *,
    verbose: bool = False,
    ready: Callable[[Server], None] = lambda server: None,
) -> None:
    """Serve on a socket until Ctrl-C.

    Args:
        found: A socket that listens.
        folder: See :func:`impasto.web.app.make_app`.
        access: See there.
        limits: See there.
        verbose: See there.
        ready: Called when requests are answered, with the server.
    """
    limits = limits or Limits()
    with locked(folder):
        app = make_app(folder, access, limits, verbose=verbose)
        config = uvicorn.Config(
            app,
            http=type("LimitedConnection", (Connection,), {"limits": limits}),
            ws="websockets-sansio",
            ws_max_size=LONGEST_FRAME,
            ws_per_message_deflate=False,
            lifespan="on",
            backlog=BACKLOG,
            log_config=None,
            log_level=logging.DEBUG if verbose else logging.CRITICAL,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = Server(config, app.page.closing.set)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_run(server, found, ready))


def _complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that no request caused in one line."""
    _log.warning("impasto: %s: %s", context["message"], context.get("exception", ""))


async def _run(server: Server, found: socket.socket, ready: Callable[[Server], None]) -> None:
    async def announce() -> None:
        while not server.started and not server.should_exit:
            await asyncio.sleep(0.02)
        if server.started:
            ready(server)

    asyncio.get_running_loop().set_exception_handler(_complain)
    announcing = asyncio.create_task(announce())
    await server.serve(sockets=[found])
    announcing.cancel()
