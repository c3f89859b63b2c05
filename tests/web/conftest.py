"""A server of tests: real sockets, real worker processes, and a style of its own that makes negatives."""

import importlib.util
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import make_photo
from tests.graphs import write_test_model

SERVES = all(
    importlib.util.find_spec(name) for name in ("starlette", "uvicorn", "python_multipart", "websockets", "httpx")
)
collect_ignore_glob = [] if SERVES else ["*test_*.py"]  # the browser's tests, too

STYLE = "negative"
"""The name of the style that makes negatives."""


@dataclass
class Running:
    """A server that runs in a thread."""

    url: str
    port: int
    folder: Path
    server: Any
    thread: threading.Thread
    token: str | None

    @property
    def page(self) -> Any:
        """The state of the server."""
        return self.server.config.app.page

    def client(self, **options: Any) -> Any:
        """A client with a session of its own, whose requests are those of the page."""
        import httpx

        headers = {"X-Impasto": "1", **options.pop("headers", {})}
        return httpx.Client(base_url=self.url, headers=headers, timeout=600, trust_env=False, **options)

    def end(self) -> None:
        """End it, and wait."""
        self.server.end()
        self.thread.join(120)
        assert not self.thread.is_alive()


def add_negative(folder: Path, name: str = STYLE) -> None:
    """Add a style of its own that makes negatives."""
    styles = folder / "styles"
    styles.mkdir(parents=True, exist_ok=True)
    write_test_model(styles / f"{name}.onnx")
    Image.fromarray(make_photo(3)).save(styles / f"{name}.jpg")
    (styles / f"{name}.json").write_text(json.dumps({"title": "Negative", "kind": "model", "made": 1.0}))


def start(folder: Path, host: str = "127.0.0.1", names: tuple[str, ...] = (), port: int = 0, **limits: Any) -> Running:
    """Start a server, on a free port unless one is named."""
    from impasto.web.guard import Access
    from impasto.web.limits import Limits
    from impasto.web.server import listen, serve

    found = listen(host, port)
    started = threading.Event()
    servers: list[Any] = []
    access = Access.on(host, names)

    def ready(server: Any) -> None:
        servers.append(server)
        started.set()

    def run() -> None:
        with found:
            serve(found, folder, access, replace(Limits(), **limits), ready=ready)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(300)
    port = found.getsockname()[1]
    return Running(f"http://127.0.0.1:{port}", port, folder, servers[0], thread, access.token)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server for tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("page")
    add_negative(folder)
    running = start(folder)
    yield running
    running.end()


@pytest.fixture
def client(server: Running) -> Iterator[Any]:
    """A client with a new session on the common server."""
    with server.client() as client:
        yield client
        client.delete("/api/session")


def photo_file(folder: Path, name: str = "photo.png", seed: int = 0) -> Path:
    """A picture of 128 x 96 pixels or so."""
    path = folder / name
    Image.fromarray(make_photo(seed)).save(path)
    return path


def wait_until(condition: Callable[[], Any], seconds: float = 300) -> None:
    """Wait for what must happen sooner or later; ``seconds`` only ends a test that would wait forever."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen in {seconds:.0f} s"
        time.sleep(0.01)


def make_endless(running: Running, photo: str) -> None:
    """Replace the file of a photo by a pipe into which nobody writes: painting it never ends."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    (path,) = [session.photos[photo].path for session in running.page.sessions.all() if photo in session.photos]
    path.unlink()
    os.mkfifo(path)
