import io

import numpy as np
import pytest
from PIL import Image

from impasto.errors import ImageError
from impasto.pictures.decode import decode_picture
from impasto.pictures.formats import READABLE_SUFFIXES, WRITABLE_SUFFIXES, format_of, result_suffix
from impasto.pictures.picture import Picture
from impasto.pictures.write import encode_picture
from tests.pictures.images import encoded, smooth


def test_every_writable_extension_is_readable():
    assert set(WRITABLE_SUFFIXES) <= set(READABLE_SUFFIXES)


def test_every_extension_that_pillow_knows_for_a_readable_format_is_known():
    Image.init()
    formats = {"JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF"}
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in formats}
    assert known - {*READABLE_SUFFIXES} == set()


@pytest.mark.parametrize(
    ("source", "choice", "expected"),
    [
        ("a.jpg", None, ".jpg"),
        ("a.JPEG", None, ".JPEG"),
        ("a.jfif", None, ".jpg"),
        ("a.heic", None, ".jpg"),
        ("a.HIF", None, ".jpg"),
        ("a.avif", None, ".jpg"),
        ("a.jp2", None, ".jpg"),
        ("a.png", None, ".png"),
        ("a.tif", None, ".tif"),
        ("a.gif", None, ".png"),
        ("a.ppm", None, ".png"),
        ("a", None, ".png"),
        ("a.b.c", None, ".png"),
        ("a.heic", "keep", ".jpg"),
        ("a.AVIF", "keep", ".AVIF"),
        ("a.webp", "keep", ".webp"),
        ("a.gif", "keep", ".png"),
        ("a.jpeg", "jpg", ".jpeg"),
        ("a.tif", "tiff", ".tif"),
        ("a.png", "tiff", ".tiff"),
        ("a.png", "avif", ".avif"),
        ("a.png", "webp", ".webp"),
        ("a.heic", "png", ".png"),
    ],
)
def test_the_format_of_a_result_follows_from_its_source(source, choice, expected):
    assert result_suffix(source, choice) == expected


def test_an_unknown_choice_is_refused():
    with pytest.raises(ImageError, match="unknown picture format 'bmp': use one of jpg, png, webp, avif, tiff"):
        result_suffix("a.png", "bmp")


@pytest.mark.parametrize(
    ("kind", "options", "alpha", "expected"),
    [
        ("WEBP", {"quality": 80}, False, ".jpg"),
        ("WEBP", {"lossless": True}, False, ".webp"),
        ("WEBP", {"quality": 80}, True, ".png"),
        ("WEBP", {"lossless": True}, True, ".webp"),
        ("AVIF", {}, False, ".jpg"),
        ("AVIF", {}, True, ".png"),
    ],
)
@pytest.mark.parametrize("exif", [False, True])
def test_a_lossy_photo_becomes_a_jpeg_unless_it_is_transparent(tmp_path, kind, options, alpha, expected, exif):
    image = Image.fromarray(smooth())
    if alpha:
        image.putalpha(Image.fromarray(smooth()[..., 0]))
    if exif:
        record = Image.Exif()
        record[0x010F] = "Camera"
        options = options | {"exif": record.tobytes()}
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(encoded(image, kind, **options))
    assert result_suffix(path) == expected


def test_a_transparent_heic_becomes_a_png(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    for mode, expected in (("RGB", ".jpg"), ("RGBA", ".png")):
        image = Image.fromarray(smooth()).convert("RGBA")
        image.putalpha(Image.fromarray(smooth()[..., 0]))
        heif.from_pillow(image.convert(mode)).save(tmp_path / "a.heic")
        assert result_suffix(tmp_path / "a.heic") == expected


@pytest.mark.parametrize("alpha", [False, True])
def test_avif_is_written_and_read_by_another_library(alpha):
    pyvips = pytest.importorskip("pyvips")
    opacity = np.where(np.arange(64) < 32, 255, 40).astype(np.uint8)[None].repeat(48, axis=0) if alpha else None
    data = encode_picture(Picture(smooth(), opacity), "a.avif", quality=90)
    assert data[4:12] == b"ftypavif"
    again = pyvips.Image.new_from_buffer(data, "").numpy()
    assert again.shape == (48, 64, 4 if alpha else 3)
    assert np.abs(again[..., :3].astype(int) - smooth()).mean() < 4
    if alpha:
        assert np.abs(again[..., 3].astype(int) - opacity).mean() < 2
    small = encode_picture(Picture(smooth()), "a.avif", quality=20)
    assert len(small) < len(encode_picture(Picture(smooth()), "a.avif", quality=95))


def test_jpeg_xl_is_written_and_read_where_its_plug_in_is():
    pytest.importorskip("pillow_jxl")
    data = encode_picture(Picture(smooth()), "a.jxl")
    assert np.abs(decode_picture(data, "a").pixels.astype(int) - smooth()).mean() < 3
    assert Image.open(io.BytesIO(data)).size == (64, 48)
    assert (decode_picture(encode_picture(Picture(smooth()), "a.jxl", quality=100), "a").pixels == smooth()).all()


def test_jpeg_xl_without_its_plug_in_is_refused(monkeypatch):
    from impasto.pictures import formats

    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(ImageError, match=r"a\.jxl: JPEG XL needs a plug-in: pip install pillow-jxl-plugin"):
        format_of("a.jxl")
