"""Learn: a style is learned in the page, watched, stopped, renamed, used, exported and deleted."""

from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import make_photo
from tests.web.browser.user import difference
from tests.web.conftest import photo_file, start

pytestmark = pytest.mark.slow


@pytest.fixture
def school(tmp_path, photo_folder, tiny_vgg_file):
    """Starts a server whose trainings are quick (a tiny loss network, few photos) in place of the one before."""
    pytest.importorskip("torch")
    running = []

    def begin():
        port = running[-1].port if running else 0
        for server in running:
            server.end()
        running[:] = [start(tmp_path / "page", port=port)]
        small = {"content": str(photo_folder), "loss_network": str(tiny_vgg_file), "threads": 1}
        running[0].page.trainings.options |= {"steps": 100_000, **small}
        return running[0]

    yield begin
    for server in running:
        server.end()


def test_a_style_is_learned_watched_stopped_and_used(visit, school, tmp_path):
    Image.fromarray(make_photo(5)).resize((256, 256)).save(tmp_path / "Blue Stripes.png")
    user = visit(url=school().url, accept_downloads=True)
    page = user.page
    page.goto(user.url + "/#learn")
    with page.expect_file_chooser() as chooser:
        page.locator("#learn-drop").click()
    chooser.value.set_files(tmp_path / "Blue Stripes.png")
    assert page.locator("#learn-name").input_value() == "blue_stripes"
    page.locator("#learn-name").fill("Stripes")
    page.locator("[name=minutes][value='10']").check(force=True)
    page.locator("#learn-start").click()
    card = page.locator("#learn-jobs .job[data-state=running]")
    card.locator(".curve polyline").wait_for()
    assert "left" in card.inner_text()
    assert "Learning Stripes" in card.inner_text()
    assert user.axe() == []

    page.reload()
    card.locator(".curve polyline").wait_for()  # a reload goes on
    again = school()
    page.locator("#banner").wait_for(state="hidden")
    card.locator(".curve polyline").wait_for()  # so does another server
    assert [job.state for job in again.page.board.list(None)] == ["running"]
    card.locator("[data-stop]").click()
    page.locator("#learn-jobs .job[data-state=done]").wait_for()
    page.locator("#gallery [data-style=stripes]").wait_for(state="attached")

    name = page.locator(".own-style input")
    name.fill("Blue")
    name.press("Enter")
    page.locator(".own-style[data-style=blue]").wait_for()
    with page.expect_download() as download:
        page.locator(".own-style a", has_text="Style file").click()
    assert download.value.suggested_filename.endswith(".safetensors")
    assert Path(download.value.path()).stat().st_size > 1000

    page.goto(user.url + "/#paint")
    user.add(photo_file(tmp_path))  # only now: the server before has deleted its photos at its end
    page.goto(user.url + "/#learn")
    page.locator(".own-style button", has_text="Paint with it").click()
    user.settled()
    assert difference(user.sees(), make_photo(0)) > 4
    page.goto(user.url + "/#learn")
    page.locator(".own-style button.danger").click()
    page.locator("#ask-yes").click()
    page.locator(".own-style").wait_for(state="detached")
    assert page.locator("#gallery [data-style=blue]").count() == 0


def test_a_training_is_cancelled_only_after_a_question(visit, school, tmp_path):
    user = visit(url=school().url)
    page = user.page
    page.goto(user.url + "/#learn")
    page.locator("#learn-file").set_input_files(photo_file(tmp_path))
    page.locator("#learn-start").click()
    page.locator("#learn-jobs .job[data-state=running]").wait_for()
    page.locator("#learn-jobs .close").click()
    page.locator("#ask-dialog button[value=no]").click()
    assert page.locator("#learn-jobs .job[data-state=running]").count() == 1
    page.locator("#learn-jobs .close").click()
    page.locator("#ask-yes").click()
    page.locator("#learn-jobs .job[data-state=cancelled]").wait_for()
    assert page.locator(".own-style").count() == 0
