"""Measure the page of `impasto serve`: response times, download size, and the growth of memory.

    python benchmarks/page.py [--photos 100]

The server is started as by `impasto serve`, and used by Chromium (first paint, previews while a slider moves,
the gallery) and by requests (cancelling, photos of 12 megapixels one after another). Times are medians. Memory is that
of the server and its processes; its growth compares the last quarter of the photos with the second.
"""

import argparse
import contextlib
import gzip
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

import impasto
from impasto.pictures.resize import resize

EXAMPLE = Path(__file__).parents[1] / "examples" / "photos" / "castle.jpg"
LARGE = (4000, 3000)
SCREEN = (1024, 768)
"""Size of the photo of previews; the short side of a preview is 512."""
STYLE, THUMBNAILS = "udnie", 16
_SLIDE = """async value => {
    const slider = document.querySelector('#paint-controls [data-setting=strength]');
    const painted = document.querySelector('#painted');
    const begun = performance.now();
    slider.value = value;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await new Promise(done => painted.addEventListener('load', done, {once: true}));
    await painted.decode();
    return performance.now() - begun;
}"""
_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


@contextlib.contextmanager
def server(folder: Path) -> Iterator[tuple[psutil.Process, str]]:
    """A running server, and its address."""
    words = [sys.executable, "-m", "impasto", "serve", "--port", "0", "--folder", str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield psutil.Process(process.pid), process.stdout.readline().strip().rstrip("/")
        finally:
            process.terminate()


def megabytes(process: psutil.Process) -> float:
    """Resident memory of a process and its children."""
    found = 0
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            found += one.memory_info().rss
    return found / 1e6


def photo_of(size: tuple[int, int]) -> bytes:
    """A photo of this width and height, as a JPEG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(resize(impasto.load_image(EXAMPLE), *size)).save(file, "JPEG", quality=92)
    return file.getvalue()


def upload(client: httpx.Client, data: bytes) -> str:
    """The id of an uploaded photo."""
    (record,) = client.post("/api/photos", files={"file": ("photo.jpg", data)}).raise_for_status().json()
    return str(record["id"])


def paint(client: httpx.Client, photo: str) -> str:
    """The id of a job that paints a photo."""
    body = {"photos": [photo], "styles": {STYLE: 1}}
    return str(client.post("/api/paint", json=body).raise_for_status().json()["job"])


def seconds_to_cancel(client: httpx.Client, photo: str) -> float:
    """Time of the request that cancels a job in the middle of its work."""
    job = paint(client, photo)
    while client.get(f"/api/jobs/{job}").json()["state"] == "queued":
        time.sleep(0.01)
    time.sleep(0.5)
    begun = time.perf_counter()
    client.delete(f"/api/jobs/{job}").raise_for_status()
    return time.perf_counter() - begun


def seconds_of_gallery(client: httpx.Client, photo: str) -> float:
    """Time until the first thumbnails of a photo have come."""
    begun = time.perf_counter()
    with client.stream("POST", "/api/gallery", json={"photo": photo, "side": 256}) as events:
        names = (line for line in events.iter_lines() if line == "event: thumbnail")
        for _ in range(THUMBNAILS):
            next(names)
        return time.perf_counter() - begun


def in_browser(url: str, photo: Path, rounds: int) -> tuple[float, list[float]]:
    """Seconds of the first paint, and of previews at 512 pixels from the slider to the pixels on the screen."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("IMPASTO_BROWSER") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page: Any = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(url)
        page.locator("#gallery .tile").first.wait_for()
        firsts = []
        for _ in range(5):
            page.reload()
            page.locator("#gallery .tile").first.wait_for()
            firsts.append(page.evaluate(_FIRST_PAINT) / 1000)
        page.locator("#add-files").set_input_files(photo)
        page.locator(f"#gallery [data-style={STYLE}].tile").click()
        page.locator("#stage[data-state=complete]").wait_for(timeout=300_000)
        page.locator("#gallery .tile img[src*='api/photos/']").nth(THUMBNAILS - 1).wait_for(timeout=300_000)
        page.wait_for_timeout(1000)
        previews = []
        for number in range(rounds):
            previews.append(page.evaluate(_SLIDE, round(0.3 + 0.05 * (number % 20), 2)) / 1000)
            page.locator("#stage[data-state=complete]").wait_for(timeout=300_000)
        browser.close()
    return statistics.median(firsts), previews[2:]


def soak(client: httpx.Client, process: psutil.Process, data: bytes, count: int) -> list[float]:
    """Memory after each of ``count`` photos, which are painted, downloaded and deleted one after another, MB."""
    found = []
    for number in range(count):
        photo = upload(client, data)
        job = paint(client, photo)
        with client.stream("GET", f"/api/jobs/{job}/events") as events:
            for _ in events.iter_lines():
                pass
        record = client.get(f"/api/jobs/{job}").json()
        if record["state"] != "done":
            sys.exit(f"photo {number}: {record}")
        client.get(record["results"][0]["url"]).raise_for_status()
        client.delete(f"/api/photos/{photo}").raise_for_status()
        found.append(megabytes(process))
        if (number + 1) % 10 == 0:
            print(f"{number + 1} photos of 12 megapixels: {statistics.median(found[-10:]):.0f} MB", flush=True)
    return found


def measure(client: httpx.Client, process: psutil.Process, url: str, folder: Path, rounds: int, photos: int) -> None:
    """Print everything about a server."""
    client.get("/api/styles").raise_for_status()
    print(f"server, idle: {megabytes(process):.0f} MB")
    small, large = photo_of(SCREEN), photo_of(LARGE)
    (folder / "photo.jpg").write_bytes(small)
    first, previews = in_browser(url, folder / "photo.jpg", rounds)
    print(f"first paint: {first:.2f} s")
    print(f"preview at 512 pixels: {statistics.median(previews):.2f} s, longest {max(previews):.2f} s")
    galleries = [seconds_of_gallery(client, upload(client, small)) for _ in range(3)]
    print(f"{THUMBNAILS} thumbnails: {statistics.median(galleries):.2f} s")
    photo = upload(client, large)
    cancels = [seconds_to_cancel(client, photo) for _ in range(5)]
    print(f"cancel: {statistics.median(cancels):.3f} s, longest {max(cancels):.3f} s", flush=True)
    client.delete("/api/session")
    if photos:
        begun = time.perf_counter()
        memory = soak(client, process, large, photos)
        seconds = (time.perf_counter() - begun) / photos
        quarter = max(1, len(memory) // 4)
        second, last = statistics.median(memory[quarter : 2 * quarter]), statistics.median(memory[-quarter:])
        print(
            f"{photos} photos of 12 megapixels, {seconds:.1f} s each: memory {second:.0f} MB, then {last:.0f} MB",
            end="",
        )
        print(f" ({last / second - 1:+.1%}), most {max(memory):.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=22)
    parser.add_argument("--photos", type=int, default=0, help="photos of 12 megapixels for the memory")
    options = parser.parse_args()
    static = Path(impasto.__file__).parent / "web" / "static"
    size = sum(len(gzip.compress(path.read_bytes(), 9)) for path in static.rglob("*") if path.is_file())
    print(f"page, gzipped: {size / 1000:.0f} KB")
    with (
        tempfile.TemporaryDirectory() as name,
        server(Path(name) / "page") as (process, url),
        httpx.Client(base_url=url, headers={"X-Impasto": "1"}, timeout=600, trust_env=False) as client,
    ):
        measure(client, process, url, Path(name), options.rounds, options.photos)


if __name__ == "__main__":
    main()
