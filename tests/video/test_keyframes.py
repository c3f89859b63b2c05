import json

import pytest

from impasto.errors import UsageError
from impasto.video.keyframes import read_keyframes


def written(tmp_path, data):
    path = tmp_path / "keys.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_strength_changes_evenly_between_times_and_stays_outside_them(tmp_path):
    keys = read_keyframes(written(tmp_path, {"strength": {"3": 1.0, "1": 0.5}}))
    assert [keys.strength_at(t, 9) for t in (0, 1, 2, 3, 4)] == [0.5, 0.5, 0.75, 1.0, 1.0]
    assert keys.mix_at(0) is None


def test_a_mixture_moves_from_style_to_style_and_its_shares_sum_to_one(tmp_path):
    keys = read_keyframes(written(tmp_path, {"mix": {"0": "udnie", "4": {"udnie": 1, "great_wave": 3}}}))
    assert keys.mix_at(0) == {"udnie": 1}
    assert keys.mix_at(2) == pytest.approx({"udnie": 0.625, "great_wave": 0.375})
    assert all(sum(keys.mix_at(t / 7).values()) == pytest.approx(1) for t in range(40))
    assert keys.strength_at(2, 0.3) == 0.3


@pytest.mark.parametrize(
    "data",
    [
        "no json",
        [],
        {},
        {"speed": {"0": 1}},
        {"strength": {"soon": 1}},
        {"strength": {"-1": 1}},
        {"strength": {"0": 3}},
        {"strength": {"0": True}},
        {"mix": {"0": {}}},
        {"mix": {"0": {"udnie": -1}}},
        {"mix": {"0": {"udnie": 0}}},
        {"mix": [1]},
    ],
)
def test_what_makes_no_sense_is_refused_with_the_files_name(tmp_path, data):
    with pytest.raises(UsageError, match=r"keys\.json"):
        read_keyframes(written(tmp_path, data))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"missing\.json"):
        read_keyframes(tmp_path / "missing.json")
