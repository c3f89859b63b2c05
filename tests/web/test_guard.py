"""Attacks on the server. Each is one that a peer of ours has suffered from, or could."""

from urllib.parse import urljoin

import pytest

from impasto.web.guard import HEADERS, Access, is_loopback
from tests.web.attacks import error_of, send_raw, upgrade
from tests.web.conftest import photo_file, start

# ---- who asks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8020", "127.0.0.1.evil.example", "10.0.0.7", "", "[::2]"]
)
def test_a_name_that_was_rebound_to_this_computer_is_refused(server, host):
    status, _, body = send_raw(server.port, f"GET /api/info HTTP/1.1\nHost: {host}\n")
    assert status == 403
    assert "is not called" in error_of(body)


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "127.0.0.9:99", "[::1]:8020"])
def test_the_names_of_this_computer_are_its_own_with_any_port(server, host):
    assert send_raw(server.port, f"GET /api/info HTTP/1.1\nHost: {host}\n")[0] == 200


@pytest.mark.parametrize(
    "host",
    ["localhost:80@evil.example", "[::1]evil.example", "[::1", "::1", "[::1%lo]", "localhost:a", "localhost..", ""],
)
def test_a_malformed_host_is_refused(server, host):
    assert send_raw(server.port, f"GET /api/info HTTP/1.1\nHost: {host}\n")[0] == 403


def test_two_hosts_are_refused(server):
    assert send_raw(server.port, "GET /api/info HTTP/1.1\nHost: localhost\nHost: evil.example\n")[0] in (400, 403)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:3000", "http://127.0.0.1", "file://"]
)
@pytest.mark.parametrize("path", ["/api/masks", "/api/stylize?style=udnie"])
def test_a_page_of_another_origin_can_change_nothing(server, origin, path):
    head = f"POST {path} HTTP/1.1\nHost: 127.0.0.1:{server.port}\nOrigin: {origin}\nX-Impasto: 1\nContent-Length: 1\n"
    status, headers, body = send_raw(server.port, head, b"x")
    assert status == 403
    assert "may not use this server" in error_of(body)
    assert not [name for name in headers if name.startswith("access-control")]


def test_of_two_origins_each_must_be_ours(server):
    head = "POST /api/settings HTTP/1.1\nHost: localhost\nOrigin: http://localhost\nOrigin: http://evil.example\n"
    assert send_raw(server.port, f"{head}X-Impasto: 1\nContent-Length: 2\n", b"{}")[0] == 403


def test_the_own_origin_may(server):
    host = f"127.0.0.1:{server.port}"
    head = f"DELETE /api/session HTTP/1.1\nHost: {host}\nOrigin: http://{host}\nX-Impasto: 1\n"
    assert send_raw(server.port, head)[0] == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_can_neither_embed_nor_fetch_what_the_interface_gives_but_may_link_to_the_page(server, site):
    host = f"Host: 127.0.0.1:{server.port}\nSec-Fetch-Site: {site}\n"
    assert send_raw(server.port, f"GET /api/styles HTTP/1.1\n{host}")[0] == 403
    assert send_raw(server.port, f"GET / HTTP/1.1\n{host}")[0] in (200, 404)  # 404: this installation has no page


def test_a_form_of_another_site_is_refused_for_it_cannot_send_the_header(server):
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nx\r\n--x--\r\n'
    head = (
        f"POST /api/photos HTTP/1.1\nHost: 127.0.0.1:{server.port}\n"
        f"Content-Type: multipart/form-data; boundary=x\nContent-Length: {len(body)}\n"
    )
    status, _, answer = send_raw(server.port, head, body)
    assert status == 403
    assert "X-Impasto" in error_of(answer)


def test_a_preflight_of_another_site_gets_no_permission(server):
    head = (
        f"OPTIONS /api/photos HTTP/1.1\nHost: 127.0.0.1:{server.port}\nOrigin: http://evil.example\n"
        "Access-Control-Request-Method: POST\nAccess-Control-Request-Headers: x-impasto\n"
    )
    status, headers, _ = send_raw(server.port, head)
    assert status >= 400
    assert not [name for name in headers if name.startswith("access-control")]


