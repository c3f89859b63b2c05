"""Checks a plan without painting."""

import os
from collections.abc import Iterator
from pathlib import Path

from impasto.errors import ImageError, ImpastoError
from impasto.painting.plan import STANDARD, Job, Plan
from impasto.pictures.read import check_source


def check_readable(plan: Plan) -> Iterator[tuple[Job, ImpastoError | None]]:
    """Each job, and the error if its input cannot be opened.

    Raises:
        ImageError: The output folder cannot be made or written to.
    """
    if plan.jobs and plan.jobs[0].target != STANDARD:
        _check_place(plan.jobs[0].target.parent)
    for job in plan.jobs:
        try:
            if job.source != STANDARD:
                check_source(job.source)
        except ImpastoError as reason:
            yield job, reason
        else:
            yield job, None


def _check_place(folder: Path) -> None:
    """Raise ImageError unless this folder is writeable or can be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        what = "cannot be written to" if there.is_dir() else "is not a folder"
        raise ImageError(f"{there}: {what}; choose another output")
