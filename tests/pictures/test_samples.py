"""Every format, mode, depth, orientation and transparency, compared with samples that the tests compute."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from impasto.pictures import sixteen_bits as deep
from impasto.pictures.decode import decode_picture
from impasto.pictures.metadata import Metadata
from impasto.pictures.picture import Picture, white
from impasto.pictures.read import load_image, read_picture
from impasto.pictures.resize import resize
from impasto.pictures.write import encode_picture, save_picture

LEVELS = np.array([0, 40, 90, 128, 190, 255])  # far enough apart for a JPEG


def expected_samples(mode):
    """Colors and opacity, 0 to 1, of an image of 40 x 24 pixels in blocks of 8, as this mode can hold them."""
    rows, columns = np.mgrid[:3, :5]
    red, green, blue = LEVELS[columns], LEVELS[(rows + columns) % 6], LEVELS[(2 * rows + columns + 3) % 6]
    colors = np.stack([red, green, blue], axis=-1) / 255
    if mode.startswith("16"):
        colors = (np.round(colors * 65535) - 77 * (colors > 0.5)) / 65535  # no multiple of 257
    if mode in ("1", "L", "LA", "16L", "16LA"):
        colors = np.repeat(colors[..., 1:2], 3, axis=-1)
    if mode == "1":
        colors = np.round(colors)
    opacity = np.ones((3, 5))
    if mode in ("LA", "RGBA", "16LA", "16RGBA"):
        opacity = np.array([1.0, 128 / 255, 0.0, 1.0, 40 / 255])[(rows + columns) % 5]
    if mode in ("PA", "P+"):
        opacity[1, 2] = 0
    return [np.kron(x, np.ones((8, 8, 1) if x.ndim == 3 else (8, 8))) for x in (colors, opacity)]


def turned(image, orientation):
    """The image as it is stored under this EXIF orientation (the table of the EXIF standard)."""
    if orientation in (3, 4, 7, 8):  # the first row, or from 5 on column, is the picture's bottom
        image = image[::-1]
    if orientation in (2, 3, 6, 7):  # the first column, or from 5 on row, is the picture's right side
        image = image[:, ::-1]
    return image.swapaxes(0, 1) if orientation >= 5 else image


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Zorki"
    return exif.tobytes()


def png(samples, alpha, gray, orientation):
    """A 16-bit PNG, written by the specification, section 5."""
    channels = [samples[..., :1] if gray else samples] + ([alpha[..., None]] if alpha is not None else [])
    values = np.round(np.concatenate(channels, axis=-1) * 65535).astype(">u2")
    height, width, count = values.shape
    kind = {1: 0, 3: 2, 2: 4, 4: 6}[count]

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.tobytes() for row in values)
    exif = b"" if orientation == 1 else chunk(b"eXIf", exif_of(orientation)[6:])
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + exif + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(samples, alpha, gray, orientation):
    """A 16-bit TIFF without compression, written by the specification, section 2."""
    channels = [samples[..., :1] if gray else samples] + ([alpha[..., None]] if alpha is not None else [])
    values = np.round(np.concatenate(channels, axis=-1) * 65535).astype("<u2")
    height, width, count = values.shape
    tags = [
        (256, 3, [width]),
        (257, 3, [height]),
        (258, 3, [16] * count),
        (259, 3, [1]),
        (262, 3, [1 if gray else 2]),
        (273, 4, [0]),
        (274, 3, [orientation]),
        (277, 3, [count]),
        (278, 3, [height]),
        (279, 4, [values.nbytes]),
    ]
    if alpha is not None:
        tags.append((338, 3, [2]))  # not multiplied into the colors
    beyond = 8 + 2 + 12 * len(tags) + 4
    pixels_at = beyond + 16
    entries, rest = b"", b""
    for tag, kind, data in tags:
        data = [pixels_at] if tag == 273 else data
        packed = struct.pack(f"<{len(data)}{'H' if kind == 3 else 'I'}", *data)
        if len(packed) > 4:
            value, rest = struct.pack("<I", beyond + len(rest)), rest + packed
        else:
            value = packed.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, kind, len(data)) + value
    header = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    return header + rest.ljust(16, b"\0") + values.tobytes()


def changed(tiff_file, tag, value):
    """The same TIFF with another value of a short tag."""
    data = bytearray(tiff_file)
    for at in range(10, 10 + 12 * struct.unpack("<H", data[8:10])[0], 12):
        if struct.unpack("<H", data[at : at + 2])[0] == tag:
            data[at + 8 : at + 10] = struct.pack("<H", value)
    return bytes(data)


@pytest.mark.parametrize("depth", [8, 16, "own"])
def test_inverted_gray_and_an_extra_channel_that_is_not_opacity(depth):
    gray, _ = expected_samples("16L")
    several, opacity = expected_samples("16RGBA")
    inverted = changed(tiff(1 - gray, None, True, 1), 262, 0)  # MinIsWhite
    unspecified = changed(tiff(several, opacity, False, 1), 338, 0)  # the fourth channel is not opacity
    for data, colors in ((inverted, gray), (unspecified, several)):
        picture = decode_picture(data, "it", depth=depth)
        assert picture.alpha is None
        step = 255 if depth == 8 else 65535
        assert np.abs(picture.pixels / white(picture.pixels) - colors).max() * step <= 0.501


@pytest.mark.parametrize("depth", [8, "own"])
def test_a_16_bit_png_with_exif_behind_its_pixels_is_upright(depth):
    colors, _ = expected_samples("16RGB")
    data = png(turned(colors, 6), None, False, 6)
    at, end = data.index(b"eXIf") - 4, data.index(b"IDAT") - 4
    late = data[:at] + data[end:-12] + data[at:end] + data[-12:]
    picture = decode_picture(late, "it", depth=depth)
    assert np.abs(picture.pixels / white(picture.pixels) - colors).max() < 0.003


def test_a_16_bit_cmyk_tiff_is_read_with_8_bits():
    import pyvips

    inks = pyvips.Image.new_from_array(np.full((24, 40, 4), 9000, np.uint16)).copy(interpretation="cmyk")
    picture = decode_picture(inks.write_to_buffer(".tif"), "it", depth="own")
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape == (24, 40, 3)


def test_a_blank_page_in_fax_compression_may_be_a_small_file():
    file = io.BytesIO()
    Image.new("1", (7016, 9933), 1).save(file, format="TIFF", compression="group4")
    assert decode_picture(file.getvalue(), "it").pixels.min() == 255


def test_a_header_that_claims_too_many_pixels_is_refused_before_memory_is_allocated():
    from impasto.errors import ImageError

    data = png(expected_samples("16RGB")[0], None, False, 1)
    header = b"IHDR" + struct.pack(">II", 12_000, 12_000) + data[24:29]
    with pytest.raises(ImageError, match="cannot hold 12000 x 12000 pixels"):
        decode_picture(data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:], "it")


def test_a_file_without_compression_cannot_hold_more_pixels_than_bytes():
    from impasto.errors import ImageError

    data = changed(tiff(np.zeros((2, 5000, 3)), None, False, 1), 257, 30_000)  # the height
    with pytest.raises(ImageError, match="cannot hold 5000 x 30000 pixels"):
        decode_picture(data, "it")


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 4), (0, 5, 3)])
def test_a_16_bit_array_of_another_shape_is_not_written(shape):
    from impasto.errors import ImageError

    with pytest.raises(ImageError, match="expected a picture"):
        encode_picture(Picture(np.zeros(shape, np.uint16)), "it.png")


def by_pillow(kind, mode, samples, alpha, orientation):
    pixels = np.round(samples * 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    options = {}
    if mode in ("1", "L", "CMYK"):
        image = image.convert(mode)
    elif mode in ("LA", "RGBA"):
        image = image.convert(mode[:-1])
        image.putalpha(Image.fromarray(np.round(alpha * 255).astype(np.uint8)))
    elif mode in ("P", "P+"):
        image = image.quantize(64, dither=Image.Dither.NONE)
        if mode == "P+":  # an index of its own for transparent pixels
            numbers = np.asarray(image).copy()
            numbers[alpha == 0] = 63
            palette = image.getpalette()
            image = _palette_image(numbers, palette)
            options["transparency"] = 63
    if orientation != 1:
        options["exif"] = exif_of(orientation)
    if kind == "WEBP":
        options |= {"lossless": True, "exact": True}
    if kind in ("JPEG", "AVIF", "HEIF"):
        options["quality"] = 97
    if kind == "JPEG" and mode != "CMYK":
        options["subsampling"] = 0
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def _palette_image(numbers, palette):
    image = Image.new("P", numbers.shape[::-1])
    image.putpalette((palette + [0] * 768)[:768])
    image.putdata(numbers.flatten().tolist())
    return image


MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "P+", "RGB", "RGBA", "16L", "16LA", "16RGB", "16RGBA"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "16L", "16RGB", "16RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("L", "P", "P+"),
    "AVIF": ("RGB", "RGBA"),
    "HEIF": ("RGB", "RGBA"),
}
TURNED = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")
TABLE = [
    (kind, mode, orientation)
    for kind, modes in MODES.items()
    for mode, orientation in itertools.product(modes, range(1, 9) if kind in TURNED else (1,))
]


def file_of(kind, mode, orientation):
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    colors, opacity = (turned(x, orientation) for x in expected_samples(mode))
    if mode.startswith("16"):
        write = {"PNG": png, "TIFF": tiff}[kind]
        return write(colors, opacity if mode.endswith("A") else None, "L" in mode, orientation)
    return by_pillow(kind, mode, colors, opacity, orientation)


@pytest.mark.parametrize("depth", [8, 16, "own"])
@pytest.mark.parametrize(("kind", "mode", "orientation"), TABLE)
def test_reading(kind, mode, orientation, depth):
    picture = decode_picture(file_of(kind, mode, orientation), "it", depth=depth)
    colors, opacity = expected_samples(mode)

    has_16_bits = mode.startswith("16")
    assert picture.own_depth == (16 if has_16_bits else 8)
    assert picture.pixels.dtype == (np.uint16 if depth == 16 or (depth == "own" and has_16_bits) else np.uint8)
    assert picture.pixels.shape == (24, 40, 3)
    seen = opacity > 0
    lossy = {"JPEG": 3, "AVIF": 4, "HEIF": 4}.get(kind, 0)
    step = 65535 if has_16_bits and depth != 8 else 255
    wrong = np.abs(picture.pixels / white(picture.pixels) - colors)[seen] * step
    if mode in ("P", "P+"):
        lossy = 2  # quantizing may move a color
    if lossy:  # ringing at the edges of the blocks
        assert np.median(wrong) <= lossy and np.percentile(wrong, 90) <= 4 * lossy, (np.median(wrong), wrong.max())
    else:
        assert wrong.max() <= 0.501
    if opacity.min() == 1:
        assert picture.alpha is None
    else:
        assert picture.alpha.dtype == picture.pixels.dtype
        wrong = np.abs(picture.alpha / white(picture.alpha) - opacity) * step
        assert wrong.max() <= (0.501 if not lossy or mode == "P+" else 4)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize(("suffix", "bits"), [(".png", 16), (".tif", 16), (".png", 8), (".tif", 8), (".webp", 8)])
def test_writing(suffix, bits, alpha):
    rng = np.random.default_rng(3)
    kind = np.uint16 if bits == 16 else np.uint8
    most = np.iinfo(kind).max
    pixels = rng.integers(0, most + 1, (21, 34, 3), dtype=kind)
    opacity = rng.integers(1, most + 1, (21, 34), dtype=kind) if alpha else None
    data = encode_picture(Picture(pixels, opacity, Metadata(exif=exif_of(1))), f"it{suffix}")

    import pyvips  # another library than the one that writes 8 bits

    again = pyvips.Image.new_from_buffer(data, "")
    assert again.format == ("ushort" if bits == 16 else "uchar")
    samples = again.numpy()
    assert samples.shape == (21, 34, 3 + alpha)
    if suffix != ".webp":
        np.testing.assert_array_equal(samples[..., :3], pixels)
    if alpha:
        np.testing.assert_array_equal(samples[..., 3], opacity)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(Image.open(io.BytesIO(data)).info["icc_profile"]))
    assert ImageCms.getProfileDescription(profile).startswith("sRGB")
    assert Image.open(io.BytesIO(data)).getexif()[0x010F] == "Zorki"


def test_16_bits_are_rounded_for_a_format_of_8(tmp_path):
    gray = np.full((16, 16, 3), 128 * 257 + 100, np.uint16)
    for suffix in (".jpg", ".bmp", ".webp"):
        (tmp_path / f"it{suffix}").write_bytes(encode_picture(Picture(gray), f"it{suffix}"))
        assert np.abs(load_image(tmp_path / f"it{suffix}").astype(int) - 128).max() <= 1


def test_the_profile_of_a_16_bit_image_is_converted_with_all_bits():
    """Linear light to sRGB's curve: a dark ramp of 1,000 levels keeps more levels than 8 bits have."""
    import pyvips

    ramp = np.repeat(np.arange(1000, 9000, 8, dtype=np.uint16)[None, :, None], 3, axis=2)
    image = pyvips.Image.new_from_array(ramp).copy(interpretation="rgb16")
    linear = ImageCms.ImageCmsProfile(io.BytesIO(_linear_profile()))
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", linear.tobytes())
    picture = decode_picture(image.write_to_buffer(".png"), "it", depth="own")
    x = ramp[0, :, 0] / 65535
    expected = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    assert np.abs(picture.pixels[0, :, 1] / 65535 - expected).max() < 2e-4
    assert len(np.unique(picture.pixels[..., 1])) > 900


