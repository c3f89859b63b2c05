"""The application: every address of the server."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles

from impasto.web import api_jobs, api_live, api_pictures, api_styles, api_train, api_videos, openapi
from impasto.web.guard import Access, Guard
from impasto.web.limits import Limits, Refusal
from impasto.web.page import NEW_SESSION, Page, found_session, page_of
from impasto.web.sessions import COOKIE, is_cookie

STATIC = Path(__file__).parent / "static"


def make_app(folder: Path, access: Access, limits: Limits | None = None, *, verbose: bool = False) -> Guard:
    """The ASGI application, with its guard.

    Args:
        folder: A folder of its own, see :class:`impasto.web.page.Page`.
        access: Who may use it.
        limits: The limits.
        verbose: Print tracebacks.
    """
    page = Page(folder, limits or Limits(), verbose=verbose)

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[None]:
        await page.start()
        try:
            yield
        finally:
            await page.close()

    # A bare router: Starlette's own application would answer errors before the guard sees them.
    return Guard(Router(routes(), lifespan=lifespan, redirect_slashes=False), page, access, verbose=verbose)


def routes() -> list[BaseRoute]:
    """All routes."""
    photos, styles, jobs, videos, train = api_pictures, api_styles, api_jobs, api_videos, api_train
    return [
        Route("/", index),
        Route("/live", live),
        Route("/api/session", delete_session, methods=["DELETE"]),
        Route("/api/info", styles.info),
        Route("/api/openapi.json", openapi.show),
        Route("/api/styles", styles.list_styles),
        Route("/api/styles/{name}", styles.rename_style, methods=["PATCH"]),
        Route("/api/styles/{name}", styles.delete_style, methods=["DELETE"]),
        Route("/api/styles/{name}/picture", styles.show_style),
        Route("/api/styles/{name}/file", styles.export_style),
        Route("/api/photos", photos.list_photos),
        Route("/api/photos", photos.add_photos, methods=["POST"]),
        Route("/api/photos/{id}", photos.show_photo),
        Route("/api/photos/{id}", photos.delete_photo, methods=["DELETE"]),
        Route("/api/photos/{id}/styles/{name}", photos.show_thumbnail),
        Route("/api/masks", photos.add_mask, methods=["POST"]),
        Route("/api/preview", photos.preview, methods=["POST"]),
        Route("/api/gallery", photos.gallery, methods=["POST"]),
        Route("/api/stylize", photos.stylize, methods=["POST"]),
        Route("/api/settings", styles.settings, methods=["POST"]),
        Route("/api/command", styles.command, methods=["POST"]),
        Route("/api/paint", jobs.paint, methods=["POST"]),
        Route("/api/jobs", jobs.list_jobs),
        Route("/api/jobs/{id}", jobs.show_job),
        Route("/api/jobs/{id}", jobs.cancel_job, methods=["DELETE"]),
        Route("/api/jobs/{id}/events", jobs.follow_job),
        Route("/api/jobs/{id}/zip", jobs.zip_job),
        Route("/api/jobs/{id}/stop", train.stop, methods=["POST"]),
        Route("/api/jobs/{id}/preview", train.show_preview),
        Route("/api/results/{id}", jobs.show_result),
        Route("/api/train", train.add, methods=["POST"]),
        Route("/api/videos", videos.add, methods=["POST"]),
        Route("/api/videos", videos.show_all),
        Route("/api/videos/{id}", videos.delete, methods=["DELETE"]),
        Route("/api/videos/{id}/frame", videos.frame),
        Route("/api/video-preview", videos.preview, methods=["POST"]),
        Route("/api/video", videos.paint, methods=["POST"]),
        WebSocketRoute("/api/live", api_live.stream),
        *([Mount("/static", StaticFiles(directory=STATIC))] if STATIC.is_dir() else []),
    ]


async def index(request: Request) -> Response:
    """The page."""
    page_of(request).warm()
    return _page(request, "index.html")


async def live(request: Request) -> Response:
    """The view of the camera alone."""
    return _page(request, "live.html")


async def delete_session(request: Request) -> Response:
    """Delete what the session has stored."""
    session = found_session(request)
    if session is not None:
        page_of(request).delete(session)
    return JSONResponse({})


def _page(request: Request, name: str) -> Response:
    if not (STATIC / name).is_file():
        raise Refusal(404, "this installation has no page; the HTTP interface works")
    if not is_cookie(request.cookies.get(COOKIE)):
        request.scope[NEW_SESSION] = secrets.token_urlsafe(32)
    return FileResponse(STATIC / name, media_type="text/html; charset=utf-8")
