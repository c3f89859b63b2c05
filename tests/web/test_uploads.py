"""Attacks with bodies, floods and files: too large, too slow, too many, and not what they say."""

import select
import struct
import zlib

import pytest

from tests.web.attacks import connect, error_of, read_all, send_raw
from tests.web.conftest import STYLE, start, wait_until
from tests.web.test_pictures import upload

STYLIZE = "/api/stylize?style=udnie"


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A server with limits so tight that a test can reach them."""
    running = start(
        tmp_path_factory.mktemp("strict"),
        picture_bytes=200_000,
        upload_bytes=400_000,
        pixels=50_000,
        files=3,
        sessions=2,
        connections=20,
    )
    yield running
    running.end()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """A server that does not wait long for what a client sends."""
    running = start(tmp_path_factory.mktemp("impatient"), header_seconds=2, chunk_seconds=0.4)
    yield running
    running.end()


@pytest.fixture
def strict_client(strict):
    with strict.client() as client:
        yield client
        client.delete("/api/session")


# ---- bodies -------------------------------------------------------------------------------------------------------


def test_ten_gigabytes_are_refused_by_their_announcement(strict):
    head = f"POST /api/photos HTTP/1.1\nHost: localhost\nX-Impasto: 1\nContent-Length: {10 * 10**9}\n"
    status, _, body = send_raw(strict.port, head, b"x" * 1000)
    assert status == 413
    assert "too large" in error_of(body)


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 30, "0x10"])
def test_a_length_that_is_no_length_is_refused(strict, length):
    head = f"POST /api/photos HTTP/1.1\nHost: localhost\nX-Impasto: 1\nContent-Length: {length}\n"
    assert send_raw(strict.port, head)[0] in (400, 413)


def test_a_body_without_a_length_is_counted_and_refused(strict):
    head = f"POST {STYLIZE} HTTP/1.1\nHost: localhost\nX-Impasto: 1\nTransfer-Encoding: chunked\n"
    status, _, body = send_raw(strict.port, head, b"%x\r\n%b\r\n0\r\n\r\n" % (3_000_000, b"y" * 3_000_000))
    assert status == 413
    assert b"too large" in body or b"is larger than" in body
    assert not list((strict.folder / "sessions").rglob("*.upload"))


def test_a_file_above_the_limit_within_a_form_is_refused_and_not_kept(strict, strict_client):
    answer = strict_client.post("/api/photos", files={"file": ("a.png", b"x" * 300_000)})
    assert answer.status_code == 413
    assert not list((strict.folder / "sessions").rglob("*.upload"))


def test_more_files_than_allowed_are_refused(strict_client):
    answer = strict_client.post("/api/photos", files=[("file", (f"{number}.png", b"x")) for number in range(4)])
    assert answer.status_code == 413


def test_a_body_that_stops_coming_is_given_up(impatient):
    head = f"POST {STYLIZE} HTTP/1.1\r\nHost: localhost\r\nX-Impasto: 1\r\nContent-Length: 1000\r\n\r\nabc"
    with connect(impatient.port) as connection:
        connection.sendall(head.encode())
        answer = read_all(connection)
    assert b" 408 " in answer.split(b"\r\n")[0]


def test_a_body_that_drips_is_given_up(impatient):
    head = f"POST {STYLIZE} HTTP/1.1\r\nHost: localhost\r\nX-Impasto: 1\r\nContent-Length: 100000\r\n\r\n"
    with connect(impatient.port) as connection:
        connection.sendall(head.encode())
        assert b" 408 " in drip(connection, b"x").split(b"\r\n")[0]


def test_a_head_that_drips_is_given_up(impatient):
    with connect(impatient.port) as connection:
        connection.sendall(b"GET /api/info HTTP/1.1\r\nHost: localhost\r\n")
        assert drip(connection, b"X-A: b\r\n") == b""


def drip(connection, piece):
    """Send a piece ten times a second until the server answers or closes; returns the answer."""
    connection.settimeout(0.1)
    for _ in range(3000):
        try:
            connection.sendall(piece)
            return connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return b""
    pytest.fail("it is still read")


def test_a_head_that_never_ends_is_refused(strict):
    with connect(strict.port) as connection:
        try:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 3_000_000)
        except OSError:
            return
        assert read_all(connection)[9:10] in (b"4", b"")


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b'{"photo": "' + b"x" * 300_000 + b'"}', 413),
        ("text/plain", b"{}", 415),
        ("multipart/form-data", b"{}", 415),
    ],
)
def test_what_is_no_json_object_gets_one_line(client, kind, body, status):
    answer = client.post("/api/preview", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert error_of(answer.content)


CUT_SHORT = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nhalf of it'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        CUT_SHORT,
        b"--x\r\n\r\n--x--",
        b"no boundary",
        b"--x\r\nContent-Disposition: form-data\r\n\r\nz\r\n--x--\r\n",
    ],
)
def test_a_form_that_is_damaged_gets_one_line(client, body):
    answer = client.post("/api/photos", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 400
    assert error_of(answer.content)


# ---- floods -------------------------------------------------------------------------------------------------------


def test_of_many_connections_the_surplus_is_closed_and_the_server_answers_again(strict):
    held = []
    try:
        for _ in range(300):
            held.append(connect(strict.port))
        wait_until(lambda: len(select.select(held, [], [], 0)[0]) >= 300 - strict.page.limits.connections - 1)
        assert all(connection.recv(1) == b"" for connection in select.select(held, [], [], 0)[0])
    finally:
        for connection in held:
            connection.close()
    wait_until(lambda: answers(strict.port))


def answers(port):
    """Whether the server answers a request."""
    try:
        return send_raw(port, "GET /api/info HTTP/1.1\nHost: localhost\n")[0] == 200
    except (TimeoutError, ConnectionError, IndexError):
        return False


def test_a_flood_of_sessions_is_refused_and_cookies_alone_cost_nothing(strict):
    from impasto.web.sessions import Sessions

    sessions: Sessions = strict.page.sessions
    for _ in range(20):
        with strict.client() as client:
            client.get("/")
            client.get("/api/photos")
    assert not list((strict.folder / "sessions").iterdir())
    clients = [strict.client() for _ in range(3)]
    try:
        answers = [client.post("/api/masks", content=b"x") for client in clients]
        assert [answer.status_code for answer in answers] == [422, 422, 503]
        assert "browsers use this server" in error_of(answers[2].content)
    finally:
        for client in clients:
            client.delete("/api/session")
            client.close()
    assert sessions.idle() == []


# ---- what is uploaded ---------------------------------------------------------------------------------------------


def test_a_picture_with_more_pixels_than_allowed_is_refused_before_it_is_decoded(strict_client):
    header = struct.pack(">II5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000_000)))
    (record,) = strict_client.post("/api/photos", files={"file": ("bomb.png", bomb)}).json()
    assert record["error"].startswith("bomb.png: 60000 x 60000 pixels are more than the limit")


def chunk(kind, data):
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../etc/passwd.png", "passwd.png"),
        ("C:\\Windows\\a.png", "a.png"),
        ("<script>alert(1)</script>.png", "script>.png"),
        ('<img src=x onerror="alert(1)">.png', '<img src=x onerror="alert(1)">.png'),
        ("a\r\nSet-Cookie: x=y.png", "a__Set-Cookie_ x=y.png"),
        ("\u202egnp.exe", "_gnp.exe"),
        ("." * 300, "picture"),
        ("x" * 5000 + ".png", "x" * 110 + ".png"),
    ],
)
def test_a_file_name_is_never_a_path_and_is_sent_back_as_data(name, shown):
    from impasto.web.api_jobs import file_response
    from impasto.web.uploads import shown_name

    made = shown_name(name)
    assert made == shown.replace("Cookie_ x", "Cookie: x")
    assert len(made) <= 120
    disposition = file_response(photo_path(), made, "image/png").headers["content-disposition"]
    assert disposition.isascii()
    assert "\r" not in disposition
    assert disposition.count('"') == 2


def photo_path():
    from pathlib import Path

    return Path(__file__)


def test_an_svg_is_refused_and_a_page_that_pretends_to_be_a_picture_too(client):
    files = [
        ("file", ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>')),
        ("file", ("a.png", b"<html><script>alert(1)</script></html>")),
        ("file", ("b.png", b"\x89PNG\r\n\x1a\n<script>alert(1)</script>")),
    ]
    assert all("error" in record for record in client.post("/api/photos", files=files).json())


def test_exif_with_a_script_is_not_shown_and_does_not_change_the_type(client, tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x010E] = "<script>alert(1)</script>"
    Image.new("RGB", (64, 48), (200, 100, 50)).save(tmp_path / "a.jpg", exif=exif)
    record = upload(client, tmp_path / "a.jpg")
    shown = client.get(f"/api/photos/{record['id']}")
    options = {"photo": record["id"], "styles": {STYLE: 1}}
    for answer in (shown, client.post("/api/preview", json=options)):
        assert answer.headers["content-type"] == "image/jpeg"
        assert b"<script>" not in answer.content


def test_damaged_exif_does_not_stop_a_picture(client, tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 200)
    assert "id" in upload(client, tmp_path / "a.jpg")
