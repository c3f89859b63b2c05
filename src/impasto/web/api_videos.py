"""Requests about clips: upload, one frame, a painted frame, and the whole as a job."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from impasto.web.api_jobs import RESTARTED
from impasto.web.api_pictures import PREVIEW, UPLOAD, result_name, side_of, size_of
from impasto.web.api_styles import features
from impasto.web.jobs import Job
from impasto.web.limits import Refusal
from impasto.web.page import Page, found_session, known_session, page_of, session_of
from impasto.web.sessions import Clip, Result, Session, new_id
from impasto.web.uploads import read_form, read_json
from impasto.web.worker import TaskError, WorkerDied

MOST_CLIPS = 20
STOP_SECONDS = 30.0
"""Time to end a file that is cancelled."""


async def add(request: Request) -> Response:
    """Store a clip of the session."""
    page, session = page_of(request), session_of(request)
    if not features()["video"]:
        raise Refusal(501, "video is not installed: pip install 'impasto[video]'")
    session.check_room(page.limits)
    if len(session.clips) >= MOST_CLIPS:
        raise Refusal(413, f"{MOST_CLIPS} clips are the limit of a session: delete some first")
    with session.uploading():
        most = page.limits.video_bytes
        form = await read_form(request, session.folder, page.limits, most_bytes=most, files=1)
    upload = form.files[0]
    try:
        found = (await page.ask("clip", {"path": str(upload.path), "name": upload.name}, priority=UPLOAD)).values
    except BaseException:
        for left in session.folder.glob(f"{upload.path.stem}.*"):
            left.unlink(missing_ok=True)
        raise
    path = upload.path.with_suffix(found.pop("suffix"))
    clip = Clip(new_id(), upload.name, path, bytes=upload.bytes, **found)
    session.clips[clip.id] = clip
    page.remember(session)
    return JSONResponse(clip.record())


async def show_all(request: Request) -> Response:
    """The clips of the session."""
    session = found_session(request)
    return JSONResponse([clip.record() for clip in session.clips.values()] if session else [])


async def delete(request: Request) -> Response:
    """Delete a clip."""
    session = known_session(request)
    clip = session.clip(request.path_params["id"])
    del session.clips[clip.id]
    clip.path.unlink(missing_ok=True)
    page_of(request).remember(session)
    return JSONResponse({})


async def frame(request: Request) -> Response:
    """One frame of a clip, a JPEG; ``at`` is a share of its duration."""
    clip, query = known_session(request).clip(request.path_params["id"]), request.query_params
    arguments = {"path": str(clip.path), "name": clip.name, "at": _seconds(clip, query.get("at", "0"))}
    side = side_of(query.get("side"), 512)
    reply = await page_of(request).ask("clip_frame", {**arguments, "side": side}, priority=UPLOAD)
    return Response(reply.block, media_type="image/jpeg")


async def preview(request: Request) -> Response:
    """One frame of a clip, painted. Of several requests the newest wins."""
    page, body = page_of(request), await read_json(request)
    session = known_session(request)
    clip, options = session.clip(body.get("video")), page.styles.read_options(body, session)
    session.previews += 1
    mine = session.previews
    arguments = {"path": str(clip.path), "name": clip.name, "at": _seconds(clip, body.get("at", 0)), "options": options}
    arguments["side"] = side_of(body.get("side"), 512)
    reply = await page.ask("clip_preview", arguments, priority=PREVIEW, wanted=lambda: session.previews == mine)
    return Response(reply.block, media_type="image/jpeg")


async def paint(request: Request) -> Response:
    """Paint a clip, as a job. Cancelling keeps the part that is painted."""
    page, body = page_of(request), await read_json(request)
    session = known_session(request)
    clip, options = session.clip(body.get("video")), page.styles.read_options(body, session)
    steady = body.get("steady", 0.5)
    if not isinstance(steady, int | float) or isinstance(steady, bool) or not 0 <= steady <= 1:
        raise Refusal(422, f"steady must be from 0 to 1, not {steady!r:.40}")
    size = size_of(body.get("size"))
    if size is not None:
        size = max(16, round(size * min(clip.width, clip.height) / max(clip.width, clip.height)))
    session.check_room(page.limits)
    film = {"options": options, "steady": steady, "size": size}
    job = Job("video", clip.frames or 0, session.key, lambda job: _work(page, session, job, clip, film), _Cancel(page))
    return JSONResponse({"job": page.board.add(job).id})


class _Cancel:
    """Ends the painting of a clip, which then writes what there is."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def __call__(self, job: Job) -> None:
        if not job.settled:
            job.changed(message="cancelled; what is painted is being written")
            self._page.background.stop()
            asyncio.get_running_loop().call_later(STOP_SECONDS, self._kill, job)

    def _kill(self, job: Job) -> None:
        if not job.settled:
            self._page.background.kill()


async def _work(page: Page, session: Session, job: Job, clip: Clip, film: dict[str, Any]) -> None:
    target = session.file(".mp4")
    job.changed(message=f"preparing {clip.name}")

    def progress(event: dict[str, Any]) -> None:
        if job.state == "running":
            left = event["seconds_left"]
            job.changed(done=event["frames"], total=event["total"] or 0, seconds_left=left, message=clip.name)

    arguments = {"path": str(clip.path), "name": clip.name, "target": str(target), **film}
    try:
        reply = await page.background.call("film", arguments, on_event=progress)
        assert reply is not None
        size = target.stat().st_size
    except (TaskError, OSError) as error:
        target.unlink(missing_ok=True)
        if job.state == "running":
            text = RESTARTED if isinstance(error, WorkerDied) else str(error)
            job.failures.append({"name": clip.name, "error": text})
            job.changed(state="failed", message=text)
        return
    values = reply.values
    name = result_name(clip.name, "mp4")
    result = Result(new_id(), name, target, values["width"], values["height"], size, "video/mp4")
    if session.folder.is_dir():
        session.results[result.id] = result
        page.board.add_result(job, result)
    if values["damaged"]:
        job.failures.append({"name": clip.name, "error": f"{values['damaged']} pieces of it are damaged"})
    if job.state == "running":
        job.changed(done=values["frames"], total=values["frames"], message=" ".join(values["notes"]) or clip.name)


def _seconds(clip: Clip, at: object) -> float:
    """The time of a share of a clip, seconds."""
    try:
        share = float(str(at))
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise Refusal(422, f"at must be from 0 (the first frame) to 1 (the last), not {at!r:.40}")
    return share * (clip.seconds or 0.0)
