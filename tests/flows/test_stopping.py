"""A signal ends a run at once with one line, whoever has its handler; a temporary server goes with its run."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from uvicorn import Config

from flows import server
from flows.server import check_server, new_loop, prepare_server
from pipeline_core.errors import ConfigError
from pipeline_core.store.journal import RUNS
from pipeline_core.warehouse.build import build_warehouse
from tests.shared import ends

BUSY = """
import signal, threading
from flows.stopping import ends_when_asked

def taken(number, frame):
    raise SystemExit  # a message of its own could come between the other's line and its end

with ends_when_asked():
    signal.signal(signal.SIGTERM, taken)
    threading.Thread(target=threading.Event().wait).start()
    print("busy", flush=True)
    threading.Event().wait()
"""
SERVED = """
import os, subprocess, sys
from flows.server import prepare_server
prepare_server()
code = "import threading, flows.server as s; s.new_loop(); print('served', flush=True); threading.Event().wait()"
server = subprocess.Popen([sys.executable, "-c", code])
print(server.pid, flush=True)
server.wait()
"""

OUTLIVING = """
import os, subprocess, sys, threading
if "--runner" in sys.argv:
    print(*sys.argv[1:])
    sys.exit()
from flows.server import outlived
if len(sys.argv) > 1:
    os.environ["PREFECT_API_URL"] = sys.argv[1]
    with outlived(None):
        raise RuntimeError("what Prefect says")
server = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
with outlived(server):
    server.kill()
    threading.Event().wait()
"""
LOADING = """
import sys, threading
from importlib.machinery import ModuleSpec
from flows.command import main

class Waits:
    def find_spec(self, name, path, target=None):
        return ModuleSpec(name, self) if name == "flows.cli" else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        print("busy", flush=True)
        threading.Event().wait()

sys.meta_path.insert(0, Waits())
main()
"""
ASKING = """
import sys, threading
from flows.command import main

def look(asking=threading.main_thread().ident):
    while sys._current_frames()[asking].f_code.co_qualname != "query":
        threading.Event().wait(0.01)
    print("busy", flush=True)

threading.Thread(target=look, daemon=True).start()
sys.argv[1:] = ["sql", "select count(*) from range(10000000) a, range(10000000) b where a.range * b.range % 7 = 1"]
sys.argv += ["--store", STORE]
main()
"""
GOES_ON = "lens: the Prefect server is gone; the run goes on without one, from what is in the store"


@contextmanager
def started(code: str, *words: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", code, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_busy_run_at_once(number: signal.Signals) -> None:
    with started(BUSY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "busy\n"
        process.send_signal(number)
        printed = process.communicate(timeout=10)
        assert process.returncode == 128 + number
    (line,) = printed[1].splitlines()
    assert line.startswith("lens: stopped; ")
    assert line.endswith("the same command goes on from there")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("code", [LOADING, ASKING], ids=["loading", "asking"])
def test_a_command_that_loads_or_asks_ends_in_one_line(code: str, number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / RUNS).mkdir()
    build_warehouse(tmp_path)
    with started(code.replace("STORE", repr(str(tmp_path)))) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "busy\n"
        process.send_signal(number)
        assert process.communicate(timeout=20) == ("", "lens: stopped\n")
        assert process.returncode == 128 + number


def test_a_server_goes_with_its_run_however_that_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    with started(SERVED) as run:
        assert run.stdout is not None
        lines = {run.stdout.readline().strip(), run.stdout.readline().strip()}
        (pid,) = lines - {"served"}
        run.kill()
        run.wait()
        assert ends(int(pid))


@pytest.mark.parametrize("words", [[], ["http://127.0.0.1:9/api"]])
def test_a_run_goes_on_without_the_server_that_died(words: list[str]) -> None:
    with started(OUTLIVING, *words) as process:
        printed, told = process.communicate(timeout=60)
    assert printed.split() == [*words, "--runner", "inline"]
    assert told.splitlines() == [GOES_ON]
    assert process.returncode == 0


def test_uvicorn_takes_the_loop_that_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ, PREFECT_HOME=str(tmp_path / "new" / "home")))
    prepare_server()
    assert Config("", loop=os.environ["UVICORN_LOOP"]).get_loop_factory() is new_loop
    assert os.environ[server._PARENT] == str(os.getpid())


@pytest.mark.parametrize("home", ["/dev/null/home", "~nobody-of-that-name/x"])
def test_a_home_that_is_not_there_is_one_line(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ, PREFECT_HOME=home))
    with pytest.raises(ConfigError, match=r"^Prefect cannot write to its folder .*; set PREFECT_HOME to another"):
        prepare_server()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/api", "no address"])
def test_a_server_that_does_not_answer_is_one_line(url: str) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: url}), pytest.raises(ConfigError) as error:
        check_server()
    assert f"PREFECT_API_URL is {url}, and no server answers there" in str(error.value)
    assert "\n" not in str(error.value)
