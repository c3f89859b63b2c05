import io

import numpy as np
import pytest
from PIL import Image

import impasto
from impasto import Settings
from impasto.errors import ImageError, UsageError
from impasto.painting.inputs import as_array
from tests.painting.fakes import fake, random_picture

PICTURE = random_picture(20, 31)


def png(image, **options):
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


def test_an_array_is_itself():
    for array in (PICTURE, PICTURE.astype(np.uint16)):
        assert as_array(array) is array
    swapped = as_array(PICTURE.astype(">u2"))
    assert swapped.dtype == np.uint16
    assert (swapped == PICTURE).all()


@pytest.mark.filterwarnings("error")
def test_an_array_of_a_subclass_is_painted_as_an_array():
    assert np.array_equal(fake()(np.ma.array(PICTURE)), fake()(PICTURE))


@pytest.mark.parametrize("name", [None, 5, "", ["udnie"], {5: 1.0}])
def test_what_cannot_name_a_style_is_refused(name):
    for choose in (impasto.load, impasto.load("udnie", variant="fast", threads=1).restyled):
        with pytest.raises(UsageError, match=r"give the name of a style, a file, or styles and their shares, not"):
            choose(name)


def test_files_are_read_as_load_image_reads_them(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(png(Image.fromarray(PICTURE)))
    expected = impasto.load_image(path)
    assert (expected == PICTURE).all()
    with path.open("rb") as stream:
        for source in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), stream):
            assert (as_array(source) == expected).all()
    assert (fake()(path) == PICTURE).all()
    assert (impasto.paint_regions(path, [(fake(), np.full((2, 2), 255, np.uint8))]) == PICTURE).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"])
def test_a_pillow_image_is_what_its_file_is(mode, tmp_path):
    image = Image.fromarray(PICTURE).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(PICTURE[..., 0]))
    path = tmp_path / "saved.tif"
    image.save(path)
    found = as_array(image)
    assert found.shape == PICTURE.shape
    assert np.abs(found.astype(int) - impasto.load_image(path)).max() <= 1


def test_a_pillow_image_is_turned_upright_and_its_transparent_color_is_white():
    image = Image.fromarray(PICTURE)
    image.getexif()[0x0112] = 6
    assert as_array(image).shape == (31, 20, 3)
    assert (as_array(image) == PICTURE[::-1].transpose(1, 0, 2)).all()
    seen_through = Image.open(io.BytesIO(png(Image.new("RGB", (8, 8), (10, 20, 30)), transparency=(10, 20, 30))))
    assert (as_array(seen_through) == 255).all()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (PICTURE / 255, r"got float64 \(20, 31, 3\): of values from 0 to 1, give"),
        (PICTURE.astype(np.int64), "give a.astype"),
        (PICTURE[..., 0], "of a gray picture, give numpy.repeat"),
        (PICTURE[..., :1], "of a gray picture, give numpy.repeat"),
        (np.concatenate([PICTURE, PICTURE[..., :1]], axis=2), r"of RGBA, give a\[..., :3\]"),
        (PICTURE.transpose(2, 0, 1), r"give a.transpose\(1, 2, 0\)"),
        (PICTURE[np.newaxis], "one picture at a time"),
        (PICTURE[:0], "it is empty"),
        (PICTURE.astype(object), "expected a picture, uint8"),
        (PICTURE > 100, "expected a picture, uint8"),
    ],
)
def test_other_arrays_are_refused_with_what_makes_a_picture_of_them(array, message):
    with pytest.raises(ImageError, match=message):
        fake()(array)


def test_what_the_messages_say_works():
    gray, rgba, floats = PICTURE[..., 0], np.dstack([PICTURE, PICTURE[..., 0]]), PICTURE / 255
    assert (as_array(np.repeat(gray.reshape(*gray.shape[:2], 1), 3, axis=2))[..., 2] == gray).all()
    assert (as_array(rgba[..., :3]) == PICTURE).all()
    assert (as_array((255 * floats).round().astype(np.uint8)) == PICTURE).all()


@pytest.mark.parametrize("thing", [None, 5, [1, 2], {"a": 1}, object(), PICTURE.tolist()])
def test_other_objects_are_refused(thing):
    with pytest.raises(ImageError, match=r"expected a picture \(an array uint8 or uint16"):
        fake()(thing)


def test_a_tensor_is_told_how_to_become_an_array():
    torch = pytest.importorskip("torch")
    with pytest.raises(ImageError, match=r"got torch\.Tensor: of a float tensor .*permute\(1, 2, 0\)"):
        fake()(torch.zeros(3, 8, 8))


def test_files_that_are_no_picture_are_image_errors(tmp_path):
    closed = io.BytesIO(png(Image.fromarray(PICTURE)))
    closed.close()
    cut = Image.open(io.BytesIO(png(Image.fromarray(random_picture(90, 90)))[:-3000]))
    for thing in (tmp_path / "missing.png", tmp_path, "", b"", b"text", io.StringIO("text"), closed, cut):
        with pytest.raises(ImageError) as caught:
            fake()(thing)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [0.5, None, {"strength": 0.5}, "strong"])
def test_settings_of_another_type_are_refused(settings):
    with pytest.raises(UsageError, match=r"settings must be impasto\.Settings, as Settings\(strength=0\.5\), not"):
        fake()(PICTURE, settings)
    with pytest.raises(UsageError, match=r"settings must be impasto\.Settings"):
        impasto.paint_regions(PICTURE, [(fake(), np.zeros((2, 2), np.uint8))], settings)


@pytest.mark.parametrize("regions", [[fake()], [(np.zeros((2, 2), np.uint8), fake())], [(fake(),)], [5]])
def test_regions_of_another_kind_are_refused(regions):
    with pytest.raises(UsageError, match="a region is a stylizer and its mask"):
        impasto.paint_regions(PICTURE, regions)


@pytest.mark.parametrize("shape", [(1, 1), (20, 31), (512, 300), (700, 600)])
@pytest.mark.parametrize("settings", [Settings(), Settings(stroke_size=0), Settings(crisp=True)])
def test_results_are_in_c_order(shape, settings):
    for picture in (random_picture(*shape), random_picture(*shape[::-1]).transpose(1, 0, 2)):
        for painted in (
            fake()(picture, settings),
            impasto.paint_regions(picture, [(fake(), np.full((2, 2), 255, np.uint8))], settings),
        ):
            assert painted.flags.c_contiguous
            assert painted.flags.writeable
            assert painted.shape == picture.shape


@pytest.mark.parametrize("mode", ["RGBa", "La", "HSV"])
def test_pillow_images_of_modes_without_a_file_are_read(mode):
    plain = Image.fromarray(PICTURE).convert("L").convert("RGB")
    image = plain.convert("LA" if mode == "La" else "RGBA").convert(mode) if mode != "HSV" else plain.convert(mode)
    assert np.abs(as_array(image).astype(int) - np.asarray(plain)).max() <= 1


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_an_empty_pillow_image_is_refused(size):
    with pytest.raises(ImageError, match="is empty"):
        as_array(Image.new("RGB", size))
