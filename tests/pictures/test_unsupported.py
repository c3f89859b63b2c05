import io
import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from impasto.errors import ImageError
from impasto.pictures.decode import decode_picture
from impasto.pictures.formats import RAW_SUFFIXES
from impasto.pictures.read import load_image
from tests.pictures.images import chunk, encoded, smooth


def refusal(data, name="it"):
    with pytest.raises(ImageError) as caught:
        decode_picture(data, name)
    text = str(caught.value)
    assert "\n" not in text
    return text


def tiff_with(tags):
    """A TIFF of 8-bit RGB with further tags: number -> (type, value)."""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for number, (kind, value) in tags.items():
        directory.tagtype[number] = kind
        directory[number] = value
    return encoded(smooth(), "TIFF", tiffinfo=directory)


def test_a_dng_is_refused_whatever_its_name():
    data = tiff_with({254: (4, 1), 50706: (1, bytes([1, 4, 0, 0]))})
    for name in ("p.dng", "p.tif"):
        assert refusal(data, name) == f"{name}: is a raw photo; export it as a JPEG or TIFF first"


@pytest.mark.parametrize("suffix", RAW_SUFFIXES)
def test_a_tiff_with_the_extension_of_a_raw_photo_is_refused(suffix):
    assert "is a raw photo" in refusal(encoded(smooth(), "TIFF"), f"p{suffix.upper()}")


@pytest.mark.parametrize("tags", [{262: 32803}, {262: 34892}, {259: 34713}, {259: 32767}])
@pytest.mark.parametrize("place", ["first", "below", "next"])
def test_raw_data_in_any_directory_are_found(tags, place):
    def directory(extra, next_at, at):
        entries = {254: 1, 256: 8, 257: 8, 258: 8, 262: 1, 273: 4, 277: 1, 278: 8, 279: 64} | extra
        body = struct.pack("<H", len(entries))
        for tag, value in sorted(entries.items()):
            body += struct.pack("<HHII", tag, 4, 1, value)
        return body + struct.pack("<I", next_at)

    start = 8 + 64
    length = len(directory({330: 0}, 0, 0))
    second = start + length
    if place == "first":
        first = directory(tags | {330: 0}, 0, 0)
    elif place == "below":
        first = directory({330: second}, 0, 0)
    else:
        first = directory({330: 0}, second, 0)
    data = b"II*\0" + struct.pack("<I", start) + bytes(64) + first + directory(tags, 0, 0)
    assert "is a raw photo" in refusal(data, "p.tif")


@pytest.mark.parametrize(
    "start",
    [
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
        b"FUJIFILMCCD-RAW 0201",
        b"IIRO\x08\0\0\0",
        b"IIU\0\x18\0\0\0",
        b"FOVb\0\0",
        b"II*\0\x10\0\0\0CR\x02\0",
    ],
)
def test_raw_photos_of_other_makers_are_refused(start):
    assert "is a raw photo; export it" in refusal(start + bytes(5000), "p.xyz")


