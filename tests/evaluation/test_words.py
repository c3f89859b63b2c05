import pytest

from impasto.evaluation.words import describe

GOOD = {
    "style_distance": 0.3,
    "broad": 0.5,
    "form": 0.7,
    "sharp": 1.0,
    "noise_change": 1.0,
    "contrast_change": 1.0,
}


def test_a_good_picture_takes_two_sentences():
    assert describe(**GOOD) == "Style: strong, in large strokes. Subject: clear."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"style_distance": 0.9, "broad": 0.95}, "Style: hardly there, in fine strokes only. Subject: clear."),
        ({"form": 0.95}, "Style: strong, in large strokes. Subject: lost."),
        ({"sharp": 0.2}, "Style: strong, in large strokes. Subject: clear. The picture is soft."),
        ({"noise_change": 5.0}, "Style: strong, in large strokes. Subject: clear. Camera noise changes it."),
        (
            {"contrast_change": 5.0},
            "Style: strong, in large strokes. Subject: clear. The photo's contrast changes it.",
        ),
    ],
)
def test_each_fault_is_named(changes, words):
    assert describe(**{**GOOD, **changes}) == words


def test_what_is_no_number_is_not_called_good():
    assert describe(**{**GOOD, "form": float("nan")}).endswith("Subject: not measured.")
