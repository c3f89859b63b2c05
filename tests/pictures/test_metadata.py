import io
import struct

import numpy as np
import pytest
from PIL import ExifTags, Image, IptcImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL.TiffImagePlugin import IFDRational

from impasto.pictures.decode import decode_picture
from impasto.pictures.metadata import Metadata, raw_profile
from impasto.pictures.picture import Picture
from impasto.pictures.read import load_image, read_picture
from impasto.pictures.write import encode_picture, save_picture
from tests.pictures.images import XMP, encoded, noise


@pytest.mark.parametrize(
    ("suffix", "depth"), [(".jpg", 8), (".png", 8), (".webp", 8), (".tif", 8), (".png", 16), (".tif", 16)]
)
def test_exif_is_kept_without_orientation_and_size(tmp_path, suffix, depth):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.Base.ImageWidth] = 9999
    exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = 300.0
    exif[ExifTags.Base.ResolutionUnit] = 2
    below = exif.get_ifd(ExifTags.IFD.Exif)
    below[ExifTags.Base.ISOSpeedRatings] = 400
    below[ExifTags.Base.ExifImageWidth], below[ExifTags.Base.ExifImageHeight] = 9999, 9999
    below[ExifTags.Base.ColorSpace] = 65535  # Adobe RGB; the result is sRGB
    below[ExifTags.IFD.Interop] = 4000  # an offset into the old file
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
    """A directory of a little-endian TIFF, read by the specification, section 2: tag -> (type, bytes)."""
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
def test_exif_in_a_tiff_is_where_the_specification_wants_it(kind, make):
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


def test_tags_about_the_pixels_of_a_tiff_are_not_kept(tmp_path):
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
def test_no_resolution_is_invented(name):
    pixels = noise().astype(np.uint16) * 257
    file = encode_picture(Picture(pixels), name)
    with Image.open(io.BytesIO(file)) as written:
        assert not {0x011A, 0x011B, 0x0128} & {*getattr(written, "tag_v2", {})}
        assert written.info.get("dpi", (1, 1)) == (1, 1)  # Pillow's value for a TIFF without resolution
    assert (decode_picture(file, "it", depth=16).pixels == pixels).all()


def test_exif_too_long_for_a_jpeg_is_left_out():
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * 70_000
    for name, kept in (("it.jpg", False), ("it.png", True)):
        with Image.open(
            io.BytesIO(encode_picture(Picture(noise(), metadata=Metadata(exif=exif.tobytes())), name))
        ) as written:
            assert (ExifTags.Base.ImageDescription in written.getexif()) == kept


