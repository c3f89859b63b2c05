"""Requests about jobs: painting photos, their progress, and their results."""

import asyncio
import tempfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from impasto.web.api_pictures import (
    MEDIA_TYPES,
    event_stream,
    output_format,
    quality_of,
    result_name,
    size_of,
    sse,
)
from impasto.web.jobs import Job
from impasto.web.limits import Refusal
from impasto.web.page import Page, found_session, known_session, page_of
from impasto.web.sessions import Photo, Result, Session, new_id
from impasto.web.styles import safe_file
from impasto.web.uploads import full_disk, read_json
from impasto.web.worker import TaskError, WorkerDied

RESTARTED = "the painting process ended (perhaps there was not enough memory) and was started again"
MOST_STREAMS = 12
"""Number of event streams of one session."""


async def paint(request: Request) -> Response:
    """Paint photos at full size, as a job."""
    page, body = page_of(request), await read_json(request)
    session = known_session(request)
    ids = body.get("photos")
    if not isinstance(ids, list) or not 1 <= len(ids) <= page.limits.files:
        raise Refusal(422, f"photos must be a list of 1 to {page.limits.files} ids")
    photos = [session.photo(id) for id in ids]
    masks = body.get("masks", {})
    if not isinstance(masks, dict):
        raise Refusal(422, "masks must be an object of ids of photos and masks")
    common, format = page.styles.read_options(body, session), output_format(body.get("format", "jpg"))
    own = {id: page.styles.read_options({**body, "mask": mask}, session) for id, mask in masks.items()}
    saving = {"quality": quality_of(body.get("quality", 95)), "size": size_of(body.get("size"))}
    saving["strip"] = body.get("strip") is True
    session.check_room(page.limits)

    async def work(job: Job) -> None:
        for number, photo in enumerate(photos):
            if job.state != "running":
                return
            await _paint_one(page, session, job, photo, own.get(photo.id, common), format, saving)
            if job.state == "running":
                job.progressed(number + 1)

    job = Job("paint", len(photos), session.key, work, lambda job: page.background.kill() if not job.settled else None)
    return JSONResponse({"job": page.board.add(job).id})


async def _paint_one(
    page: Page, session: Session, job: Job, photo: Photo, options: dict[str, Any], format: str, saving: dict[str, Any]
) -> None:
    """Paint one photo of a job, and note its result or failure."""
    target = session.file(f".{format}")
    try:
        session.check_room(page.limits)
        job.changed(message=photo.name)
        arguments = {"path": str(photo.path), "name": photo.name, "options": options, "target": str(target), **saving}
        reply = await page.background.call("paint", arguments)
        assert reply is not None
        size = target.stat().st_size
    except (TaskError, Refusal, OSError) as error:
        target.unlink(missing_ok=True)
        if job.state == "running":
            text = RESTARTED if isinstance(error, WorkerDied) else str(error)
            job.failures.append({"name": photo.name, "error": text})
        return
    name = result_name(photo.name, format)
    result = Result(new_id(), name, target, reply.values["width"], reply.values["height"], size, MEDIA_TYPES[format])
    session.results[result.id] = result
    page.board.add_result(job, result)


async def list_jobs(request: Request) -> Response:
    """The jobs that the session sees."""
    session = found_session(request)
    return JSONResponse([job.record() for job in page_of(request).board.list(session.key if session else "")])


async def show_job(request: Request) -> Response:
    """One job."""
    return JSONResponse(job_of(request).record())


async def follow_job(request: Request) -> Response:
    """Server-sent events with the job at once, and after each change."""
    page, job, session = page_of(request), job_of(request), found_session(request)
    if session is not None and session.streams >= MOST_STREAMS:
        raise Refusal(429, f"{session.streams} event streams of this session are open: close one")

    async def events() -> AsyncIterator[str]:
        records = job.follow()
        closed = asyncio.ensure_future(page.closing.wait())
        if session is not None:
            session.streams += 1
        try:
            while True:
                following = asyncio.ensure_future(anext(records, ...))
                await asyncio.wait({following, closed}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    return
                record = following.result()
                if record is ...:
                    return
                yield ": nothing new\n\n" if record is None else sse("job", record)
        finally:
            closed.cancel()
            if session is not None:
                session.streams -= 1

    return event_stream(events())


async def cancel_job(request: Request) -> Response:
    """Cancel a job; what is done stays."""
    job = job_of(request)
    page_of(request).board.cancel(job)
    return JSONResponse(job.record())


async def show_result(request: Request) -> Response:
    """A result, for download or, with ``inline=1``, to be shown."""
    result = known_session(request).result(request.path_params["id"])
    inline = request.query_params.get("inline") == "1"
    return file_response(safe_file(result.path, result.name), result.name, result.kind, inline=inline)


async def zip_job(request: Request) -> Response:
    """All results of a job as one ZIP file, which is not compressed further."""
    job, session = job_of(request), known_session(request)
    results = [result for result in job.results if result.id in session.results]
    if not results:
        raise Refusal(404, "this job has no result yet")
    session.check_room(page_of(request).limits)

    def write() -> Path:
        with tempfile.NamedTemporaryFile(dir=session.folder, suffix=".zip", delete=False) as file:
            try:
                with zipfile.ZipFile(file, "w") as archive:
                    taken: set[str] = set()
                    for result in results:
                        archive.write(safe_file(result.path, result.name), _free(result.name, taken))
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        return Path(file.name)

    try:
        path = await asyncio.to_thread(write)
    except OSError as error:
        raise full_disk(error) from None
    response = file_response(path, "painted.zip", "application/zip")
    response.background = BackgroundTask(path.unlink, missing_ok=True)
    return response


def job_of(request: Request) -> Job:
    """The job that a request names."""
    session = found_session(request)
    return page_of(request).board.find(request.path_params["id"], session.key if session else "")


def file_response(path: Path, name: str, kind: str, *, inline: bool = False) -> FileResponse:
    """A file under a name that may hold anything."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in " ._-") else "_" for letter in name)
    how = "inline" if inline else "attachment"
    disposition = f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return FileResponse(
        path, media_type=kind, headers={"content-disposition": disposition, "cache-control": "no-store"}
    )


def _free(name: str, taken: set[str]) -> str:
    """A name that no other file of an archive has."""
    stem, dot, suffix = name.rpartition(".")
    number, free = 1, name
    while free.lower() in taken:
        number += 1
        free = f"{stem}_{number}{dot}{suffix}"
    taken.add(free.lower())
    return free