def test_a_websocket_from_elsewhere_is_refused(server):
    host = f"127.0.0.1:{server.port}"
    assert upgrade(server.port, Origin="http://evil.example") == 403
    assert upgrade(server.port, Origin=f"http://{host}", Host="evil.example") == 403
    assert upgrade(server.port, Origin=f"http://{host}", Sec_Fetch_Site="cross-site") == 403
    assert upgrade(server.port, Origin=f"http://{host}") == 101


def test_every_answer_has_the_headers_that_confine_the_page(server, client):
    for answer in (
        client.get("/"),
        client.get("/api/info"),
        client.get("/no/such/address"),
        client.post("/api/nothing"),
    ):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in HEADERS["content-security-policy"]


def test_the_cookie_of_a_session_is_for_this_site_and_not_for_scripts(client, tmp_path):
    data = photo_file(tmp_path).read_bytes()
    cookie = client.post("/api/photos", files={"file": ("a.png", data)}).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


# ---- beyond this computer -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    running = start(tmp_path_factory.mktemp("shared"), host="0.0.0.0", names=("paint.example",))
    yield running
    running.end()


def test_beyond_this_computer_everything_needs_the_token(shared):
    for path in ("/", "/live", "/api/info", "/api/styles", "/static/app.js", "/api/openapi.json"):
        assert send_raw(shared.port, f"GET {path} HTTP/1.1\nHost: 127.0.0.1\n")[0] == 401
        assert send_raw(shared.port, f"GET {path}?token=wrong HTTP/1.1\nHost: 127.0.0.1\n")[0] == 401
    assert upgrade(shared.port) == 403


def test_the_printed_address_sets_a_cookie_and_loses_the_token(shared):
    host = "Host: paint.example\n"
    status, headers, _ = send_raw(shared.port, f"GET /live?token={shared.token}&x=1 HTTP/1.1\n{host}")
    assert (status, headers["location"]) == (303, "live?x=1")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    head = f"GET /api/info HTTP/1.1\n{host}Cookie: {cookie.partition(';')[0]}\n"
    assert send_raw(shared.port, head)[0] == 200


@pytest.mark.parametrize("path", ["//evil.example", "/%5cevil.example", "/data:text,", "/", "/%0d%0aSet-Cookie:%20a=b"])
def test_the_token_leads_to_no_other_site(shared, path):
    status, headers, _ = send_raw(shared.port, f"GET {path}?token={shared.token} HTTP/1.1\nHost: localhost\n")
    assert status == 303
    assert urljoin("http://localhost" + path, headers["location"]).startswith("http://localhost/")
    assert not headers["location"].startswith(("/", "\\"))
    assert headers["set-cookie"].startswith("impasto_token")


def test_a_program_sends_the_token_as_a_header(shared):
    head = "GET /api/info HTTP/1.1\nHost: 127.0.0.1\nAuthorization: {}\n"
    for scheme, status in (("Bearer ", 200), ("bearer ", 200), ("Basic ", 401), ("", 401)):
        assert send_raw(shared.port, head.format(scheme + shared.token))[0] == status
    assert send_raw(shared.port, head.format("Bearer wrong"))[0] == 401


def test_a_shared_server_is_still_not_called_as_it_likes(shared):
    head = f"GET /api/info HTTP/1.1\nHost: evil.example\nAuthorization: Bearer {shared.token}\n"
    assert send_raw(shared.port, head)[0] == 403


def test_only_loopback_addresses_do_without_a_token():
    assert all(Access.on(host).token is None for host in ("127.0.0.1", "localhost", "::1", "127.3.2.1"))
    assert all(Access.on(host).token for host in ("0.0.0.0", "::", "192.168.1.5", "somewhere.example"))
    assert not is_loopback("localhost.evil.example")


# ---- paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/cli/main.py",
        "/static//etc/passwd",
        "/static/..%5capp.py",
        "/api/results/..%2f..%2flock",
        "/api/photos/..%2f..%2flock",
        "/api/styles/..%2f..%2flock/file",
        "/api/styles/%2e%2e/picture",
        "/api/jobs/..%2f..%2flock/preview",
        "/../../../../etc/passwd",
        "/static/%00",
    ],
)
def test_no_path_leads_out(server, path):
    status, _, body = send_raw(server.port, f"GET {path} HTTP/1.1\nHost: localhost\n")
    assert status in (400, 403, 404, 409)
    assert b"root:" not in body
    assert b"import" not in body
