"""Video and live: a clip and a camera, painted in the page."""

import numpy as np
import pytest

from tests.conftest import make_photo
from tests.web.browser.user import DESKTOP, PHONE, difference
from tests.web.conftest import STYLE, photo_file

pytestmark = pytest.mark.slow

FRAME = "canvas => canvas.toDataURL('image/png')"


def camera_ramp(height, width):
    """What the fake camera shows, without its bar: gray levels from left to right (video range is expanded)."""
    luma = np.linspace(40, 200, width)
    return np.tile(np.clip((luma - 16) * 255 / 219, 0, 255), (height, 1))


def canvas_of(user, selector):
    import base64

    from tests.web.browser.user import pixels

    return pixels(base64.b64decode(user.page.locator(selector).evaluate(FRAME).split(",")[1]))


def size_of(video):
    """Width and height of a video element, when they are known."""
    return video.evaluate(
        """async video => {
        if (!video.videoWidth) await new Promise(done => video.addEventListener('loadedmetadata', done));
        return [video.videoWidth, video.videoHeight]; }"""
    )


def check_negative_of_camera(painted, mirrored):
    gray = painted.astype(float).mean(2)
    expected = 255 - camera_ramp(*gray.shape)
    if mirrored:
        expected = expected[:, ::-1]
    assert np.median(np.abs(gray - expected)) < 14


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_camera_is_painted_live(visit, screen):
    user = visit(screen)
    page = user.page
    page.goto(user.url + "/#live")
    page.locator(f"#live-gallery [data-style={STYLE}].tile").click()
    assert user.axe() == []
    page.locator("#live-start").click()
    user.until("document.querySelector('#live-screen').dataset.frames > 5")
    check_negative_of_camera(canvas_of(user, "#live-canvas"), mirrored=True)
    assert "frames a second" in page.locator("#live-meter").inner_text()
    assert "ms behind" in page.locator("#live-meter").inner_text()

    page.locator("#live-mirror").uncheck()
    user.until(
        "start => document.querySelector('#live-screen').dataset.frames > start + 5",
        int(page.locator("#live-screen").get_attribute("data-frames")),
    )
    check_negative_of_camera(canvas_of(user, "#live-canvas"), mirrored=False)
    page.locator("#live-shot").click()
    page.locator("#live-shots img").wait_for()
    page.locator("#live-record").click()
    page.wait_for_timeout(1500)
    page.locator("#live-record").click()
    page.locator("#live-shots video").wait_for()
    assert size_of(page.locator("#live-shots video")) == [160, 120]
    page.locator("#live-gallery [data-style=udnie].tile").click()
    negative = np.repeat(255 - camera_ramp(120, 160)[..., np.newaxis], 3, axis=2).astype(np.uint8)
    user.wait(lambda: difference(canvas_of(user, "#live-canvas"), negative) > 8)
    assert user.axe() == []
    page.locator("#live-stop").click()
    page.locator("#live-start").wait_for()


def test_the_bare_view_shows_the_camera_and_nothing_else(visit):
    user = visit(path=f"/live?style={STYLE}&steady=0")
    user.until("document.querySelector('canvas').dataset.frames > 5")
    check_negative_of_camera(canvas_of(user, "canvas"), mirrored=False)
    assert user.page.locator("p").inner_text() == ""
    assert user.axe() == []


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
    assert size_of(card.locator("video")) == [96, 64]
    with page.expect_download() as download:
        card.get_by_text("Download").click()
    assert download.value.suggested_filename.startswith("clip")


def test_a_clip_is_cancelled(visit, tmp_path):
    pytest.importorskip("av")
    from tests.video.clips import make_clip

    user = visit()
    page = user.page
    page.goto(user.url + "/#video")
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
