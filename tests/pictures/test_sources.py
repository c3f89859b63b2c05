import io
import os
from pathlib import Path

import numpy as np
import pytest

from impasto.errors import ImageError, UsageError
from impasto.pictures.read import check_source, load_image, read_mask, read_picture
from impasto.pictures.sources import local_path
from impasto.pictures.write import check_saving, encode_picture, save_image
from tests.pictures.images import encoded, noise


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(noise(), "PNG"))
    return path


class Unseekable(io.RawIOBase):
    """What a socket or pipe is like: it can be read once, in pieces."""

    def __init__(self, data):
        self.rest = io.BytesIO(data)

    def readable(self):
        return True

    def readall(self):
        return self.rest.read()


def test_paths_bytes_and_streams_give_the_same_pixels(file):
    data = file.read_bytes()
    with file.open("rb") as opened:
        sources = [file, str(file), data, bytearray(data), memoryview(data), io.BytesIO(data), opened, Unseekable(data)]
        for source in sources:
            assert (load_image(source) == noise()).all()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "expected a picture as a path, bytes or a binary stream, got None"),
        (3, "got an object of type int"),
        (np.zeros((2, 2)), "of type ndarray"),
        (["a.png"], "of type list"),
        (io.StringIO("text"), "is a text stream; open it in binary mode"),
        ("a\0b.png", "cannot be the name of a file"),
        (b"", "is empty"),
        (io.BytesIO(), "has nothing left to read"),
        ("/dev/zero", "is a device"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(source, message):
    for read in (load_image, read_mask, read_picture):
        with pytest.raises(ImageError, match=message) as caught:
            read(source)
        assert "\n" not in str(caught.value)


def test_a_flat_buffer_of_bytes_is_read(file):
    import array

    for buffer in (array.array("B", file.read_bytes()), np.frombuffer(file.read_bytes(), np.uint8)):
        assert (load_image(buffer) == noise()).all()
    with pytest.raises(ImageError, match="got an object of type ndarray"):
        load_image(noise())


def test_a_stream_that_was_read_to_its_end_is_named(file):
    stream = io.BytesIO(file.read_bytes())
    stream.read()
    with pytest.raises(ImageError, match=r"stream: has nothing left to read; call its seek\(0\) first"):
        load_image(stream)


@pytest.mark.parametrize("error", [RuntimeError("broken"), TypeError("an argument is missing")])
def test_a_stream_that_fails_is_named(error):
    class Failing:
        def read(self):
            raise error

    with pytest.raises(ImageError, match=f"stream: cannot read: {error}"):
        load_image(Failing())


def test_options_out_of_range_are_refused(tmp_path, file):
    with pytest.raises(UsageError, match="unknown depth 12: use 8, 16 or 'own'"):
        load_image(file, depth=12)
    for side in (0, -5):
        with pytest.raises(UsageError, match="use 1 or more"):
            read_picture(file, short_side=side)
    for quality in (0, 101, 50.5, "high", None):
        with pytest.raises(ImageError, match="use a whole number from 1 to 100"):
            save_image(tmp_path / "a.jpg", noise(), quality=quality)


def test_a_closed_stream_and_a_text_file_are_refused(file):
    closed = file.open("rb")
    closed.close()
    with pytest.raises(ImageError, match="closed"):
        load_image(closed)
    with file.open(encoding="utf-8") as text, pytest.raises(ImageError, match="binary mode"):
        load_image(text)


@pytest.mark.parametrize(
    "address",
    [
        *("https://example.com/a.jpg", "HTTP://example.com/a", "ftp://host/a.png", "s3://bucket/a.png"),
        *("file:///tmp/a.png", "ssh://host/a.png", "www.example.com/a.png", "data:image/png;base64,AAAA"),
    ],
)
def test_an_address_is_not_fetched(address, tmp_path):
    advice = "give its path alone" if address.startswith("file:") else "download it first"
    for function in (load_image, check_source, local_path, check_saving, lambda path: save_image(path, noise())):
        with pytest.raises(ImageError, match=f"is an address; {advice}"):
            function(address)
        with pytest.raises(ImageError, match=f"is an address; {advice}"):
            function(Path(address))  # which makes one / of two


@pytest.mark.parametrize("name", ["c:/photo.jpg", "a:b.jpg", "https.jpg", "data.png"])
def test_a_name_with_a_colon_is_no_address(name):
    assert local_path(name) == Path(name)


def test_a_tilde_is_the_home_folder_when_reading_and_writing(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    check_saving("~/a.png")
    save_image("~/a.png", noise())
    assert (tmp_path / "a.png").exists()
    assert (load_image(Path("~/a.png")) == noise()).all()
    assert local_path("a~b") == Path("a~b")
    assert local_path("~no_such_user_here/a.png") == Path("~no_such_user_here/a.png")


def test_a_large_file_that_is_no_picture_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "video.jpg"
    with path.open("wb") as file:
        file.write(b"\0\0\0\x20ftypisom" + bytes(5000))
        file.truncate(1 << 40)  # sparse: reading it would take more memory than there is
    with pytest.raises(ImageError, match=r"video\.jpg: is a video"):
        load_image(path)


def test_a_pipe_can_be_read(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    reading, writing = os.pipe()
    os.write(writing, encoded(noise(), "PNG"))
    os.close(writing)
    assert (load_image(f"/dev/fd/{reading}") == noise()).all()


def test_a_stream_is_written_in_the_format_that_is_named():
    for name in ("png", ".PNG", "tiff"):
        stream = io.BytesIO()
        save_image(stream, noise(), format=name)
        assert (load_image(stream.getvalue()) == noise()).all()
    with pytest.raises(ImageError, match="give one, as format='png'"):
        save_image(io.BytesIO(), noise())
    with pytest.raises(ImageError, match="unknown picture format 'xyz'"):
        save_image(io.BytesIO(), noise(), format="xyz")
    with pytest.raises(ImageError, match="unknown picture format '5'"):
        save_image(io.BytesIO(), noise(), format=5)
    with pytest.raises(ImageError, match="open it as 'wb'"):
        save_image(io.StringIO(), noise(), format="png")


def test_a_path_can_be_written_in_another_format_than_its_extension(tmp_path):
    save_image(tmp_path / "a.result", noise(), format="png")
    assert (tmp_path / "a.result").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("target", [None, 3, noise()])
def test_what_is_no_target_is_refused(target):
    with pytest.raises(ImageError, match="expected the path of a file"):
        save_image(target, noise())


@pytest.mark.parametrize("array", [None, [[1, 2], [3, 4]], "a.png"])
def test_what_is_no_array_is_not_written(array):
    with pytest.raises(ImageError, match="expected a picture, a numpy array of uint8"):
        save_image("a.png", array)


def test_encoding_takes_a_name_only():
    from impasto.pictures.picture import Picture

    assert encode_picture(Picture(noise()), ".png").startswith(b"\x89PNG")
