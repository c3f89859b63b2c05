"""Requests about styles, and about the server itself."""

from dataclasses import asdict
from importlib.util import find_spec

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from impasto import __version__
from impasto.files import TRAINING_DATA
from impasto.painting.settings import Settings
from impasto.web.api_jobs import file_response
from impasto.web.api_pictures import BATCH, formats
from impasto.web.limits import Refusal
from impasto.web.page import found_session, page_of
from impasto.web.styles import SUFFIXES, command_of, settings_file
from impasto.web.uploads import read_json


async def info(request: Request) -> Response:
    """What the server can do, and its limits."""
    limits = page_of(request).limits
    limited = {
        "bytes": limits.picture_bytes,
        "pixels": limits.pixels,
        "files": limits.files,
        "video_bytes": limits.video_bytes,
    }
    record = {"version": __version__, "limits": limited, "features": features(), "formats": formats()}
    return JSONResponse({**record, "defaults": asdict(Settings())})


async def list_styles(request: Request) -> Response:
    """All styles."""
    return JSONResponse(page_of(request).styles.records())


async def show_style(request: Request) -> Response:
    """The picture that a style was learned from, or an example of the style."""
    page, name = page_of(request), request.path_params["name"]
    path = page.styles.picture(name)
    if path is None and name not in page.examples:
        options = page.styles.read_options({"styles": {name: 1}}, None)
        page.examples[name] = (await page.ask("example", {"options": options}, priority=BATCH)).block
    block = page.examples[name] if path is None else path.read_bytes()
    return Response(block, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})


async def rename_style(request: Request) -> Response:
    """Give a style that was learned here another title."""
    title = title_of((await read_json(request)).get("name"))
    name = page_of(request).styles.rename(request.path_params["name"], title)
    return JSONResponse({"name": name, "title": title})


async def delete_style(request: Request) -> Response:
    """Delete a style that was learned here."""
    page_of(request).styles.delete(request.path_params["name"])
    return JSONResponse({})


async def export_style(request: Request) -> Response:
    """The file of a style that was learned here."""
    path = page_of(request).styles.file(request.path_params["name"])
    kind = request.query_params.get("kind")
    if kind not in (None, *SUFFIXES):
        raise Refusal(422, f"kind must be style or model, not {kind!r:.40}")
    if kind is not None and path.suffix != SUFFIXES[kind]:
        raise Refusal(404, "this style is a style file, not a model" if kind == "model" else "this style is a model")
    return file_response(path, path.name, "application/octet-stream")


async def settings(request: Request) -> Response:
    """The settings file of a style and its settings."""
    body = await read_json(request)
    options = page_of(request).styles.read_options(body, found_session(request))
    head = {"content-disposition": 'attachment; filename="impasto.json"'}
    return Response(settings_file(options), media_type="application/json", headers=head)


async def command(request: Request) -> Response:
    """The command line that paints with a style and its settings."""
    body = await read_json(request)
    options = page_of(request).styles.read_options(body, found_session(request))
    return JSONResponse({"command": command_of(options)})


def features() -> dict[str, bool]:
    """What this installation can do."""
    train = find_spec("torch") is not None and find_spec(TRAINING_DATA) is not None
    return {"train": train, "video": find_spec("av") is not None, "camera": True}


def title_of(value: object) -> str:
    """The title of a style; raises Refusal unless it is a short text."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if not 1 <= len(text) <= 60 or not text.isprintable():
        raise Refusal(422, "give the style a name of 1 to 60 characters")
    return text
