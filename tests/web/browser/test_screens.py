"""Every state of the page, on a desktop and a phone, light and dark: accessible, within the screen, and pictured.

The pictures are put into ``build/page``, to be looked at.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.web.browser.user import DESKTOP, PHONE, pixels
from tests.web.conftest import start

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PHOTOS = [ROOT / "examples" / "photos" / f"{name}.jpg" for name in ("castle", "kitten", "city", "coffee")]
TILES = """() => {
    const photo = /photos\\/[^?/]+/.exec(document.querySelector('#before').src)?.[0] ?? '';
    const seen = box => box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
    return [...document.querySelectorAll('#gallery .tile img')]
        .filter(image => image.checkVisibility() && seen(image.getBoundingClientRect()))
        .every(image => image.classList.contains('loaded') && image.src.includes(photo)); }"""
"""Whether the gallery shows what it is to show: the open photo in each style that is on the screen."""
SCREENS = {"desktop": DESKTOP, "phone": PHONE}


def crop(name, size, height=0.5):
    """A part of an example photo, at this width and height; ``height`` is 0 for its top, 1 for its bottom."""
    with Image.open(ROOT / "examples" / "photos" / f"{name}.jpg") as photo:
        scale = max(size[0] / photo.width, size[1] / photo.height)
        photo = photo.resize((round(photo.width * scale), round(photo.height * scale)))
        left, top = (photo.width - size[0]) // 2, round((photo.height - size[1]) * height)
        return photo.crop((left, top, left + size[0], top + size[1]))


@pytest.fixture(scope="module")
def camera_film(tmp_path_factory):
    """A camera that shows a photo of a person."""
    planes = [np.asarray(plane) for plane in crop("astronaut", (640, 360), 0.05).convert("YCbCr").split()]
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W640 H360 F30:1 Ip A1:1 C420jpeg\n")
        file.write(b"FRAME\n" + planes[0].tobytes() + b"".join(plane[::2, ::2].tobytes() for plane in planes[1:]))
    return path


@pytest.fixture(scope="module")
def gallery_server(tmp_path_factory):
    """A server with the styles that come with Impasto, and no other."""
    running = start(tmp_path_factory.mktemp("page"))
    yield running
    running.end()


@pytest.fixture
def screen(visit, gallery_server, request):
    """A person, and a function that checks what the screen shows and pictures it under a name."""
    size, scheme = request.param
    user = visit(SCREENS[size], url=gallery_server.url, color_scheme=scheme)
    folder = ROOT / "build" / "page"
    folder.mkdir(parents=True, exist_ok=True)

    def shot(name):
        user.page.locator("#toast.shown").wait_for(state="hidden")
        user.page.wait_for_timeout(500)  # pictures fade in
        assert user.axe() == [], name
        assert user.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert pixels(user.page.screenshot(path=folder / f"{name}-{size}-{scheme}.png")).std() > 5

    return user, shot


def paint_states(user, shot):
    page = user.page
    page.locator("#easel-painted.loaded").wait_for()
    user.until(TILES)
    shot("welcome")
    user.add(*PHOTOS)
    page.locator("#photos .thumb").nth(1).click()
    user.choose("udnie")
    user.choose("starry_night")
    user.choose("great_wave")
    page.locator("#gallery").evaluate("gallery => gallery.scrollTo(0, 0)")
    user.until(TILES)
    shot("paint")
    page.locator("#compare").select_option("starry_night")
    page.locator("[name=mode][value=side]").check(force=True)
    user.settled()
    shot("two-styles")
    page.locator("#compare").select_option("")
    page.locator("[name=mode][value=slider]").check(force=True)
    page.locator("#photos .thumb").nth(2).click()
    page.locator("#gallery [data-style=starry_night].tile").click()
    page.locator("#gallery [data-style=udnie].tile").click(modifiers=["Shift"])
    page.locator("#paint-controls [data-share=udnie]").fill("35")
    user.settled()
    page.locator("#divider").fill("35")
    user.until(TILES)
    shot("mix")
    page.locator("#brush-open").click()
    page.locator("#brush-size").fill("22")
    box = page.locator("#painted").bounding_box()
    page.mouse.move(box["x"] + 0.42 * box["width"], box["y"] + 0.45 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"], steps=8)
    page.mouse.up()
    user.settled()
    shot("mask")
    page.locator("#mask-done").click()
    for opener, name in (("#save", "save"), ("#help-button", "help")):
        page.locator(opener).click()
        page.locator(f"#{name}-dialog[open]").wait_for()
        shot(name)
        user.press("Escape")


def other_states(user, shot, tmp_path):
    page = user.page
    page.goto(f"{user.url}/#learn")
    page.locator("#learn-file").set_input_files(ROOT / "examples" / "style.jpg")
    page.locator("#learn-picture").evaluate("image => image.decode()")
    shot("learn")
    page.goto(f"{user.url}/#video")
    shot("video-empty")
    frames = [crop("city", (720, 405)).crop((x, 0, x + 640, 360)) for x in range(0, 24, 2)]
    frames[0].save(tmp_path / "city.webp", save_all=True, append_images=frames[1:], duration=40, quality=90)
    page.locator("#video-file").set_input_files(tmp_path / "city.webp")
    user.until("document.querySelector('#video-painted').naturalWidth > 0")
    shot("video")
    page.goto(f"{user.url}/#live")
    shot("live-empty")
    page.locator("#live-start").click()
    user.until("document.querySelector('#live-screen').dataset.frames > 5")
    shot("live")


CASES = [(size, scheme) for size in SCREENS for scheme in ("light", "dark")]


@pytest.mark.parametrize("screen", CASES, indirect=True, ids=["-".join(case) for case in CASES])
def test_every_state_is_accessible_and_fits_the_screen(screen, tmp_path):
    paint_states(*screen)
    pytest.importorskip("av")
    other_states(*screen, tmp_path)
