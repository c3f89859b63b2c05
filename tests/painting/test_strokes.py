from dataclasses import replace

import numpy as np
import pytest

from impasto.models.stylefile import Style, StyleInfo
from impasto.painting import strokes
from impasto.painting.regions import paint_regions
from impasto.painting.settings import Settings
from impasto.pictures import colors
from impasto.pictures.resize import resize, resize_short_side
from tests.painting.fakes import fake, fake_info, fake_stylizer, random_picture


def test_strokes_are_as_large_as_the_picture_is():
    """The network paints at one size, so the same photo in two sizes has the same strokes."""
    sizes = []
    stylizer = fake(lambda inputs: sizes.append(inputs["image"].shape[2:]) or 1 - inputs["image"])
    large = random_picture(1200, 900)
    for picture in (large, resize_short_side(large, 700), resize_short_side(large, 300)):
        assert stylizer(picture, Settings(crisp=False)).shape == picture.shape
    stylizer(large, Settings(stroke_size=2.0, crisp=False))
    stylizer(large, Settings(stroke_size=0.5))
    stylizer(resize_short_side(large, 300), Settings(stroke_size=2.0, crisp=False))
    stylizer(resize_short_side(large, 300), Settings(stroke_size=0.5))
    assert sizes == [(683, 512), (682, 512), (400, 300), (341, 256), (1365, 1024), (200, 150), (800, 600)]


def test_a_picture_is_enlarged_for_fine_strokes_only_as_far_as_it_is_painted_whole():
    sizes = []
    stylizer = fake(lambda inputs: sizes.append(inputs["image"].shape[2:]) or 1 - inputs["image"])
    for shape in ((512, 768), (40, 4000), (3, 9000), (1500, 3500)):
        assert stylizer(random_picture(*shape), Settings(stroke_size=0.01)).shape == (*shape, 3)
    assert all(height * width <= strokes.WHOLE_PIXELS for height, width in sizes[:3])
    assert sizes[0][0] > 3 * 512
    assert sizes[-1] == (1500, 3500)  # more than that already: as it is


def test_an_enlarged_painting_has_a_share_of_the_photos_detail():
    large = random_picture(1100, 1030)
    painted = fake(lambda inputs: inputs["image"] * 0 + 0.5)(large, Settings(crisp=False))
    coarse = resize(resize_short_side(large, 512), 1030, 1100)
    expected = 128 + strokes.DETAIL * (large.astype(float) - coarse)
    assert np.abs(painted - expected.clip(0, 255)).max() <= 1
    info = fake_info(style_size=1)
    style = Style(StyleInfo(name="a", network=""), np.ones(1, np.float32), np.zeros(1, np.float32))
    stylizer = fake_stylizer(lambda inputs: 1 - inputs["image"], info, style)
    assert (stylizer(large, Settings(strength=0)) == large).all()
    black = np.zeros((4, 4), np.uint8)
    assert (paint_regions(large, [(stylizer, black)]) == large).all()


def test_crisp_paints_again_at_steps_of_about_two_up_to_the_pictures_own_size():
    painted = []

    def half_way_to_white(inputs):
        painted.append((inputs["image"].shape[2:], float(inputs["image"].mean())))
        return (inputs["image"] + 1) / 2

    stylizer = fake(half_way_to_white)
    large = random_picture(1100, 1400)
    result = stylizer(large, Settings(crisp=True, stroke_size=2.0))
    assert result.shape == large.shape
    sizes, means = zip(*painted, strict=True)
    assert sizes == ((256, 326), (531, 676), (1100, 1400))
    # The input of each pass is the result of the one before, not the photo.
    assert means == pytest.approx([0.5, 0.75, 0.875], abs=0.02)
    assert result.mean() / 255 == pytest.approx(0.9375, abs=0.02)

    for picture, settings in ((large, Settings(stroke_size=0)), (random_picture(400, 300), Settings(stroke_size=0.5))):
        again = replace(settings, crisp=True)  # painted at its own size, or larger, as it is
        np.testing.assert_array_equal(stylizer(picture, again), stylizer(picture, settings))


def test_a_large_picture_is_painted_again_up_to_a_size_that_bounds_time_and_memory(monkeypatch):
    monkeypatch.setattr(strokes, "CRISP_PIXELS", 2100 * 600)
    sizes = []
    stylizer = fake(lambda inputs: sizes.append(min(inputs["image"].shape[2:])) or inputs["image"])

    def painted(side, crisp):
        sizes.clear()
        stylizer(random_picture(side, 600 * side // 512), Settings(crisp=crisp))
        return sizes[:]

    assert painted(512, None) == painted(512, True) == [512]
    assert painted(700, None) == [512]  # too small a step
    assert painted(700, True) == [512, 700]
    assert painted(1024, None) == painted(1024, True) == [512, 1024]
    assert painted(1600, None) == [512, 905]  # and enlarged from there
    assert painted(1600, True) == [512, 905, 1600]
    assert painted(1600, False) == [512]


def test_crisp_paints_again_at_less_than_full_strength():
    given = []
    info = fake_info(style_size=1)
    style = Style(StyleInfo(name="a", network=""), np.ones(1, np.float32), np.zeros(1, np.float32))
    stylizer = fake_stylizer(lambda x: given.append(float(x["style"][0])) or 1 - x["image"], info, style)
    stylizer(random_picture(1100, 1030), Settings(strength=1.5, crisp=True))
    stylizer(random_picture(1100, 1030), Settings(strength=0.5, crisp=True))
    assert given == pytest.approx([1.5, strokes.AGAIN, 0.5, strokes.AGAIN * 0.5])


def test_crisp_leaves_what_is_masked_and_keeps_colors_of_the_photo(udnie):
    large = random_picture(350, 300)
    mask = np.zeros((350, 300), np.uint8)
    mask[:, :150] = 255
    settings = Settings(crisp=True, stroke_size=2.0)
    painted = paint_regions(large, [(udnie, mask)], settings)
    np.testing.assert_array_equal(painted[:, 150:], large[:, 150:])
    assert (painted[:, :130] != large[:, :130]).mean() > 0.9
    stylizer = fake(lambda inputs: (inputs["image"] + 1) / 2)
    expected = colors.keep_colors(stylizer(large, settings), large, "luminance")
    np.testing.assert_array_equal(stylizer(large, replace(settings, keep_colors="luminance")), expected)
