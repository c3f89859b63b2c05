import pytest

import impasto
from impasto import errors
from tests.conftest import HAS_TORCH

NEEDS_TORCH = ("train", "gatys", "evaluate")


def test_the_public_names_are_few_and_all_there():
    assert set(impasto.__all__) == {
        *("load", "load_image", "save_image", "styles", "Stylizer", "__version__", "Settings", "paint_regions"),
        *("paint_files", "FileOptions", "BatchResult", "BatchProgress", "evaluate"),
        *("SavedSettings", "read_settings", "write_settings", "style_sheet", "strength_sheet"),
        *("paint_video", "Steady", "VideoOptions", "VideoProgress", "VideoResult"),
        *("ImpastoError", "ImageError", "ModelError", "BackendError", "TrainingError", "UsageError", "VideoError"),
        *("train", "gatys"),
    }
    for name in impasto.__all__:
        assert name in dir(impasto)
        if HAS_TORCH or name not in NEEDS_TORCH:
            assert getattr(impasto, name) is not None
        else:
            with pytest.raises(impasto.TrainingError, match=f"impasto.{name} needs torch: pip install"):
                getattr(impasto, name)


def test_what_is_not_there_is_an_ordinary_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'paint'"):
        _ = impasto.paint


def test_every_error_is_an_impasto_error_and_drawn_in_the_hierarchy():
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(classes) >= 6
    for error in classes:
        assert issubclass(error, errors.ImpastoError)
        assert error.__name__ in errors.__doc__
        assert getattr(impasto, error.__name__) is error


def test_the_three_lines_of_the_docstring_work(tmp_path):
    from tests.conftest import make_photo
    from tests.graphs import write_test_model

    impasto.save_image(tmp_path / "photo.png", make_photo(0))
    stylizer = impasto.load(write_test_model(tmp_path / "wave.onnx"))
    picture = stylizer(impasto.load_image(tmp_path / "photo.png"))
    impasto.save_image(tmp_path / "painted.png", picture)
    assert (impasto.load_image(tmp_path / "painted.png") == 255 - make_photo(0)).all()
