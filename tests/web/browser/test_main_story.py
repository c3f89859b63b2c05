"""The two stories that belong to the quick tests: a photo is painted and saved, and the camera is painted."""

import pytest

from impasto.cli.camera import CameraFlags, live_path
from impasto.painting.settings import Settings
from tests.conftest import make_photo
from tests.web.browser.camera import is_negative
from tests.web.browser.user import DESKTOP, PHONE, difference, pixels
from tests.web.conftest import STYLE, photo_file


def test_a_photo_is_painted_compared_and_saved(visit, tmp_path):
    paint_compare_and_save(visit(DESKTOP, accept_downloads=True), tmp_path)


@pytest.mark.slow
def test_a_photo_is_painted_compared_and_saved_on_a_phone(visit, tmp_path):
    paint_compare_and_save(visit(PHONE, accept_downloads=True), tmp_path)


def paint_compare_and_save(user, tmp_path):
    assert user.axe() == []
    user.add(photo_file(tmp_path))
    user.choose(STYLE)
    photo = make_photo(0)
    assert difference(user.sees(), 255 - photo) < 4
    assert difference(user.sees("before"), photo) < 4

    divider = user.page.locator("#divider")
    box = divider.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    user.page.mouse.move(*middle)
    user.page.mouse.down()
    user.page.mouse.move(middle[0] - box["width"] / 4, middle[1], steps=4)
    user.page.mouse.up()
    share = float(divider.input_value())
    assert 15 < share < 40
    clip = user.page.locator("#before").evaluate(
        "image => [parseFloat(image.style.clipPath.split(' ')[1]), image.clientWidth]"
    )
    assert 1 - clip[0] / clip[1] == pytest.approx(share / 100, abs=0.01)

    name, data = user.save("png")
    assert name == "photo.png"
    assert (pixels(data) == 255 - photo).all()
    assert user.axe() == []


def test_the_address_of_impasto_camera_shows_the_painted_camera_and_nothing_else(visit, server):
    flags = CameraFlags(style=[STYLE], steady=0)
    user = visit(path=live_path(flags, Settings(), server.folder))
    user.until("document.querySelector('canvas').dataset.frames > 5")
    assert is_negative(user.sees_canvas("canvas"), mirrored=False)
    assert user.page.locator("p").inner_text() == ""
    assert user.axe() == []
