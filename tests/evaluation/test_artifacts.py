"""Faults put into a clean picture must be found, each by its own measure and by no other."""

from dataclasses import fields

import numpy as np
import pytest
from PIL import Image, ImageFilter

from impasto.evaluation.artifacts import LIMITS, Artifacts, complaints, mean, measure, repetition, sharpness
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
    assert measure(photo, photo) == Artifacts(lattice=0, droplets=droplets, border=0, repeat=0)
    assert names(measure(photo, photo)) == []


def test_a_clean_painting_has_none(photo, clean):
    assert names(measure(clean, photo)) == []


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_grid_is_found(photo, clean, period):
    rows, columns = np.indices(clean.shape[:2])
    change = 8.0 * ((rows % period < period / 2) ^ (columns % period < period / 2))
    assert "lattice" in names(measure(spoilt(clean, change[:, :, None]), photo))


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


def stamped(motif, height=256, width=320, seed=None):
    """A motif printed on a grid, or at random places."""
    plane = np.zeros((height, width))
    source = np.random.default_rng(seed)
    for row in range(0, height - 24, 24):
        for column in range(0, width - 30, 30):
            top, left = (row, column) if seed is None else source.integers(0, (height - 24, width - 24))
            plane[top : top + len(motif), left : left + len(motif)] = motif
    return plane


CURL = np.random.default_rng(2).normal(0, 40, (12, 12))


def test_a_motif_printed_over_and_over_is_found():
    even = np.full((256, 320, 3), 128, np.uint8)
    printed = spoilt(even, stamped(CURL)[:, :, None])
    assert measure(printed, even).repeat > 2 * LIMITS.repeat
    assert measure(printed, printed).repeat == 0  # the photo's own


def test_strokes_and_noise_repeat_nothing():
    even = np.full((256, 320, 3), 128, np.uint8)
    noise = np.random.default_rng(0).normal(0, 200, even.shape[:2]).astype(np.float32)
    strokes = np.asarray(Image.fromarray(noise).resize((320 * 4, 256), Image.Resampling.BICUBIC))[:, :320]
    assert measure(spoilt(even, strokes[:, :, None]), even).repeat < LIMITS.repeat
    assert measure(spoilt(even, noise[:, :, None] / 10), even).repeat < LIMITS.repeat


def test_what_can_hardly_be_seen_counts_little():
    even = np.full((256, 320, 3), 128, np.uint8)
    faint = measure(spoilt(even, stamped(CURL)[:, :, None] / 20), even).repeat
    assert faint < measure(spoilt(even, stamped(CURL)[:, :, None]), even).repeat / 2


def test_repetition_is_its_definition_by_brute_force():
    """Correlations at every shift by sums over the overlap, the window's mean taken out."""
    side = 24
    patch = np.random.default_rng(3).normal(0, 20, (side, side)) + 15 * np.sin(np.arange(side) * 2 * np.pi / 8)
    fine = patch - patch.mean()
    energy = (fine**2).sum() / side**2 + 16.0

    def correlation(down, across):
        one = fine[max(0, -down) : side - max(0, down), max(0, -across) : side - max(0, across)]
        other = fine[max(0, down) : side - max(0, -down), max(0, across) : side - max(0, -across)]
        return (one * other).sum() / (side - abs(down)) / (side - abs(across)) / energy

    best = 0.0
    for down in range(-12, 13):
        for across in range(-12, 13):
            if 6 <= np.hypot(down, across) <= 12:
                halfway = correlation(int(np.rint(down / 2)), int(np.rint(across / 2)))
                best = max(best, correlation(down, across) - max(0, halfway))
    assert repetition(patch.astype(np.float32)) == pytest.approx(best, rel=1e-4)


def test_sharpness_is_that_of_neighboring_pixels():
    even = np.full((40, 40, 3), 100, np.uint8)
    assert sharpness(even) == 0
    stripes = spoilt(even, (20 * (np.arange(40) % 2))[:, None])
    assert sharpness(stripes) == pytest.approx(10, rel=1e-5)
    assert sharpness(spoilt(even, (20 * (np.arange(40) // 2 % 2))[:, None])) == pytest.approx(0, abs=1e-4)


def test_means_and_words():
    one, other = (Artifacts(lattice=x, droplets=0, border=x, repeat=0) for x in (2.0, 100.0))
    assert mean([one, other]).lattice == 51
    assert len(complaints(other)) == 2
    assert "grid" in complaints(other)[0]
    assert complaints(one) == []


def test_small_pictures_are_measured_too():
    for shape in ((1, 1, 3), (20, 70, 3), (70, 20, 3)):
        assert complaints(measure(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))) == []
