import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as trials
from hypothesis import strategies as st
from PIL import Image

from impasto.errors import ImageError, ModelError, UsageError
from impasto.models.stylefile import Style, StyleInfo
from impasto.painting import stylizer as stylizers
from impasto.painting.load import load
from impasto.painting.regions import paint_regions
from impasto.painting.settings import Settings
from tests.graphs import NOISE, write_test_model
from tests.painting.fakes import fake, fake_info, fake_stylizer, random_picture


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 32), st.integers(1, 40))
@trials(max_examples=50)
def test_every_size_comes_back_exactly(height, width, multiple_of, minimum_size):
    seen = []

    def look(inputs):
        seen.append(inputs["image"].shape[2:])
        return inputs["image"]

    picture = random_picture(height, width)
    painted = fake(look, multiple_of=multiple_of, minimum_size=minimum_size)(picture)
    assert painted.dtype == np.uint8
    assert (painted == picture).all()
    for size in seen[0]:
        assert size >= minimum_size
        assert size % multiple_of == 0


def test_no_padding_where_none_is_needed_and_the_picture_is_not_changed():
    picture = random_picture(32, 48)
    picture.flags.writeable = False
    shapes = []
    fake(lambda inputs: shapes.append(inputs["image"].shape) or inputs["image"] * 0, multiple_of=16)(picture)
    assert shapes == [(1, 3, 32, 48)]


def test_the_padding_reflects_the_picture():
    batches = []
    picture = random_picture(16, 14)
    fake(lambda inputs: batches.append(inputs["image"]) or inputs["image"], multiple_of=4)(picture)
    padded = np.rint(batches[0][0].transpose(1, 2, 0) * 255)
    assert (padded[:, 14:] == picture[:, [12, 11]]).all()


def test_the_graph_sees_rgb_from_0_to_1():
    seen = []
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[..., 0] = 255
    fake(lambda inputs: seen.append(inputs["image"]) or inputs["image"])(picture)
    assert seen[0].dtype == np.float32
    assert seen[0].flags.c_contiguous
    assert (seen[0][0, 0] == 1).all()
    assert (seen[0][0, 1:] == 0).all()


def test_values_are_rounded_and_clipped_not_cut_off():
    values = np.array([-1, 0.4 / 255, 0.6 / 255, 253.6 / 255, 2], np.float32)
    painted = fake(lambda inputs: np.tile(np.resize(values, 20), (1, 3, 20, 1)).astype(np.float32))(
        random_picture(20, 20)
    )
    assert painted[0, :5, 0].tolist() == [0, 0, 1, 254, 255]


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(ImageError, match="expected a picture, uint8"):
        fake()(picture)


@pytest.mark.parametrize("shape", [(1, 3, 20, 19), (1, 1, 20, 20), (3, 20, 20), (2, 3, 20, 20)])
def test_a_graph_that_breaks_the_contract_is_named(shape):
    with pytest.raises(ModelError, match="not a stylizing model"):
        fake(lambda inputs: np.zeros(shape, np.float32))(random_picture(20, 20))


def test_nan_is_an_error_not_black():
    with pytest.raises(ModelError, match="not finite"):
        fake(lambda inputs: inputs["image"] * np.float32("nan"))(random_picture(20, 20))


def test_noise_is_uniform_and_decided_by_the_seed():
    stylizer = fake(lambda inputs: inputs["noise"][:, :3], noise_channels=5)
    picture = random_picture(100, 100)
    first = stylizer(picture, Settings(seed=1))
    assert (first == stylizer(picture, Settings(seed=1))).all()
    assert (first != stylizer(picture, Settings(seed=2))).any()
    assert abs(first.mean() / 255 - 0.5) < 0.01
    assert first.min() == 0
    assert first.max() == 255


def test_no_noise_and_no_style_for_models_without():
    names = []
    fake(lambda inputs: names.extend(inputs) or inputs["image"])(random_picture(20, 20), Settings(seed=3))
    assert names == ["image"]


