import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, JpegImagePlugin, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

from impasto.errors import ImageError
from impasto.pictures import picture as image_module
from impasto.pictures.picture import (
    Picture,
    contact_sheet,
    decode_picture,
    encode_picture,
    find_images,
    load_image,
    read_picture,
    resize_short_side,
    save_image,
    save_picture,
)
from tests.conftest import make_photo


def noise(height=40, width=60):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


# ---- load ----------------------------------------------------------------------------------------------------


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


def test_transparency_is_laid_over_white(tmp_path):
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = (0, 128, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png")[0, :, 0].tolist() == [255, 127, 0]


def test_grey_with_alpha_and_palette_with_a_transparent_colour(tmp_path):
    Image.new("LA", (2, 2), (0, 0)).save(tmp_path / "grey.png")
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(tmp_path / "opaque.png")
    palette.save(tmp_path / "clear.png", transparency=1)
    assert (load_image(tmp_path / "grey.png") == 255).all()
    assert (load_image(tmp_path / "opaque.png") == (10, 20, 30)).all()
    assert (load_image(tmp_path / "clear.png") == 255).all()


@pytest.mark.parametrize(("mode", "colour"), [("1", 1), ("L", 255), ("CMYK", (0, 0, 0, 0))])
def test_other_pixel_modes(tmp_path, mode, colour):
    Image.new(mode, (3, 2), colour).save(tmp_path / "a.tif")
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


# ---- what is kept beside the pixels ---------------------------------------------------------------------------


def with_hole(height=24, width=32):
    """Red with a transparent middle whose hidden colour is green, and a half-seen blue corner."""
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


def test_the_colours_beneath_are_those_of_what_is_seen(tmp_path):
    Image.fromarray(with_hole()).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    seen = picture.alpha > 0
    assert (picture.pixels[seen] == with_hole()[:, :, :3][seen]).all()
    assert (picture.pixels[8:16, 8:24, 1] == 0).all()  # no green
    assert (picture.pixels[8:16, 8:24, 0] > 150).all()


def test_what_is_wholly_hidden_has_some_colour(tmp_path):
    Image.new("RGBA", (5, 3), (9, 9, 9, 0)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").pixels.shape == (3, 5, 3)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (31, 7), (16, 33)])
def test_hidden_colours_are_the_same_in_strips(monkeypatch, shape, kind):
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, np.iinfo(kind).max + 1, (*shape, 3), dtype=kind)
    alpha = rng.integers(1, 256, shape).astype(kind) * (rng.random(shape) < 0.2)
    filled = image_module._filled(pixels, alpha)
    assert (filled[alpha > 0] == pixels[alpha > 0]).all()
    seen = pixels[alpha > 0] if (alpha > 0).any() else np.zeros((1, 3), kind)
    assert (filled >= seen.min(axis=0)).all() and (filled <= seen.max(axis=0)).all()
    monkeypatch.setattr(image_module, "_ROWS", 2)
    assert (image_module._filled(pixels, alpha) == filled).all()


def test_a_transparent_picture_takes_little_memory_beside_its_pixels():
    pixels = noise(1500, 2000)
    alpha = np.zeros((1500, 2000), np.uint8)
    alpha[200:900, 300:1700] = 255
    tracemalloc.start()
    image_module._filled(pixels, alpha)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20 * alpha.size  # with all of it as floats at once it was 57


def test_an_opaque_alpha_channel_is_dropped(tmp_path):
    Image.new("RGBA", (5, 3), (9, 9, 9, 255)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").alpha is None


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_where_a_format_has_no_transparency_there_is_white(tmp_path, suffix):
    Image.fromarray(with_hole()).save(tmp_path / "a.png")
    save_picture(tmp_path / f"b{suffix}", read_picture(tmp_path / "a.png"), quality=100)
    assert (load_image(tmp_path / f"b{suffix}")[10:14, 12:20] > 240).all()


@pytest.mark.parametrize(
    ("suffix", "depth"), [(".jpg", 8), (".png", 8), (".webp", 8), (".tif", 8), (".png", 16), (".tif", 16)]
)
def test_the_cameras_record_is_kept_but_for_orientation_and_thumbnail(tmp_path, suffix, depth):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.Base.ImageWidth] = 9999
    exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = 300.0
    exif[ExifTags.Base.ResolutionUnit] = 2
    below = exif.get_ifd(ExifTags.IFD.Exif)
    below[ExifTags.Base.ISOSpeedRatings] = 400
    below[ExifTags.Base.ExifImageWidth], below[ExifTags.Base.ExifImageHeight] = 9999, 9999
    below[ExifTags.Base.ColorSpace] = 65535  # Adobe RGB, as cameras say it: the painted picture is sRGB
    below[ExifTags.IFD.Interop] = 4000  # a place in the old file
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    Image.fromarray(noise()).save(tmp_path / "a.jpg", exif=exif)
    save_picture(tmp_path / f"b{suffix}", read_picture(tmp_path / "a.jpg", depth=depth))
    with Image.open(tmp_path / f"b{suffix}") as written:
        kept = written.getexif()
        assert written.size == (40, 60)  # upright
        assert kept.get(ExifTags.Base.Orientation, 1) == 1
        assert kept[ExifTags.Base.Make] == "Camera"
        assert kept.get(ExifTags.Base.ImageWidth) in (None, 40)
        assert kept[ExifTags.Base.XResolution] == kept[ExifTags.Base.YResolution] == 300
        assert kept[ExifTags.Base.ResolutionUnit] == 2
        assert kept.get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.ISOSpeedRatings: 400}
        assert kept.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


