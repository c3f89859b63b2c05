"""Compute how well the measures predict which of two pictures people prefer.

    python benchmarks/agreement.py                          the published pairs, benchmarks/blind_pairs.csv
    python benchmarks/agreement.py --csv PAIRS.csv

A row of the file is a pair: style, photo, the two models, each measure of either picture (a_..., b_...), and the side
that each viewer prefers (viewer_1, viewer_2: A, B or tie). A pair's preference is the sum over viewers; pairs without
one are left out. Prints a Markdown table: for each measure alone, the share of pairs in which the picture with the
lower figure is preferred; for a logistic regression over several, the share predicted with the pair left out.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PAIRS = Path(__file__).parent / "blind_pairs.csv"
COMBINED = (("style_distance", "broad", "fine", "form", "sharp"), ("style_distance", "form"))
"""Combined measures, besides all. The first was chosen before any choice was seen; the second after."""
RIDGE = 0.1
"""Weight of the squared coefficients: measures are scaled to deviation 1 first."""


def read(path: Path) -> tuple[list[str], Array, Array]:
    """Names of measures, differences A - B of each (pairs, measures), and preferences: 1 for A, -1 for B."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [key.removeprefix("a_") for key in rows[0] if key.startswith("a_")]
    votes = [sum({"A": 1, "B": -1}.get(row[key], 0) for key in row if key.startswith("viewer_")) for row in rows]
    kept = [(row, vote) for row, vote in zip(rows, votes, strict=True) if vote]
    differences = np.array([[float(row[f"a_{name}"]) - float(row[f"b_{name}"]) for name in names] for row, _ in kept])
    return names, differences, np.array([np.sign(vote) for _, vote in kept], dtype=np.float64)


def fit(x: Array, y: Array) -> Array:
    """Coefficients of a logistic regression without intercept, by Newton's method."""
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-y * (x @ weights)))
        gradient = -(x.T @ (y * (1 - chance))) + RIDGE * len(y) * weights
        curvature = (x.T * (chance * (1 - chance))) @ x + RIDGE * len(y) * np.eye(x.shape[1])
        weights = weights - np.linalg.solve(curvature, gradient)
    return weights


def left_out(x: Array, y: Array) -> float:
    """The share of pairs predicted by a regression over all the others."""
    right = 0.0
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        scale = x[others].std(axis=0) + 1e-12
        right += float(y[i] * (x[i] / scale @ fit(x[others] / scale, y[others])) > 0)
    return right / len(y)


def agreement(x: Array, y: Array) -> float:
    """The share of pairs in which the lower figure is the preferred picture; equal figures count half."""
    signs = -np.sign(x) * y
    return float(((signs > 0) + 0.5 * (signs == 0)).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, default=PAIRS)
    options = parser.parse_args()
    names, x, y = read(options.csv)
    print(f"{len(y)} pairs with a preference; chance is off by {50 / np.sqrt(len(y)):.0f} points (one deviation).\n")
    print("| measure | the lower figure is preferred |\n|---|---|")
    for number, name in enumerate(names):
        print(f"| `{name}` | {agreement(x[:, number], y):.0%} |")
    fitted = []
    for chosen in (*COMBINED, tuple(names)):
        columns = [names.index(name) for name in chosen]
        label = ", ".join(f"`{name}`" for name in chosen) if chosen in COMBINED else "all measures"
        print(f"| regression over {label}, pair left out | {left_out(x[:, columns], y):.0%} |")
        weights = fit(x[:, columns] / (x[:, columns].std(axis=0) + 1e-12), y)
        fitted.append(", ".join(f"`{name}` {weight:+.2f}" for name, weight in zip(chosen, weights, strict=True)))
    for weights_text in fitted:
        print(f"\nCoefficients, differences scaled to deviation 1: {weights_text}")


if __name__ == "__main__":
    main()
