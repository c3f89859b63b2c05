"""What the shipped styles paint."""

import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import impasto
from impasto.errors import ModelError, UsageError
from impasto.models.catalog import VARIANTS, shipped
from impasto.models.stylefile import write_style
from impasto.painting.settings import Settings
from impasto.pictures.resize import resize_short_side
from tests.conftest import make_photo

pytestmark = pytest.mark.usefixtures("networks_stay_loaded")
PHOTO = make_photo(3, 96, 120)


def distance(one, other):
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


def mean_of_squares(picture):
    """Mean colors of squares of 16 pixels."""
    down, across = (length // 16 for length in picture.shape[:2])
    whole = picture[: 16 * down, : 16 * across].astype(float)
    return whole.reshape(down, 16, across, 16, 3).mean(axis=(1, 3))


@pytest.mark.parametrize("variant", VARIANTS)
def test_shadows_stay_shadows(variant):
    """The darkest part of a photo is not painted lighter than the rest."""
    photo = resize_short_side(impasto.load_image(Path(__file__).parents[2] / "examples" / "photos" / "coffee.jpg"), 320)
    light = photo.mean(axis=2)
    darkest, middle = light <= np.quantile(light, 0.05), light >= np.quantile(light, 0.4)
    for style in impasto.styles():
        painted = impasto.load(style.name, variant=variant)(photo).mean(axis=2)
        assert painted[darkest].mean() < painted[middle].mean() - 10, style.name


@pytest.mark.parametrize("variant", VARIANTS)
def test_styles_differ(variant):
    pictures = {style.name: impasto.load(style.name, variant=variant)(PHOTO) for style in impasto.styles(variant)}
    names = [*pictures]
    for i, one in enumerate(names):
        for other in names[:i]:
            assert distance(pictures[one], pictures[other]) > 5, (one, other)


def test_every_style_is_in_both_networks_and_each_keeps_to_its_own(tmp_path):
    assert [*shipped("fast")] == [*shipped("best")]
    fast = impasto.load("udnie", variant="fast")
    assert fast.info.arguments["width"] == 64
    assert distance(fast(PHOTO), impasto.load("udnie")(PHOTO)) > 2
    other = impasto.load("great_wave", variant="fast")(PHOTO)
    assert distance(fast.restyled("great_wave")(PHOTO), other) == 0
    write_style(tmp_path / "mine.safetensors", shipped("fast")["great_wave"])
    assert distance(impasto.load(tmp_path / "mine.safetensors")(PHOTO), other) == 0
    mixed = impasto.load({"udnie": 0.5, "great_wave": 0.5}, variant="fast")
    assert mixed.info.arguments["width"] == 64
    write_style(tmp_path / "best.safetensors", shipped("best")["great_wave"])
    with pytest.raises(ModelError, match=r"best\.safetensors is a style of another network, .* cannot be mixed"):
        impasto.load({"udnie": 0.5, str(tmp_path / "best.safetensors"): 0.5}, variant="fast")
    for use in (impasto.styles, partial(impasto.load, "udnie"), partial(impasto.style_sheet, PHOTO)):
        with pytest.raises(UsageError, match="unknown variant 'quick'; use one of best, fast"):
            use(variant="quick")


def test_mixing_goes_from_one_style_to_the_other():
    one, other = impasto.load("udnie")(PHOTO), impasto.load("great_wave")(PHOTO)
    mixes = [impasto.load({"udnie": 1 - share, "great_wave": share})(PHOTO) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert distance(mixes[0], one) < 0.01
    assert distance(mixes[-1], other) < 0.01
    away = [distance(mix, one) for mix in mixes]
    assert away == sorted(away)
    assert distance(impasto.load({"udnie": 3, "great_wave": 1})(PHOTO), mixes[1]) < 0.01  # shares are relative


@pytest.mark.parametrize("shares", [{"udnie": -1}, {"udnie": 0}, {"udnie": float("nan")}, {"udnie": "a"}])
def test_shares_that_make_no_sense_are_refused(shares):
    with pytest.raises(UsageError, match="shares of 0 or more"):
        impasto.load(shares)


@pytest.mark.parametrize("variant", ["best", "fast"])
@pytest.mark.parametrize("name", ["great_wave", "klimt_kiss", "udnie"])
def test_at_every_position_strengths_lie_between_the_photo_and_the_style(name, variant):
    """Dark corners came out bright blue half-way, with neither end blue (40 levels beyond both, 100 in Klimt's)."""
    stylizer = impasto.load(name, variant=variant)
    photo = resize_short_side(impasto.load_image(Path(__file__).parents[2] / "examples" / "photos" / "castle.jpg"), 240)
    begin, end = mean_of_squares(photo), mean_of_squares(stylizer(photo))
    least, most = np.minimum(begin, end), np.maximum(begin, end)
    for strength in (0.25, 0.5, 0.75):
        found = mean_of_squares(stylizer(photo, Settings(strength=strength)))
        beyond = np.linalg.norm(found - found.clip(least, most), axis=2)
        assert np.quantile(beyond, 0.99) < 30


def test_strength_goes_from_the_photo_to_the_style():
    stylizer = impasto.load("udnie")
    pictures = [stylizer(PHOTO, Settings(strength=strength)) for strength in np.linspace(0, 1, 9)]
    assert (pictures[0] == PHOTO).all()
    assert (pictures[-1] == stylizer(PHOTO)).all()
    away = [distance(picture, PHOTO) for picture in pictures]
    assert away == sorted(away)
    steps = [distance(a, b) for a, b in itertools.pairwise(pictures)]
    assert max(steps) < 0.5 * away[-1]  # no jump
    faded = (PHOTO.astype(float) + pictures[-1]) / 2
    assert distance(pictures[4], faded) > 2  # not a cross-fade
    for strength in (-0.1, 2.1, float("nan")):
        with pytest.raises(UsageError, match="strength must be from 0"):
            stylizer(PHOTO, Settings(strength=strength))


def test_a_loaded_network_paints_in_its_other_styles_too(tmp_path):
    udnie = impasto.load("udnie")
    mixed = {"udnie": 0.7, "great_wave": 0.3}
    assert distance(udnie.restyled("great_wave")(PHOTO), impasto.load("great_wave")(PHOTO)) == 0
    assert distance(udnie.restyled(mixed)(PHOTO), impasto.load(mixed)(PHOTO)) == 0
    with pytest.raises(UsageError, match="no style is called 'udnei'"):
        udnie.restyled("udnei")
    style = shipped()["udnie"]
    short = replace(style, parameters=style.parameters[:-1], photo=style.photo[:-1])
    write_style(tmp_path / "short.safetensors", short)
    with pytest.raises(ModelError, match="does not fit its network"):
        udnie.restyled(tmp_path / "short.safetensors")


@pytest.mark.parametrize("name", ["udnie", "great_wave", "klimt_kiss", "starry_night"])
def test_strength_beyond_1_is_bolder_and_not_washed_out(name):
    stylizer = impasto.load(name)
    usual, bold = stylizer(PHOTO).astype(float), stylizer(PHOTO, Settings(strength=1.5)).astype(float)
    assert distance(usual, PHOTO) < distance(bold, PHOTO)
    assert np.abs(usual.mean((0, 1)) - bold.mean((0, 1))).max() < 40
    assert bold.std() > 0.8 * usual.std()
