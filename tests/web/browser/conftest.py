"""A real browser: Debian's Chromium, driven by playwright. Where either is missing, these tests are skipped."""

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.web.browser.camera import write_ramp
from tests.web.browser.user import DESKTOP, TIMEOUT, User
from tests.web.conftest import SERVES, Running

BROWSER = os.environ.get("IMPASTO_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
MISSING = [
    name
    for name, found in (
        ("chromium (apt-get install chromium, or IMPASTO_BROWSER=path)", BROWSER),
        ("playwright and axe-playwright-python (pip)", find_spec("playwright") and find_spec("axe_playwright_python")),
        ("the server (pip install 'impasto[serve]')", SERVES),
    )
    if not found
]
WITHOUT = f"the page is not tested here without {', '.join(MISSING)}"
MOST_WAITS = 5
"""A test lasts at most this many times as long as one of its waits."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need a browser by a mark, which is reported in one line."""
    for item in items:
        if MISSING and "module_chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=WITHOUT))


@pytest.fixture(scope="module")
def camera_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film for the browser's fake camera."""
    return write_ramp(tmp_path_factory.mktemp("camera") / "camera.y4m")


@pytest.fixture(scope="module")
def module_chromium(camera_film: Path) -> Iterator[Any]:
    """The browser of a file of tests. It finds no address but this computer's, and has a fake camera."""
    if MISSING:
        pytest.skip(WITHOUT)
    from playwright.sync_api import sync_playwright

    arguments = [
        "--no-sandbox",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera_film}",
    ]
    with sync_playwright() as playwright:
        (driver,) = (child for child in psutil.Process().children() if child.name().startswith("node"))
        browser = playwright.chromium.launch(executable_path=BROWSER, args=arguments, timeout=TIMEOUT)
        browser.driver = driver
        yield browser
        if is_alive(driver):
            browser.close()


@pytest.fixture
def chromium(module_chromium: Any) -> Iterator[Any]:
    """The browser, for one test, which is ended with its driver if the test takes far too long."""
    if not is_alive(module_chromium.driver):
        pytest.fail("the browser was ended by an earlier test of this file")
    guard = threading.Timer(MOST_WAITS * TIMEOUT / 1000, end_tree, [module_chromium.driver])
    guard.start()
    yield module_chromium
    guard.cancel()


def is_alive(process: psutil.Process) -> bool:
    """Whether a process that we started has not ended."""
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def end_tree(process: psutil.Process) -> None:
    """End a process that we started, and its children. A call of playwright that waits for it then fails."""
    for one in [*process.children(recursive=True), process]:
        with contextlib.suppress(psutil.Error):
            one.kill()


@pytest.fixture
def visit(chromium: Any, server: Running) -> Iterator[Callable[..., User]]:
    """A function that opens the page as a new person; at the end nobody may have seen an error or a foreign address."""
    users: list[User] = []
    others = server.page.sessions.all()

    def open_page(screen: dict[str, Any] = DESKTOP, path: str = "/", url: str = "", **options: Any) -> User:
        user = User(chromium.new_context(**{**screen, **options}), url or server.url, path)
        users.append(user)
        return user

    yield open_page
    for user in users:
        user.leave()
    for session in server.page.sessions.all():  # the server is common to all tests
        if session not in others:
            server.page.sessions.delete(session)
    assert not [problem for user in users for problem in user.problems]
