"""Expected values are computed from the standards here: BT.2100 (PQ, HLG), IEC 61966-2-1 (sRGB), BT.2087 (matrices)."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from impasto.pictures.color_spaces import ColorSpace, from_code_points
from impasto.pictures.decode import decode_picture
from tests.pictures.images import chunk, encoded, png_file, smooth

BT709_TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087
SRGB_TO_P3 = np.array([[0.82246, 0.17754, 0], [0.03319, 0.96681, 0], [0.01708, 0.07240, 0.91052]])
PHOTO = smooth()


def light(srgb):
    v = srgb / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def srgb(linear):
    x = linear.clip(0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def pq(nits):
    y = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg(relative):
    """HLG values of light relative to 203 cd/m2, on a display of 1000 cd/m2: inverse OOTF, then OETF."""
    display = relative * 203 / 1000
    luminance = np.maximum(display @ np.array([0.2627, 0.6780, 0.0593]), 1e-9)[..., None]
    scene = display * luminance ** (1 / 1.2 - 1)
    logarithm = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), logarithm)


def samples(values, kind=np.uint16):
    return np.rint(values.clip(0, 1) * np.iinfo(kind).max).astype(kind)


def cicp(*codes):
    return chunk(b"cICP", bytes(codes))


def gama(value):
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def error(data, expected=PHOTO, depth=8):
    picture = decode_picture(data, "it", depth=depth)
    scale = 257 if picture.pixels.dtype == np.uint16 else 1
    return np.abs(picture.pixels / scale - expected).max()


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("depth", [8, "own"])
def test_sdr_content_in_an_hdr_png_comes_back(transfer, depth):
    wide = light(PHOTO) @ BT709_TO_2020.T
    values = samples(pq(wide * 203) if transfer == 16 else hlg(wide))
    data = png_file(values, cicp(9, transfer, 0, 1))
    assert error(data, depth=depth) <= 1
    assert decode_picture(data, "it").notes == ("is HDR: highlights are compressed to fit sRGB",)


def test_an_hdr_png_of_8_bits_comes_close():
    wide = light(PHOTO) @ BT709_TO_2020.T
    picture = decode_picture(png_file(samples(pq(wide * 203), np.uint8), cicp(9, 16, 0, 1)), "it")
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < 1.5


def test_without_libvips_an_hdr_png_comes_close(monkeypatch):
    from impasto.pictures import sixteen_bits

    monkeypatch.setattr(sixteen_bits, "missing", lambda: "install it")
    wide = light(PHOTO) @ BT709_TO_2020.T
    picture = decode_picture(png_file(samples(pq(wide * 203)), cicp(9, 16, 0, 1)), "it")
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < 1.5


@pytest.mark.parametrize("transfer", [16, 18])
def test_highlights_are_compressed_in_order_and_keep_their_hue(transfer):
    ramp = np.linspace(0.01, 4.5, 300)[None, :, None] * np.array([1.0, 0.5, 0.25])
    wide = np.repeat(ramp, 8, axis=0) @ BT709_TO_2020.T
    values = samples(pq(wide * 203) if transfer == 16 else hlg(wide))
    pixels = decode_picture(png_file(values, cicp(9, transfer, 0, 1)), "it", depth="own").pixels[4]
    assert (np.diff(pixels.astype(int), axis=0) >= -2).all()  # brighter stays brighter
    assert pixels[:, 0].max() > 64000  # up to white
    assert np.unique(pixels[200:, 0]).size > 60  # highlights keep differences
    linear = light(pixels / 257)
    assert np.abs(linear[150:, 1] / linear[150:, 0] - 0.5).max() < 0.02
    dark = ramp[0, :, 0] < 0.5
    assert np.abs(linear[dark] - ramp[0, dark]).max() < 0.005  # below the knee nothing changes


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_display_p3_by_code_points(depth):
    data = png_file(samples(srgb(light(PHOTO) @ SRGB_TO_P3.T), depth), cicp(12, 13, 0, 1))
    assert error(data) <= (1 if depth is np.uint16 else 9)  # 8 bits are coarse where it is dark
    assert decode_picture(data, "it").notes == ()


@pytest.mark.parametrize("codes", [(1, 13, 0, 1), (2, 2, 0, 1), (99, 13, 0, 1), (1, 77, 0, 1)])
def test_srgb_and_unknown_code_points_change_nothing(codes):
    assert error(png_file(PHOTO, cicp(*codes))) == 0


def test_narrow_range():
    values = np.rint(16 + PHOTO / 255 * 219).astype(np.uint8)
    assert error(png_file(values, cicp(1, 13, 0, 0))) <= 1


def test_a_gamma_of_one_is_linear_light():
    assert error(png_file(samples(light(PHOTO)), gama(1.0))) <= 1
    assert error(png_file(samples(light(PHOTO)), gama(1.0)), depth="own") < 0.3
    picture = decode_picture(png_file(samples(light(PHOTO), np.uint8), gama(1.0)), "it")
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < 1


@pytest.mark.parametrize("exponent", [1 / 1.8, 1 / 2.8, 0.8])
def test_other_gammas(exponent):
    assert error(png_file(samples(light(PHOTO) ** exponent), gama(exponent))) <= 1


@pytest.mark.parametrize("value", [0.45455, 0.45, 0.46])
def test_the_gamma_of_srgb_changes_nothing(value):
    assert error(png_file(PHOTO, gama(value))) == 0


def test_gray_palette_and_transparent_pngs_have_a_gamma_too():
    linear = samples(light(PHOTO), np.uint8)
    for image in (
        Image.fromarray(linear[..., 1]),
        Image.fromarray(np.repeat(linear[..., 1:2], 3, 2)).quantize(256),
        Image.fromarray(np.dstack([linear, np.full((48, 64), 200, np.uint8)])),
    ):
        plain = encoded(image, "PNG")
        picture = decode_picture(plain[:33] + gama(1.0) + plain[33:], "it")
        assert np.abs(picture.pixels[..., 1].astype(int) - PHOTO[..., 1]).mean() < 1.5
        if image.mode == "RGBA":
            assert (picture.alpha == 200).all()  # opacity has no gamma


def test_primaries_of_a_png_are_used():
    chrm = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
    values = samples(srgb(light(PHOTO) @ SRGB_TO_P3.T))
    assert error(png_file(values, gama(0.45455), chrm)) <= 1
    assert error(png_file(values, chrm)) <= 1


def test_the_white_of_a_png_becomes_white():
    chrm = chunk(b"cHRM", struct.pack(">8I", 34570, 35850, 64000, 33000, 30000, 60000, 15000, 6000))  # D50
    white = np.full((8, 8, 3), 255, np.uint8)
    assert error(png_file(white, chrm), 255) <= 1


def profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def iccp():
    return chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile()))


@pytest.mark.parametrize("winner", [lambda: chunk(b"sRGB", b"\0"), iccp, lambda: cicp(1, 13, 0, 1)])
@pytest.mark.parametrize("first", [False, True])
def test_a_better_chunk_wins_over_gamma_and_primaries(winner, first):
    loser = [gama(1.0), chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))]
    chunks = [winner(), *loser] if first else [*loser, winner()]
    assert error(png_file(PHOTO, *chunks)) == 0


def test_a_profile_that_cannot_be_read_does_not_win():
    broken = chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"not a profile"))
    assert error(png_file(samples(light(PHOTO)), broken, gama(1.0))) <= 1


def test_code_points_win_over_a_profile():
    wide = light(PHOTO) @ BT709_TO_2020.T
    assert error(png_file(samples(pq(wide * 203)), cicp(9, 16, 0, 1), iccp())) <= 1


@pytest.mark.parametrize(
    "bad",
    [
        chunk(b"gAMA", bytes(4)),
        chunk(b"gAMA", b"\xff\xff\xff\xff"),
        chunk(b"cHRM", bytes(32)),
        chunk(b"cHRM", struct.pack(">8I", *[33000] * 8)),
        chunk(b"cICP", b"\x09"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_chunks_that_make_no_sense_are_ignored(bad):
    assert error(png_file(PHOTO, bad)) == 0


def heic(values, primaries, transfer):
    heif = pytest.importorskip("pillow_heif")
    mode = "RGB;16" if values.dtype == np.uint16 else "RGB"
    file = io.BytesIO()
    image = heif.from_bytes(mode, (values.shape[1], values.shape[0]), np.ascontiguousarray(values).tobytes())
    image.save(file, quality=98, chroma=444, save_nclx_profile=True, matrix_coefficients=1, full_range_flag=1)
    return with_code_points(file.getvalue(), primaries, transfer)


def with_code_points(data, primaries, transfer):
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_in_heic(transfer):
    wide = light(PHOTO) @ BT709_TO_2020.T
    values = samples(pq(wide * 203) if transfer == 16 else hlg(wide))
    picture = decode_picture(heic(values, 9, transfer), "it")
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < 4
    assert "is HDR" in picture.notes[0]


def test_display_p3_in_heic_without_a_profile():
    picture = decode_picture(heic(samples(srgb(light(PHOTO) @ SRGB_TO_P3.T), np.uint8), 12, 13), "it")
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < 4


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_in_avif(transfer):
    wide = light(PHOTO) @ BT709_TO_2020.T
    values = samples(pq(wide * 203) if transfer == 16 else hlg(wide), np.uint8)
    data = with_code_points(encoded(values, "AVIF", quality=100, subsampling="4:4:4"), 9, transfer)
    picture = decode_picture(data, "it")
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < 5
    assert "is HDR" in picture.notes[0]


def test_an_hdr_profile_with_code_points():
    """An ICC profile of version 4.4 may name PQ by a cicp tag; it goes before the curves of the profile."""
    own = bytearray(profile())
    count = int.from_bytes(own[128:132])
    table_end = 132 + 12 * count
    body = own[table_end:]
    table = bytearray()
    for at in range(132, table_end, 12):
        name, start, length = struct.unpack(">4sII", own[at : at + 12])
        table += struct.pack(">4sII", name, start + 12, length)
    table += struct.pack(">4sII", b"cicp", len(own) + 12, 12)
    made = own[:128] + struct.pack(">I", count + 1) + table + body + b"cicp\0\0\0\0" + bytes([9, 16, 0, 1])
    made[0:4] = struct.pack(">I", len(made))
    wide = light(PHOTO) @ BT709_TO_2020.T
    file = encoded(samples(pq(wide * 203), np.uint8), "PNG", icc_profile=bytes(made))
    picture = decode_picture(file, "it")
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < 1.5


def test_strips_do_not_show():
    tall = np.random.default_rng(0).integers(0, 65536, (600, 7, 3)).astype(np.uint16)
    space = from_code_points(9, 16)
    whole = space.to_srgb(tall)
    assert whole.shape == tall.shape and whole.dtype == tall.dtype
    one = ColorSpace(space.primaries, "srgb")
    assert (one.to_srgb(tall)[300:] == one.to_srgb(tall[300:])).all()


@pytest.mark.parametrize("kind", ["JPEG", "MPO"])
def test_gain_map_photos_are_quiet(kind):
    """A JPEG with a second image behind it, as phones write HDR photos: the second is no picture to paint."""
    photo, gain = Image.fromarray(PHOTO), Image.fromarray(PHOTO[..., 0])
    file = io.BytesIO()
    if kind == "MPO":
        photo.save(file, format="MPO", save_all=True, append_images=[gain])
        data = file.getvalue()
    else:
        data = encoded(photo, "JPEG") + encoded(gain, "JPEG")
    picture = decode_picture(data, "it")
    assert picture.frames == 1 and picture.notes == ()
    assert picture.pixels.shape == PHOTO.shape


def test_stereo_photos_hold_two_pictures():
    file = io.BytesIO()
    photo = Image.fromarray(PHOTO)
    photo.save(file, format="MPO", save_all=True, append_images=[photo])
    data = bytearray(file.getvalue())
    start = data.index(struct.pack("<L", 0x030000), data.index(b"MPF\0") + 50)  # the kind of the first of two entries
    for at in (start, start + 16):
        data[at : at + 4] = struct.pack("<L", 0x020002)
    picture = decode_picture(bytes(data), "it")
    assert picture.frames == 2
    assert picture.notes == ("holds 2 pictures: the first is painted",)
