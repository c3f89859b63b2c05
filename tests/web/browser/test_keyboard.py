"""All of it without a mouse: every stop of Tab is visible, and every part can be reached."""

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import make_photo
from tests.web.browser.user import difference, pixels
from tests.web.conftest import STYLE, photo_file

pytestmark = pytest.mark.slow


def test_a_photo_is_painted_and_saved_by_keyboard_alone(visit, tmp_path):
    user = visit(accept_downloads=True)
    user.press("Tab")
    assert user.focus()["name"] == "Skip to the picture"
    user.tab_to("Choose photos")
    with user.page.expect_file_chooser() as chooser:
        user.press("Enter")
    chooser.value.set_files(str(photo_file(tmp_path)))
    user.settled()
    user.page.locator(".brand").click()  # as after a dialog of the system: focus is at the beginning
    first = user.page.locator("#gallery .tile").first.get_attribute("data-style")
    assert first == STYLE
    user.tab_to("great_wave", most=10)
    user.press("Home")
    assert user.focus()["name"] == STYLE
    user.press("Enter")
    user.settled()
    assert difference(user.sees(), 255 - make_photo(0)) < 4

    user.tab_to("divider")
    before = float(user.page.locator("#divider").input_value())
    user.press("ArrowRight", "ArrowRight")
    assert float(user.page.locator("#divider").input_value()) == before + 1
    user.tab_to("strength")
    user.press("s")
    user.page.locator("#save-dialog[open]").wait_for()
    user.page.locator("#save-format").select_option("png")
    with user.page.expect_download() as download:
        user.press("Enter")
    assert (pixels(Path(download.value.path()).read_bytes()) == 255 - make_photo(0)).all()
    user.page.locator("#jobs .job[data-state=done]").wait_for()
    user.press("?")
    user.page.locator("#help-dialog[open]").wait_for()
    user.press("Escape")
    user.press("Alt+4")
    user.page.locator("#live-start").wait_for()


@pytest.mark.parametrize("view", ["paint", "learn", "video", "live"])
def test_every_control_is_reached_by_tab_and_shows_its_ring(visit, tmp_path, view):
    user = visit()
    user.add(photo_file(tmp_path))
    user.settled()
    user.page.goto(f"{user.url}/#{view}")
    wanted = user.page.evaluate(
        """() => [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex]')]
        .filter(node => node.tabIndex >= 0 && !node.disabled && node.checkVisibility() && node.getClientRects().length
            && !(node.type === 'radio' && !node.checked)).length"""
    )
    user.page.evaluate("document.activeElement.blur()")
    user.page.evaluate("window.stops = new Set()")
    for _ in range(wanted + 2):  # once around, through the document itself
        user.press("Tab")
        if user.page.evaluate("document.activeElement !== document.body && Boolean(stops.add(document.activeElement))"):
            found = user.focus()
            assert found["ring"] and found["inside"], found
    assert user.page.evaluate("stops.size") == wanted


def test_styles_are_mixed_and_a_mask_is_drawn_by_keyboard(visit, tmp_path):
    user = visit()
    user.add(photo_file(tmp_path))
    user.choose(STYLE)
    user.press("b")
    assert user.focus()["name"] == "stage"
    user.press(*["ArrowLeft"] * 15, "Space", *["ArrowDown"] * 10, "Space")
    user.settled()
    painted, photo = user.sees(), make_photo(0)
    height, width = photo.shape[:2]
    column = round(width * 0.5 - 0.02 * 15 * max(width, height))
    stroke, right = np.s_[height // 2 : height // 2 + 8, column - 2 : column + 2], np.s_[:, width * 3 // 4 :]
    assert difference(painted[stroke], 255 - photo[stroke]) < 25
    assert difference(painted[right], photo[right]) < 4
    user.press("Control+z", "Escape")
    user.settled()
    assert difference(user.sees(), 255 - photo) < 4

    user.page.locator("#gallery [data-style=udnie].tile").focus()
    user.press("Enter", "ArrowRight", "ArrowLeft", "Home", "End", "m")
    user.page.locator("#paint-controls .share").nth(1).wait_for()
    user.press("m")
    user.page.locator("#paint-controls .share").first.wait_for(state="detached")
