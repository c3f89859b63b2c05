"""Requests about learning a style."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from impasto.web.api_jobs import job_of
from impasto.web.api_pictures import UPLOAD
from impasto.web.api_styles import features, title_of
from impasto.web.limits import Refusal
from impasto.web.page import page_of
from impasto.web.styles import SUFFIXES, Kind
from impasto.web.uploads import check_disk, read_form

MOST_MINUTES = 600
CARD_SIDE = 384
"""Short side of the picture that stays with a style, pixels."""


async def add(request: Request) -> Response:
    """Learn the style of a picture, as a job. It is kept until it ends, even if the server does not run."""
    page = page_of(request)
    if not features()["train"]:
        raise Refusal(501, "learning is not installed: pip install 'impasto[train]'")
    folder = page.folder / "training"
    check_disk(folder, page.limits)
    form = await read_form(request, folder, page.limits, most_bytes=page.limits.picture_bytes, files=1)
    upload = form.files[0]
    try:
        title = title_of(form.fields.get("name") or Path(upload.name).stem[:60])
        minutes, kind = _minutes(form.fields.get("minutes", "10")), _kind(form.fields.get("kind", "style"))
        arguments = {"path": str(upload.path), "name": upload.name}
        await page.ask("admit", {**arguments, "pixels": page.limits.pixels}, priority=UPLOAD)
        card = await page.ask("view", {**arguments, "side": CARD_SIDE}, priority=UPLOAD)
        job = page.trainings.add(title, kind, minutes, upload.path, card.block)
    finally:
        upload.path.unlink(missing_ok=True)
    return JSONResponse({"job": job.id})


async def stop(request: Request) -> Response:
    """End a training now, and keep what it has learned."""
    job = job_of(request)
    page_of(request).trainings.stop(job)
    return JSONResponse(job.record())


async def show_preview(request: Request) -> Response:
    """The contact sheet of a training, a JPEG."""
    job = job_of(request)
    if job.kind != "train":
        raise Refusal(404, "only trainings have a preview")
    return FileResponse(page_of(request).trainings.preview(job), media_type="image/jpeg")


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes <= MOST_MINUTES:
        raise Refusal(422, f"minutes must be a number of more than 0, up to {MOST_MINUTES}, not {text[:40]!r}")
    return minutes


def _kind(text: str) -> Kind:
    for kind in SUFFIXES:
        if kind == text:
            return kind
    raise Refusal(422, f"kind must be style or model, not {text[:40]!r}")