def directory(file, at):
    """Of a TIFF, little-endian, the entries of a directory by the specification, section 2: tag -> (type, bytes)."""
    size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8}
    (count,) = struct.unpack_from("<H", file, at)
    entries = [struct.unpack_from("<HHI4s", file, at + 2 + 12 * i) for i in range(count)]
    assert at % 2 == 0 and [tag for tag, *_ in entries] == sorted({tag for tag, *_ in entries})
    found = {}
    for tag, kind, length, value in entries:
        there = length * size[kind]
        start = struct.unpack("<I", value)[0]
        assert there <= 4 or (start % 2 == 0 and start + there <= len(file))
        found[tag] = (kind, value[:there] if there <= 4 else file[start : start + there])
    assert struct.unpack_from("<I", file, at + 2 + 12 * count)[0] == 0  # no other picture
    return found


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("make", ["Odd", "Even"])
def test_a_record_in_a_tiff_is_where_the_specification_has_it(kind, make):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = make
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = IFDRational(1, 250)
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:02 03:04:05"
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3)).astype(kind)
    file = encode_picture(Picture(pixels, exif=exif.tobytes()), "it.tif")
    first = directory(file, struct.unpack_from("<I", file, 4)[0])
    below = directory(file, struct.unpack("<I", first[0x8769][1])[0])
    assert first[0x010F] == (2, make.encode() + b"\0")
    assert below[0x829A] == (5, struct.pack("<II", 1, 250))
    assert below[0x9003] == (2, b"2020:01:02 03:04:05\0")
    assert (decode_picture(file, "it", depth="own").pixels == pixels).all()


def test_what_a_tiff_says_of_its_own_pixels_is_not_said_of_the_painted_ones(tmp_path):
    own = {0x010A: 2, 0x014C: 2, 0x935C: b"layers", ExifTags.Base.Make: "Scanner"}
    Image.fromarray(noise()).save(tmp_path / "a.tif", tiffinfo=own)
    save_picture(tmp_path / "b.tif", read_picture(tmp_path / "a.tif"))
    with Image.open(tmp_path / "b.tif") as written:
        assert written.getexif()[ExifTags.Base.Make] == "Scanner"
        assert not {0x010A, 0x014C, 0x935C} & {*written.getexif()}
    assert (load_image(tmp_path / "b.tif") == load_image(tmp_path / "a.tif")).all()


def test_a_resolution_without_a_unit_is_in_inches():
    exif = Image.Exif()
    exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = 300.0
    file = encode_picture(Picture(noise().astype(np.uint16), exif=exif.tobytes()), "it.tif")
    with Image.open(io.BytesIO(file)) as written:
        kept = written.getexif()
    assert (kept[ExifTags.Base.XResolution], kept[ExifTags.Base.ResolutionUnit]) == (300, 2)


