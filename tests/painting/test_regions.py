"""Masks: each place in its own style, blended in the network."""

from functools import partial

import numpy as np
import pytest

import impasto
from impasto import Settings, paint_regions
from impasto.errors import ImageError, UsageError
from impasto.painting import regions
from impasto.painting.engines import ENGINES
from tests.conftest import make_photo

pytestmark = pytest.mark.usefixtures("networks_stay_loaded")
load = partial(impasto.load, variant="fast", precision="float32")  # what is compared is equal, but for rounding
PHOTO = make_photo(3, 120, 300)
HEIGHT, WIDTH = PHOTO.shape[:2]
LEFT = np.zeros((HEIGHT, WIDTH), np.uint8)
LEFT[:, : WIDTH // 2] = 255
REACH = 64
"""Pixels beyond which a mask is not felt."""


def apart(one, other):
    return np.abs(one.astype(float) - other)


@pytest.mark.parametrize("backend", sorted(ENGINES))
@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_a_mask_that_is_white_is_no_mask_and_a_black_one_is_the_photo(backend, strength):
    stylizer = load("udnie", backend=backend)
    settings = Settings(strength=strength)
    white = np.full((5, 7), 255, np.uint8)
    assert apart(paint_regions(PHOTO, [(stylizer, white)], settings), stylizer(PHOTO, settings)).max() <= 1
    assert (paint_regions(PHOTO, [(stylizer, 0 * white)], settings) == PHOTO).all()


@pytest.mark.parametrize("tile", [64, 512])
def test_away_from_an_edge_each_side_is_its_own_style(tile, monkeypatch):
    monkeypatch.setattr(regions, "TILE_BY_POSITION", tile)
    one = load("udnie")
    other = one.restyled("great_wave")
    both = paint_regions(PHOTO, [(one, LEFT), (other, 255 - LEFT)])
    middle = WIDTH // 2
    assert apart(both, one(PHOTO))[:, : middle - REACH].max() <= 1
    assert apart(both, other(PHOTO))[:, middle + REACH :].max() <= 1
    assert apart(both, one(PHOTO))[:, middle + REACH :].mean() > 5


def test_what_no_mask_names_is_the_photo_to_the_pixel():
    painted = paint_regions(PHOTO, [(load("udnie"), LEFT)])
    assert (painted[:, WIDTH // 2 :] == PHOTO[:, WIDTH // 2 :]).all()


def test_another_mask_on_the_same_picture_needs_no_measurement(monkeypatch):
    stylizer, soft = load("udnie"), LEFT // 2
    expected = paint_regions(PHOTO, [(stylizer, soft)], Settings(strength=0.9))
    monkeypatch.setattr(regions, "_kept", {})
    measured = []
    measure = type(stylizer.network).measure

    def counted(network, inputs):
        measured.append(1)
        return measure(network, inputs)

    monkeypatch.setattr(type(stylizer.network), "measure", counted)
    paint_regions(PHOTO, [(stylizer, LEFT)], Settings(strength=0.9))
    first = len(measured)
    assert first > 0
    assert (paint_regions(PHOTO, [(stylizer, soft)], Settings(strength=0.9)) == expected).all()
    assert len(measured) == first
    paint_regions(PHOTO, [(stylizer, soft)], Settings(strength=0.8))  # measured anew, but for the photo itself
    paint_regions(255 - PHOTO, [(stylizer, soft)], Settings(strength=0.8))
    assert len(measured) == first + (first - 1) + first


@pytest.mark.parametrize("style", ["udnie", "great_wave"])
def test_inside_a_hard_edge_the_style_is_what_it_is_without_a_mask(style):
    """No rim: the photo's features beyond the edge made it darker by 20 to 40 levels where the photo is bright."""
    bright = (255 - PHOTO // 8).astype(np.uint8)
    stylizer = load(style)
    inside = np.s_[:, WIDTH // 2 - 2 : WIDTH // 2]
    masked, whole = (x[inside].astype(float) for x in (paint_regions(bright, [(stylizer, LEFT)]), stylizer(bright)))
    assert abs((masked - whole).mean()) < 10


def test_shares_go_on_beyond_hard_edges_alone_and_where_nothing_else_is():
    hard = np.zeros((1, 1, 60), np.float32)
    hard[..., :20] = 1
    spread = regions._overlapping(hard)[0, 0]
    assert (spread[:20] == 1).all()
    assert np.allclose(np.diff(spread[19 : 20 + regions.OVERLAP]), -1 / regions.OVERLAP)
    assert not spread[20 + regions.OVERLAP :].any()
    gentle = np.linspace(1, 0, 40, dtype=np.float32)[np.newaxis, np.newaxis]
    assert np.allclose(regions._overlapping(gentle), gentle, atol=1e-6)
    two = np.concatenate([hard, 1 - hard])
    assert (regions._overlapping(two) == two).all()
    apart_by_a_gap = np.concatenate([hard, hard[..., ::-1]])  # their overlaps meet in the middle
    met = regions._overlapping(apart_by_a_gap)
    assert met.sum(axis=0).max() <= 1 + 1e-6
    assert (met >= apart_by_a_gap).all()


def test_a_soft_edge_is_blended_in_the_network_and_not_in_pixels():
    one = load("udnie")
    other = one.restyled("great_wave")
    half = np.full((HEIGHT, WIDTH), 128, np.uint8)
    both = paint_regions(PHOTO, [(one, half), (other, 255 - half)])
    faded = (one(PHOTO).astype(float) + other(PHOTO)) / 2
    assert apart(both, faded).mean() > 1


def test_half_a_mask_is_half_the_strength():
    stylizer = load("udnie")
    half = np.full((HEIGHT, WIDTH), 128, np.uint8)
    by_mask, by_strength = paint_regions(PHOTO, [(stylizer, half)]), stylizer(PHOTO, Settings(strength=128 / 255))
    assert apart(by_mask, by_strength).mean() < 1


def test_half_of_two_styles_is_their_mixture():
    one, other = load("udnie"), load("great_wave")
    half = np.full((HEIGHT, WIDTH), 128, np.uint8)
    by_mask = paint_regions(PHOTO, [(one, half), (other, 255 - half)])
    mixed = load({"udnie": 128 / 255, "great_wave": 127 / 255})(PHOTO)
    assert apart(by_mask, mixed).mean() < 1


def test_three_styles_that_overlap_are_their_mixture():
    names = ("udnie", "great_wave", "the_scream")
    third = np.full((HEIGHT, WIDTH), 85, np.uint8)
    by_mask = paint_regions(PHOTO, [(load(name), third) for name in names])
    mixed = load(dict.fromkeys(names, 1 / 3))(PHOTO)
    assert apart(by_mask, mixed).mean() < 2


@pytest.mark.parametrize("tile", [64, 512])
def test_sixteen_bits_under_a_mask_are_the_eight_and_more(tile, monkeypatch):
    monkeypatch.setattr(regions, "TILE_BY_POSITION", tile)
    stylizer = load("udnie")
    deep = paint_regions(PHOTO.astype(np.uint16) * 257, [(stylizer, LEFT)])
    assert deep.dtype == np.uint16
    assert apart(deep / 257, paint_regions(PHOTO, [(stylizer, LEFT)])).max() <= 0.51
    assert len(np.unique(deep[:, : WIDTH // 2])) > 256
    assert (deep[:, WIDTH // 2 :] == PHOTO[:, WIDTH // 2 :].astype(np.uint16) * 257).all()


def test_half_a_mask_lies_between_photo_and_style():
    stylizer = load("udnie")
    half = np.full((HEIGHT, WIDTH), 128, np.uint8)
    by_mask, painted = paint_regions(PHOTO, [(stylizer, half)]), stylizer(PHOTO)
    way = apart(PHOTO, painted).mean()
    assert 0.1 * way < apart(by_mask, PHOTO).mean() < way
    assert 0.1 * way < apart(by_mask, painted).mean() < way


def test_what_no_mask_names_is_the_photo_on_a_large_picture_too(monkeypatch):
    monkeypatch.setattr(regions, "TILE_BY_POSITION", 128)
    photo = make_photo(4, 200, 300)
    mask = np.zeros((10, 10), np.uint8)
    mask[:, :5] = 255
    painted = paint_regions(photo, [(load("udnie"), mask)])
    assert (painted[:, 170:] == photo[:, 170:]).all()
    assert apart(painted, photo)[:, :130].mean() > 5


def test_colors_are_kept_under_a_mask_too():
    settings = Settings(keep_colors="luminance")
    stylizer = load("udnie")
    painted = paint_regions(PHOTO, [(stylizer, LEFT)], settings)
    assert (painted[:, WIDTH // 2 :] == PHOTO[:, WIDTH // 2 :]).all()
    assert apart(painted, stylizer(PHOTO, settings))[:, : WIDTH // 2 - REACH].max() <= 2


@pytest.mark.parametrize("mask", [LEFT.astype(float), LEFT[..., np.newaxis], LEFT[:0]])
def test_what_is_no_mask_is_refused(mask):
    with pytest.raises(ImageError, match="expected a mask, uint8"):
        paint_regions(PHOTO, [(load("udnie"), mask)])
    with pytest.raises(UsageError, match="at least one region"):
        paint_regions(PHOTO, [])
