import io
import struct

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from impasto.pictures.metadata import Metadata
from impasto.pictures.picture import Picture
from impasto.pictures.read import decode_picture, load_image, read_picture
from impasto.pictures.write import encode_picture, save_picture
from tests.pictures.samples import noise


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
    file = encode_picture(Picture(pixels, metadata=Metadata(exif=exif.tobytes())), "it.tif")
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
    file = encode_picture(Picture(noise().astype(np.uint16), metadata=Metadata(exif=exif.tobytes())), "it.tif")
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


def test_a_record_too_long_for_a_jpeg_is_left_out():
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * 70_000
    for name, kept in (("it.jpg", False), ("it.png", True)):
        with Image.open(
            io.BytesIO(encode_picture(Picture(noise(), metadata=Metadata(exif=exif.tobytes())), name))
        ) as written:
            assert (ExifTags.Base.ImageDescription in written.getexif()) == kept


def test_a_record_of_the_cameras_settings_alone_is_kept(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 400
    Image.fromarray(noise()).save(tmp_path / "a.jpg", exif=exif)
    save_picture(tmp_path / "b.jpg", read_picture(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "b.jpg") as written:
        assert written.getexif().get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.ISOSpeedRatings: 400}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_damaged_record_does_not_spoil_the_picture(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    assert read_picture(tmp_path / "a.jpg").pixels.shape == (40, 60, 3)
