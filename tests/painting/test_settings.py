import pytest

from impasto.errors import UsageError
from impasto.painting.settings import Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"stroke_size": 0.001},
        {"stroke_size": 9},
        {"stroke_size": "big"},
        {"seed": -1},
        {"keep_colors": "all"},
        {"crisp": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        Settings(**wrong)
