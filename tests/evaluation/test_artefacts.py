"""Faults put into a clean picture must be found, each by its own measure and by no other."""

from dataclasses import fields

import numpy as np
import pytest
from PIL import Image, ImageFilter

from impasto.evaluation.artefacts import LIMITS, Artefacts, complaints, mean, measure
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from tests.test_demo import EXAMPLES


@pytest.fixture(scope="module")
def photo():
    return resize_short_side(load_image(sorted((EXAMPLES / "photos").iterdir())[0]), 320)


@pytest.fixture(scope="module")
def clean(photo):
    """A painting of it, of sorts: strokes without grid, frame or spots."""
    return np.asarray(Image.fromarray(photo).filter(ImageFilter.MedianFilter(7)))


def names(found):
    return [field.name for field in fields(LIMITS) if getattr(found, field.name) > getattr(LIMITS, field.name)]


def spoilt(clean, change):
    return np.clip(clean.astype(float) + change, 0, 255).astype(np.uint8)


def test_a_photo_has_none(photo):
    droplets = measure(photo, photo).droplets
    assert measure(photo, photo) == Artefacts(grid=0, droplets=droplets, border=0, pattern=0, weave=0)
    assert names(measure(photo, photo)) == []


def test_a_clean_painting_has_none(photo, clean):
    assert names(measure(clean, photo)) == []


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_grid_is_found(photo, clean, period):
    rows, columns = np.indices(clean.shape[:2])
    change = 8.0 * ((rows % period < period / 2) ^ (columns % period < period / 2))
    assert "grid" in names(measure(spoilt(clean, change[:, :, None]), photo))


def test_droplets_are_found(photo, clean):
    change = np.zeros(clean.shape[:2])
    source = np.random.default_rng(0)
    rows, columns = np.indices(change.shape)
    for row, column in source.random((40, 2)) * change.shape:
        change[np.hypot(rows - row, columns - column) < 4] = 140
    found = measure(spoilt(clean, change[:, :, None]), photo)
    assert "droplets" in names(found)
    assert found.droplets > 5 * measure(clean, photo).droplets


def test_spots_among_spots_are_a_texture(photo, clean):
    rows, columns = np.indices(clean.shape[:2])
    stones = np.where(np.hypot(rows % 12 - 6, columns % 12 - 6) < 4, 60.0, -60.0)
    mosaic = measure(spoilt(clean // 2 + 64, stones[:, :, None]), photo)
    assert mosaic.droplets < LIMITS.droplets


def test_a_frame_is_found(photo, clean):
    change = np.zeros(clean.shape[:2])
    change[:8] = change[-8:] = change[:, :8] = change[:, -8:] = -50
    assert "border" in names(measure(spoilt(clean, change[:, :, None]), photo))


def test_a_pattern_on_flat_places_is_found():
    flat = np.full((256, 320, 3), 128, np.uint8)
    rows, columns = np.indices(flat.shape[:2])
    change = 30 * np.sin(rows / 2) * np.sin(columns / 2.5)
    assert "pattern" in names(measure(spoilt(flat, change[:, :, None]), flat))
    brush = np.random.default_rng(0).normal(0, 10, flat.shape[:2])
    assert "pattern" not in names(measure(spoilt(flat, brush[:, :, None]), flat))


def test_a_pattern_on_soft_shadows_is_found_and_the_photos_own_is_not():
    """Between a dark and a light place nothing is of one level, and yet there is nothing to be seen but shade."""
    rows, columns = np.indices((256, 320))
    shade = (60 + 0.5 * columns)[:, :, None].repeat(3, 2).astype(np.uint8)
    woven = spoilt(shade, (30 * np.sin(rows / 2) * np.sin(columns / 2.5))[:, :, None])
    assert "pattern" in names(measure(woven, shade))
    faint = spoilt(shade, (9 * np.sin(rows / 2) * np.sin(columns / 2.5))[:, :, None])
    assert measure(faint, shade).pattern > 2
    assert measure(faint, faint).pattern == 0
    assert 0 < measure(woven, faint).pattern < measure(woven, shade).pattern


@pytest.mark.parametrize(("period", "slant"), [(8, 4), (12, 0), (12, 8)])
def test_a_mesh_on_the_networks_grid_is_found(period, slant):
    """One tile over and over, each row of tiles moved to the side: its shifts are multiples of 4."""
    flat = np.full((256, 320, 3), 128, np.uint8)
    tile = np.random.default_rng(1).normal(0, 12, (period, period))
    rows, columns = np.indices(flat.shape[:2])
    woven = spoilt(flat, tile[rows % period, (columns - rows // period * slant) % period, None])
    assert measure(woven, flat).weave > 5 * LIMITS.weave
    assert measure(woven, woven).weave == 0  # the photo's own


def test_strokes_are_no_mesh():
    flat = np.full((256, 320, 3), 128, np.uint8)
    noise = np.random.default_rng(0).normal(0, 200, flat.shape[:2]).astype(np.float32)
    strokes = np.asarray(Image.fromarray(noise).resize((320 * 4, 256), Image.Resampling.BICUBIC))[:, :320]
    assert measure(spoilt(flat, strokes[:, :, None]), flat).weave < LIMITS.weave


def test_means_and_words():
    one, other = (Artefacts(grid=x, droplets=0, border=x, pattern=0, weave=0) for x in (2.0, 100.0))
    assert mean([one, other]).grid == 51
    assert len(complaints(other)) == 2
    assert "grid" in complaints(other)[0]
    assert complaints(one) == []


def test_small_pictures_are_measured_too():
    for shape in ((1, 1, 3), (20, 70, 3), (70, 20, 3)):
        assert complaints(measure(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))) == []
