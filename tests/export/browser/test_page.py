"""The exported page: it paints what Impasto paints, on every screen, without a network."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.export.web_page import export_page
from impasto.painting.load import load
from impasto.painting.settings import Settings
from tests.conftest import make_photo
from tests.export.browser.conftest import Visitor, serving
from tests.web.browser.user import DESKTOP, PHONE, difference, pixels

pytestmark = pytest.mark.slow
SCREENS = {"desktop": DESKTOP, "phone": PHONE}


def painted_by_impasto(photo, style="great_wave", **settings):
    stylizer = load(style, variant="fast", backend="onnxruntime", precision="float32")
    return stylizer(photo, Settings(**settings)).astype(int)


def png(path, pixels):
    Image.fromarray(pixels).save(path)
    return path


def shot(visitor, name):
    folder = Path("build") / "page"
    folder.mkdir(parents=True, exist_ok=True)
    visitor.page.screenshot(path=folder / f"exported-{name}.png")


@pytest.mark.parametrize("screen", SCREENS)
def test_a_photo_is_painted_as_by_impasto_and_saved(visit, tmp_path, screen):
    visitor = visit(SCREENS[screen])
    shot(visitor, f"{screen}-welcome")
    photo = make_photo(1, 121, 180)
    visitor.give(png(tmp_path / "photo.png", photo))
    wanted = painted_by_impasto(photo)
    assert np.abs(visitor.sees().astype(int) - wanted).max() <= 1
    visitor.until("() => document.querySelectorAll('#gallery img[src^=blob]').length === 3")
    shot(visitor, screen)
    visitor.page.locator("#save").click()
    visitor.page.locator("#save-format").select_option("png")
    shot(visitor, f"{screen}-save")
    with visitor.page.expect_download() as download:
        visitor.page.locator("#save-go").click()
    assert download.value.suggested_filename == "photo-great_wave.png"
    assert np.abs(pixels(Path(download.value.path()).read_bytes()).astype(int) - wanted).max() <= 1


def test_style_strength_stroke_size_seed_and_a_mix_are_those_of_impasto(visit, tmp_path):
    photo = make_photo(2, 90, 130)
    visitor = visit()
    visitor.give(png(tmp_path / "photo.png", photo))
    visitor.choose("udnie")
    assert np.abs(visitor.sees().astype(int) - painted_by_impasto(photo, "udnie")).max() <= 1
    for strength in (0.1, 0.5, 1.5):
        visitor.slide("strength", strength)
        visitor.settled()
        wanted = painted_by_impasto(photo, "udnie", strength=strength)
        assert np.abs(visitor.sees().astype(int) - wanted).max() <= 1
    visitor.slide("strength", 1)
    visitor.page.locator(".more summary").first.click()
    visitor.slide("seed", 7)
    visitor.page.locator("[data-setting=seed]").blur()
    visitor.settled()
    assert np.abs(visitor.sees().astype(int) - painted_by_impasto(photo, "udnie", seed=7)).max() <= 1
    visitor.page.locator("[data-setting=add]").select_option("pencil")
    visitor.settled()
    mix = painted_by_impasto(photo, {"udnie": 0.5, "pencil": 0.5}, seed=7)
    assert np.abs(visitor.sees().astype(int) - mix).max() <= 1
    visitor.slide("stroke_size", -1)  # 0.5: the photo is enlarged, painted, and scaled down
    visitor.settled()
    wanted = painted_by_impasto(photo, {"udnie": 0.5, "pencil": 0.5}, seed=7, stroke_size=0.5)
    assert np.abs(visitor.sees().astype(int) - wanted).mean() < 0.2


def test_a_large_photo_is_saved_at_its_size_with_the_strokes_of_impasto(visit, tmp_path):
    photo = make_photo(3, 760, 1010)
    visitor = visit()
    visitor.give(png(tmp_path / "large.png", photo))
    visitor.page.locator("#save").click()
    visitor.page.locator("#save-format").select_option("png")
    assert visitor.page.locator("#save-note").is_hidden()
    with visitor.page.expect_download() as download:
        visitor.page.locator("#save-go").click()
    saved = pixels(Path(download.value.path()).read_bytes()).astype(int)
    away = np.abs(saved - painted_by_impasto(photo))
    assert away.mean() < 0.2  # painted twice: differences in rounding grow
    assert away.max() < 30


def test_painting_at_full_size_can_be_stopped(visit, tmp_path):
    visitor = visit()
    visitor.give(png(tmp_path / "large.png", make_photo(3, 1500, 2000)))
    visitor.page.locator("#save").click()
    visitor.page.locator("#save-go").click()
    visitor.page.locator("#saving [aria-label=Stop]").click()
    visitor.page.locator("#toast.shown").wait_for()
    assert visitor.page.locator("#toast").inner_text() == "Stopped."
    visitor.page.locator("#saving").wait_for(state="detached")
    visitor.choose("udnie")  # it starts again


def test_photos_are_turned_upright_made_smaller_and_put_on_white(visit, tmp_path):
    visitor = visit(PHONE)
    upright = make_photo(4, 96, 64)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(upright)).save(tmp_path / "turned.jpg", exif=exif, quality=97, subsampling=0)
    visitor.give(tmp_path / "turned.jpg")
    assert visitor.sees().shape == (96, 64, 3)
    assert difference(visitor.sees("before"), upright) < 4
    clear = np.dstack([upright, np.zeros((96, 64), np.uint8)])
    visitor.give(png(tmp_path / "clear.png", clear))
    assert visitor.sees("before").min() > 250
    assert visitor.sees().min() > 240  # a blank picture stays blank
    visitor.give(png(tmp_path / "huge.png", np.zeros((3000, 4000, 3), np.uint8)))
    assert np.prod(visitor.sees("before").shape[:2]) <= 2_000_000
    visitor.page.locator("#save").click()
    assert "4000 × 3000" in visitor.page.locator("#save-note").inner_text()


def test_a_file_that_is_no_picture_is_named(visit, tmp_path):
    (tmp_path / "letter.png").write_text("dear")
    visitor = visit()
    with visitor.page.expect_file_chooser() as chooser:
        visitor.page.locator("#welcome [data-add=files]").click()
    chooser.value.set_files(str(tmp_path / "letter.png"))
    visitor.page.locator("#toast.shown.bad").wait_for()
    assert "letter.png is not a picture" in visitor.page.locator("#toast").inner_text()


@pytest.mark.parametrize("screen", SCREENS)
def test_the_camera_is_painted_and_a_picture_taken(visit, screen):
    visitor = visit(SCREENS[screen], permissions=["camera"])
    visitor.page.locator("#welcome [data-add=camera]").click()
    visitor.until("() => Number(document.querySelector('#camera-canvas').dataset.frames) >= 3")
    frame = visitor.page.locator("#camera-canvas").evaluate("canvas => canvas.toDataURL()")
    assert frame.startswith("data:image/png")
    shot(visitor, f"{screen}-camera")
    visitor.page.locator("#camera-shot").click()
    visitor.settled()
    assert visitor.page.locator("#camera").is_hidden()
    assert visitor.sees("before").shape == (120, 160, 3)


def test_it_works_without_a_network_once_it_was_opened(visit, tmp_path):
    visitor = visit(PHONE)
    visitor.until("async () => (await navigator.serviceWorker.ready).active.state === 'activated'")
    visitor.context.set_offline(True)
    visitor.page.reload()
    visitor.page.locator("body[data-state=ready]").wait_for()
    photo = make_photo(5, 80, 100)
    visitor.give(png(tmp_path / "photo.png", photo))
    assert np.abs(visitor.sees().astype(int) - painted_by_impasto(photo)).max() <= 1
    visitor.choose("pencil")


def test_what_was_chosen_stays_after_a_reload(visit, tmp_path):
    visitor = visit()
    visitor.page.locator("#gallery [data-style=pencil].tile").click()
    visitor.slide("strength", 0.6)
    visitor.page.reload()
    visitor.page.locator("body[data-state=ready]").wait_for()
    assert visitor.page.locator("#gallery [data-style=pencil].tile").get_attribute("aria-pressed") == "true"
    assert visitor.page.locator("[data-setting=strength]").input_value() == "0.6"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_is_accessible(visit, tmp_path, screen, theme):
    visitor = visit(SCREENS[screen], color_scheme=theme)
    assert not visitor.axe()
    visitor.give(png(tmp_path / "photo.png", make_photo(1, 90, 120)))
    shot(visitor, f"{screen}-{theme}")
    assert not visitor.axe()
    visitor.page.locator("#save").click()
    assert not visitor.axe()


def test_a_visitor_loads_less_than_6_megabytes_once(chromium, browser_runtime, tmp_path):
    found = export_page([], tmp_path / "page")
    with serving(tmp_path) as server:
        visitor = Visitor(chromium.new_context(**PHONE), server.url, "/page/")
        visitor.page.locator("#try-example").click()
        visitor.settled()
        visitor.until("async () => (await navigator.serviceWorker.ready).active.state === 'activated'")
        visitor.leave()
        names = [path.removeprefix("/page/") for path, _ in server.sent]
        assert {"page.json", "example.webp"} <= {*names}
        assert sum(name.endswith(".wasm.pack") for name in names) == 1
        assert not [name for name in names if "jspi" in name]
        assert sum(size for _, size in server.sent) < 6_000_000
    assert found.first_load < 6_000_000
    assert not visitor.problems
