"""Servers that do not become ready, or do not end after a request to stop."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from etl_assets.embedded.supervised import ServerFailed, Supervised
from etl_assets_tests.support.processes import PATIENCE_SECONDS, supervisor_and_server, wait_until

# It ignores SIGTERM, and so does its child.
_STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
waiting = "import time; print(1, flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", waiting], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def start(folder: Path) -> tuple[Supervised, int]:
    """Start a stubborn server; return it and the process id of its child."""
    command = [sys.executable, "-c", _STUBBORN]
    server = Supervised.start("stubborn", command, folder=folder, stop=((signal.SIGTERM, 0.1),))
    return server, int(wait_until((folder / "stubborn.log").read_text))


def test_a_server_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    server, child = start(tmp_path)
    assert lives(child)
    server.stop()
    wait_until(lambda: not lives(child))


def test_an_orphan_that_does_not_end_is_killed_by_the_next_start(tmp_path: Path) -> None:
    server, child = start(tmp_path)
    supervisor, _ = supervisor_and_server(tmp_path / "stubborn.lock")
    os.kill(supervisor, signal.SIGKILL)
    server.stop()
    assert lives(child)
    start(tmp_path)[0].stop()
    wait_until(lambda: not lives(child))


@pytest.mark.parametrize(
    "is_ready", [lambda: False, lambda: 1 / 0], ids=["it says no", "it does not answer"]
)
def test_a_server_that_does_not_become_ready_is_stopped(
    tmp_path: Path, is_ready: Callable[[], bool]
) -> None:
    server, child = start(tmp_path)
    with pytest.raises(ServerFailed, match=r"not ready after 0 s; .*stubborn\.log") as error:
        server.wait_until_ready(is_ready, seconds=0.3, not_yet=(ZeroDivisionError,))
    assert str(child) in str(error.value)  # the end of its log
    wait_until(lambda: not lives(child))


def test_the_wait_for_a_server_ends_when_the_server_has_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('out of order')"]
    server = Supervised.start("broken", command, folder=tmp_path, stop=())
    with pytest.raises(ServerFailed, match=r"ended by itself(.|\n)*out of order"):
        server.wait_until_ready(lambda: False, seconds=PATIENCE_SECONDS, not_yet=())


def lives(process: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
