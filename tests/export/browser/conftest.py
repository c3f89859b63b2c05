"""An exported page in a real browser, from a server that only sends files."""

import contextlib
import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from impasto.errors import BackendError
from impasto.export.runtime import runtime_files
from impasto.export.web_page import PageOptions, export_page
from impasto.models.catalog import cache_folder
from tests.web.browser.conftest import camera_film, chromium, module_chromium
from tests.web.browser.user import DESKTOP, User

__all__ = ["camera_film", "chromium", "module_chromium"]
STYLES = ("great_wave", "udnie", "pencil")


class Files(http.server.SimpleHTTPRequestHandler):
    """Sends files, and counts their bytes."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file, and count."""
        content = source.read()
        self.server.sent.append((self.path, len(content)))  # type: ignore[attr-defined]
        outputfile.write(content)


class Server(http.server.ThreadingHTTPServer):
    """A web host."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Files, directory=str(folder)))
        self.sent: list[tuple[str, int]] = []
        """The files that were sent, and their bytes."""

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture(scope="session")
def browser_runtime() -> None:
    """Skips tests where ONNX Runtime for browsers cannot be had; elsewhere it is fetched once."""
    with pytest.MonkeyPatch.context() as patch:
        own = cache_folder()
        patch.delenv("IMPASTO_CACHE")  # the user's own cache has the package, if it was ever fetched
        kept = cache_folder()
        patch.undo()
    try:
        if own is not None and kept is not None:
            for path in kept.glob("onnxruntime-web-*.tgz"):
                (own / path.name).write_bytes(path.read_bytes())
        runtime_files()
    except BackendError as reason:
        pytest.skip(f"exported pages are not tested here: {reason}")


@pytest.fixture(scope="session")
def page_folder(browser_runtime: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with three styles."""
    folder = tmp_path_factory.mktemp("exported") / "page"
    export_page(STYLES, folder, PageOptions(title="Paintings"))
    return folder


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server of this folder."""
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="session")
def page_url(page_folder: Path) -> Iterator[str]:
    """The address of the page's host."""
    with serving(page_folder.parent) as server:
        yield server.url


class Visitor(User):
    """A person at an exported page."""

    def open(self, path: str = "/page/") -> Any:
        """Open a tab, and wait until the page has started."""
        page = super().open(path)
        page.locator("body[data-state=ready]").wait_for()
        return page

    def give(self, photo: Path) -> None:
        """Choose a photo, and wait for the painting."""
        before = self.page.locator("#before").get_attribute("src")
        with self.page.expect_file_chooser() as chooser:
            self.page.locator("[data-add=files]").locator("visible=true").first.click()
        chooser.value.set_files(str(photo))
        self.until(
            f"() => document.querySelector('#before').getAttribute('src') !== {before!r}".replace("None", "null")
        )
        self.settled()


@pytest.fixture
def visit(chromium: Any, page_url: str) -> Iterator[Callable[..., Visitor]]:
    """A function that opens the page as a new person; nobody may have seen an error or a foreign address."""
    visitors: list[Visitor] = []

    def open_page(screen: dict[str, Any] = DESKTOP, path: str = "/page/", **options: Any) -> Visitor:
        visitors.append(Visitor(chromium.new_context(**{**screen, **options}), page_url, path))
        return visitors[-1]

    yield open_page
    for visitor in visitors:
        visitor.leave()
    assert not [problem for visitor in visitors for problem in visitor.problems]
