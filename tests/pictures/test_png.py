import numpy as np
import pytest

from impasto.errors import ImageError
from impasto.pictures import png
from impasto.pictures.read import load_image
from impasto.pictures.write import save_image
from tests.pictures.images import chunk, noise, png_file


def test_a_flipped_bit_in_a_png_is_reported_as_damage(tmp_path):
    save_image(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    data = bytearray((tmp_path / "whole.png").read_bytes())
    data[data.index(b"IDAT") + 2000] ^= 1
    (tmp_path / "flipped.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"flipped\.png: is damaged .*copy or download it again"):
        load_image(tmp_path / "flipped.png")


def test_chunks_are_found_and_replaced():
    new = png.with_chunks(png_file(noise(), chunk(b"pHYs", bytes(9))), [(b"tEXt", b"a\0b")], without=[b"pHYs"])
    assert [found.kind for found in png.chunks(new)] == [b"IHDR", b"tEXt", b"IDAT", b"IEND"]
    assert all(found.intact for found in png.chunks(new))
    assert new == png_file(noise(), chunk(b"tEXt", b"a\0b"))


def test_a_wrong_checksum_and_a_cut_chunk():
    data = bytearray(png_file(noise(), chunk(b"tEXt", b"a\0b")))
    data[44] ^= 1
    assert [found.kind for found in png.chunks(bytes(data)) if not found.intact] == [b"tEXt"]
    cut = list(png.chunks(png_file(noise())[:200]))
    assert [found.kind for found in cut] == [b"IHDR", b"IDAT"]
    assert cut[-1].intact and len(cut[-1].data) == 200 - cut[-1].start - 8
