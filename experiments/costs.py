"""What it costs to know more, in words and as a table on the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.budget import Budget
from experiments.page import table
from experiments.plan import STEPS, Cost

USED_BY = {"in_use": "norms", "contrast": "norms"}
"""The claims that are measured with the networks of another."""


def cost_of(claim: str, costs: Sequence[Cost]) -> str:
    """What is left of the plan for this claim, in hours of one core."""
    trained_for = USED_BY.get(claim, claim)
    left = [one for one in costs if one.stage.claim == trained_for and one.hours_left > 0]
    if not left:
        return ""
    first, *others = left
    more = sum(one.hours_left for one in others)
    rest = f", and {more:.0f} for the other seeds, widths and objectives" if others else ""
    return ("The networks are those of claim 1. " if claim in USED_BY else "") + (
        f"About {first.hours_left:.1f} hours of one core to bring '{first.stage.title}' to {STEPS} steps{rest}. The "
        "plan above lists each stage. The command continues where it stopped: python -m experiments published --data "
        "DATA."
    )


def cost_of_iterations(found: Mapping[str, Any], budget: Budget) -> str:
    """What claim 5 would cost with the networks of claim 1: optimization from the photo and from noise."""
    seconds = sum(2 * photos * count * found[f"{size}, evaluation"] for size, photos, count in budget.gatys)
    return (
        f"The networks of claim 1, and {seconds / 60:.0f} minutes of Gatys' optimization with the published objective "
        "on the computer of the record; it has not been run with them."
    )


def plan_table(costs: Sequence[Cost], measured: Mapping[str, Any]) -> str:
    """What is trained at the papers' scale, in which order, and how far it is, as HTML."""
    if not costs:
        return ""
    rows = [
        [
            str(number),
            one.stage.title,
            f"{one.seconds:.2f}",
            f"{STEPS} x {len(one.stage.arms)}",
            f"{one.hours:.1f}",
            " and ".join(map(str, one.done)) if any(one.done) else "not begun",
        ]
        for number, one in enumerate(costs, 1)
    ]
    total, left = sum(one.hours for one in costs), sum(one.hours_left for one in costs)
    agreed = [
        f"{name}: objective {100 * abs(ratio - 1):.2f} % apart, cosine between the gradients {cosine:.4f}"
        for name, (ratio, cosine) in measured.get("agreement", {}).items()
    ]
    precise = (
        f"<p>Trained in bfloat16. Compared with float32 on the squares of one step: {'; '.join(agreed)}.</p>"
        if agreed
        else ""
    )
    header = ["", "trained together", "core seconds a step", "steps x networks", "core hours", "steps done"]
    return (
        "<details><summary>The plan at the papers' scale: "
        f"{total - left:.1f} of {total:.0f} core hours are done</summary>{table(header, rows)}{precise}"
        "<p><small>Made by <code>python -m experiments plan</code>; <code>python -m experiments published --data "
        "DATA</code> continues it, and <code>python -m experiments device --data DATA</code> does it on one GPU."
        "</small></p></details>"
    )