@pytest.mark.parametrize("name", ["it.png", "it.tif"])
def test_no_resolution_is_made_up(name):
    pixels = noise().astype(np.uint16) * 257
    file = encode_picture(Picture(pixels), name)
    with Image.open(io.BytesIO(file)) as written:
        assert not {0x011A, 0x011B, 0x0128} & {*getattr(written, "tag_v2", {})}
        assert written.info.get("dpi", (1, 1)) == (1, 1)  # what Pillow says of a TIFF without
    assert (decode_picture(file, "it", depth=16).pixels == pixels).all()


@pytest.mark.parametrize(("name", "side"), [("it.jpg", 65_501), ("it.webp", 16_384)])
def test_a_picture_too_long_for_its_format_is_told_so(name, side):
    with pytest.raises(ImageError, match=f"{name}: {side} x 1 pixels are more than such a file can have"):
        encode_picture(Picture(np.zeros((1, side, 3), np.uint8)), name)
    assert encode_picture(Picture(np.zeros((1, side, 3), np.uint8)), "it.png")


def test_a_record_too_long_for_a_jpeg_is_left_out():
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * 70_000
    for name, kept in (("it.jpg", False), ("it.png", True)):
        with Image.open(io.BytesIO(encode_picture(Picture(noise(), exif=exif.tobytes()), name))) as written:
            assert (ExifTags.Base.ImageDescription in written.getexif()) == kept


