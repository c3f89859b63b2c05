"""The command: it prints its address, is small, and ends cleanly with everything that it began."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import deque

import psutil
import pytest

from impasto.cli.main import main
from impasto.errors import ImpastoError, UsageError
from impasto.web.server import listen, locked
from tests.web.attacks import connect
from tests.web.conftest import add_negative, photo_file, start
from tests.web.test_pictures import NEGATIVE, upload

MOST_MEGABYTES = 200


@pytest.fixture
def command(tmp_path):
    """The running command, and its address."""
    add_negative(tmp_path / "page")
    words = [sys.executable, "-m", "impasto", "serve", "--port", "0", "--folder", str(tmp_path / "page")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_the_command_is_small_while_idle_and_ends_on_ctrl_c_with_its_workers_and_files(command, tmp_path):
    process, address = command
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(f"{address}api/info") as answer:
        assert answer.status == 200
    whole = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    assert sum(one.memory_info().rss for one in whole) < MOST_MEGABYTES * 1e6
    import httpx

    with httpx.Client(base_url=address, headers={"X-Impasto": "1"}, timeout=600, trust_env=False) as client:
        upload(client, photo_file(tmp_path))
        workers = psutil.Process(process.pid).children(recursive=True)
        assert workers
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "Traceback" not in output + errors
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
    assert not list((tmp_path / "page" / "sessions").iterdir())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_a_server_that_is_killed_takes_its_workers_along_and_the_next_one_goes_on(command, tmp_path):
    process, address = command
    import httpx

    with httpx.Client(base_url=address, headers={"X-Impasto": "1"}, timeout=600, trust_env=False) as client:
        photo = upload(client, photo_file(tmp_path))
        workers = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        _, alive = psutil.wait_procs(workers, timeout=300)
        assert not alive
        running = start(tmp_path / "page")
        try:
            client.base_url = running.url
            (there,) = client.get("/api/photos").json()
            assert there == photo
            assert client.post("/api/preview", json={"photo": photo["id"], **NEGATIVE}).status_code == 200
        finally:
            running.end()


def test_event_streams_do_not_hold_up_the_end(tmp_path):
    add_negative(tmp_path)
    running = start(tmp_path)
    with running.client() as client:
        photo = upload(client, photo_file(tmp_path))["id"]
        running.page.background.call = never  # the job runs until the server ends
        job = client.post("/api/paint", json={"photos": [photo], **NEGATIVE}).json()["job"]
        with client.stream("GET", f"/api/jobs/{job}/events") as events:
            next(events.iter_lines())
            running.end()


@pytest.mark.slow
def test_ten_thousand_connections_take_neither_memory_nor_files_and_the_server_answers_after_them(command):
    process, address = command
    server = psutil.Process(process.pid)
    before, port, held = server.memory_info().rss, int(address.strip("/").rpartition(":")[2]), deque()
    for _ in range(10_000):
        held.append(connect(port))
        if len(held) > 400:
            held.popleft().close()
    assert server.num_fds() < 700
    assert server.memory_info().rss < before + 30e6
    for connection in held:
        connection.close()
    time.sleep(1)
    with urllib.request.urlopen(f"{address}api/info") as answer:
        assert answer.status == 200


async def never(*_, **__):
    import asyncio

    await asyncio.sleep(3600)


def test_a_port_in_use_gets_one_line():
    with listen("127.0.0.1", 0) as found, pytest.raises(UsageError, match="is in use; give another --port"):
        listen("127.0.0.1", found.getsockname()[1])


def test_an_address_of_another_computer_gets_one_line():
    with pytest.raises(UsageError, match="cannot be used"):
        listen("192.0.2.1", 0)


def test_two_servers_do_not_share_a_folder(tmp_path):
    with locked(tmp_path), pytest.raises(ImpastoError, match="another `impasto serve` uses it"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_gets_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["serve", "--port", "0", "--folder", str(tmp_path / "file" / "page")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_model_that_is_deleted_while_the_server_runs_is_named(server, client, tmp_path):
    add_negative(server.folder, "doomed")
    photo = upload(client, photo_file(tmp_path))["id"]
    options = {"photo": photo, "styles": {"doomed": 1}}
    assert client.post("/api/preview", json=options).status_code == 200
    (server.folder / "styles" / "doomed.onnx").unlink()
    answer = client.post("/api/preview", json=options)
    assert answer.status_code == 409
    assert answer.json()["error"] == "the style doomed has lost its file, which was deleted or replaced"
    assert client.delete("/api/styles/doomed").status_code == 200


def test_a_full_disk_is_named_and_nothing_half_stays(tmp_path):
    add_negative(tmp_path)
    running = start(tmp_path, free_bytes=10**18)
    try:
        with running.client() as client:
            answer = client.post("/api/photos", files={"file": ("a.png", photo_file(tmp_path).read_bytes())})
            assert answer.status_code == 503
            assert "disk is nearly full" in answer.json()["error"]
            assert not list((tmp_path / "sessions").rglob("*.upload"))
    finally:
        running.end()
