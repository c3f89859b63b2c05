"""Requests about photos: upload, preview, gallery, masks, and painting one picture for another program."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from impasto.pictures.formats import FORMAT_OF_SUFFIX
from impasto.web.limits import Refusal
from impasto.web.page import found_session, known_session, page_of, session_of
from impasto.web.sessions import Photo, Session, new_id
from impasto.web.uploads import check_disk, full_disk, read_file, read_form, read_json, shown_name

MOST_SIDE = 4096
MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "tiff": "image/tiff",
    "jxl": "image/jxl",
}
"""Formats of results, and their media types."""
PREVIEW, UPLOAD, BATCH = 0, 1, 2
"""Priorities of what waits for the painter."""


async def add_photos(request: Request) -> Response:
    """Store photos of the session."""
    page, session = page_of(request), session_of(request)
    session.check_room(page.limits)
    room = page.limits.files - len(session.photos)
    if room <= 0:
        raise Refusal(413, f"{page.limits.files} photos are the limit of a session: delete some first")
    with session.uploading():
        most = page.limits.picture_bytes
        form = await read_form(request, session.folder, page.limits, most_bytes=most, files=min(room, 200))
    records: list[dict[str, Any]] = []
    for upload in form.files:
        try:
            arguments = {"path": str(upload.path), "name": upload.name, "pixels": page.limits.pixels}
            size = (await page.ask("admit", arguments, priority=UPLOAD)).values
        except Refusal as refusal:
            upload.path.unlink(missing_ok=True)
            records.append({"name": upload.name, "error": refusal.text})
            continue
        photo = Photo(new_id(), upload.name, upload.path, size["width"], size["height"], upload.bytes)
        session.photos[photo.id] = photo
        records.append(photo.record())
    page.remember(session)
    return JSONResponse(records)


async def list_photos(request: Request) -> Response:
    """The photos of the session."""
    session = found_session(request)
    return JSONResponse([photo.record() for photo in session.photos.values()] if session else [])


async def show_photo(request: Request) -> Response:
    """A photo as a JPEG without metadata."""
    photo = known_session(request).photo(request.path_params["id"])
    arguments = {"path": str(photo.path), "name": photo.name, "side": side_of(request.query_params.get("side"), 512)}
    reply = await page_of(request).ask("view", arguments, priority=UPLOAD)
    return _picture(reply.block)


async def delete_photo(request: Request) -> Response:
    """Delete a photo."""
    session = known_session(request)
    photo = session.photo(request.path_params["id"])
    del session.photos[photo.id]
    for path in [photo.path, *session.folder.glob(f"{photo.path.stem}.*")]:
        path.unlink(missing_ok=True)
    page_of(request).remember(session)
    return JSONResponse({})


async def add_mask(request: Request) -> Response:
    """Store a mask of the session: a gray picture, 255 is painted."""
    page, session = page_of(request), session_of(request)
    session.check_room(page.limits)
    upload = await read_file(request, session.folder, page.limits, most_bytes=page.limits.mask_bytes, name="mask")
    try:
        block = upload.path.read_bytes()
        size = (await page.ask("check_mask", {"pixels": page.limits.pixels}, block, priority=PREVIEW)).values
    except BaseException:
        upload.path.unlink(missing_ok=True)
        raise
    mask = Photo(new_id(), "mask", upload.path, size["width"], size["height"], upload.bytes)
    session.masks[mask.id] = mask
    for old in list(session.masks)[: -page.limits.files]:
        session.masks.pop(old).path.unlink(missing_ok=True)
    return JSONResponse({"id": mask.id})


async def preview(request: Request) -> Response:
    """A small copy of a photo, painted. Of several requests the newest wins."""
    page, body = page_of(request), await read_json(request)
    session = known_session(request)
    photo, options = session.photo(body.get("photo")), page.styles.read_options(body, session)
    session.previews += 1
    mine = session.previews
    arguments = {
        "path": str(photo.path),
        "name": photo.name,
        "options": options,
        "side": side_of(body.get("side"), 512),
    }
    reply = await page.ask("preview", arguments, priority=PREVIEW, wanted=lambda: session.previews == mine)
    return _picture(reply.block)


async def gallery(request: Request) -> Response:
    """Server-sent events with the photo in every style. A new request ends the older one."""
    page, body = page_of(request), await read_json(request)
    session = known_session(request)
    photo, side = session.photo(body.get("photo")), side_of(body.get("side"), 256)
    session.galleries += 1
    mine = session.galleries

    async def events() -> AsyncIterator[str]:
        for name in page.styles.names():
            if session.galleries != mine:
                yield sse("superseded", {})
                return
            try:
                await thumbnail(request, session, photo, name, side)
            except Refusal as refusal:
                yield sse("thumbnail", {"style": name, "error": refusal.text})
                continue
            yield sse("thumbnail", {"style": name, "url": f"api/photos/{photo.id}/styles/{name}?side={side}"})
        yield sse("done", {})

    return event_stream(events())


async def show_thumbnail(request: Request) -> Response:
    """A photo in one style, as the gallery shows it."""
    session = known_session(request)
    photo, side = session.photo(request.path_params["id"]), side_of(request.query_params.get("side"), 256)
    return _picture(await thumbnail(request, session, photo, request.path_params["name"], side))


async def thumbnail(request: Request, session: Session, photo: Photo, name: str, side: int) -> bytes:
    """A photo in one style, a JPEG. It is painted once, and kept beside the photo."""
    page = page_of(request)
    options = page.styles.read_options({"styles": {name: 1}}, session)
    stamp = page.styles.stamp(name)
    path = photo.path.with_suffix(f".{side}.{name}{stamp}.jpg")
    if path.is_file():
        return path.read_bytes()
    session.check_room(page.limits)
    arguments = {"path": str(photo.path), "name": photo.name, "options": options, "side": side}
    block = (await page.ask("preview", arguments, priority=BATCH)).block
    if session.photos.get(photo.id) is photo:  # it was not deleted in the meantime
        try:
            path.write_bytes(block)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise full_disk(error) from None
        session.thumbnails += len(block)
    return block


async def stylize(request: Request) -> Response:
    """Paint one picture for another program: the picture in, the painted picture out. Nothing is stored."""
    page, query = page_of(request), request.query_params
    settings = {name: _value(query[name]) for name in _SETTINGS if name in query}
    styles = dict.fromkeys(query.getlist("style"), 1.0) or {"": 1.0}
    options = page.styles.read_options(
        {"styles": styles, "settings": settings, "variant": query.get("variant", "best")}, None
    )
    format, quality = output_format(query.get("format", "jpg")), quality_of(_value(query.get("quality", "95")))
    size = size_of(_value(query["size"])) if "size" in query else None
    name, block = await _one_picture(request)
    arguments = {"name": name, "options": options, "pixels": page.limits.pixels, "suffix": f".{format}"}
    reply = await page.ask("stylize", {**arguments, "quality": quality, "size": size}, block, priority=BATCH)
    return Response(reply.block, media_type=MEDIA_TYPES[format])


_SETTINGS = ("strength", "stroke_size", "crisp", "keep_colors", "seed")


async def _one_picture(request: Request) -> tuple[str, bytes]:
    """The name and bytes of the picture in a request: its body, or a file of a form."""
    page = page_of(request)
    folder, most = page.folder / "sessions", page.limits.picture_bytes
    check_disk(folder, page.limits)
    if request.headers.get("content-type", "").startswith("multipart/"):
        form = await read_form(request, folder, page.limits, most_bytes=most, files=1)
        upload = form.files[0]
    else:
        upload = await read_file(request, folder, page.limits, most_bytes=most, name="picture")
    try:
        return upload.name, upload.path.read_bytes()
    finally:
        upload.path.unlink(missing_ok=True)


def output_format(value: object) -> str:
    """A format of results; raises Refusal for another."""
    if value not in MEDIA_TYPES or (value == "jxl" and not has_jxl()):
        raise Refusal(422, f"format must be one of {', '.join(formats())}, not {value!r:.40}")
    assert isinstance(value, str)
    return value


def formats() -> list[str]:
    """The formats that results can have here."""
    return [name for name in MEDIA_TYPES if f".{name}" in FORMAT_OF_SUFFIX and (name != "jxl" or has_jxl())]


def has_jxl() -> bool:
    """Whether JPEG XL can be written."""
    from importlib.util import find_spec

    return find_spec("pillow_jxl") is not None


def quality_of(value: object) -> int:
    """A quality of results; raises Refusal unless it is a whole number from 1 to 100."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100:
        raise Refusal(422, f"quality must be a whole number from 1 to 100, not {value!r:.40}")
    return value