def _linear_profile():
    """The sRGB profile with linear curves."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    for i in range(count):
        name, offset, _ = struct.unpack(">4sII", data[132 + 12 * i : 144 + 12 * i])
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            data[offset : offset + 12] = b"curv" + bytes(8)  # no entries: the identity
    return bytes(data).replace(b"s\0R\0G\0B", b"l\0i\0n\0e")  # its name


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_truncated_16_bit_file_is_an_error(kind):
    from impasto.errors import ImageError

    data = file_of(kind, "16RGB", 1)
    with pytest.raises(ImageError, match="damaged or cut short"):
        decode_picture(data[: len(data) // 2], "it", depth="own")


def test_without_libvips_the_upper_bits_are_read(monkeypatch, tmp_path):
    (tmp_path / "it.png").write_bytes(file_of("PNG", "16RGB", 1))
    monkeypatch.setattr(deep, "missing", lambda: "install it")
    picture = read_picture(tmp_path / "it.png", depth="own")
    assert picture.pixels.dtype == np.uint8
    assert picture.own_depth == 16


def test_images_of_16_and_8_bits_are_resized_alike():
    rng = np.random.default_rng(1)
    narrow = rng.integers(90, 160, (40, 30, 3), dtype=np.uint8)  # nothing overshoots white or black
    scaled = resize(narrow.astype(np.uint16) * 257, 17, 23)
    assert np.abs(scaled / 257 - resize(narrow, 17, 23)).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_16_bit_image_is_written_and_read_exactly(tmp_path, suffix):
    rng = np.random.default_rng(2)
    picture = Picture(
        rng.integers(0, 65536, (20, 31, 3), dtype=np.uint16), rng.integers(1, 65536, (20, 31), dtype=np.uint16)
    )
    save_picture(tmp_path / f"it{suffix}", picture)
    again = read_picture(tmp_path / f"it{suffix}", depth="own")
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    np.testing.assert_array_equal(again.alpha, picture.alpha)
