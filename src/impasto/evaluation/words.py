"""Describes scores in one or two plain sentences."""

import math

STYLE = ((0.35, "strong"), (0.5, "clear"), (0.7, "faint"), (math.inf, "hardly there"))
"""Upper limit of the style distance -> description of the style's presence."""
STROKES = ((0.55, "in large strokes"), (0.7, "in strokes of middle size"), (math.inf, "in fine strokes only"))
"""Upper limit of the broad distance -> description of the strokes."""
FORM = ((0.65, "very clear"), (0.82, "clear"), (0.92, "partly lost"), (math.inf, "lost"))
"""Upper limit of the loss of form -> description of the subject."""
SOFT = 0.5
"""Sharpness relative to the style picture below which a picture is described as soft."""
UNSTEADY = 3.0
"""Change by noise or reduced contrast above which it is mentioned, levels of 255."""


def describe(
    *, style_distance: float, broad: float, form: float, sharp: float, noise_change: float, contrast_change: float
) -> str:
    """A description of a picture's quality by its scores; see docs/measures.md."""
    sentences = [
        f"Style: {_word(STYLE, style_distance)}, {_word(STROKES, broad)}.",
        f"Subject: {_word(FORM, form)}.",
    ]
    if sharp < SOFT:
        sentences.append("The picture is soft.")
    if noise_change > UNSTEADY:
        sentences.append("Camera noise changes it.")
    if contrast_change > UNSTEADY:
        sentences.append("The photo's contrast changes it.")
    return " ".join(sentences)


def _word(steps: tuple[tuple[float, str], ...], value: float) -> str:
    return next((word for limit, word in steps if value <= limit), "not measured")