@pytest.mark.parametrize(
    ("samples", "what"),
    [
        (np.float32, "floating-point"),
        (np.float16, "floating-point"),
        (np.float64, "floating-point"),
        (np.uint32, "32-bit"),
        (np.int16, "signed"),
        (np.int8, "signed"),
        (np.int32, "signed"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_samples_without_a_defined_range_are_refused_not_guessed(samples, what, channels):
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    pixels = (smooth() // 3).astype(samples)
    pixels = pixels if channels == 3 else pixels[..., 0]
    tifffile.imwrite(file, pixels, photometric="rgb" if channels == 3 else "minisblack")
    text = refusal(file.getvalue())
    assert what in text and "no defined range" in text and "damaged" not in text


def changed(data, tag, value):
    """A little-endian TIFF with another value of a short tag in its first directory."""
    data = bytearray(data)
    at = struct.unpack_from("<I", data, 4)[0]
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from("<H", data, at)[0], 12):
        if struct.unpack_from("<H", data, entry)[0] == tag:
            struct.pack_into("<H", data, entry + 8, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("number", "name"), [(50001, "WebP"), (34887, "LERC"), (33003, "JPEG 2000"), (32809, "ThunderScan"), (4711, "4711")]
)
def test_a_tiff_of_a_rare_compression_is_not_called_damaged(number, name):
    text = refusal(changed(encoded(smooth(), "TIFF", compression="tiff_lzw"), 259, number))
    assert f"is a TIFF compressed with {'method ' if name == '4711' else ''}{name}" in text
    assert "damaged" not in text


def test_a_tiff_of_many_bits_is_not_called_damaged():
    text = refusal(changed(encoded(smooth()[..., 0], "TIFF"), 258, 11))
    assert "is a TIFF of a kind that Impasto cannot read (11 bits" in text


@pytest.mark.parametrize(("at", "value", "what"), [(4, 12, "12 bits per sample"), (1, 0xC3, "lossless")])
def test_a_rare_jpeg_is_not_called_damaged(at, value, what):
    data = bytearray(encoded(smooth(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + at] = value
    text = refusal(bytes(data))
    assert what in text and "damaged" not in text


def test_jpeg_ls_with_another_header_is_named():
    start = b"\xff\xd8\xff\xe8\0\4SP\xff\xf7\0\x0b\x08\0\x10\0\x10\1\1\x11\0"
    assert "is a JPEG-LS file" in refusal(start + bytes(50))


def test_a_png_in_apples_form_is_not_called_damaged():
    body = encoded(smooth(), "PNG")
    assert "is a PNG in a form of Apple's own" in refusal(body[:8] + chunk(b"CgBI", bytes(4)) + body[8:])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"8BPS\0\1", "Photoshop"),
        (b"%PDF-1.7", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "SVG"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\0\0\0\x20ftypisom", "video"),
        (b"v/1\x01\x02", "OpenEXR"),
        (b"\xff\xd8\xff\xf7\0\x0b", "JPEG-LS"),
        (b"PK\3\4", "ZIP archive"),
        (b"\x1f\x8b\x08", "gzip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    ],
)
def test_other_files_are_named(data, what):
    assert what in refusal(data + bytes(50))


def test_jpeg_2000_in_color_of_more_than_8_bits_is_refused(tmp_path):
    data = bytearray(encoded(smooth(), "JPEG2000"))
    start = data.index(b"\xff\x4f\xff\x51")
    for channel in range(3):
        data[start + 42 + 3 * channel] = 15  # 16 bits
    assert "is a JPEG 2000 in color with 16 bits" in refusal(bytes(data))


@pytest.mark.parametrize("bits", [9, 12, 16])
def test_jpeg_2000_in_gray_keeps_its_white(bits):
    gray = (smooth()[..., 0].astype(np.uint32) * ((1 << bits) - 1) // 255).astype(np.uint16)
    image = Image.fromarray(gray << (16 - bits))
    picture = decode_picture(encoded(image, "JPEG2000"), "it")
    assert np.abs(picture.pixels[..., 1].astype(int) - smooth()[..., 0]).max() <= 2


@pytest.mark.parametrize("most", [1, 15, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_netpbm_files_of_any_depth_are_scaled_to_white(most, channels):
    samples = np.rint(smooth()[..., :channels] / 255 * most).astype(np.uint16)
    body = samples.astype(np.uint8 if most < 256 else ">u2").tobytes()
    data = f"P{5 if channels == 1 else 6}\n64 48\n{most}\n".encode() + body
    expected = np.rint(samples / most * 255)
    assert np.abs(decode_picture(data, "it").pixels - expected).max() <= 1


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_gray_tiffs_of_any_depth_are_scaled_to_white(bits):
    levels = np.rint(smooth()[..., 0] / 255 * ((1 << bits) - 1)).astype(np.uint16)
    if bits == 16:
        rows = levels.astype("<u2").tobytes()
    else:
        digits = (levels[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = np.packbits(digits.reshape(48, -1), axis=1).tobytes()
    tags = {256: 64, 257: 48, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: 48, 279: len(rows)}
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in sorted(tags.items()))
    data = b"II*\0" + struct.pack("<I", 8 + len(rows)) + rows + body + bytes(4)
    expected = np.rint(levels / ((1 << bits) - 1) * 255)
    assert np.abs(decode_picture(data, "it").pixels[..., 1] - expected).max() <= 1


def test_a_12_bit_gray_tiff_keeps_its_white():
    levels = np.rint(smooth()[..., 0] / 255 * 4095).astype(np.uint16)
    digits = (levels[..., None] >> np.arange(11, -1, -1)) & 1
    rows = np.packbits(digits.reshape(48, -1), axis=1).tobytes()
    tags = {256: 64, 257: 48, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 48, 279: len(rows)}
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in sorted(tags.items()))
    data = b"II*\0" + struct.pack("<I", 8 + len(rows)) + rows + body + bytes(4)
    assert np.abs(decode_picture(data, "it").pixels[..., 1].astype(int) - smooth()[..., 0]).max() <= 1


@pytest.mark.parametrize(
    "options", [{"planarconfig": "separate"}, {"bigtiff": True}, {"byteorder": ">"}, {"tile": (16, 16)}]
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_tiffs_of_other_layouts(options, kind):
    tifffile = pytest.importorskip("tifffile")
    pixels = smooth().astype(kind) * (257 if kind is np.uint16 else 1)
    stored = np.moveaxis(pixels, 2, 0) if "planarconfig" in options else pixels
    file = io.BytesIO()
    tifffile.imwrite(file, stored, photometric="rgb", **options)
    assert (decode_picture(file.getvalue(), "it", depth="own").pixels == pixels).all()


@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_transparent_tiffs_with_and_without_multiplied_colors(extra, channels, kind):
    tifffile = pytest.importorskip("tifffile")
    most = np.iinfo(kind).max
    colors = smooth()[..., : channels - 1].astype(float) / 255
    stored = colors / 2 if extra == "assocalpha" else colors
    samples = np.rint(np.dstack([stored, np.full((48, 64), 0.5)]) * most).astype(kind)
    file = io.BytesIO()
    photometric = "rgb" if channels == 4 else "minisblack"
    tifffile.imwrite(file, samples, photometric=photometric, extrasamples=[extra], planarconfig="contig")
    picture = decode_picture(file.getvalue(), "it", depth="own")
    assert np.abs(picture.alpha / most - 0.5).max() < 0.005
    assert np.abs(picture.pixels / most - colors).max() < 0.01


def test_a_missing_decoder_of_pillow_is_not_called_damage(monkeypatch):
    from impasto.pictures import unsupported

    monkeypatch.setattr(unsupported.features, "check", lambda name: False)
    data = bytearray(encoded(smooth(), "WEBP"))
    del data[40:]
    assert "this build of Pillow cannot read" in refusal(bytes(data))


def test_imagemagicks_deep_files_are_right_or_refused(tmp_path):
    """White, gray and red in every deep format that ImageMagick writes, read as what they are or refused."""
    import shutil
    import subprocess

    if not (convert := shutil.which("convert")):
        pytest.skip("needs ImageMagick")
    read = 0
    for color, expected in (("white", (255, 255, 255)), ("gray(50%)", (128, 128, 128)), ("red", (255, 0, 0))):
        for suffix in ("jp2", "tif", "png", "ppm", "heic", "avif"):
            for depth in ("8", "10", "12", "16"):
                path = tmp_path / f"a.{suffix}"
                path.unlink(missing_ok=True)
                subprocess.run([convert, "-size", "64x64", f"xc:{color}", "-depth", depth, path], check=False)
                if not path.exists():
                    continue
                try:
                    pixels = load_image(path)
                except ImageError as error:
                    assert "damaged" not in str(error)
                    continue
                read += 1
                assert np.abs(pixels.astype(int) - expected).max() <= 5, (color, suffix, depth)
    assert read > 20


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate"])
def test_a_tiff_cut_short_is_called_damaged(compression):
    data = encoded(smooth(), "TIFF", compression=compression)
    for size in (len(data) - 1, len(data) // 2, 100, 9):
        assert "is damaged or cut short" in refusal(data[:size])


def test_a_zstd_tiff_of_imagemagick_is_read_or_refused(tmp_path):
    import shutil
    import subprocess

    if not (convert := shutil.which("convert")):
        pytest.skip("needs ImageMagick")
    for method in ("zstd", "lzma", "webp"):
        for depth in ("8", "16"):
            path = tmp_path / f"{method}{depth}.tif"
            command = [convert, "-size", "40x30", "xc:red", "-depth", depth, "-compress", method, path]
            subprocess.run(command, check=False, capture_output=True)
            if not path.exists():
                continue
            try:
                assert np.abs(load_image(path).astype(int) - (255, 0, 0)).max() <= 6  # WebP is lossy
            except ImageError as error:
                assert "damaged" not in str(error)
