import re

import numpy as np
import pytest
from PIL import Image

from impasto.errors import ImageError
from impasto.pictures import png, repair
from impasto.pictures.decode import decode_picture
from tests.pictures.images import chunk, encoded, noise, png_file, smooth

PHOTO = smooth(200, 300)
JPEGS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "with restart markers": {"restart_marker_blocks": 3},
    "4:4:4": {"subsampling": 0, "quality": 95},
}


def jpeg(kind):
    return encoded(PHOTO, "JPEG", **JPEGS[kind])


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("short_side", [None, 50])
def test_a_jpeg_without_its_end_marker_is_read_to_the_last_pixel(kind, missing, short_side):
    whole = decode_picture(jpeg(kind), "it", short_side=short_side)
    picture = decode_picture(jpeg(kind)[:-missing], "it", short_side=short_side)
    assert (picture.pixels == whole.pixels).all()
    assert picture.notes == (repair.NO_END,) and whole.notes == ()


@pytest.mark.parametrize("missing", [10, 50, 0.3, 0.6])
@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_that_lacks_pixels_is_refused(kind, missing):
    data = jpeg(kind)
    cut = missing if isinstance(missing, int) else int(len(data) * missing)
    with pytest.raises(ImageError, match=r"damaged or cut short \((the lower \d+%|its details)"):
        decode_picture(data[:-cut], "it")


@pytest.mark.parametrize("kind", JPEGS)
def test_of_a_jpeg_cut_anywhere_all_pixels_are_right_or_it_is_refused(kind):
    data = jpeg(kind)
    whole = decode_picture(data, "it").pixels
    for cut in (*range(3, 40), *range(40, len(data) // 2, len(data) // 30)):
        try:
            pixels = decode_picture(data[:-cut], "it").pixels
        except ImageError:
            continue
        assert (pixels == whole).all()  # the last byte may hold no more than padding


def test_a_progressive_jpeg_cut_between_two_scans_is_refused():
    data = jpeg("progressive")
    scans = [found.start() for found in re.finditer(rb"\xff\xda", data)]
    assert len(scans) > 3
    for scan in scans[1:]:
        with pytest.raises(ImageError, match=r"its details are missing|is missing"):
            decode_picture(data[:scan], "it")


def test_a_thumbnail_in_the_metadata_is_not_taken_for_a_scan():
    thumbnail = encoded(smooth(), "JPEG", progressive=True)
    segment = b"\xff\xe5" + (len(thumbnail) + 2).to_bytes(2) + thumbnail
    data = encoded(PHOTO, "JPEG", progressive=True, extra=segment)
    assert decode_picture(data[:-2], "it").notes == (repair.NO_END,)


def test_what_follows_the_end_of_a_jpeg_is_ignored():
    picture = decode_picture(jpeg("baseline") + bytes(500), "it")
    assert picture.notes == ()


@pytest.mark.parametrize("missing", [1, 4, 8, 11, 12, 13, 16])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_png_without_its_end_is_read(missing, kind):
    samples = smooth().astype(kind)
    picture = decode_picture(png_file(samples)[:-missing], "it", depth="own")
    assert (picture.pixels == samples).all()
    assert picture.notes == (repair.NO_END,)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_png_with_damaged_metadata_is_read_without_them(kind):
    samples = smooth().astype(kind)
    damaged = bytearray(chunk(b"tEXt", b"Title\0A title"))
    damaged[10] ^= 1
    for chunks in ([bytes(damaged)], [chunk(b"tEXt", b"Author\0Me"), bytes(damaged), chunk(b"tIME", bytes(7))]):
        picture = decode_picture(png_file(samples, *chunks), "it", depth="own")
        assert (picture.pixels == samples).all()
        assert picture.notes == (repair.BAD_METADATA,)
        texts = dict(picture.metadata.text) if picture.metadata else {}
        assert texts == ({"Author": "Me"} if len(chunks) > 1 else {})


def test_a_png_with_damaged_pixels_is_refused():
    data = bytearray(png_file(smooth()))
    data[data.index(b"IDAT") + 200] ^= 1
    with pytest.raises(ImageError, match="is damaged"):
        decode_picture(bytes(data), "it")


def test_a_png_whose_end_has_a_wrong_checksum_is_read():
    picture = decode_picture(png_file(smooth())[:-1] + b"x", "it")
    assert (picture.pixels == smooth()).all()
    assert picture.notes == (repair.NO_END,)


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("options", [{}, {"irreversible": True}, {"no_jp2": True}])
def test_a_jpeg_2000_without_its_end_marker_is_read_to_the_last_pixel(missing, options):
    data = encoded(PHOTO, "JPEG2000", **options)
    picture = decode_picture(data[:-missing], "it")
    assert (picture.pixels == decode_picture(data, "it").pixels).all()
    assert picture.notes == (repair.NO_END,)


@pytest.mark.parametrize("missing", [3, 10, 1000])
def test_a_jpeg_2000_that_lacks_data_is_refused(missing):
    with pytest.raises(ImageError, match="damaged or cut short"):
        decode_picture(encoded(PHOTO, "JPEG2000")[:-missing], "it")


@pytest.mark.parametrize("kind", ["GIF", "BMP"])
def test_padding_and_trailers_may_be_missing(kind):
    image = smooth(20, 31)
    data = encoded(image, kind)
    expected = decode_picture(data, "it").pixels
    assert (decode_picture(data[:-1], "it").pixels == expected).all()
    assert (decode_picture(data + b"more", "it").pixels == expected).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
@pytest.mark.parametrize(
    "kind", ["gAMA", "cHRM", "sRGB", "pHYs", "iCCP", "zTXt", "iTXt", "eXIf", "tIME", "tRNS", "acTL", "fcTL"]
)
@pytest.mark.parametrize("content", [b"", b"\0", b"a\0\7bc", b"\xff" * 300])
def test_a_malformed_chunk_beside_the_pixels_does_not_prevent_reading(mode, kind, content):
    picture = Image.fromarray(noise()).convert(mode)
    data = png.with_chunks(encoded(picture, "PNG"), [(kind.encode(), content)])
    assert decode_picture(data, "it").pixels.shape == noise().shape


@pytest.mark.parametrize(
    ("marker", "content"),
    [(0xE0, b"JFIF\0\1"), (0xEE, b"Adobe"), (0xE2, b"ICC_PROFILE\0"), (0xE2, b"ICC_PROFILE\0\1"), (0xE1, b"Exif\0\0")],
)
def test_a_malformed_segment_does_not_prevent_reading(marker, content):
    jpeg = encoded(noise(), "JPEG")
    segment = bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2) + content
    picture = decode_picture(jpeg[:2] + segment + jpeg[2:], "it")
    assert np.array_equal(picture.pixels, decode_picture(jpeg, "it").pixels)
