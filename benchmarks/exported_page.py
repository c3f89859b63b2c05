"""Time an exported page and Impasto itself: a 640 x 360 picture on one thread; the page in headless Chromium.

    python -m benchmarks.exported_page

The times are seconds of a processor core, so that other programs affect them little. It needs npm (or a package that
was fetched before), playwright and Chromium, as the tests of the page do.
"""

import argparse
import base64
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from impasto.export.web_page import PageOptions, export_page
from impasto.painting.load import load
from tests.export.browser.conftest import serving
from tests.web.browser.conftest import BROWSER

STYLE, WIDTH, HEIGHT = "great_wave", 640, 360
START = """async ([width, height, bytes]) => {
    const { Engine } = await import(new URL("js/engine.js", location.href));
    const engine = (window.timed = new Engine(await (await fetch("page.json")).json(), () => {}));
    const data = Uint8ClampedArray.from(atob(bytes), letter => letter.charCodeAt(0));
    engine.setPhoto(new ImageData(data, width, height));
}"""
PAINT = """async (style) => {
    const settings = { strength: 1, stroke_size: 1, crisp: null, keep_colors: null, seed: 0 };
    await window.timed.paint({ styles: { [style]: 1 }, settings }, 0);
}"""


def processor_seconds() -> float:
    """The processor time of the browser's processes that run pages."""
    children = psutil.Process().children(recursive=True)
    pages = [child for child in children if "--type=renderer" in child.cmdline()]
    return sum(sum(child.cpu_times()[:2]) for child in pages)


def main() -> None:
    """Time both, alternating, and print the means and their ratio."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    photo = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    rgba = np.dstack([photo, np.full((HEIGHT, WIDTH), 255, np.uint8)])
    stylizer = load(STYLE, variant="fast", backend="onnxruntime", precision="float32", threads=1)
    in_page, here = 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        export_page([STYLE], Path(folder, "page"), PageOptions(no_webgpu=True))
        with serving(Path(folder)) as server:
            browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
            page: Any = browser.new_page()
            page.set_default_timeout(300_000)
            page.goto(f"{server.url}/page/")
            page.evaluate(START, [WIDTH, HEIGHT, base64.b64encode(rgba.tobytes()).decode()])
            for _ in range(2):  # loads the network, and lets the browser compile it
                page.evaluate(PAINT, STYLE)
                stylizer(photo)
            for _ in range(rounds):
                begin = processor_seconds()
                page.evaluate(PAINT, STYLE)
                in_page += processor_seconds() - begin
                begin = time.process_time()
                stylizer(photo)
                here += time.process_time() - begin
            browser.close()
    print(f"page: {in_page / rounds:.3f} s; Impasto in float32 on one thread: {here / rounds:.3f} s")
    print(f"the page takes {in_page / here:.1f} times as long")


if __name__ == "__main__":
    main()
