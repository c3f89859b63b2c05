import io
from pathlib import Path

import numpy as np
import pytest

from impasto.errors import ImageError
from impasto.pictures.metadata import Metadata
from impasto.pictures.picture import Picture
from impasto.pictures.read import load_image
from impasto.pictures.write import encode_picture, save_image, save_picture
from tests.conftest import make_photo
from tests.pictures.images import noise


@pytest.mark.parametrize(("name", "side"), [("it.jpg", 65_501), ("it.webp", 16_384)])
def test_an_image_too_large_for_its_format_is_refused(name, side):
    with pytest.raises(ImageError, match=f"{name}: {side} x 1 pixels are more than such a file can have"):
        encode_picture(Picture(np.zeros((1, side, 3), np.uint8)), name)
    assert encode_picture(Picture(np.zeros((1, side, 3), np.uint8)), "it.png")


@pytest.mark.parametrize("quality", [90, 95, 100])
@pytest.mark.parametrize("kind", ["jpg", "webp", "avif"])
def test_noise_with_large_metadata_is_saved_in_lossy_formats(kind, quality, capfd):
    metadata = Metadata(exif=b"Exif\0\0" + bytes(65_527), xmp=bytes(65_504), comment="c" * 65_533, iptc=bytes(65_504))
    for shape in [(1, 3000), (3000, 1), (301, 203)]:
        pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
        file = io.BytesIO()
        save_picture(file, Picture(pixels, metadata=metadata), quality=quality, format=kind)
        error = np.mean(load_image(io.BytesIO(file.getvalue())), axis=2) - pixels.mean(axis=2)
        assert np.abs(error).mean() < 20
    assert capfd.readouterr() == ("", "")  # libjpeg's own complaints


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
def test_targets_that_cannot_be_written_are_refused(tmp_path, name, message):
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
def test_arrays_that_are_not_images_are_refused(tmp_path, array):
    with pytest.raises(ImageError, match="expected a picture, uint8"):
        save_image(tmp_path / "a.png", array)


def test_quality_has_a_range(tmp_path):
    with pytest.raises(ImageError, match="use a whole number from 1 to 100"):
        save_image(tmp_path / "a.jpg", noise(), quality=0)
    with pytest.raises(ImageError, match="quality True is out of range"):
        save_image(tmp_path / "a.jpg", noise(), quality=True)
    save_image(tmp_path / "low.jpg", make_photo(0), quality=20)
    save_image(tmp_path / "high.jpg", make_photo(0), quality=100)
    assert (tmp_path / "low.jpg").stat().st_size < (tmp_path / "high.jpg").stat().st_size
