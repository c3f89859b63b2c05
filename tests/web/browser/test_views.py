"""Video and live: a clip and a camera, painted in the page."""

import numpy as np
import pytest

from tests.conftest import make_photo
from tests.web.browser.camera import is_negative, ramp
from tests.web.browser.user import DESKTOP, PHONE, difference
from tests.web.conftest import STYLE, photo_file

pytestmark = pytest.mark.slow


def size_of(user, selector):
    """Width and height of a video element, when they are known."""
    user.until("selector => document.querySelector(selector).videoWidth", selector)
    return user.page.locator(selector).evaluate("video => [video.videoWidth, video.videoHeight]")


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_camera_is_painted_live(visit, screen):
    user = visit(screen)
    page = user.page
    page.goto(user.url + "/#live")
    page.locator(f"#live-gallery [data-style={STYLE}].tile").click()
    assert user.axe() == []
    page.locator("#live-start").click()
    user.until("document.querySelector('#live-screen').dataset.frames > 5")
    assert is_negative(user.sees_canvas("#live-canvas"), mirrored=True)
    assert "frames a second" in page.locator("#live-meter").inner_text()
    assert "ms behind" in page.locator("#live-meter").inner_text()

    page.locator("#live-mirror").uncheck()
    user.until(
        "start => document.querySelector('#live-screen').dataset.frames > start + 5",
        int(page.locator("#live-screen").get_attribute("data-frames")),
    )
    assert is_negative(user.sees_canvas("#live-canvas"), mirrored=False)
    page.locator("#live-shot").click()
    page.locator("#live-shots img").wait_for()
    page.locator("#live-record").click()
    page.wait_for_timeout(1500)
    page.locator("#live-record").click()
    page.locator("#live-shots video").wait_for()
    assert size_of(user, "#live-shots video") == [160, 120]
    page.locator("#live-gallery [data-style=udnie].tile").click()
    negative = np.repeat(255 - ramp(120, 160)[..., np.newaxis], 3, axis=2).astype(np.uint8)
    user.wait(lambda: difference(user.sees_canvas("#live-canvas"), negative) > 8)
    assert user.axe() == []
    page.locator("#live-stop").click()
    page.locator("#live-start").wait_for()


@pytest.fixture
def clip(tmp_path):
    pytest.importorskip("av")
    from tests.video.clips import make_clip

    return make_clip(tmp_path / "clip.mp4", frames=12, size=(96, 64))


def test_a_clip_is_previewed_painted_and_downloaded_also_after_a_reload(visit, clip):
    user = visit(accept_downloads=True)
    page = user.page
    page.goto(user.url + "/#video")
    assert user.axe() == []
    page.locator("#video-file").set_input_files(clip)
    page.locator("#video-work").wait_for()
    page.locator(f"#video-gallery [data-style={STYLE}].tile").click()
    user.until("document.querySelector('#video-painted').naturalWidth > 0")
    user.wait(lambda: difference(user.sees("video-painted"), 255 - user.sees("video-before")) < 8)
    page.locator("#video-at").fill("0.9")
    user.until("document.querySelector('#video-before').src.includes('at=0.9')")
    assert user.axe() == []
    page.locator("#video-steady").fill("0")
    page.locator("#video-start").click()
    page.locator("#video-jobs .job").wait_for()
    page.reload()
    page.locator("#video-work").wait_for()
    card = page.locator("#video-jobs .job[data-state=done]")
    card.wait_for()
    assert size_of(user, "#video-jobs video") == [96, 64]
    with page.expect_download() as download:
        card.get_by_text("Download").click()
    assert download.value.suggested_filename.startswith("clip")


def test_a_clip_is_cancelled(visit, tmp_path):
    pytest.importorskip("av")
    from tests.video.clips import make_clip

    user = visit()
    page = user.page
    page.goto(user.url + "/#video")
    page.wait_for_load_state("networkidle")
    page.locator("#video-file").set_input_files(make_clip(tmp_path / "long.mp4", frames=600, size=(320, 192)))
    page.locator("#video-start").click()
    page.locator("#video-jobs .job[data-state=running]").wait_for()
    page.locator("#video-jobs .close").click()
    page.locator("#video-jobs .job[data-state=cancelled]").wait_for()


def test_pictures_dropped_on_learn_become_the_style_picture(visit, tmp_path):
    user = visit()
    page = user.page
    page.goto(user.url + "/#learn")
    page.locator("#learn-file").set_input_files(photo_file(tmp_path, "Blue Rider.png"))
    assert page.locator("#learn-name").input_value() == "blue_rider"
    assert page.locator("#learn-picture").is_visible()
    page.locator("#learn-picture").evaluate("image => image.decode()")
    assert difference(user.sees("learn-picture"), make_photo(0)) < 1
