import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from impasto.pictures.decode import decode_picture
from impasto.pictures.plugins import format_of_data
from tests.pictures.images import encoded, smooth

CODE = """
import sys
from impasto import ImageError
from impasto.pictures.decode import decode_picture
from impasto.pictures.read import read_picture
for path in sys.argv[1:]:
    try:
        picture = read_picture(path, depth="own")
        print("read", picture.pixels.dtype, *picture.notes)
    except ImageError as error:
        print(error)
"""


def reading(tmp_path, broken, files):
    """The lines that a new process prints for these files, with these modules broken: name -> source."""
    for name, source in broken.items():
        (tmp_path / "broken" / name).mkdir(parents=True)
        (tmp_path / "broken" / name / "__init__.py").write_text(source)
    paths = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        paths.append(str(tmp_path / name))
    path = os.pathsep.join([str(tmp_path / "broken"), *filter(None, sys.path)])
    result = subprocess.run(
        [sys.executable, "-c", CODE, *paths], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
BROKEN = {
    "an import error": "raise ImportError('libheif.so.1: cannot open shared object file')",
    "another error": "raise OSError('libheif.so.1: cannot open shared object file')",
    "nothing in it": "",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_heif_plug_in_is_named_and_does_not_matter_to_others(tmp_path, how):
    files = {"a.jpg": encoded(smooth(), "JPEG"), "a.png": encoded(smooth(), "PNG"), "a.heic": HEIC}
    jpeg, png, heic = reading(tmp_path, {"pillow_heif": BROKEN[how]}, files)
    assert jpeg == png == "read uint8"
    assert "a.heic: is a HEIC picture, and pillow_heif is installed but does not work (" in heic
    assert how == "nothing in it" or "libheif.so.1: cannot open shared object file" in heic


def test_a_missing_heif_plug_in_is_named(tmp_path):
    source = "raise ModuleNotFoundError(\"No module named 'pillow_heif'\", name='pillow_heif')"
    (heic,) = reading(tmp_path, {"pillow_heif": source}, {"a.heic": HEIC})
    assert heic.endswith("a.heic: is a HEIC picture, which needs a plug-in: pip install 'impasto[formats]'")


@pytest.mark.parametrize("how", ["an import error", "another error"])
def test_a_broken_libvips_is_named_and_8_bits_are_read(tmp_path, how):
    from impasto.pictures.picture import Picture
    from impasto.pictures.write import encode_picture

    deep = encode_picture(Picture(smooth().astype(np.uint16) * 257), "it.tif")
    (line,) = reading(tmp_path, {"pyvips": BROKEN[how]}, {"a.tif": deep})
    assert line.startswith("read uint8 has 16 bits per sample, of which 8 are kept; 16 need libvips: pyvips is")
    assert "libheif.so.1: cannot open shared object file" in line


def test_every_format_is_known_by_its_first_bytes():
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF"):
        assert format_of_data(encoded(smooth(), kind)) == kind
    assert format_of_data(HEIC) == "HEIF"
    assert format_of_data(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif" + bytes(9)) == "AVIF"
    assert format_of_data(b"") is None
    assert format_of_data(b"P") is None


def test_reading_in_threads_changes_nothing_in_the_process():
    files = [encoded(smooth(200, 300), kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF")]
    damaged = [data[: len(data) // 2] for data in files]

    def read(data):
        try:
            return decode_picture(data, "it").pixels.shape
        except Exception as error:
            return type(error).__name__

    decode_picture(files[0], "it")
    filters, limit, registered = list(warnings.filters), Image.MAX_IMAGE_PIXELS, dict(Image.OPEN)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(read, (files + damaged) * 8))
    assert results == [*[(200, 300, 3)] * 4, *["ImageError"] * 4] * 8
    assert (warnings.filters, limit) == (filters, Image.MAX_IMAGE_PIXELS)
    assert {*Image.OPEN} >= {*registered} and "HEIF" not in {*Image.OPEN} - {*registered}


def test_the_users_limit_of_pillow_is_left_alone_and_not_used(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for kind in ("JPEG", "PNG", "TIFF", "BMP", "GIF"):
        assert decode_picture(encoded(smooth(20, 40), kind), "it").pixels.shape == (20, 40, 3)
    assert Image.MAX_IMAGE_PIXELS == 1000
