"""Borders do not change what is between them; where there is nothing, nothing is painted."""

import numpy as np
import pytest

import impasto
from impasto.painting.framing import faded, picture_area, presence
from impasto.painting.settings import Settings
from impasto.painting.strokes import paint_strokes
from tests.conftest import make_photo


@pytest.fixture(scope="module")
def stylizer():
    return impasto.load("udnie", variant="fast", threads=1)


def photo(height=120, width=160):
    rng = np.random.default_rng(0)
    coarse = rng.uniform(20, 235, (height // 8, width // 8, 3))
    return np.rint(np.kron(coarse, np.ones((8, 8, 1)))).astype(np.uint8)


def framed(picture, top=0, side=0, color=0, noise=0.0):
    padded = np.pad(picture, [(top, top), (side, side), (0, 0)], constant_values=color).astype(float)
    rng = np.random.default_rng(1)
    return np.clip(np.rint(padded + rng.normal(0, noise, padded.shape)), 0, 255).astype(picture.dtype)


@pytest.mark.parametrize("color", [0, 255, 120])
@pytest.mark.parametrize(("top", "side"), [(16, 0), (0, 24), (16, 24)])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_area_between_borders_is_found(color, top, side, noise):
    height, width = photo().shape[:2]
    area = picture_area(framed(photo(), top, side, color, noise))
    assert area == (slice(top, top + height), slice(side, side + width))


def test_sixteen_bits_have_the_same_area():
    deep = (framed(photo(), 16).astype(np.uint16)) * 257
    assert picture_area(deep) == picture_area(framed(photo(), 16))


def test_a_plain_sky_on_one_side_is_no_border():
    picture = photo()
    picture[:40] = 200
    assert picture_area(picture) == (slice(0, 120), slice(0, 160))


def test_plain_places_of_different_colors_are_no_pair():
    picture = photo()
    picture[:20], picture[-20:] = 230, 40
    assert picture_area(picture)[0] == slice(0, 120)


@pytest.mark.parametrize("picture", [make_photo(0), np.full((50, 60, 3), 255, np.uint8), np.zeros((1, 1, 3), np.uint8)])
def test_pictures_without_borders_are_whole(picture):
    assert picture_area(picture) == (slice(0, picture.shape[0]), slice(0, picture.shape[1]))


@pytest.mark.parametrize(("top", "side", "color"), [(32, 0, 0), (16, 16, 255)])
def test_borders_hardly_change_how_the_picture_is_painted(stylizer, top, side, color):
    """Beside the same network with the borders in its statistics: the graph run on the picture as it is."""
    alone = stylizer(photo())
    picture = framed(photo(), top, side, color)
    inside = slice(top + 24, top + 96), slice(side + 24, side + 136)
    middle = alone[24:96, 24:136].astype(int)
    inputs = stylizer.network.image_inputs(picture) | stylizer.network.style_inputs(stylizer.style, 1.0)
    before = 255 * stylizer.network.run(inputs)[0].transpose(1, 2, 0)
    assert np.abs(stylizer(picture)[inside] - middle).mean() < 0.4 * np.abs(before[inside] - middle).mean()


def test_borders_within_borders_are_found():
    picture = photo()
    for width, color in ((6, 0), (10, 255), (3, (120, 30, 30))):
        picture = np.stack(
            [np.pad(picture[..., k], width, constant_values=np.broadcast_to(color, 3)[k]) for k in range(3)], 2
        )
    assert picture_area(picture) == (slice(19, 139), slice(19, 179))


@pytest.mark.parametrize(("deviation", "shade"), [(2, 0), (8, 0), (2, 20)])
def test_the_margins_of_a_scanned_page_are_found(deviation, shade):
    page = np.empty((200, 240, 3))
    page[:] = np.linspace(240 - shade, 240, 240)[None, :, None]
    page = np.clip(np.rint(page + np.random.default_rng(2).normal(0, deviation, page.shape)), 0, 255).astype(np.uint8)
    page[40:160, 40:200] = photo()
    assert picture_area(page) == (slice(40, 160), slice(40, 200))


@pytest.mark.parametrize("color", [0, 16])
def test_subtitles_and_signs_in_bars_belong_to_the_bars(color):
    picture = framed(photo(), 40, 0, color)
    picture[170:180, 40:120:3] = 235
    picture[10:16, 140:150] = (200, 30, 30)
    assert picture_area(picture) == (slice(40, 160), slice(0, 160))


@pytest.mark.parametrize("level", [50, 120])
def test_textured_borders_of_middle_brightness_belong_to_the_picture(level):
    picture = framed(photo(), 16, 0, level)
    picture[::2, ::2] = np.where(picture[::2, ::2] == level, level + 30, picture[::2, ::2])
    assert picture_area(picture)[0] == slice(0, 152)


def test_the_area_is_that_of_the_photo_each_time_a_large_picture_is_painted():
    seen = []

    def paint(picture, settings, area):  # what it returns has no plain border
        seen.append((picture.shape, area))
        return np.random.default_rng(0).integers(0, 256, picture.shape, dtype=np.uint8)

    paint_strokes(framed(photo(1200, 1600), 400, 200, 255), Settings(), paint, fades=True)
    assert len(seen) > 1
    for (height, width, _), (rows, columns) in seen:
        expected = [height * 400 / 2000, height * 1600 / 2000, width * 200 / 2000, width * 1800 / 2000]
        assert [rows.start, rows.stop, columns.start, columns.stop] == pytest.approx(expected, abs=1)


def test_strokes_have_the_size_of_the_picture_inside_the_border():
    sizes = []
    picture = photo(1024, 1280)
    for image in (picture, framed(picture, 512, 640, 0)):

        def paint(image, settings, area):
            sizes.append(image[area].shape)
            return image

        paint_strokes(image, Settings(crisp=False), paint, fades=True)
    assert sizes[1] == pytest.approx(sizes[0], abs=1)


@pytest.mark.parametrize("color", [(255, 255, 255), (0, 0, 0), (200, 30, 30)])
def test_a_blank_page_stays_as_it_is(stylizer, color):
    page = np.tile(np.array(color, np.uint8), (60, 80, 1))
    assert np.array_equal(stylizer(page), page)


def test_no_contrast_is_invented_where_there_is_next_to_none(stylizer):
    dark = np.clip(np.random.default_rng(0).normal(3, 1.2, (96, 96, 3)), 0, 255).astype(np.uint8)
    assert stylizer(dark).astype(float).std() < 12


def test_ordinary_pictures_are_painted_wholly():
    assert presence(photo()) == 1
    assert presence((photo() // 8).astype(np.uint8)) == 1  # a dim one too
    painted = 255 - photo()
    assert faded(painted, photo(), picture_area(photo())) is painted


def test_presence_grows_with_contrast():
    values = [presence(np.rint(128 + s * (photo() / 64.0 - 2)).astype(np.uint8)) for s in np.linspace(0, 8, 12)]
    assert values == sorted(values)
    assert values[0] == 0
    assert values[-1] == 1


@pytest.mark.parametrize("color", [0, 255])
@pytest.mark.parametrize("sides", [(24, 0, 0, 0), (0, 24, 0, 0), (0, 0, 30, 0), (0, 20, 0, 30)])
def test_black_and_white_borders_may_lie_on_one_side(color, sides):
    top, bottom, left, right = sides
    picture = np.pad(photo(), [(top, bottom), (left, right), (0, 0)], constant_values=color)
    assert picture_area(picture) == (slice(top, top + 120), slice(left, left + 160))


@pytest.mark.parametrize("color", [8, 120, 247])
def test_on_one_side_a_place_that_is_nearly_black_or_white_is_no_border(color):
    picture = np.pad(photo(), [(24, 0), (0, 0), (0, 0)], constant_values=color)
    assert picture_area(picture)[0] == slice(0, 144)


def test_a_page_with_one_line_of_text_is_whole():
    page = np.full((240, 360, 3), 255, np.uint8)
    page[20:30, 20:180:4] = 0
    assert picture_area(page) == (slice(0, 240), slice(0, 360))