def size_of(value: object) -> int | None:
    """A long side of results; raises Refusal unless it is a whole number from 16 up, or None."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 16 <= value <= 65_500:
        raise Refusal(422, f"size must be a whole number from 16 to 65500 pixels, not {value!r:.40}")
    return value


def result_name(name: str, suffix: str) -> str:
    """The name of the result for a file of this name."""
    stem, _, ending = shown_name(name).rpartition(".")
    return f"{stem or ending}.{suffix}"


def sse(event: str, data: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"event: {event}\ndata: {json.dumps(data)}\n\n"


def event_stream(events: AsyncIterator[str]) -> StreamingResponse:
    """A response of server-sent events."""
    return StreamingResponse(
        events, media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
    )


def _picture(block: bytes) -> Response:
    return Response(block, media_type="image/jpeg")


def side_of(value: object, default: int) -> int:
    """A short side of previews, pixels."""
    if value is None:
        return default
    try:
        side = int(str(value))
    except ValueError:
        side = 0
    if not 16 <= side <= MOST_SIDE:
        raise Refusal(422, f"side must be a whole number from 16 to {MOST_SIDE}, not {value!r:.40}")
    return side


def _value(text: str) -> Any:
    """A value of the query: a number, true or false, or text."""
    try:
        return json.load(io.StringIO(text))
    except ValueError:
        return text
