import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, JpegImagePlugin, PngImagePlugin

from impasto.errors import ImageError
from impasto.pictures.decode import decode_picture
from impasto.pictures.picture import Picture
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.pictures.write import encode_picture, save_image
from tests.conftest import make_photo
from tests.pictures.images import encoded, noise


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".TIFF", ".PNG"])
def test_lossless_formats_give_back_every_pixel(tmp_path, suffix):
    picture = noise()
    save_image(tmp_path / f"a{suffix}", picture)
    loaded = load_image(tmp_path / f"a{suffix}")
    assert loaded.dtype == np.uint8
    assert (loaded == picture).all()


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp"])
def test_lossy_formats_come_close(tmp_path, suffix):
    picture = make_photo(0)
    save_image(tmp_path / f"a{suffix}", picture, quality=95)
    assert np.abs(load_image(tmp_path / f"a{suffix}").astype(int) - picture).mean() < 3


@pytest.mark.parametrize("suffix", [".gif", ".ppm", ".jp2", ".avif"])
def test_formats_that_are_only_read(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(make_photo(0)).save(path)
    assert load_image(path).shape == make_photo(0).shape


def test_one_pixel_is_a_picture(tmp_path):
    save_image(tmp_path / "a.png", noise(1, 1))
    assert load_image(tmp_path / "a.png").shape == (1, 1, 3)


def test_exif_orientation_is_applied(tmp_path):
    picture = noise()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated clockwise
    Image.fromarray(picture).save(tmp_path / "a.png", exif=exif)
    assert (load_image(tmp_path / "a.png") == np.rot90(picture, -1)).all()


@pytest.mark.parametrize(("mode", "color"), [("1", 1), ("L", 255), ("CMYK", (0, 0, 0, 0))])
def test_other_pixel_modes(tmp_path, mode, color):
    Image.new(mode, (3, 2), color).save(tmp_path / "a.tif")
    assert (load_image(tmp_path / "a.tif") == 255).all()


def test_lab(tmp_path):
    Image.new("LAB", (2, 2), (255, 128, 128)).save(tmp_path / "a.tif")
    assert load_image(tmp_path / "a.tif").min() >= 254


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_samples_are_rounded(tmp_path, suffix):
    Image.fromarray(np.array([[0, 128, 129, 257 * 77, 65535]], np.uint16)).save(tmp_path / f"a{suffix}")
    assert load_image(tmp_path / f"a{suffix}")[0, :, 1].tolist() == [0, 0, 1, 77, 255]


@pytest.mark.parametrize(
    "samples", [np.ones((2, 2), np.float32), np.full((2, 2), 1 << 20, np.int32), np.ones((2, 2), np.int32)]
)
def test_pixels_without_a_defined_range_are_refused(tmp_path, samples):
    Image.fromarray(samples).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif: has .*8 or 16 bits"):
        load_image(tmp_path / "a.tif")


@pytest.mark.parametrize(("mode", "options"), [("RGB", {}), ("L", {"progressive": True}), ("CMYK", {})])
def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size_for_a_small_result(monkeypatch, mode, options):
    whole = Image.fromarray(noise(9, 12)).resize((1600, 1200), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    file = io.BytesIO()
    whole.convert(mode).save(file, format="JPEG", quality=95, exif=exif, **options)
    sizes = []
    load = JpegImagePlugin.JpegImageFile.load
    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", lambda self: sizes.append(self.size) or load(self))
    small = decode_picture(file.getvalue(), "it", short_side=100).pixels
    assert sizes[0] == (400, 300)
    sizes.clear()
    large = decode_picture(file.getvalue(), "it").pixels
    assert sizes[0] == (1600, 1200)
    assert small.shape == (133, 100, 3)
    assert np.abs(small.astype(int) - resize_short_side(large, 100)).mean() < 1


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.98])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".gif"])
def test_a_file_cut_short_is_an_error_not_gray_rows(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(noise(120, 160)).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageError, match="damaged or cut short"):
        load_image(path)


def test_files_that_are_not_pictures_are_refused(tmp_path):
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match=r"text\.jpg: is not a picture"):
        load_image(tmp_path / "text.jpg")
    with pytest.raises(ImageError, match=r"empty\.png: is empty"):
        load_image(tmp_path / "empty.png")
    with pytest.raises(ImageError, match="no such file"):
        load_image(tmp_path / "missing.png")
    with pytest.raises(ImageError, match="is a folder"):
        load_image(tmp_path)


def test_a_program_can_keep_decoders_from_writing_to_stderr(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "flipped.tif", compression="tiff_deflate")
    data = bytearray((tmp_path / "flipped.tif").read_bytes())
    data[2000:2100] = bytes(100)
    (tmp_path / "flipped.tif").write_bytes(data)
    code = """
import sys
from impasto import ImageError, load_image
from impasto.pictures.plugins import silence_decoders
silence_decoders()
try:
    load_image(sys.argv[1])
except ImageError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, tmp_path / "flipped.tif"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "flipped.tif: is damaged" in result.stdout
    assert result.stderr == ""


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_before_it_unpacks(tmp_path):
    limit = Image.MAX_IMAGE_PIXELS
    (tmp_path / "bomb.png").write_bytes(png_header(50_000, 50_000))
    with pytest.raises(ImageError, match=r"bomb\.png: is too large: 50000 x 50000 .*200 million"):
        load_image(tmp_path / "bomb.png")
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("key", ["a", "XML:com.adobe.xmp"])
def test_compressed_text_of_unusual_size_is_left_out(key):
    info = PngImagePlugin.PngInfo()
    info.add_itxt(key, "x" * (2 << 20), zip=True)
    picture = decode_picture(encoded(noise(), "PNG", pnginfo=info), "it")
    assert (picture.pixels == noise()).all()
    assert picture.metadata is None
    assert picture.notes == ("has metadata of unusual size, which are left out",)


def test_reduced_copies_in_a_tiff_are_not_counted_as_pictures():
    page = Image.fromarray(noise())
    for kind, frames in ((0, 2), (1, 1), (4, 1)):
        second = page.resize((30, 20))
        second.encoderinfo = {"tiffinfo": {254: kind}}
        picture = decode_picture(encoded(page, "TIFF", save_all=True, append_images=[second]), "it")
        assert picture.frames == frames
        assert len(picture.notes) == frames - 1


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif", ".bmp"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (17, 1), (3, 5)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_images_of_few_pixels_are_written_and_read(suffix, shape, kind):
    pixels = np.full((*shape, 3), 128 if kind is np.uint8 else 128 * 257, kind)
    alpha = np.full(shape, 128 if kind is np.uint8 else 128 * 257, kind)
    for picture in (Picture(pixels), Picture(pixels, alpha)):
        again = decode_picture(encode_picture(picture, f"it{suffix}"), "it")
        assert again.pixels.shape == (*shape, 3)


def test_errors_are_one_line(tmp_path):
    (tmp_path / "a.png").write_bytes(png_header(10, 10))
    with pytest.raises(ImageError) as caught:
        load_image(tmp_path / "a.png")
    assert "\n" not in str(caught.value)
