"""Keeping colors, compared with littleCMS and with images whose result is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from impasto.errors import UsageError
from impasto.pictures import colors
from impasto.pictures.colors import METHODS, keep_colors
from tests.conftest import make_photo

PHOTO, PAINTED = make_photo(1, 80, 90), make_photo(7, 80, 90)[:, ::-1]


def lightness(picture):
    """CIELAB L* by littleCMS, 0 to 255."""
    convert = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    return np.asarray(ImageCms.applyTransform(Image.fromarray(np.ascontiguousarray(picture)), convert))[..., 0]


def test_lab_of_the_primaries_is_as_published():
    """The sRGB primaries under D65 (Lindbloom)."""
    found = colors._lab(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8))[0]
    published = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86], [100, 0, 0]]
    assert np.abs(found - published).max() < 0.1


def test_lab_there_and_back():
    linear = colors._linear(PHOTO)
    assert np.abs(colors._from_lab(colors._lab(PHOTO)) - linear).max() < 1e-4
    assert (np.rint(255 * colors._curved(linear)) == PHOTO).all()


@pytest.mark.parametrize("method", METHODS)
def test_an_image_with_its_own_colors_stays_as_it_is(method):
    kept = keep_colors(PHOTO, PHOTO, method)
    assert np.abs(kept.astype(int) - PHOTO).max() <= 1


def test_lightness_comes_from_the_painting_and_a_gray_photo_gives_gray():
    kept = keep_colors(PAINTED, PHOTO, "luminance")
    assert np.abs(lightness(kept).astype(int) - lightness(PAINTED)).mean() < 2
    gray = PHOTO.mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, axis=2)
    assert np.ptp(keep_colors(PAINTED, gray, "luminance").astype(int), axis=2).max() <= 2


def test_matching_gives_the_mean_and_covariance_of_the_photo_in_linear_light():
    soft = (PHOTO * 0.4 + 70).astype(np.uint8)  # nothing has to be clipped
    matrix, shift = colors._matching(colors._sample(PAINTED), colors._sample(soft))
    moved = colors._sample(PAINTED) @ matrix.T + shift
    wanted = colors._sample(soft)
    assert np.allclose(moved.mean(axis=0), wanted.mean(axis=0), atol=1e-4)
    assert np.allclose(np.cov(moved.T), np.cov(wanted.T), atol=1e-4)


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(METHODS), st.integers(0, 99))
@settings(max_examples=30)
def test_any_two_images_have_a_result(height, width, method, seed):
    one, other = np.random.default_rng(seed).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    kept = keep_colors(one, other, method)
    assert kept.shape == one.shape
    assert kept.dtype == np.uint8


def test_flat_pictures():
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert (keep_colors(black, white, "match") >= 254).all()
    assert (keep_colors(white, black, "luminance") == 255).all()


def test_wrong_usage():
    with pytest.raises(UsageError, match="choose one of luminance, match"):
        keep_colors(PHOTO, PHOTO, "hue")
    with pytest.raises(UsageError, match="they must have one shape"):
        keep_colors(PHOTO, PHOTO[1:], "match")
