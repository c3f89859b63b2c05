import tracemalloc

import numpy as np
import pytest
from PIL import Image

from impasto.pictures import transparency
from impasto.pictures.read import load_image, read_picture
from impasto.pictures.transparency import fill_hidden
from impasto.pictures.write import save_picture
from tests.pictures.images import noise


def test_transparency_is_composited_on_white(tmp_path):
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = (0, 128, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png")[0, :, 0].tolist() == [255, 127, 0]


def test_gray_with_alpha_and_palette_with_a_transparent_color(tmp_path):
    Image.new("LA", (2, 2), (0, 0)).save(tmp_path / "gray.png")
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(tmp_path / "opaque.png")
    palette.save(tmp_path / "clear.png", transparency=1)
    assert (load_image(tmp_path / "gray.png") == 255).all()
    assert (load_image(tmp_path / "opaque.png") == (10, 20, 30)).all()
    assert (load_image(tmp_path / "clear.png") == 255).all()


def with_hole(height=24, width=32):
    """Red with a transparent middle whose hidden color is green, and a blue corner of half opacity."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[:, :, 0], pixels[:, :, 3] = 200, 255
    pixels[8:16, 8:24] = (0, 255, 0, 0)
    pixels[:4, :4] = (0, 0, 250, 128)
    return pixels


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_transparency_is_kept(tmp_path, suffix):
    Image.fromarray(with_hole()).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert (picture.alpha == with_hole()[:, :, 3]).all()
    save_picture(tmp_path / f"b{suffix}", picture, quality=100)
    again = np.asarray(Image.open(tmp_path / f"b{suffix}").convert("RGBA"))
    assert (again[:, :, 3] == picture.alpha).all()


def test_transparent_pixels_get_the_colors_of_visible_ones(tmp_path):
    Image.fromarray(with_hole()).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    seen = picture.alpha > 0
    assert (picture.pixels[seen] == with_hole()[:, :, :3][seen]).all()
    assert (picture.pixels[8:16, 8:24, 1] == 0).all()  # no green
    assert (picture.pixels[8:16, 8:24, 0] > 150).all()


def test_a_wholly_transparent_image_can_be_read(tmp_path):
    Image.new("RGBA", (5, 3), (9, 9, 9, 0)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").pixels.shape == (3, 5, 3)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (31, 7), (16, 33)])
def test_hidden_colors_are_the_same_in_strips(monkeypatch, shape, kind):
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, np.iinfo(kind).max + 1, (*shape, 3), dtype=kind)
    alpha = rng.integers(1, 256, shape).astype(kind) * (rng.random(shape) < 0.2)
    filled = fill_hidden(pixels, alpha)
    assert (filled[alpha > 0] == pixels[alpha > 0]).all()
    seen = pixels[alpha > 0] if (alpha > 0).any() else np.zeros((1, 3), kind)
    assert (filled >= seen.min(axis=0)).all() and (filled <= seen.max(axis=0)).all()
    monkeypatch.setattr(transparency, "_ROWS", 2)
    assert (fill_hidden(pixels, alpha) == filled).all()


def test_filling_needs_little_memory():
    pixels = noise(1500, 2000)
    alpha = np.zeros((1500, 2000), np.uint8)
    alpha[200:900, 300:1700] = 255
    tracemalloc.start()
    fill_hidden(pixels, alpha)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20 * alpha.size  # without strips it was 57


def test_an_opaque_alpha_channel_is_dropped(tmp_path):
    Image.new("RGBA", (5, 3), (9, 9, 9, 255)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").alpha is None


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_formats_without_transparency_get_a_white_background(tmp_path, suffix):
    Image.fromarray(with_hole()).save(tmp_path / "a.png")
    save_picture(tmp_path / f"b{suffix}", read_picture(tmp_path / "a.png"), quality=100)
    assert (load_image(tmp_path / f"b{suffix}")[10:14, 12:20] > 240).all()
