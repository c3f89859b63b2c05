import io
import struct

import pytest
from PIL import Image, ImageCms

from impasto.pictures.read import load_image
from impasto.pictures.write import save_image
from tests.pictures.images import noise


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_results_have_an_srgb_profile(tmp_path, suffix):
    save_image(tmp_path / f"a{suffix}", noise())
    with Image.open(tmp_path / f"a{suffix}") as written:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(written.info["icc_profile"]))
    assert ImageCms.getProfileDescription(profile).startswith("sRGB")
    assert profile.tobytes()[24:28] == (2000).to_bytes(2) + (1).to_bytes(2)  # not now: equal images give equal files


def swapped_profile():
    """The sRGB profile with the red and green primaries exchanged."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return (
        data.replace(b"rXYZ", b"tmp!")
        .replace(b"gXYZ", b"rXYZ")
        .replace(b"tmp!", b"gXYZ")
        .replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    )


def test_embedded_profile_is_converted_to_srgb(tmp_path):
    Image.new("RGB", (2, 2), (255, 0, 0)).save(tmp_path / "a.png", icc_profile=swapped_profile())
    red, green, _ = load_image(tmp_path / "a.png")[0, 0]
    assert green > 250
    assert red < 5


def test_a_profile_that_is_srgb_only_by_name_is_converted(tmp_path):
    profile = swapped_profile().replace("test".encode("utf-16-be"), "sRGB".encode("utf-16-be"))
    Image.new("RGB", (2, 2), (255, 0, 0)).save(tmp_path / "a.png", icc_profile=profile)
    assert load_image(tmp_path / "a.png")[0, 0, 1] > 250


def linear_gray_profile():
    """A linear gray profile, written by the ICC specification, version 2."""
    text = b"text\0\0\0\0none\0\0\0\0"
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"cprt": text, b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"gray\0" + bytes(79)}
    tags |= {b"wtpt": white, b"kTRC": b"curv" + bytes(8)}
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, 128 + 4 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12x4s", 128 + len(table) + len(body), b"", 0x02400000, b"mntr", b"GRAY", b"XYZ ", b"acsp"
    )
    return header + bytes(28) + white[8:] + bytes(48) + table + body


@pytest.mark.parametrize("alpha", [None, "channel", "one shade"])
def test_the_profile_of_a_gray_image_with_alpha_is_converted(tmp_path, alpha):
    image = Image.new("L", (2, 2), 86)
    options = {"transparency": 3} if alpha == "one shade" else {}
    if alpha == "channel":
        image.putalpha(255)
    image.save(tmp_path / "a.png", icc_profile=linear_gray_profile(), **options)
    assert abs(int(load_image(tmp_path / "a.png")[0, 0, 0]) - 157) <= 1  # sRGB's curve at 86 / 255: 0.614


@pytest.mark.parametrize("profile", [b"not a profile", swapped_profile()[:300]])
def test_a_broken_profile_is_ignored(tmp_path, profile):
    Image.new("RGB", (2, 2), (255, 0, 0)).save(tmp_path / "a.png", icc_profile=profile)
    assert (load_image(tmp_path / "a.png") == (255, 0, 0)).all()


def test_an_srgb_profile_changes_nothing(tmp_path):
    picture = noise()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=profile)
    assert (load_image(tmp_path / "a.png") == picture).all()
