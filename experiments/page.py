"""How results become verdicts, plots, pictures and tables; `layout` makes one page of them."""

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments.lab import EXPLODED, Lab
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.picture import Pixels
from impasto.pictures.write import save_image

COLORS = ("#0b5fa5", "#d1495b", "#2e8b57", "#8d6a9f", "#e08e0b", "#4d4d4d", "#12a5a5", "#9b5a2c")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
VERDICTS = ("holds", "holds in part", "does not hold here", "shown", "not resolved")
"""Of claims and their parts; what only shows something holds nothing."""
PARTS = (
    "A part that compares two sides is not resolved if seeds (of a single seed: photos) contradict each other. A claim "
    "holds if all of its parts hold. It holds in part if at least one part does, even in part. It is not resolved if "
    "all of its parts are not resolved. Otherwise it does not hold here. Parts that are listed beside the "
    "claim do not count."
)

Figure = tuple[str, str]
"""A file beside the page, and what it shows."""


@dataclass(frozen=True)
class Part:
    """One thing that a claim says."""

    name: str
    verdict: str
    measured: str
    """What the verdict comes from."""
    counts: bool = True
    """Whether the claim says it; what does not count is only beside it."""


@dataclass(frozen=True)
class Section:
    """One claim on the page."""

    title: str
    claim: str
    parts: Sequence[Part]
    """Of which the verdict is made; of what only shows something there are none."""
    rule: str
    """When the verdict on a part is which, and what its spread is over."""
    reason: str
    likely: str = ""
    """A likely reason why a claim does not hold in full; shown only then."""
    figures: Sequence[Figure] = field(default_factory=tuple)
    tables: Sequence[str] = field(default_factory=tuple)
    budget: str = "small budget: 800 steps of four 96-pixel squares"
    """How much it was measured with, in a few words."""
    cost: str = ""
    """Of resolving what is not resolved."""
    shown: int = 1
    """How many figures beside the first are shown at once; the others are folded."""
    before: str = ""
    """What was measured with less, as HTML."""
    source: str = ""
    """What makes the numbers of the papers' scale, a sentence."""

    @property
    def verdict(self) -> str:
        """On the whole claim."""
        return combined([part.verdict for part in self.parts if part.counts]) if self.parts else "shown"


class Html(str):
    """Text that is HTML already."""


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def minus(those: Sequence[float], these: Sequence[float]) -> list[float]:
    """Differences, pair by pair; of what exploded there is none."""
    pairs = zip(those, these, strict=True)
    return [EXPLODED if max(that, this) >= EXPLODED else that - this for that, this in pairs]


def spread(terms: Sequence[float]) -> str:
    """Of an objective's terms: see :func:`between`; of what exploded, how many of them did."""
    if exploded := sum(term >= EXPLODED for term in terms):
        return "exploded" if exploded == len(terms) else f"{exploded} of {len(terms)} exploded"
    return between(terms, 3)


def spread_terms(content: Sequence[float], style: Sequence[float], objective: Sequence[float]) -> list[str]:
    """Of the yardstick's three terms."""
    return [spread(content), spread(style), spread(objective)]


def between(values: Sequence[float], digits: int) -> str:
    """The mean, and in brackets the least and greatest; what rounds to nothing has no sign."""
    if len(values) == 1:
        return f"{values[0]:z.{digits}f}"
    return f"{mean(values):z.{digits}f} ({min(values):z.{digits}f} to {max(values):z.{digits}f})"


def ordered(low: Sequence[float], high: Sequence[float]) -> str:
    """How far it is true that ``low`` is below ``high``: each of all, each of its own seed's, or not; or seeds differ.

    Comparing means alone would find a difference in half of all comparisons where there is none.
    """
    if max(low) < min(high):
        return "holds"
    lower = [a < b for a, b in zip(low, high, strict=True)]
    return "holds in part" if all(lower) else "not resolved" if any(lower) else "does not hold here"


def combined(verdicts: Sequence[str]) -> str:
    """The verdict on a claim of several parts: see :data:`PARTS`."""
    if len({*verdicts}) == 1:
        return verdicts[0]
    return "holds in part" if {*verdicts} & {"holds", "holds in part"} else "does not hold here"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """An HTML table; brackets are not broken over lines."""

    def marked(cell: Any) -> str:
        return cell if isinstance(cell, Html) else re.sub(r"(\([^()]*\))", r"<span>\1</span>", html.escape(str(cell)))

    head = "".join(f"<th>{html.escape(str(cell))}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{marked(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def sheet(
    lab: Lab,
    name: str,
    rows: Sequence[Sequence[Pixels]],
    labels: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
) -> None:
    """Save a contact sheet as NAME.jpg beside the page."""
    lab.page.mkdir(parents=True, exist_ok=True)
    framed = [[_framed(picture) for picture in row] for row in rows]
    save_image(lab.page / f"{name}.jpg", contact_sheet(framed, labels=labels, captions=captions, cell=256), quality=85)


