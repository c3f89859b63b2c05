"""Paint: a photo comes in, is seen in every style, is adjusted and compared, and leaves. With real clicks."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import make_photo
from tests.web.browser.user import DESKTOP, PHONE, difference, names_in, pixels
from tests.web.conftest import STYLE, photo_file

pytestmark = pytest.mark.slow


def test_every_style_is_shown_on_the_own_photo(visit, tmp_path):
    user = visit()
    user.add(photo_file(tmp_path))
    tiles = user.page.locator("#gallery .tile img[src*='api/photos/']")
    count = user.page.locator("#gallery .tile").count()
    assert count >= 14
    tiles.nth(count - 1).wait_for()
    thumbnail = user.page.locator(f"#gallery [data-style={STYLE}] img")
    thumbnail.evaluate("image => image.decode()")
    thumbnail.evaluate("image => image.id = 'thumbnail'")
    assert difference(user.sees("thumbnail"), 255 - make_photo(0)) < 6


def test_strength_colors_and_a_mix_change_the_painting_and_come_back_with_the_history(visit, tmp_path):
    user = visit()
    user.add(photo_file(tmp_path))
    user.choose("starry_night")
    full = user.sees()
    user.slide("strength", 0)
    user.settled()
    assert difference(user.sees(), make_photo(0)) < 4 < difference(full, make_photo(0))
    user.slide("strength", 1)
    user.page.locator("#paint-controls [data-setting=keep_colors][value=luminance]").check(force=True)
    user.settled()
    kept = user.sees()
    tint = lambda image: image.reshape(-1, 3).mean(0) - image.mean()  # noqa: E731
    assert np.abs(tint(kept) - tint(make_photo(0))).max() < np.abs(tint(full) - tint(make_photo(0))).max()
    user.page.locator("#paint-controls [data-setting=keep_colors][value='']").check(force=True)

    user.page.locator("#gallery [data-style=udnie].tile").click(modifiers=["Shift"])
    user.settled()
    mixed = user.sees()
    assert user.page.locator("#paint-controls .share").count() == 2
    user.page.locator("#paint-controls [data-share=udnie]").fill("100")
    user.settled()
    alone = user.sees()
    user.choose("udnie")
    assert difference(alone, user.sees()) < 2 < difference(mixed, alone)
    user.page.locator("#history [aria-label='The Starry Night, strength 100 %']").click()
    user.settled()
    assert difference(user.sees(), full) < 1
    assert user.page.locator("#gallery [aria-pressed=true]").count() == 1


def test_two_styles_are_compared_and_zoom_and_pan_together(visit, tmp_path):
    path, photo = tmp_path / "large.png", np.kron(make_photo(0), np.ones((12, 12, 1), np.uint8))
    Image.fromarray(photo).save(path)
    user = visit()
    user.add(path)
    user.choose(STYLE)
    user.page.locator("#compare").select_option("udnie")
    user.page.locator("[name=mode][value=side]").check(force=True)
    user.settled()
    assert difference(user.sees("before"), user.sees()) > 10
    user.page.locator("#zoom-one").click()
    assert user.page.locator("#zoom-value").text_content() == "100 %"
    user.settled()
    stage = user.page.locator("#stage").bounding_box()
    place = "image => [image.style.width, image.style.height, image.style.transform]"
    at_first = user.page.locator("#painted").evaluate(place)
    user.page.mouse.move(stage["x"] + 100, stage["y"] + 100)
    user.page.mouse.down()
    user.page.mouse.move(stage["x"] + 60, stage["y"] + 20, steps=3)
    user.page.mouse.up()
    assert user.page.locator("#painted").evaluate(place) != at_first
    assert user.page.locator("#painted").evaluate(place) == user.page.locator("#before").evaluate(place)
    assert user.sees().shape == photo.shape  # at 1:1 all pixels are there
    user.page.locator("#zoom-fit").click()
    assert user.page.locator("#zoom-value").text_content() != "100 %"


def brush(user, start, end):
    """A stroke; points are shares of the picture."""
    box = user.page.locator("#painted").bounding_box()
    user.page.mouse.move(box["x"] + start[0] * box["width"], box["y"] + start[1] * box["height"])
    user.page.mouse.down()
    user.page.mouse.move(box["x"] + end[0] * box["width"], box["y"] + end[1] * box["height"], steps=8)
    user.page.mouse.up()
    user.settled()


def test_a_brush_says_where_the_style_is_painted(visit, tmp_path):
    user = visit(accept_downloads=True)
    user.add(photo_file(tmp_path))
    user.choose(STYLE)
    user.page.locator("#brush-open").click()
    user.page.locator("#brush-size").fill("30")
    user.page.locator("#brush-soft").fill("0")
    brush(user, (0.05, 0.5), (0.25, 0.5))
    photo = make_photo(0)
    height, width = photo.shape[:2]
    middle, far = np.s_[height // 2 - 5 : height // 2 + 5, 10 : width // 4], np.s_[:, int(width * 0.6) :]

    def check(painted):
        assert difference(painted[middle], (255 - photo)[middle]) < 6
        assert difference(painted[far], photo[far]) < 4

    check(user.sees())
    brush(user, (0.8, 0.5), (0.9, 0.5))
    assert difference(user.sees()[far], photo[far]) > 20
    user.page.locator("#mask-undo").click()
    user.settled()
    check(user.sees())
    user.page.locator("#mask-invert").click()
    user.settled()
    check(255 - user.sees())
    user.page.locator("#mask-invert").click()
    user.page.locator("#mask-done").click()
    user.settled()
    _, data = user.save("png")
    saved = pixels(data)
    assert (saved[far] == photo[far]).all()
    assert difference(saved[middle], (255 - photo)[middle]) < 2

    user.page.reload()
    user.settled()
    check(user.sees())  # the mask is there after a reload
    user.page.locator("#brush-open").click()
    user.page.locator("#mask-clear").click()
    user.settled()
    assert difference(user.sees(), 255 - photo) < 4


def test_a_folder_is_added_with_its_count_and_saved_as_one_zip(visit, tmp_path):
    folder = tmp_path / "holiday"
    (folder / "more").mkdir(parents=True)
    for number in range(5):
        photo_file(folder / "more" if number > 2 else folder, f"{number}.png", number)
    (folder / "notes.txt").write_text("no picture")
    user = visit(accept_downloads=True)
    user.page.evaluate(
        """() => { window.seen = [];
        new MutationObserver(() => {
            const line = document.querySelector('#adding p');
            if (line) seen.push(line.textContent);
        }).observe(document.querySelector('#jobs'), {subtree: true, childList: true, characterData: true}); }"""
    )
    with user.page.expect_file_chooser() as chooser:
        user.page.locator("[data-add=folder]").click()
    chooser.value.set_files(str(folder))
    user.page.locator("#photos .thumb-box").nth(4).wait_for()
    assert "Adding 5/5" in user.page.evaluate("seen")
    user.choose(STYLE)
    name, data = user.save("png", everything=True)
    assert name.endswith(".zip")
    assert names_in(data) == [f"{number}.png" for number in range(5)]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for number in range(5):
            assert (pixels(archive.read(f"{number}.png")) == 255 - make_photo(number)).all()
    assert "5 pictures" in user.page.locator("#jobs .job").inner_text()


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_card_of_a_job_covers_no_control_and_the_next_one_takes_its_place(visit, tmp_path, screen):
    user = visit(screen, accept_downloads=True)
    user.add(photo_file(tmp_path))
    user.choose(STYLE)
    for name in ("photo.png", "photo.jpg"):
        assert user.save(name[-3:])[0] == name
        user.page.locator("#jobs .job[data-state=done]", has_text=name).wait_for()
        assert user.page.locator("#jobs .job").count() == 1
    for control in ("#save", "#copy", "#panel > details > summary"):
        user.page.locator(control).click(trial=True)
    user.page.reload()
    user.settled()
    user.save("png")
    assert user.page.locator("#jobs .job[data-state=done]", has_text="photo.jpg").count() == 1  # perhaps not downloaded


def test_photos_are_dropped_and_pasted_and_the_painting_is_copied(visit, tmp_path):
    user = visit(permissions=["clipboard-read", "clipboard-write"])
    for kind, number in (("drop", 0), ("paste", 1)):
        data = list(photo_file(tmp_path, f"{kind}.png", number).read_bytes())
        user.page.evaluate(
            """([kind, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], kind + '.png', {type: 'image/png'}));
            document.body.dispatchEvent(kind === 'drop'
                ? new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true})
                : new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true, cancelable: true})); }""",
            [kind, data],
        )
        user.page.locator("#photos .thumb-box").nth(number).wait_for()
    user.choose(STYLE)
    user.page.locator("#copy").click()
    user.page.locator("#toast", has_text="Copied").wait_for()
    copied = user.page.evaluate(
        """async () => { const [item] = await navigator.clipboard.read();
        return [...new Uint8Array(await (await item.getType('image/png')).arrayBuffer())]; }"""
    )
    assert difference(pixels(bytes(copied)), 255 - make_photo(1)) < 4


def test_settings_leave_as_a_file_and_a_command_and_stay_after_a_reload(visit, tmp_path):
    user = visit(accept_downloads=True)
    user.add(photo_file(tmp_path))
    user.choose("udnie")
    user.slide("strength", 0.7)
    user.slide("stroke_size", 1)
    user.page.locator("summary", has_text="command line").click()
    user.page.locator("#command", has_text="--strength 0.7").wait_for()
    assert "--style udnie" in user.page.locator("#command").inner_text()
    with user.page.expect_download() as download:
        user.page.locator("#settings-save").click()
    saved = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert (saved["style"], saved["strength"], saved["stroke_size"]) == ({"udnie": 1}, 0.7, 2)
    user.page.reload()
    user.settled()
    assert user.page.locator("#paint-controls [data-setting=strength]").input_value() == "0.7"
    assert user.page.locator("#gallery [aria-pressed=true]").get_attribute("data-style") == "udnie"


def test_a_file_that_is_no_picture_is_named_and_the_others_come_in(visit, tmp_path):
    broken = tmp_path / "<img src=x onerror=alert(1)>.png"
    broken.write_bytes(b"no picture")
    user = visit()
    user.page.locator("#add-files").set_input_files([broken, photo_file(tmp_path)])
    user.page.locator("#toast.bad").wait_for()
    assert "<img" in user.page.locator("#toast").inner_text()
    assert user.page.locator("#photos .thumb-box").count() == 1
    user.page.locator("#photos .thumb-box .remove").click(force=True)
    user.page.locator("#welcome").wait_for()