def test_exif_with_camera_settings_only_is_kept(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 400
    Image.fromarray(noise()).save(tmp_path / "a.jpg", exif=exif)
    save_picture(tmp_path / "b.jpg", read_picture(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "b.jpg") as written:
        assert written.getexif().get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.ISOSpeedRatings: 400}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_does_not_prevent_reading(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    assert read_picture(tmp_path / "a.jpg").pixels.shape == (40, 60, 3)


# ---- XMP, IPTC, text and resolution -----------------------------------------------------------------------------

IPTC = b"\x1c\x02\x05\x00\x05Title\x1c\x02\x74\x00\x03(c)\x1c\x02\x19\x00\x03sea\x1c\x02\x19\x00\x05ships"


def app13(iptc):
    """A JPEG segment that holds IPTC as Photoshop writes it, beside another resource."""
    other = b"8BIM\x03\xed\x00\x00" + struct.pack(">I", 3) + b"abc\0"
    body = b"Photoshop 3.0\0" + other + b"8BIM\x04\x04\x00\x00" + struct.pack(">I", len(iptc)) + iptc
    body += bytes(len(body) % 2)
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def full_jpeg():
    exif = Image.Exif()
    exif[ExifTags.Base.Copyright] = "Me"
    return encoded(
        noise(), "JPEG", dpi=(300, 300), comment="a comment, é".encode(), exif=exif, xmp=XMP, extra=app13(IPTC)
    )


def full_png():
    info = PngImagePlugin.PngInfo()
    info.add_text("Copyright", "Me")
    info.add_itxt("Title", "船 and ships")
    info.add_text("Keywords", "sea, ships")
    info.add_text("parameters", "steps: 20", zip=True)
    info.add_text("Thumb::URI", "file:///home/me/a.png")
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return encoded(noise(), "PNG", dpi=(300, 300), pnginfo=info)


def full_tiff():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for number, kind, data in ((700, 1, XMP), (33723, 7, IPTC), (ExifTags.Base.Copyright, 2, "Me")):
        tags.tagtype[number] = kind
        tags[number] = data
    return encoded(noise(), "TIFF", dpi=(300, 300), tiffinfo=tags)


def tiff_of_longs():
    """IPTC as an array of 32-bit numbers, as Photoshop and ExifTool write it."""
    size = len(IPTC)
    entry, other = (struct.pack("<HHI", 33723, *kind) for kind in ((7, size), (4, size // 4)))
    assert size % 4 == 0 and full_tiff().count(entry) == 1
    return full_tiff().replace(entry, other)


def read_back(data, suffix, depth=8):
    """The metadata of a result, and the file."""
    file = encode_picture(decode_picture(data, "it", depth=depth), f"it{suffix}")
    return decode_picture(file, "it").metadata, file


SOURCES = {"jpeg": full_jpeg, "png": full_png, "tiff": full_tiff, "longs": tiff_of_longs}
RESULTS = [(".jpg", 8), (".png", 8), (".png", 16), (".tif", 8), (".tif", 16), (".webp", 8), (".avif", 8)]


@pytest.mark.filterwarnings("ignore:Metadata Warning")  # Pillow expects one number in place of IPTC
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("suffix", "depth"), RESULTS)
def test_copyright_resolution_and_xmp_are_kept_in_every_format(source, suffix, depth):
    kept, file = read_back(SOURCES[source](), suffix, depth)
    assert kept.dpi == pytest.approx((300, 300), abs=0.01)
    assert "© Ärmel".encode() in kept.xmp and b"xmp:Rating" in kept.xmp
    for gone in (b"Orientation", b"hdrgm:Version", b"PixelXDimension"):
        assert gone not in kept.xmp
    with Image.open(io.BytesIO(file)) as written:
        exif = written.getexif()
        texts = getattr(written, "text", {})
        assert exif.get(ExifTags.Base.Copyright) == "Me" or texts.get("Copyright") == "Me"


@pytest.mark.filterwarnings("ignore:Metadata Warning")
@pytest.mark.parametrize("source", ["jpeg", "tiff", "longs"])
@pytest.mark.parametrize(("suffix", "depth"), [case for case in RESULTS if case[0] not in (".webp", ".avif")])
def test_iptc_is_kept_where_a_format_has_a_place_for_it(source, suffix, depth):
    kept, _ = read_back(SOURCES[source](), suffix, depth)
    assert kept.iptc == IPTC


@pytest.mark.parametrize("suffix", [".webp", ".avif"])
def test_iptc_goes_into_exif_where_a_format_has_no_place_for_it(suffix):
    iptc = IPTC + b"\x1c\x02\x50\x00\x05Turne" + b"\x1c\x02\x78\x00\x06" + "Süd!".encode() + b"x"
    _, file = read_back(encoded(noise(), "JPEG", extra=app13(iptc)), suffix)
    exif = Image.open(io.BytesIO(file)).getexif()
    assert exif[ExifTags.Base.Copyright] == "(c)" and exif[ExifTags.Base.Artist] == "Turne"
    assert bytes(exif[ExifTags.Base.XPKeywords]).decode("utf-16-le") == "sea, ships\0"
    assert bytes(exif[ExifTags.Base.XPTitle]).decode("utf-16-le") == "Title\0"
    assert exif[ExifTags.Base.ImageDescription].encode("latin-1").decode() == "Süd!x"


@pytest.mark.parametrize(("suffix", "depth"), RESULTS)
@pytest.mark.parametrize("text", ["Jörg 船", "Copyright ©"])
def test_text_in_exif_that_is_not_ascii_is_kept_as_it_was(suffix, depth, text):
    class AsUtf8(str):  # Pillow would write ? for these letters
        def encode(self, *_):
            return str.encode(self, "utf-8")

    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = AsUtf8(text)
    exif.get_ifd(ExifTags.IFD.Exif)[0xA434] = AsUtf8(text)  # LensModel
    _, file = read_back(encoded(noise(), "JPEG", exif=exif.tobytes()), suffix, depth)
    written = Image.open(io.BytesIO(file)).getexif()
    assert written[ExifTags.Base.Artist].encode("latin-1").decode() == text
    assert written.get_ifd(ExifTags.IFD.Exif)[0xA434].encode("latin-1").decode() == text
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Author", text)
    _, file = read_back(encoded(noise(), "PNG", pnginfo=info), suffix, depth)
    with Image.open(io.BytesIO(file)) as image:
        author = image.getexif().get(ExifTags.Base.Artist, "").encode("latin-1").decode()
        assert text in (author, getattr(image, "text", {}).get("Author"))


def test_the_segment_of_a_jpeg_is_read_by_pillow():
    _, file = read_back(full_jpeg(), ".jpg")
    with Image.open(io.BytesIO(file)) as written:
        found = IptcImagePlugin.getiptcinfo(written)
        assert found[(2, 116)] == b"(c)" and found[(2, 25)] == [b"sea", b"ships"]
        assert written.info["comment"] == "a comment, é".encode()
        assert written.info["dpi"] == (300, 300)


@pytest.mark.parametrize(("suffix", "depth"), [(".png", 8), (".png", 16)])
def test_png_text_is_kept(suffix, depth):
    kept, file = read_back(full_png(), suffix, depth)
    expected = {
        "Copyright": "Me",
        "Title": "船 and ships",
        "Keywords": "sea, ships",
        "parameters": "steps: 20",
    }
    assert dict(kept.text) == expected
    with Image.open(io.BytesIO(file)) as written:
        assert {key: written.text[key] for key in expected} == expected
        assert written.info["dpi"] == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif", ".tif"])
def test_png_text_goes_into_exif_elsewhere(suffix):
    _, file = read_back(full_png(), suffix)
    with Image.open(io.BytesIO(file)) as written:
        exif = written.getexif()
        keywords, title = (exif[tag] for tag in (ExifTags.Base.XPKeywords, ExifTags.Base.XPTitle))
        assert bytes(keywords).decode("utf-16-le").rstrip("\0") == "sea, ships"
        assert bytes(title).decode("utf-16-le").rstrip("\0") == "船 and ships"
        comment = written.info.get("comment", b"").decode() or exif[ExifTags.Base.ImageDescription]
        assert comment == "parameters: steps: 20"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_comments_are_kept(suffix):
    for data in (encoded(noise(), "JPEG", comment=b"by hand"), encoded(noise(), "GIF", comment=b"by hand")):
        kept, file = read_back(data, suffix)
        exif = Image.open(io.BytesIO(file)).getexif()
        assert kept.comment == "by hand" or exif[ExifTags.Base.ImageDescription] == "by hand"


def test_all_comments_of_a_jpeg_are_kept():
    one, two = (b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text for text in (b"first", b"second"))
    jpeg = encoded(noise(), "JPEG")
    assert decode_picture(jpeg[:2] + one + two + jpeg[2:], "it").metadata.comment == "first\nsecond"


def test_a_comment_beside_a_caption_and_a_user_comment_has_a_third_place():
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "a caption"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0mine"
    _, file = read_back(encoded(noise(), "JPEG", exif=exif, comment=b"by hand"), ".webp")
    written = Image.open(io.BytesIO(file)).getexif()
    assert written[ExifTags.Base.ImageDescription] == "a caption"
    assert written.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] == b"ASCII\0\0\0mine"
    assert bytes(written[ExifTags.Base.XPComment]).decode("utf-16-le") == "by hand\0"


@pytest.mark.parametrize("content", ["exif", "xmp"])
def test_what_imagemagick_kept_of_a_jpeg_in_png_text_is_kept(content):
    exif = Image.Exif()
    exif[ExifTags.Base.Copyright] = "Me"
    segment = exif.tobytes() if content == "exif" else b"http://ns.adobe.com/xap/1.0/\0" + XMP
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type APP1", raw_profile("app1", segment), zip=True)
    kept, _ = read_back(encoded(noise(), "PNG", pnginfo=info), ".jpg")
    assert b"Me\0" in kept.exif if content == "exif" else b"xmp:Rating" in kept.xmp


@pytest.mark.parametrize("dpi", [72, 96, 120, 150, 300, 600, 1200])
@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_a_whole_resolution_is_the_same_in_exif(dpi, kind):
    data = encoded(noise(), kind, dpi=(dpi, dpi))
    for suffix in (".webp", ".jpg"):
        assert read_back(data, suffix)[0].dpi == (dpi, dpi)


def test_metadata_of_heic_are_kept():
    heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[ExifTags.Base.Copyright], exif[ExifTags.Base.Orientation] = "Me", 1
    image = heif.from_pillow(Image.fromarray(noise()))
    image.info["exif"], image.info["xmp"] = exif.tobytes(), XMP
    file = io.BytesIO()
    image.save(file)
    kept, written = read_back(file.getvalue(), ".jpg")
    assert "© Ärmel".encode() in kept.xmp
    assert Image.open(io.BytesIO(written)).getexif()[ExifTags.Base.Copyright] == "Me"


@pytest.mark.parametrize("unit", [2, 3])
def test_a_resolution_in_exif_alone_is_kept(unit):
    exif = Image.Exif()
    exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = 300.0 if unit == 2 else 300 / 2.54
    exif[ExifTags.Base.ResolutionUnit] = unit
    for kind in ("JPEG", "WEBP", "PNG"):
        kept, _ = read_back(encoded(noise(), kind, exif=exif), ".png")
        assert kept.dpi == pytest.approx((300, 300), abs=0.1)


def test_two_resolutions_and_centimeters():
    kept, file = read_back(encoded(noise(), "PNG", dpi=(300, 150)), ".jpg")
    assert kept.dpi == pytest.approx((300, 150), abs=0.02)
    assert Image.open(io.BytesIO(file)).info["dpi"] == (300, 150)
    data = bytearray(encoded(noise(), "JPEG", dpi=(100, 100)))
    data[13] = 2  # the unit of JFIF: centimeters
    assert read_back(bytes(data), ".tif")[0].dpi == pytest.approx((254, 254))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP"])
def test_no_resolution_is_invented_where_there_is_none(kind):
    file = encode_picture(decode_picture(encoded(noise(), "JPEG"), "it"), f"it.{kind.lower()}")
    with Image.open(io.BytesIO(file)) as written:
        assert kind == "BMP" or "dpi" not in written.info
        assert ExifTags.Base.XResolution not in written.getexif()


def test_without_metadata_nothing_is_written():
    for source in SOURCES.values():
        stripped = decode_picture(source(), "it", metadata=False)
        assert stripped.metadata is None
        for suffix, _ in RESULTS:
            file = encode_picture(stripped, f"it{suffix}")
            for text in (b"Me\0", b"sea", b"Rating", b"rmel", b"comment", b"steps"):
                assert text not in file
            assert decode_picture(file, "it").metadata is None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("iptc", [b"no datasets", b"\x1c", bytes(50)])
def test_damaged_iptc_does_not_prevent_reading(iptc):
    picture = decode_picture(encoded(noise(), "JPEG", extra=app13(iptc)), "it")
    assert picture.pixels.shape == (40, 60, 3)
    assert picture.metadata is None or picture.metadata.iptc in (None, b"\x1c")


def test_metadata_too_long_for_a_jpeg_are_left_out_and_the_others_kept():
    long_xmp = XMP.replace("© Ärmel".encode(), b"x" * 70_000)
    metadata = Metadata(xmp=long_xmp, iptc=b"\x1c" + bytes(70_000), comment="short", dpi=(300, 300))
    kept = decode_picture(encode_picture(Picture(noise(), metadata=metadata), "it.jpg"), "it").metadata
    assert (kept.xmp, kept.iptc, kept.comment, kept.dpi) == (None, None, "short", (300, 300))
    kept = decode_picture(encode_picture(Picture(noise(), metadata=metadata), "it.png"), "it").metadata
    assert b"x" * 70_000 in kept.xmp
