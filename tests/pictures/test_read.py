"""Masks; images are read in test_decode.py, and sources in test_sources.py."""

import numpy as np
import pytest
from PIL import Image

from impasto.pictures.read import read_mask
from tests.pictures.images import encoded, smooth

SUBJECT = np.zeros((48, 64), np.uint8)
SUBJECT[12:36, 20:44] = 255


def cut_out(mode):
    """A photo whose background is transparent, in this mode."""
    image = Image.fromarray(smooth()).convert("L" if mode.startswith("LA") else "RGB")
    if mode == "P":
        image = image.quantize(200)
        numbers = np.asarray(image).copy()
        numbers[SUBJECT == 0] = 255
        palette = image.getpalette()
        image = Image.new("P", (64, 48))
        image.putpalette((palette + [0] * 768)[:768])
        image.putdata(numbers.flatten().tolist())
        image.info["transparency"] = 255
        return image
    image.putalpha(Image.fromarray(SUBJECT))
    return image


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGBA"), ("PNG", "LA"), ("PNG", "P"), ("GIF", "P"), ("WEBP", "RGBA"), ("TIFF", "RGBA"), ("AVIF", "RGBA")],
)
def test_the_mask_of_a_cut_out_subject_is_its_opacity(kind, mode):
    options = {"transparency": 255} if mode == "P" else {}
    mask = read_mask(encoded(cut_out(mode), kind, **options))
    assert np.abs(mask.values.astype(int) - SUBJECT).mean() < (2 if kind == "AVIF" else 0.01)
    assert mask.notes == ("has transparent parts: its opacity is the mask, not its lightness",)


def test_soft_edges_are_kept():
    soft = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    image = Image.fromarray(smooth())
    image.putalpha(Image.fromarray(soft))
    assert (read_mask(encoded(image, "PNG")).values == soft).all()


def test_a_deep_cut_out():
    from impasto.pictures.picture import Picture
    from impasto.pictures.write import encode_picture

    deep = Picture(smooth().astype(np.uint16) * 257, SUBJECT.astype(np.uint16) * 257)
    assert (read_mask(encode_picture(deep, "it.png")).values == SUBJECT).all()


def test_an_opaque_picture_is_a_mask_by_its_lightness():
    for mode in ("L", "RGB", "RGBA"):
        mask = read_mask(encoded(Image.fromarray(SUBJECT).convert(mode), "PNG"))
        assert (mask.values == SUBJECT).all()
        assert mask.notes == ()


@pytest.mark.parametrize("opacity", [128, 240, 254])
def test_the_same_opacity_everywhere_is_no_shape(opacity):
    image = Image.fromarray(SUBJECT).convert("RGBA")
    image.putalpha(opacity)
    mask = read_mask(encoded(image, "PNG"))
    assert mask.notes == ()
    assert mask.values[20, 30] == 255


def test_a_wholly_transparent_mask_paints_nothing():
    assert not read_mask(encoded(Image.new("RGBA", (8, 8), (255, 255, 255, 0)), "PNG")).values.any()
