"""``lens serve``: its address, its port, its end; and that other commands do not wait for what it needs."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.serve_command import _listen
from flows.service import Runner, Service, State
from pipeline_core.errors import ServiceError
from tests.command import LENS

START = [*LENS, "serve", "--store"]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_it_prints_its_address_and_ends_in_one_line(tmp_path: Path, number: int) -> None:
    with subprocess.Popen(
        [*START, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        address = re.match(r"(http://127\.0\.0\.1:\d+)  \(Ctrl-C ends it\)\n", first)
        assert address is not None, first
        answer = httpx.get(address[1], timeout=60)
        assert (answer.status_code, "has no warehouse" in answer.text) == (400, True)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("lens: no longer served\n", "", 0)


def test_the_application_is_opened_in_the_browser(tmp_path: Path) -> None:
    store, browser, opened = tmp_path / "store", tmp_path / "browser", tmp_path / "opened"
    store.mkdir()
    os.mkfifo(opened)
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    command = [*START[:-2], "open", "app", "--store", str(store)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "BROWSER": f"{browser} %s"}
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        assert opened.read_text().strip() == f"{address}/"
        assert httpx.get(address, timeout=60).status_code == 400
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[0] == "lens: no longer served\n"


def test_a_port_that_is_taken_is_told_and_the_usual_one_is_not_insisted_on() -> None:
    with _listen("127.0.0.1", None) as one, _listen("127.0.0.1", None) as other:
        assert one.getsockname()[1] != other.getsockname()[1]
        taken = other.getsockname()[1]
        with pytest.raises(
            ServiceError, match=f"nothing can listen at 127.0.0.1:{taken}: Address already in use; give"
        ):
            _listen("127.0.0.1", taken)


@pytest.mark.parametrize("word", ["serve", "up"])
def test_too_few_open_files_are_told_before_anything_is_served(tmp_path: Path, word: str) -> None:
    command = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *LENS, word, "--store", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr == (
        "lens: no more than 64 files may be open at once here, and serving may need 256; "
        "raise the limit of open files (ulimit -n 1024)\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["status", "up"])
def test_a_service_whose_server_does_not_answer_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    with _listen("127.0.0.1", None) as listening:
        port = listening.getsockname()[1]
    state = State(port, Runner.of(os.getpid()))
    monkeypatch.setattr(Service, "read", lambda _: state)
    done = CliRunner().invoke(app, [word, "--store", str(tmp_path)])
    assert isinstance(done.exception, ServiceError)
    assert str(done.exception).startswith(f"the server at http://127.0.0.1:{port} does not answer ([Errno 111]")


def test_only_this_machine_reaches_it_by_default() -> None:
    with _listen("127.0.0.1", None) as listening:
        assert listening.family == socket.AF_INET
        assert listening.getsockname()[0] == "127.0.0.1"


def test_the_command_is_listed_without_loading_a_server() -> None:
    assert " serve " in CliRunner().invoke(app, ["--help"]).stdout
    asked = (
        "import sys, flows.cli; print([name for name in ('fastapi', 'uvicorn', 'starlette') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
