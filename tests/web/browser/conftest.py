"""A real browser: Debian's Chromium, driven by playwright. Where either is missing, these tests are skipped."""

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

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
CAMERA_FRAMES = 30


def write_camera(path: Path) -> Path:
    """A film for the browser's fake camera, 160 x 120: a grey ramp from left to right, with a bar that moves down."""
    import numpy as np

    ramp = np.tile(np.linspace(40, 200, 160, dtype=np.uint8), (120, 1))
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W160 H120 F30:1 Ip A1:1 C420jpeg\n")
        for number in range(CAMERA_FRAMES):
            luma = ramp.copy()
            luma[number * 4 : number * 4 + 4] = 235
            file.write(b"FRAME\n" + luma.tobytes() + bytes([128]) * (80 * 60 * 2))
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The browser. It finds no address but this computer's, and has a fake camera."""
    if MISSING:
        pytest.skip(f"the page is not tested here without {', '.join(MISSING)}")
    from playwright.sync_api import sync_playwright

    camera = write_camera(tmp_path_factory.mktemp("camera") / "camera.y4m")
    arguments = [
        "--no-sandbox",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=arguments, timeout=TIMEOUT)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any, server: Running) -> Iterator[Callable[..., User]]:
    """A function that opens the page as a new person; at the end nobody may have seen an error or a foreign address."""
    users: list[User] = []

    def open_page(screen: dict[str, Any] = DESKTOP, path: str = "/", url: str = "", **options: Any) -> User:
        user = User(chromium.new_context(**{**screen, **options}), url or server.url, path)
        users.append(user)
        return user

    yield open_page
    for user in users:
        user.leave()
    assert not [problem for user in users for problem in user.problems]