def _framed(picture: Pixels) -> Pixels:
    """With a grey line around it: some networks paint white, and so is the sheet."""
    return np.pad(picture, ((2, 2), (2, 2), (0, 0)), constant_values=128)


class Plots:
    """Plots in one style, saved beside the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def curves(
        self,
        name: str,
        lines: Mapping[str, tuple[Sequence[float], Sequence[Sequence[float]]]],
        *,
        x: str,
        y: str,
        title: str = "",
        over: str = "seeds",
        log: Literal["", "x", "y"] = "",
        levels: Mapping[str, Sequence[float]] | None = None,
        top: float | None = None,
    ) -> Figure:
        """Means over seeds (or what ``over`` says) with the band from least to greatest; levels are drawn across.

        What lies above ``top`` is left out of the picture.
        """
        named = {"x": x, "y": y}
        if log:
            named[log] += " (log scale)"
        figure, axes = self._axes(named["x"], named["y"], title)
        band = min(0.18, 0.5 / len(lines))  # many bands over each other are a fog
        for (label, (xs, seeds)), color, marker in zip(lines.items(), cycle(COLORS), cycle(MARKERS), strict=False):
            columns = [[v for v in column if v < EXPLODED] or [math.nan] for column in zip(*seeds, strict=True)]
            every = max(1, len(columns) // 12)
            axes.plot(xs, [mean(c) for c in columns], color=color, marker=marker, markevery=every, ms=4, label=label)
            axes.fill_between(xs, [min(c) for c in columns], [max(c) for c in columns], color=color, alpha=band, lw=0)
        dashes = ("--", "-.", ":", (0, (6, 1)))
        for (label, level), color, dash in zip(
            (levels or {}).items(), cycle(COLORS[::-1]), cycle(dashes), strict=False
        ):
            axes.axhline(mean(level), color=color, ls=dash, lw=1.2, label=label)
            axes.axhspan(min(level), max(level), color=color, alpha=0.1, lw=0)
        if log:
            axes.set(**{f"{log}scale": "log"})
        if top is not None:
            axes.set_ylim(top=top)
        if log == "x":
            axes.set_xticks([*next(iter(lines.values()))[0]])
            axes.xaxis.set_major_formatter("{x:g}")
        if log == "y":
            axes.yaxis.set_major_locator(_log_ticks(*axes.get_ylim()))
            axes.yaxis.set_major_formatter("{x:.3g}")
        axes.minorticks_off()
        caption = f"{title + ': ' if title else ''}{y} against {x}; mean and range over {over}."
        return self._saved(figure, name, caption + " What is higher is left out." * (top is not None))

    def points(
        self, name: str, groups: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str, title: str = ""
    ) -> Figure:
        """Groups of points."""
        figure, axes = self._axes(x, y, title)
        for (label, points), color, marker in zip(groups.items(), cycle(COLORS), cycle(MARKERS), strict=False):
            axes.scatter(*zip(*points, strict=True), color=color, marker=marker, label=label)
        return self._saved(figure, name, f"{y} against {x}, one point a seed.")

    def _axes(self, x: str, y: str, title: str) -> tuple[Any, Any]:
        from matplotlib.figure import Figure as Canvas  # its own canvas: no window system, no global state

        figure = Canvas(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        axes.set(xlabel=x, ylabel=y, title=title)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        return figure, axes

    def _saved(self, figure: Any, name: str, caption: str) -> Figure:
        # Below the axes it hides nothing; matplotlib's search for the best place is slow, and warns of it.
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
        self.folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(self.folder / f"{name}.png", dpi=150, metadata={"Software": None})
        return f"{name}.png", caption


def _log_ticks(low: float, high: float) -> Any:
    """Round numbers, enough of them and not printed over each other."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    if high < 5 * low:
        return MaxNLocator(6, steps=[1, 2, 5, 10])
    return FixedLocator([k * 10.0**n for n in range(-6, 7) for k in (1, 2, 3, 5) if low <= k * 10.0**n <= high])
