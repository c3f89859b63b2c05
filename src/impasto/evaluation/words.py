"""What measured figures mean, in one or two plain sentences."""

import math

STYLE = ((0.35, "strong"), (0.5, "clear"), (0.7, "faint"), (math.inf, "hardly there"))
"""Up to each style distance: how present the style is."""
STROKES = ((0.55, "in large strokes"), (0.7, "in strokes of middle size"), (math.inf, "in fine strokes only"))
"""Up to each broad distance: how large what was taken over is."""
FORM = ((0.6, "very clear"), (0.72, "clear"), (0.82, "partly lost"), (math.inf, "lost"))
"""Up to each loss of form: how much of the subject is left."""
SOFT = 0.5
"""Sharpness, relative to the style picture, below which a picture is called soft."""
UNSTEADY = 3.0
"""Change of 255 by faint noise or a cut contrast above which a picture is called unsteady."""


def describe(
    *, style_distance: float, broad: float, form: float, sharp: float, noise_change: float, contrast_change: float
) -> str:
    """Sentences that tell how good a picture is, from its measures; see docs/measures.md."""
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