def test_a_record_of_the_cameras_settings_alone_is_kept(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 400
    Image.fromarray(noise()).save(tmp_path / "a.jpg", exif=exif)
    save_picture(tmp_path / "b.jpg", read_picture(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "b.jpg") as written:
        assert written.getexif().get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.ISOSpeedRatings: 400}


def test_a_damaged_record_does_not_spoil_the_picture(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    assert read_picture(tmp_path / "a.jpg").pixels.shape == (40, 60, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_pictures_say_that_they_are_srgb(tmp_path, suffix):
    save_image(tmp_path / f"a{suffix}", noise())
    with Image.open(tmp_path / f"a{suffix}") as written:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(written.info["icc_profile"]))
    assert ImageCms.getProfileDescription(profile).startswith("sRGB")
    assert profile.profile.creation_date.year == 2000  # and not now: equal pictures make equal files


def swapped_profile():
    """sRGB's own profile with the red and green primaries exchanged: an effect nobody can miss."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return (
        data.replace(b"rXYZ", b"tmp!")
        .replace(b"gXYZ", b"rXYZ")
        .replace(b"tmp!", b"gXYZ")
        .replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    )


def test_embedded_profile_is_converted_to_srgb(tmp_path):
    Image.new("RGB", (2, 2), (255, 0, 0)).save(tmp_path / "a.png", icc_profile=swapped_profile())
    red, green, _ = load_image(tmp_path / "a.png")[0, 0]
    assert green > 250
    assert red < 5


def test_a_profile_that_is_srgb_by_name_alone_is_converted(tmp_path):
    profile = swapped_profile().replace("test".encode("utf-16-be"), "sRGB".encode("utf-16-be"))
    Image.new("RGB", (2, 2), (255, 0, 0)).save(tmp_path / "a.png", icc_profile=profile)
    assert load_image(tmp_path / "a.png")[0, 0, 1] > 250


def linear_grey_profile():
    """By the specification of ICC profiles, version 2: shades of grey are proportional to light."""
    text = b"text\0\0\0\0none\0\0\0\0"
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"cprt": text, b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + bytes(79)}
    tags |= {b"wtpt": white, b"kTRC": b"curv" + bytes(8)}
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, 128 + 4 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12x4s", 128 + len(table) + len(body), b"", 0x02400000, b"mntr", b"GRAY", b"XYZ ", b"acsp"
    )
    return header + bytes(28) + white[8:] + bytes(48) + table + body


@pytest.mark.parametrize("alpha", [None, "channel", "one shade"])
def test_the_profile_of_a_grey_picture_holds_with_alpha_too(tmp_path, alpha):
    image = Image.new("L", (2, 2), 86)
    options = {"transparency": 3} if alpha == "one shade" else {}
    if alpha == "channel":
        image.putalpha(255)
    image.save(tmp_path / "a.png", icc_profile=linear_grey_profile(), **options)
    assert abs(int(load_image(tmp_path / "a.png")[0, 0, 0]) - 157) <= 1  # sRGB's curve at 86 / 255: 0.614


@pytest.mark.parametrize("profile", [b"not a profile", swapped_profile()[:300]])
def test_a_broken_profile_is_ignored(tmp_path, profile):
    Image.new("RGB", (2, 2), (255, 0, 0)).save(tmp_path / "a.png", icc_profile=profile)
    assert (load_image(tmp_path / "a.png") == (255, 0, 0)).all()


def test_an_srgb_profile_changes_nothing(tmp_path):
    picture = noise()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=profile)
    assert (load_image(tmp_path / "a.png") == picture).all()


@pytest.mark.parametrize(("mode", "options"), [("RGB", {}), ("L", {"progressive": True}), ("CMYK", {})])
def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size_where_a_small_one_is_wanted(monkeypatch, mode, options):
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
def test_a_file_cut_short_is_an_error_not_grey_rows(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(noise(120, 160)).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageError, match="damaged or cut short"):
        load_image(path)


def test_what_is_not_a_picture_is_named(tmp_path):
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


def test_a_flipped_bit_in_a_png_is_damage_not_a_black_picture(tmp_path):
    save_image(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    data = bytearray((tmp_path / "whole.png").read_bytes())
    data[data.index(b"IDAT") + 2000] ^= 1
    (tmp_path / "flipped.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"flipped\.png: is damaged .*copy or download it again"):
        load_image(tmp_path / "flipped.png")


def test_of_a_damaged_tiff_nothing_but_our_own_line_is_said(tmp_path, capfd):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "flipped.tif", compression="tiff_deflate")
    data = bytearray((tmp_path / "flipped.tif").read_bytes())
    data[2000:2100] = bytes(100)
    (tmp_path / "flipped.tif").write_bytes(data)
    with pytest.raises(ImageError, match=r"flipped\.tif: is damaged"):
        load_image(tmp_path / "flipped.tif")
    assert capfd.readouterr().err == ""


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


def test_a_text_bomb_in_a_png_is_an_error(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "x" * (2 << 20), zip=True)
    Image.fromarray(noise()).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(ImageError):
        load_image(tmp_path / "a.png")


def test_errors_are_one_line(tmp_path):
    (tmp_path / "a.png").write_bytes(png_header(10, 10))
    with pytest.raises(ImageError) as caught:
        load_image(tmp_path / "a.png")
    assert "\n" not in str(caught.value)


# ---- save ----------------------------------------------------------------------------------------------------


def test_save_replaces_a_file_and_leaves_nothing_else(tmp_path):
    for picture in (noise(), noise(5, 5)):
        save_image(tmp_path / "a.png", picture)
    assert load_image(tmp_path / "a.png").shape == (5, 5, 3)
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]


def test_the_file_has_ordinary_permissions(tmp_path):
    save_image(tmp_path / "a.png", noise())
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "b.png").touch()
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    save_image(tmp_path / "a.png", noise())
    assert (tmp_path / "a.png").is_symlink()
    assert load_image(tmp_path / "b.png").shape == noise().shape


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("bug")])
def test_a_failed_save_keeps_the_old_file_and_cleans_up(tmp_path, monkeypatch, failure):
    save_image(tmp_path / "a.png", noise())
    before = (tmp_path / "a.png").read_bytes()

    write = Path.write_bytes

    def fail(self, data):
        write(self, data[: len(data) // 2])
        raise failure

    monkeypatch.setattr(Path, "write_bytes", fail)
    expected = ImageError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected, match="No space left" if expected is ImageError else None):
        save_image(tmp_path / "a.png", noise())
    assert (tmp_path / "a.png").read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.xyz", r"unknown picture extension '\.xyz'; use one of \.jpg"),
        ("a", "unknown picture extension ''"),
        ("folder.png", "is a folder"),
        ("nowhere/a.png", "does not exist"),
    ],
)
def test_where_a_picture_cannot_go(tmp_path, name, message):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError, match=message):
        save_image(tmp_path / name, noise())


def test_a_device_is_not_replaced(tmp_path):
    (tmp_path / "a.png").symlink_to("/dev/null")
    with pytest.raises(ImageError, match="not a regular file"):
        save_image(tmp_path / "a.png", noise())


@pytest.mark.parametrize(
    "array", [noise().astype(np.float32), noise()[..., 0], noise()[:0], np.zeros((4, 4, 4), np.uint8)]
)
def test_what_is_no_picture_is_not_saved(tmp_path, array):
    with pytest.raises(ImageError, match="expected a picture, uint8"):
        save_image(tmp_path / "a.png", array)


def test_quality_has_a_range(tmp_path):
    with pytest.raises(ImageError, match="use 1 to 100"):
        save_image(tmp_path / "a.jpg", noise(), quality=0)
    save_image(tmp_path / "low.jpg", make_photo(0), quality=20)
    save_image(tmp_path / "high.jpg", make_photo(0), quality=100)
    assert (tmp_path / "low.jpg").stat().st_size < (tmp_path / "high.jpg").stat().st_size


# ---- the rest -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [((40, 60), 20, (20, 30)), ((60, 40), 80, (120, 80)), ((1, 1000), 4, (4, 4000)), ((1000, 1), 1, (1000, 1))],
)
def test_the_short_side_gets_the_size(shape, size, expected):
    assert resize_short_side(noise(*shape), size).shape[:2] == expected


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_strips_of_a_resized_picture_fit_together(kind):
    picture = np.random.default_rng(0).integers(0, np.iinfo(kind).max + 1, (31, 23, 3), dtype=kind)
    for height in (145, 17):
        whole = image_module.resize(picture, 23, height)
        strips = [image_module.resize(picture, 23, height, rows=slice(top, top + 13)) for top in range(0, height, 13)]
        assert np.abs(np.concatenate(strips).astype(int) - whole).max() <= 1


def test_resizing_to_nothing_is_refused():
    with pytest.raises(ImageError, match="1 or more"):
        resize_short_side(noise(), 0)


def test_resizing_to_more_than_fits_is_refused():
    with pytest.raises(ImageError, match="short side of 20000: 30000 x 20000 pixels are too many"):
        resize_short_side(noise(), 20_000)


def test_find_images_is_recursive_sorted_and_picky(tmp_path):
    for name in ["b.JPG", "a.png", "deep/er/c.WebP", "notes.txt", ".hidden.png", ".cache/d.png", "._b.JPG"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)] == ["a.png", "b.JPG", "deep/er/c.WebP"]


def test_find_images_needs_a_folder(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(ImageError, match="no such folder"):
        find_images(tmp_path / "missing")
    with pytest.raises(ImageError, match="is not a folder"):
        find_images(tmp_path / "a.png")


def test_contact_sheet_keeps_aspects_and_puts_pictures_side_by_side():
    red = np.full((10, 20, 3), (255, 0, 0), np.uint8)
    blue = np.full((40, 20, 3), (0, 0, 255), np.uint8)
    sheet = contact_sheet([[red, blue], [red]], cell=64)
    assert (sheet[0] == 255).all()
    assert (sheet[:, 0] == 255).all()
    assert (sheet == (255, 0, 0)).all(axis=2).sum() == 2 * 64 * 32
    assert (sheet == (0, 0, 255)).all(axis=2).sum() == 64 * 32


def test_contact_sheet_labels_add_a_line_of_text():
    rows = [[noise(64, 64), noise(64, 64)]]
    plain = contact_sheet(rows, cell=64)
    labelled = contact_sheet(rows, labels=["content", "a label far too long for its column"], cell=64)
    assert labelled.shape[0] > plain.shape[0]
    assert labelled.shape[1] == plain.shape[1]
    assert labelled[: labelled.shape[0] - plain.shape[0]].min() < 100


def test_contact_sheet_of_nothing_is_refused():
    with pytest.raises(ImageError, match="at least one"):
        contact_sheet([[], []])
    with pytest.raises(ImageError, match="2 labels for 1 columns"):
        contact_sheet([[noise()]], labels=["a", "b"])


def test_every_writable_extension_is_readable():
    assert set(image_module.WRITABLE_SUFFIXES) <= set(image_module.READABLE_SUFFIXES)
