"""Reloads, two tabs, a slow network, a server that goes away: nothing that was done is lost."""

import asyncio
import re
import threading

import pytest

from impasto.web.worker import WorkerDied
from tests.conftest import make_photo
from tests.web.browser.user import difference
from tests.web.conftest import STYLE, photo_file

pytestmark = pytest.mark.slow

ROW = "#jobs .job"


def test_a_reload_in_the_middle_of_a_job_goes_on(visit, tmp_path):
    user = visit(accept_downloads=True)
    photos = [photo_file(tmp_path, f"{number}.png", number) for number in range(4)]
    user.add(*photos)
    user.choose("udnie")
    user.page.locator("#save").click()
    user.page.locator("[name=scope][value=all]").check(force=True)
    user.page.locator("#save-go").click()
    user.page.locator(f"{ROW}[data-job]").wait_for()
    user.page.reload()
    user.page.locator(f"{ROW}[data-state=done]").wait_for()
    assert user.page.locator("#photos .thumb-box").count() == 4
    with user.page.expect_download() as download:
        user.page.locator(f"{ROW} button", has_text="All as zip").click()
    assert download.value.suggested_filename.endswith(".zip")
    user.page.locator(f"{ROW} .close").click()
    user.page.reload()
    user.settled()
    assert user.page.locator(ROW).count() == 0


def test_a_job_is_cancelled_and_what_is_done_stays(visit, tmp_path):
    user = visit()
    photos = [photo_file(tmp_path, f"{number}.png", number) for number in range(40)]
    user.add(*photos)
    user.choose("udnie")
    user.page.locator("#save").click()
    user.page.locator("[name=scope][value=all]").check(force=True)
    user.page.locator("#save-go").click()
    user.page.locator(f"{ROW}[data-state=running]").wait_for()
    user.until("!document.querySelector('#jobs .job-title').textContent.includes(' 0/')")
    user.page.locator(f"{ROW} .close").click()
    card = user.page.locator(f"{ROW}[data-state=cancelled]")
    card.wait_for()
    assert re.search(r"\b([1-9]|[1-3]\d) pictures|\d+\.jpg", card.inner_text())


def test_two_tabs_share_photos_and_both_paint(visit, tmp_path):
    user = visit()
    other = user.open()
    user.add(photo_file(tmp_path))
    other.locator("#photos .thumb-box").wait_for()
    user.page.locator(f"#gallery [data-style={STYLE}].tile").click()
    other.locator("#gallery [data-style=udnie].tile").click()
    user.settled()
    user.settled(other)
    assert difference(user.sees(), 255 - make_photo(0)) < 4
    other.locator("#photos .remove").click(force=True)
    user.page.locator("#welcome").wait_for()


def test_a_tab_that_nobody_sees_keeps_no_connection_open(visit, server, tmp_path, monkeypatch):
    released = threading.Event()

    async def call(*_, **__):
        while not released.is_set():
            await asyncio.sleep(0.05)
        raise WorkerDied

    user = visit()
    user.add(photo_file(tmp_path))
    session = server.page.sessions.all()[-1]
    user.choose(STYLE)
    monkeypatch.setattr(server.page.background, "call", call)
    user.page.locator("#save").click()
    user.page.locator("#save-go").click()
    user.wait(lambda: session.streams == 1)
    other = user.open()
    user.wait(lambda: session.streams == 2)
    hide = """hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
        document.dispatchEvent(new Event('visibilitychange')); }"""
    other.evaluate(hide, True)
    user.wait(lambda: session.streams == 1)
    other.evaluate(hide, False)
    user.wait(lambda: session.streams == 2)
    user.page.evaluate(hide, True)  # this tab waits for its result
    user.page.wait_for_timeout(300)
    assert session.streams == 2
    released.set()
    user.page.locator(f"{ROW}[data-state=failed]").wait_for()


def test_a_slow_network_shows_progress_and_ends_with_the_newest_settings(visit, tmp_path):
    user = visit()
    slow = user.context.new_cdp_session(user.page)
    slow.send("Network.enable")
    slow.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 300, "downloadThroughput": 60_000, "uploadThroughput": 60_000},
    )
    user.page.locator("#add-files").set_input_files(photo_file(tmp_path))
    user.page.locator("#adding progress").wait_for()
    user.page.locator("#photos .thumb-box").wait_for()
    user.page.locator(f"#gallery [data-style={STYLE}].tile").click()
    for strength in (0.2, 0.4, 0.6, 0.8, 1):
        user.slide("strength", strength)
        user.page.wait_for_timeout(50)
    user.settled()
    assert difference(user.sees(), 255 - make_photo(0)) < 4


def test_a_server_that_goes_away_is_named_and_found_again(visit, tmp_path):
    user = visit()
    user.add(photo_file(tmp_path))
    user.choose(STYLE)
    user.context.set_offline(True)
    user.page.locator("#gallery [data-style=udnie].tile").click()
    user.page.locator("#banner").wait_for()
    assert "does not answer" in user.page.locator("#banner").inner_text()
    user.context.set_offline(False)
    user.page.locator("#banner").wait_for(state="hidden")
    user.settled()
    assert difference(user.sees(), 255 - make_photo(0)) > 10
