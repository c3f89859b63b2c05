"""The description of the HTTP interface in the OpenAPI format."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from impasto import __version__
from impasto.web.api_pictures import MOST_SIDE

_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
_SIDE = {"type": "integer", "minimum": 16, "maximum": MOST_SIDE}
_JPEG = "image/jpeg"
_SETTINGS: dict[str, Any] = {
    "strength": {"type": "number", "minimum": 0, "maximum": 2},
    "stroke_size": {"type": "number", "minimum": 0, "maximum": 8},
    "crisp": {"type": "boolean", "nullable": True},
    "keep_colors": {"type": "string", "nullable": True, "enum": ["luminance", "match", None]},
    "seed": {"type": "integer", "minimum": 0},
}
_OPTIONS: dict[str, Any] = {
    "styles": {"type": "object", "additionalProperties": {"type": "number"}, "description": "names and shares"},
    "settings": {"type": "object", "properties": _SETTINGS},
    "variant": {"type": "string", "enum": ["best", "fast"]},
}
_MASK = {"mask": {"type": "string"}, "invert_mask": {"type": "boolean"}, "mask_blur": {"type": "number"}}
_FORMAT = {
    "format": {"type": "string", "enum": ["jpg", "png", "webp", "avif", "tiff", "jxl"]},
    "quality": {"type": "integer", "minimum": 1, "maximum": 100},
    "size": {"type": "integer", "description": "long side of the result, pixels"},
}
_FILE = {"type": "string", "format": "binary"}
_PHOTO = {
    name: {"type": kind}
    for name, kind in (("id", "string"), ("name", "string"), ("width", "integer"), ("height", "integer"))
}
_JOB = {
    "id": {"type": "string"},
    "kind": {"type": "string", "enum": ["paint", "train", "video"]},
    "state": {"type": "string", "enum": ["queued", "running", "done", "failed", "cancelled"]},
    "done": {"type": "number"},
    "total": {"type": "number"},
    "message": {"type": "string"},
    "seconds_left": {"type": "number", "nullable": True},
    "results": {"type": "array", "items": {"type": "object"}},
    "failures": {"type": "array", "items": {"type": "object"}},
}
_QUERY = [
    {"name": "style", "in": "query", "required": True, "schema": {"type": "string"}},
    *({"name": name, "in": "query", "schema": schema} for name, schema in (_SETTINGS | _FORMAT).items()),
    {"name": "variant", "in": "query", "schema": _OPTIONS["variant"]},
]

Operation = dict[str, Any]


def _json(properties: dict[str, Any], *required: str) -> Operation:
    schema = {"type": "object", "properties": properties, "required": [*required]}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _form(**properties: Any) -> Operation:
    schema = {"type": "object", "properties": {"file": _FILE, **properties}, "required": ["file"]}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _bytes(kind: str) -> Operation:
    return {"required": True, "content": {kind: {"schema": _FILE}}}


def _operation(
    summary: str, answer: str = "application/json", *, body: Operation | None = None, **more: Any
) -> Operation:
    schema: Any = {"type": "object"} if answer == "application/json" else _FILE
    found = {"description": "done", "content": {answer: {"schema": more.pop("schema", schema)}}}
    refused = {"$ref": "#/components/responses/Refused"}
    responses = {"200": found, "default": refused}
    return {"summary": summary, "responses": responses, **({"requestBody": body} if body else {}), **more}


def _object(properties: dict[str, Any]) -> Operation:
    return {"type": "object", "properties": properties}


def _list(item: Operation) -> Operation:
    return {"type": "array", "items": item}


def _in_query(name: str, schema: Any) -> Operation:
    return {"name": name, "in": "query", "schema": schema}


_NEW_JOB = _object({"job": _TEXT})
_EVENTS = "text/event-stream"


def paths() -> dict[str, dict[str, Operation]]:
    """All addresses of the interface, with their methods."""
    found: dict[str, dict[str, Operation]] = {}
    for name, operation in {**_server(), **_styles(), **_photos(), **_painting(), **_jobs(), **_videos()}.items():
        method, path = name.split()
        inside = [
            {"name": part, "in": "path", "required": True, "schema": _TEXT} for part in re.findall(r"{(\w+)}", path)
        ]
        parameters = [*inside, *operation.get("parameters", ())]
        found.setdefault(path, {})[method] = {**operation, "parameters": parameters} if parameters else operation
    return found


def _server() -> dict[str, Operation]:
    return {
        "get /api/info": _operation("What the server can do, and its limits"),
        "get /api/openapi.json": _operation("This description"),
        "delete /api/session": _operation("Delete what this browser has sent and made"),
    }


def _styles() -> dict[str, Operation]:
    learn = _form(name=_TEXT, minutes=_NUMBER, kind={"type": "string", "enum": ["style", "model"]})
    return {
        "get /api/styles": _operation("All styles", schema=_list({"type": "object"})),
        "patch /api/styles/{name}": _operation(
            "Rename a style that was learned here", body=_json({"name": _TEXT}, "name")
        ),
        "delete /api/styles/{name}": _operation("Delete a style that was learned here"),
        "get /api/styles/{name}/picture": _operation("A style's picture, or an example", _JPEG),
        "get /api/styles/{name}/file": _operation(
            "Download a style that was learned here",
            "application/octet-stream",
            parameters=[_in_query("kind", {"enum": ["style", "model"]})],
        ),
        "post /api/train": _operation("Learn the style of a picture, as a job", schema=_NEW_JOB, body=learn),
    }


def _photos() -> dict[str, Operation]:
    return {
        "get /api/photos": _operation("The photos of this session", schema=_list(_object(_PHOTO))),
        "post /api/photos": _operation("Send photos; each is answered with its id or an error", body=_form()),
        "get /api/photos/{id}": _operation("A photo, upright", _JPEG, parameters=[_in_query("side", _SIDE)]),
        "delete /api/photos/{id}": _operation("Delete a photo"),
        "get /api/photos/{id}/styles/{name}": _operation(
            "A photo in one style", _JPEG, parameters=[_in_query("side", _SIDE)]
        ),
        "post /api/masks": _operation("Send a mask: white is painted", body=_bytes("image/png")),
    }


def _painting() -> dict[str, Operation]:
    preview = _json({"photo": _TEXT, **_OPTIONS, **_MASK, "side": _SIDE}, "photo", "styles")
    several = {
        "photos": _list(_TEXT),
        **_OPTIONS,
        **_MASK,
        "masks": {"type": "object", "additionalProperties": _TEXT},
        **_FORMAT,
        "strip": {"type": "boolean", "description": "leave all metadata out"},
    }
    return {
        "post /api/preview": _operation(
            "A small copy of a photo, painted. The newest request wins; the others get 409", _JPEG, body=preview
        ),
        "post /api/gallery": _operation(
            "A photo in every style: events `thumbnail` and `done`",
            _EVENTS,
            body=_json({"photo": _TEXT, "side": _SIDE}, "photo"),
        ),
        "post /api/stylize": _operation(
            "Paint one picture: picture in, picture out. Nothing is stored",
            "image/*",
            parameters=_QUERY,
            body={"required": True, "content": {"image/*": {"schema": _FILE}, **_form()["content"]}},
        ),
        "post /api/settings": _operation("A settings file for `--settings`", body=_json(_OPTIONS, "styles")),
        "post /api/command": _operation("The command line that paints so", body=_json(_OPTIONS, "styles")),
        "post /api/paint": _operation(
            "Paint photos at full size, as a job", schema=_NEW_JOB, body=_json(several, "photos", "styles")
        ),
    }


def _jobs() -> dict[str, Operation]:
    record = _object(_JOB)
    return {
        "get /api/jobs": _operation("All jobs of this session", schema=_list(record)),
        "get /api/jobs/{id}": _operation("A job", schema=record),
        "delete /api/jobs/{id}": _operation("Cancel a job; what is done stays", schema=record),
        "get /api/jobs/{id}/events": _operation("The job now and after each change: events `job`", _EVENTS),
        "get /api/jobs/{id}/zip": _operation("All results of a job", "application/zip"),
        "post /api/jobs/{id}/stop": _operation("End a training now; what is learned stays", schema=record),
        "get /api/jobs/{id}/preview": _operation("The contact sheet of a training", _JPEG),
        "get /api/results/{id}": _operation("A result", "*/*", parameters=[_in_query("inline", {"enum": ["1"]})]),
    }


def _videos() -> dict[str, Operation]:
    frame = {"video": _TEXT, "at": _NUMBER, "side": _SIDE, **_OPTIONS}
    whole = {"video": _TEXT, **_OPTIONS, "steady": _NUMBER, "size": _FORMAT["size"]}
    return {
        "get /api/videos": _operation("The clips of this session", schema=_list({"type": "object"})),
        "post /api/videos": _operation("Send a clip", body=_form()),
        "delete /api/videos/{id}": _operation("Delete a clip"),
        "get /api/videos/{id}/frame": _operation(
            "One frame; `at` is a share of the duration",
            _JPEG,
            parameters=[_in_query("side", _SIDE), _in_query("at", _NUMBER)],
        ),
        "post /api/video-preview": _operation(
            "One frame, painted. The newest request wins", _JPEG, body=_json(frame, "video", "styles")
        ),
        "post /api/video": _operation("Paint a clip, as a job", schema=_NEW_JOB, body=_json(whole, "video", "styles")),
    }


def description() -> dict[str, Any]:
    """The whole description."""
    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    refused = {"description": "refused, with a reason", "content": {"application/json": {"schema": error}}}
    text = (
        "Requests that change something need the header X-Impasto: 1. A session is a cookie, impasto_session, that the "
        "first upload sets. Live: a WebSocket at /api/live takes JSON {styles, settings, steady} and JPEG frames, and "
        "answers each painted frame with 16 bytes (uint32 number, float32 frames a second, float32 seconds, uint32 "
        "dropped, little-endian) and a JPEG."
    )
    return {
        "openapi": "3.0.3",
        "info": {"title": "Impasto", "version": __version__, "description": text},
        "paths": paths(),
        "components": {
            "responses": {"Refused": refused},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


async def show(request: Request) -> Response:
    """The description of the interface."""
    return JSONResponse(description())
