"""The description of the HTTP interface in the OpenAPI format."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from impasto import __version__

_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
_SIDE = {"name": "side", "in": "query", "schema": {"type": "integer", "minimum": 16, "maximum": 2048}}
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


def paths() -> dict[str, dict[str, Operation]]:
    """All addresses of the interface, with their methods."""
    jpeg, events, names = "image/jpeg", "text/event-stream", [_ID]
    job = _object({"job": {"type": "string"}})
    record = _object(_JOB)
    return {
        "/api/info": {"get": _operation("What the server can do, and its limits")},
        "/api/openapi.json": {"get": _operation("This description")},
        "/api/session": {"delete": _operation("Delete what this browser has sent and made")},
        "/api/styles": {"get": _operation("All styles", schema={"type": "array", "items": {"type": "object"}})},
        "/api/styles/{name}": {
            "parameters": [_NAME],  # type: ignore[dict-item]  # of all methods
            "patch": _operation(
                "Rename a style that was learned here", body=_json({"name": {"type": "string"}}, "name")
            ),
            "delete": _operation("Delete a style that was learned here"),
        },
        "/api/styles/{name}/picture": {"get": _operation("A style's picture, or an example", jpeg, parameters=[_NAME])},
        "/api/styles/{name}/file": {
            "get": _operation(
                "Download a style that was learned here",
                "application/octet-stream",
                parameters=[_NAME, {"name": "kind", "in": "query", "schema": {"enum": ["style", "model"]}}],
            )
        },
        "/api/photos": {
            "get": _operation("The photos of this session", schema={"type": "array", "items": _object(_PHOTO)}),
            "post": _operation("Send photos; each is answered with its id or an error", body=_form()),
        },
        "/api/photos/{id}": {
            "get": _operation("A photo, upright", jpeg, parameters=[_ID, _SIDE]),
            "delete": _operation("Delete a photo", parameters=names),
        },
        "/api/photos/{id}/styles/{name}": {
            "get": _operation("A photo in one style", jpeg, parameters=[_ID, _NAME, _SIDE])
        },
        "/api/masks": {"post": _operation("Send a mask: white is painted", body=_bytes("image/png"))},
        "/api/preview": {
            "post": _operation(
                "A small copy of a photo, painted. The newest request wins; the others get 409",
                jpeg,
                body=_json(
                    {"photo": {"type": "string"}, **_OPTIONS, **_MASK, "side": _SIDE["schema"]}, "photo", "styles"
                ),
            )
        },
        "/api/gallery": {
            "post": _operation(
                "A photo in every style: events `thumbnail` and `done`",
                events,
                body=_json({"photo": {"type": "string"}, "side": _SIDE["schema"]}, "photo"),
            )
        },
        "/api/stylize": {
            "post": _operation(
                "Paint one picture: picture in, picture out. Nothing is stored",
                "image/*",
                parameters=_QUERY,
                body={"required": True, "content": {"image/*": {"schema": _FILE}, **_form()["content"]}},
            )
        },
        "/api/settings": {"post": _operation("A settings file for `--settings`", body=_json(_OPTIONS, "styles"))},
        "/api/command": {"post": _operation("The command line that paints so", body=_json(_OPTIONS, "styles"))},
        "/api/paint": {
            "post": _operation(
                "Paint photos at full size, as a job",
                schema=job,
                body=_json(
                    {
                        "photos": {"type": "array", "items": {"type": "string"}},
                        **_OPTIONS,
                        **_MASK,
                        "masks": {"type": "object", "additionalProperties": {"type": "string"}},
                        **_FORMAT,
                        "strip": {"type": "boolean", "description": "leave all metadata out"},
                    },
                    "photos",
                    "styles",
                ),
            )
        },
        "/api/jobs": {"get": _operation("All jobs of this session", schema={"type": "array", "items": record})},
        "/api/jobs/{id}": {
            "get": _operation("A job", schema=record, parameters=names),
            "delete": _operation("Cancel a job; what is done stays", schema=record, parameters=names),
        },
        "/api/jobs/{id}/events": {
            "get": _operation("The job now and after each change: events `job`", events, parameters=names)
        },
        "/api/jobs/{id}/zip": {"get": _operation("All results of a job", "application/zip", parameters=names)},
        "/api/jobs/{id}/stop": {
            "post": _operation("End a training now; what is learned stays", schema=record, parameters=names)
        },
        "/api/jobs/{id}/preview": {"get": _operation("The contact sheet of a training", jpeg, parameters=names)},
        "/api/results/{id}": {
            "get": _operation(
                "A result", "*/*", parameters=[_ID, {"name": "inline", "in": "query", "schema": {"enum": ["1"]}}]
            )
        },
        "/api/train": {
            "post": _operation(
                "Learn the style of a picture, as a job",
                schema=job,
                body=_form(
                    name={"type": "string"},
                    minutes={"type": "number"},
                    kind={"type": "string", "enum": ["style", "model"]},
                ),
            )
        },
        "/api/videos": {
            "get": _operation("The clips of this session", schema={"type": "array", "items": {"type": "object"}}),
            "post": _operation("Send a clip", body=_form()),
        },
        "/api/videos/{id}": {"delete": _operation("Delete a clip", parameters=names)},
        "/api/videos/{id}/frame": {
            "get": _operation(
                "One frame; `at` is a share of the duration",
                jpeg,
                parameters=[_ID, _SIDE, {"name": "at", "in": "query", "schema": {"type": "number"}}],
            )
        },
        "/api/video-preview": {
            "post": _operation(
                "One frame, painted. The newest request wins",
                jpeg,
                body=_json(
                    {"video": {"type": "string"}, "at": {"type": "number"}, **_OPTIONS, **_MASK}, "video", "styles"
                ),
            )
        },
        "/api/video": {
            "post": _operation(
                "Paint a clip, as a job",
                schema=job,
                body=_json(
                    {"video": {"type": "string"}, **_OPTIONS, "steady": {"type": "number"}, "size": _FORMAT["size"]},
                    "video",
                    "styles",
                ),
            )
        },
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
