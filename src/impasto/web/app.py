"""The application: every address of the server."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from impasto.web import api_jobs, api_pictures, api_styles
from impasto.web.guard import Access, Guard
from impasto.web.limits import Limits, Refusal
from impasto.web.page import Page, found_session, page_of
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
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await page.start()
        try:
            yield
        finally:
            await page.close()

    app = Starlette(
        routes=routes(), lifespan=lifespan, exception_handlers={Refusal: _refused, HTTPException: _not_found}
    )
    app.state.page = page
    return Guard(app, page, access, verbose=verbose)


def routes() -> list[BaseRoute]:
    """All routes."""
    photos, styles, jobs = api_pictures, api_styles, api_jobs
    return [
        Route("/", index),
        Route("/live", live),
        Route("/api/session", delete_session, methods=["DELETE"]),
        Route("/api/info", styles.info),
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
        Route("/api/results/{id}", jobs.show_result),
        Mount("/static", StaticFiles(directory=STATIC, check_dir=False)),
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
    response = FileResponse(STATIC / name, media_type="text/html; charset=utf-8")
    if not is_cookie(request.cookies.get(COOKIE)):
        response.set_cookie(COOKIE, secrets.token_urlsafe(32), httponly=True, samesite="strict", path="/")
    return response


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    headers = {"retry-after": "2"} if error.status in (429, 503) else {}
    if error.status in (408, 413):
        raise error  # the guard ends the connection
    return JSONResponse({"error": error.text}, error.status, headers)


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = {404: "there is no such address", 405: "this address does not take such requests"}
    return JSONResponse({"error": text.get(error.status_code, str(error.detail))}, error.status_code, error.headers)
