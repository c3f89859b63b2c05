"""Test the papers' claims and write the page.

    python -m experiments [NAME ...] [--data FOLDER] [--quick] [--work FOLDER]

NAME is one of norms, in_use, contrast, few_photos, iterations, samples, why, recipes; all when none is given. The full
budget takes hours on two cores, can be stopped at any time, and goes on where it was; it writes experiments/results and
docs/paper. With --quick everything is tiny and goes to the work folder: it shows that all runs, and nothing else.
"""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

from experiments.lab import FULL, HERE, QUICK, VERSION, Lab, folders
from experiments.page import Plots, render
from impasto.errors import ImpastoError

NAMES = ("norms", "in_use", "contrast", "few_photos", "iterations", "samples", "why", "recipes")
MORE = {
    "norms": ("norms_unlearnt",),
    "contrast": ("contrast_raw", "contrast_long"),
    "few_photos": ("few_photos_steady",),
    "iterations": ("iterations_shown",),
    "samples": ("samples_loud", "samples_apart"),
    "why": ("why_swapped",),
}
"""What belongs to a claim and is measured by a module, into a file, of its own: with it, or named alone."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument(
        "--data",
        type=Path,
        help="folder with content/research, content/open and styles; with --quick and without it the built-in photos",
    )
    parser.add_argument("--quick", action="store_true", help="tiny budgets: shows that everything runs")
    parser.add_argument("--work", type=Path, default=HERE.parent / "runs" / "paper", help="where networks are kept")
    parser.add_argument("--page-only", action="store_true", help="write the page from the results there are")
    options = parser.parse_args()
    alone = [name for more in MORE.values() for name in more]
    if unknown := set(options.names) - {*NAMES, *alone}:
        parser.error(f"unknown claim {', '.join(sorted(unknown))}: choose from {', '.join([*NAMES, *alone])}")
    budget = QUICK if options.quick else FULL
    if options.data is None and not options.quick and not options.page_only:
        parser.error("the full budget needs photos: --data FOLDER; or try --quick")
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {text}", flush=True)

    failed = False
    try:
        lab = None if options.page_only else Lab(options.data, budget, options.work, say)
    except ImpastoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for claim in options.names or NAMES:
        for name in (claim, *MORE.get(claim, ())) if lab else ():
            assert lab is not None
            say(f"claim: {name}")
            started = time.monotonic()
            lab.used.clear()
            try:
                found = importlib.import_module(f"experiments.{name}").measure(lab)
            except ImpastoError as error:  # the other claims are worth having
                print(f"error: {name}: {error}", file=sys.stderr)
                failed = True
                continue
            lab.keep_result(name, found, time.monotonic() - started)
    page, results = folders(budget, options.work)
    sections = []
    for claim in NAMES:
        records = {}
        for file in (results / f"{name}.json" for name in (claim, *MORE.get(claim, ()))):
            record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
            if record is not None and record["origin"]["lab"] != VERSION:
                say(f"{claim}: left out: {file} was made by an older lab")
            elif record is not None:
                records[file] = record
        if results / f"{claim}.json" in records:
            all_found = {key: value for record in records.values() for key, value in record["found"].items()}
            section = importlib.import_module(f"experiments.{claim}").report(all_found, Plots(page))
            sections.append((claim, section, records))
    files = "../../experiments/results" if budget.name == "full" else "../results"
    data = f" --data {options.data}" if options.data else ""
    arguments = f"--quick --work {options.work}{data}" if options.quick else "--data DATA"
    say(f"page: {render(page, sections, f'python -m experiments {arguments}', files, NAMES, budget)}")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped: the same command goes on", file=sys.stderr)
        sys.exit(130)