def test_a_style_is_an_input_and_its_strength_lies_between():
    seen = []
    info = fake_info(style_size=2)
    style = Style(StyleInfo(name="a", network=""), np.array([4, 8], np.float32), np.array([0, 2], np.float32))

    def function(inputs):
        return seen.append(inputs["style"].tolist()) or inputs["image"]

    stylizer = fake_stylizer(function, info, style)
    picture = random_picture(20, 20)
    assert (stylizer(picture) == picture).all()
    stylizer(picture, Settings(strength=0.25))
    stylizer(picture, Settings(strength=1.5))
    assert seen == [[4, 8], [1, 3.5], [6, 11]]


def test_beyond_the_style_the_numbers_that_make_the_colors_stay():
    seen = []
    info = fake_info(style_size=2, late_size=1)
    style = Style(StyleInfo(name="a", network=""), np.array([4, 8], np.float32), np.array([0, 2], np.float32))

    def function(inputs):
        return seen.append(inputs["style"].tolist()) or inputs["image"]

    for strength in (0.5, 1.5):
        fake_stylizer(function, info, style)(random_picture(20, 20), Settings(strength=strength))
    assert seen == [[2, 5], [6, 8]]


def test_a_model_of_its_own_has_one_strength():
    with pytest.raises(UsageError, match="this model has one strength"):
        fake()(random_picture(20, 20), Settings(strength=0.5))


def test_a_model_file_paints(tmp_path, engine):
    stylizer = load(write_test_model(tmp_path / "m.onnx"), backend=engine, threads=1)
    for shape in [(1, 1), (37, 53), (64, 48)]:
        picture = random_picture(*shape)
        assert (stylizer(picture) == 255 - picture).all()
    assert stylizer.info.styles == ("negative",)


def test_noise_reaches_the_graph(tmp_path, engine):
    stylizer = load(write_test_model(tmp_path / "m.onnx", NOISE, noise_channels=3), backend=engine)
    expected = np.random.default_rng(5).random((1, 3, 24, 24), dtype=np.float32)[0].transpose(1, 2, 0)
    assert np.abs(stylizer(random_picture(24, 24), Settings(seed=5)) - expected * 255).max() <= 0.51


def test_more_pixels_than_fit_are_refused_before_any_work():
    huge = np.zeros((stylizers.MAX_PIXELS // 1000 + 1, 1000, 3), np.uint8)
    with pytest.raises(ImageError, match="40 million"):
        fake(lambda inputs: pytest.fail("must not run"))(huge, Settings(stroke_size=0.01))


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from([np.uint8, np.uint16]),
    st.floats(0, 2),
    st.sampled_from([0.0, 0.1, 0.5, 1.0, 8.0]),
    st.sampled_from([None, "luminance", "match"]),
    st.sampled_from([None, (1, 1), (7, 3), (90, 80)]),
    st.integers(0, 2**31),
)
@example(60, 9, np.uint8, 1.0, 0.01, None, None, 0)  # enlarged to 4 megapixels: seconds, so once
@trials(max_examples=40)
def test_any_picture_with_any_settings(udnie, height, width, kind, strength, stroke_size, keep_colors, mask_size, seed):
    rng = np.random.default_rng(seed)
    photo = rng.integers(0, np.iinfo(kind).max + 1, (height, width, 3), dtype=kind)
    mask = None if mask_size is None else rng.integers(0, 256, mask_size, dtype=np.uint8)
    settings = Settings(strength=strength, stroke_size=stroke_size, keep_colors=keep_colors, seed=seed)
    painted = udnie(photo, settings) if mask is None else paint_regions(photo, [(udnie, mask)], settings)
    assert painted.dtype == photo.dtype
    assert painted.shape == photo.shape
    if strength == 0 and keep_colors is None:
        np.testing.assert_array_equal(painted, photo)
    if mask is not None:
        untouched = np.array(Image.fromarray(mask).resize((width, height), Image.Resampling.BILINEAR)) == 0
        np.testing.assert_array_equal(painted[untouched], photo[untouched])
