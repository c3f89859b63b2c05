"""A person at the page: what they do, and what they see."""

import base64
import io
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
TIMEOUT = 1000 * float(os.environ.get("IMPASTO_BROWSER_TIMEOUT", "60"))
"""Milliseconds that a wait lasts at most: more seconds, by this variable, on a computer that is busy."""
_PIXELS = """image => {
    const canvas = document.createElement('canvas');
    canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
    canvas.getContext('2d').drawImage(image, 0, 0);
    return canvas.toDataURL('image/png');
}"""
_CANVAS = "canvas => canvas.toDataURL('image/png')"
_FOCUS = """() => {
    const node = document.activeElement, shown = node.closest('label, .segments label') ?? node;
    const lines = [node, shown].map(each => getComputedStyle(each));
    const box = node.getBoundingClientRect();
    return {name: node.dataset.setting || node.id || node.dataset.style || node.getAttribute('aria-label')
                || node.textContent.trim().slice(0, 40),
            ring: lines.some(line => line.outlineStyle !== 'none' && parseFloat(line.outlineWidth) > 1)
                || node.matches('#divider, .divider'),  // it shows the focus on its handle
            inside: box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth};
}"""


class User:
    """One browser session.

    Args:
        context: A browser context of its own: cookies and storage are empty.
        url: The server.
        path: The part of the address after it.

    Attributes:
        page: The tab.
        problems: Errors of scripts, and requests that left this server.
    """

    def __init__(self, context: Any, url: str, path: str = "/") -> None:
        self.context = context
        self.url = url
        self.problems: list[str] = []
        context.set_default_timeout(TIMEOUT)
        context.on("request", self._check_address)
        self.page = self.open(path)

    def _check_address(self, request: Any) -> None:
        if not request.url.startswith((self.url + "/", "blob:", "data:")):
            self.problems.append(f"foreign request: {request.url}")

    def open(self, path: str = "/") -> Any:
        """Open a tab."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        page.on("console", self._read_console)
        page.on("filechooser", lambda chooser: None)  # from now on the browser opens no dialog of the system
        page.goto(self.url + path)
        page.locator("#gallery .tile, canvas").first.wait_for(state="attached")
        return page

    def _read_console(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(f"console: {message.text}")

    def leave(self) -> None:
        """Close the browser session."""
        self.context.close()

    def add(self, *photos: Path) -> None:
        """Choose photos with the button of the page, and wait until they are there."""
        before = self.page.locator("#photos .thumb-box").count()
        with self.page.expect_file_chooser() as chooser:
            self.page.locator("[data-add=files], #photos .thumb.more").locator("visible=true").first.click()
        chooser.value.set_files([str(photo) for photo in photos])
        self.page.locator("#photos .thumb-box").nth(before + len(photos) - 1).wait_for(state="attached")

    def choose(self, style: str) -> None:
        """Press a style in the gallery, and wait for the painting."""
        self.page.locator(f"#gallery [data-style={style}].tile").click()
        self.settled()

    def settled(self, page: Any = None) -> None:
        """Wait until the stage shows the painting as it was asked for."""
        (page or self.page).locator("#stage[data-state=complete]").wait_for()

    def sees(self, which: str = "painted") -> npt.NDArray[np.uint8]:
        """The picture in an element, uint8 (H, W, 3)."""
        return self._decoded(f"#{which}", _PIXELS)

    def sees_canvas(self, selector: str) -> npt.NDArray[np.uint8]:
        """What is drawn on a canvas, uint8 (H, W, 3)."""
        return self._decoded(selector, _CANVAS)

    def _decoded(self, selector: str, script: str) -> npt.NDArray[np.uint8]:
        data = self.page.locator(selector).evaluate(script)
        return pixels(base64.b64decode(data.split(",")[1]))

    def until(self, expression: str, argument: Any = None) -> None:
        """Wait until an expression of the page is true. (Playwright's own way is forbidden by the page's policy.)"""
        self.wait(lambda: self.page.evaluate(expression, argument))

    def wait(self, true: Callable[[], Any]) -> None:
        """Wait until a function returns something true."""
        end = time.monotonic() + TIMEOUT / 1000
        while not true():
            assert time.monotonic() < end
            self.page.wait_for_timeout(50)

    def slide(self, setting: str, value: float, panel: str = "#paint-controls") -> None:
        """Set a slider as dragging does: with its events."""
        self.page.locator(f"{panel} [data-setting={setting}]").fill(str(value))

    def save(self, format: str = "png", everything: bool = False) -> tuple[str, bytes]:
        """Save in the dialog; returns the file's name and content."""
        self.page.locator("#save").click()
        self.page.locator("#save-format").select_option(format)
        if everything:
            self.page.locator("[name=scope][value=all]").check(force=True)
        with self.page.expect_download() as download:
            self.page.locator("#save-go").click()
        return download.value.suggested_filename, Path(download.value.path()).read_bytes()

    def axe(self, page: Any = None) -> list[str]:
        """The violations that axe-core finds, one line each."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(page or self.page).response["violations"]
        return [f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes']][:4]}" for each in found]

    def press(self, *keys: str) -> None:
        """Press keys one after another."""
        for key in keys:
            self.page.keyboard.press(key)

    def focus(self) -> dict[str, Any]:
        """What has the focus: its name, whether a ring is shown, and whether it is on the screen."""
        found: dict[str, Any] = self.page.evaluate(_FOCUS)
        return found

    def tab_to(self, *names: str, most: int = 40) -> None:
        """Press Tab until one of these has the focus. Each stop on the way must be visible and have a ring."""
        seen = []
        for _ in range(most):
            self.press("Tab")
            found = self.focus()
            assert found["ring"] and found["inside"], found
            seen.append(found["name"])
            if found["name"] in names:
                return
        raise AssertionError(f"none of {names} after {most} times Tab: {seen}")


def pixels(data: bytes) -> npt.NDArray[np.uint8]:
    """The pixels of an image file, uint8 (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def difference(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """The mean difference in levels of 255; the pictures may differ in size."""
    if one.shape != other.shape:
        other = np.asarray(Image.fromarray(other).resize((one.shape[1], one.shape[0])))
    return float(np.abs(one.astype(int) - other).mean())


def names_in(data: bytes) -> Sequence[str]:
    """The names of the files in a ZIP file."""
    import zipfile

    return sorted(zipfile.ZipFile(io.BytesIO(data)).namelist())
