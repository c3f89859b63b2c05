"""`impasto camera`: its address carries the flags, and leads to the page's bare live view."""

import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest

from impasto.cli.main import main
from tests.web.conftest import SERVES, STYLE, add_negative, start

pytestmark = pytest.mark.skipif(not SERVES, reason="impasto[serve] is not installed")


def test_the_command_serves_the_live_view_with_its_flags_and_ends_on_ctrl_c(tmp_path):
    add_negative(tmp_path)
    flags = ["--style", f"{STYLE}", "--strength", "0.8", "--mirror", "--no-open", "--port", "0"]
    words = [sys.executable, "-m", "impasto", "camera", *flags, "--folder", str(tmp_path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        address = urlsplit(process.stdout.readline().strip())
        assert address.path == "/live"
        assert parse_qs(address.query) == {
            "style": [f"{STYLE}:1"],
            "strength": ["0.8"],
            "stroke_size": ["1.0"],
            "steady": ["0.5"],
            "width": ["640"],
            "mirror": ["1"],
        }
        with urllib.request.urlopen(address.geturl()) as page:
            assert b"<canvas" in page.read()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=300)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, errors
    assert "Traceback" not in output + errors


def test_the_browser_is_opened_unless_it_is_told_not_to(tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("impasto.cli.serve.serve", lambda *_, ready, **options: ready(None))
    words = ["camera", "--port", "0", "--folder", str(tmp_path), "--style", "udnie:0.7", "--style", "great_wave:0.3"]
    assert main(words) == 0
    assert opened == [capsys.readouterr().out.strip()]
    assert parse_qs(urlsplit(opened[0]).query)["style"] == ["udnie:0.7", "great_wave:0.3"]
    assert main([*words, "--no-open"]) == 0
    assert len(opened) == 1


def test_a_server_that_runs_already_is_used(tmp_path, capsys):
    running = start(tmp_path)
    try:
        assert main(["camera", "--port", str(running.port), "--folder", str(tmp_path), "--no-open"]) == 0
    finally:
        running.end()
    address = urlsplit(capsys.readouterr().out.strip())
    assert (address.port, address.path) == (running.port, "/live")


def test_another_program_on_the_port_is_not_taken_for_a_server(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=lambda: other.accept()[0].close(), daemon=True).start()
        words = ["camera", "--port", str(other.getsockname()[1]), "--folder", str(tmp_path), "--no-open"]
        assert main(words) == 2
    assert "is in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--style", "nothing"], "no style called 'nothing'"),
        (["--style", "udnie:0"], "more than 0"),
        (["--steady", "2"], "steady must be from 0 to 1"),
        (["--strength", "9"], "strength must be"),
        (["--width", "10"], "width"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_served(tmp_path, capsys, flags, reason):
    assert main(["camera", "--folder", str(tmp_path / "page"), *flags]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not (tmp_path / "page").exists()
