"""The guard before the application: who may ask, how much a request may hold, and the headers of every response.

A page on another site can make the user's browser send requests to this server. Four rules stop it:

1. The ``Host`` must be a name of this server: a foreign name that resolves to this address (DNS rebinding) is refused.
2. The ``Origin`` of a request that changes something, or of a WebSocket, must be this server's own.
3. A request that changes something needs the header ``X-Impasto: 1``, which no form can send, and other sites may not.
4. There are no CORS headers, and ``Sec-Fetch-Site`` must not say that another site asks for data.

Beyond the loopback interface, a token is needed for everything.
"""

import asyncio
import ipaddress
import json
import logging
import re
import secrets
import socket
import time
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.web.limits import MB, Limits, Refusal
from impasto.web.page import NEW_SESSION, Page
from impasto.web.sessions import COOKIE

_log = logging.getLogger(__name__)

TOKEN_COOKIE = "impasto_token"
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
_HTTP_ERRORS = {404: "there is no such address", 405: "this address does not take such requests"}
DRAIN_SECONDS, DRAIN_BYTES = 1.0, 16 * MB
"""A refused body is read this far, so that the sender sees the reason instead of a broken connection."""
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "style-src 'self'; script-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True)
class Access:
    """Who may use the server.

    Attributes:
        names: Names, besides localhost, by which browsers may address the server.
        token: The token that everybody needs; None on the loopback interface.
    """

    names: frozenset[str] = field(default_factory=frozenset)
    token: str | None = None

    @classmethod
    def on(cls, host: str, names: tuple[str, ...] = ()) -> "Access":
        """The access to a server that listens on this address, and is also called ``names``."""
        own = {name.lower().rstrip(".") for name in names}
        if is_loopback(host):
            return cls(frozenset(own))
        own |= {name.lower() for name in (host, socket.gethostname(), f"{socket.gethostname()}.local")}
        return cls(frozenset(own), secrets.token_urlsafe(24))

    def knows(self, host: str) -> bool:
        """Whether a ``Host`` header, with or without a port, names this server."""
        name = _name_in(host).lower().removesuffix(".")
        if name == "localhost" or name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self.token is not None  # an address cannot be rebound; a name can


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach a server on this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^][\s:/?#@,]+))(?::\d{0,5})?")


def _name_in(host: str) -> str:
    """The name or address in a ``Host`` header, without its port; empty if the header is malformed."""
    found = _HOST.fullmatch(host)
    return "" if found is None else found[1] or found[2]


class Guard:
    """ASGI middleware that applies the rules of this module.

    Args:
        app: The application.
        page: The state of the server.
        access: Who may use it.
        verbose: Log the traceback of unexpected errors.
    """

    def __init__(self, app: ASGIApp, page: Page, access: Access, *, verbose: bool = False) -> None:
        self.app = app
        self.page = page
        self._access = access
        self._limits = page.limits
        self._verbose = verbose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        scope["impasto.page"] = self.page
        scope.setdefault("app", self)  # so that the router raises an error for an address that does not exist
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check(scope, headers)
        except Refusal as refusal:
            await self._refuse(scope, receive, send, refusal)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        if (there := self._with_token(scope)) is not None:
            await _redirect(send, there, _cookie(TOKEN_COOKIE, self._access.token or ""))
            return
        await self._run(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with a limited body and the headers of every response."""
        begun = False
        api = scope["path"].startswith("/api/")

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                found = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    found[name] = value
                found.setdefault("cache-control", "no-store" if api else "no-cache")
                if (cookie := scope.get(NEW_SESSION)) is not None:
                    found.append("set-cookie", _cookie(COOKIE, cookie))
            await send(message)

        body = _Body(receive, self._limits, self._limits.body_bytes(scope["path"]))
        try:
            await self.app(scope, body.receive, with_headers)
        except Refusal as refusal:
            if not begun:
                await self._refuse(scope, receive, send, refusal)
        except ClientDisconnect:  # nobody is there any more
            return
        except HTTPException as error:
            reason = _HTTP_ERRORS.get(error.status_code, str(error.detail))
            await self._refuse(scope, receive, send, Refusal(error.status_code, reason))
        except Exception as error:
            _log.error("impasto: %s %s failed: %r", scope["method"], scope["path"], error, exc_info=self._verbose)
            if not begun:
                text = "an internal error, which the terminal names; please report it"
                await self._refuse(scope, receive, send, Refusal(500, text))

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Raise Refusal for a request that may not be made."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._access.knows(hosts[0]):
            name = hosts[0][:100] if hosts else ""
            raise Refusal(403, f"this server is not called {name!r}; add --allow-host {name or 'NAME'} if it is yours")
        if "\0" in scope["path"]:
            raise Refusal(404, "there is no such address")
        websocket = scope["type"] == "websocket"
        changes = websocket or scope["method"] in CHANGING
        for origin in headers.getlist("origin") if changes else ():
            if origin not in (f"http://{hosts[0]}", f"https://{hosts[0]}"):
                raise Refusal(403, f"a page of {origin[:100]} may not use this server")
        guarded = changes or scope["path"].startswith("/api/")
        if guarded and not {"same-origin", "none"}.issuperset(headers.getlist("sec-fetch-site")):
            raise Refusal(403, "a page of another site may not use this server")
        if not websocket and changes and headers.get("x-impasto") != "1":
            raise Refusal(403, "requests that change something need the header X-Impasto: 1")
        if not self._is_allowed(scope, headers):
            raise Refusal(401, "a token is needed: open the address that `impasto serve` printed")
        length = headers.get("content-length")
        most = self._limits.body_bytes(scope["path"])
        if length is not None and (not length.isdecimal() or len(length) > 15 or int(length) > most):
            raise Refusal(413, f"the request is too large: the limit is {_megabytes(most)}")

    def _is_allowed(self, scope: Scope, headers: Headers) -> bool:
        token = self._access.token
        if token is None:
            return True
        scheme, _, value = headers.get("authorization", "").partition(" ")
        given = [_query_token(scope), value.strip() if scheme.lower() == "bearer" else ""]
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(headers.get("cookie", ""))
        except CookieError:
            cookies.clear()
        if TOKEN_COOKIE in cookies:
            given.append(cookies[TOKEN_COOKIE].value)
        return any(secrets.compare_digest(text.encode(), token.encode()) for text in given)

    def _with_token(self, scope: Scope) -> str | None:
        """The address without its token, for a page that was opened with one; else None.

        It is relative: a proxy may offer the server under a path of its own.
        """
        if self._access.token is None or scope["method"] != "GET" or not _query_token(scope):
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query.pop("token", None)
        rest = urlencode(query, doseq=True)
        last: str = scope["path"].rpartition("/")[2]
        return (quote(last) or ".") + (f"?{rest}" if rest else "")

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4403, "reason": refusal.text[:120]})
            return
        body = json.dumps({"error": refusal.text}).encode()
        head = {"content-type": "application/json", "content-length": str(len(body)), "cache-control": "no-store"}
        if refusal.status in (408, 413):
            head["connection"] = "close"
        if refusal.status in (429, 503):
            head["retry-after"] = "2"
        if (cookie := scope.get(NEW_SESSION)) is not None:
            head["set-cookie"] = _cookie(COOKIE, cookie)
        named = [(name.encode(), value.encode()) for name, value in (HEADERS | head).items()]
        await send({"type": "http.response.start", "status": refusal.status, "headers": named})
        await send({"type": "http.response.body", "body": body, "more_body": refusal.status == 413})
        if refusal.status == 413:
            await _drain(receive)
            await send({"type": "http.response.body", "body": b""})


class _Body:
    """The body of a request, counted and timed while it is read."""

    def __init__(self, receive: Receive, limits: Limits, most: int) -> None:
        self._receive = receive
        self._limits = limits
        self._most = most
        self._bytes = 0
        self._begun = time.monotonic()
        self._ended = False

    async def receive(self) -> Message:
        """The next message; raises Refusal for a body that is too large or too slow."""
        if self._ended:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._limits.chunk_seconds)
        except TimeoutError:
            raise Refusal(408, f"nothing came for {self._limits.chunk_seconds:g} s: send it again") from None
        self._bytes += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._bytes > self._most:
            raise Refusal(413, f"the request is too large: the limit is {_megabytes(self._most)}")
        seconds = time.monotonic() - self._begun
        if not self._ended and seconds > self._limits.chunk_seconds and self._bytes < self._limits.slowest * seconds:
            raise Refusal(408, f"the request comes too slowly, less than {self._limits.slowest:g} bytes a second")
        return message


async def _drain(receive: Receive) -> None:
    """Read and forget what is still sent, for a short time."""
    seen = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while seen < DRAIN_BYTES:
                message = await receive()
                seen += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


async def _redirect(send: Send, where: str, cookie: str) -> None:
    head = HEADERS | {"location": where, "set-cookie": cookie, "content-length": "0", "cache-control": "no-store"}
    named = [(name.encode(), value.encode("latin-1", "ignore")) for name, value in head.items()]
    await send({"type": "http.response.start", "status": 303, "headers": named})
    await send({"type": "http.response.body", "body": b""})


def _cookie(name: str, value: str) -> str:
    return f"{name}={value}; HttpOnly; SameSite=Strict; Path=/"


def _query_token(scope: Scope) -> str:
    text: str = scope["query_string"].decode("latin-1")
    return (parse_qs(text).get("token") or [""])[0]


def _megabytes(size: int) -> str:
    return f"{size / MB:,.0f} MB" if size >= MB else f"{size:,} bytes"
