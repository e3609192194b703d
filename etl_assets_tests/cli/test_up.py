"""`etl-assets up`: Dagster's UI and daemon on the demo's parts."""

import os
import signal
from pathlib import Path

import pytest

from etl_assets.embedded.ports import free_ports
from etl_assets_tests.support.command_line import program, says
from etl_assets_tests.support.processes import (
    supervisor_and_server,
    wait_until,
    wait_until_nothing_runs,
)


def test_a_daemon_that_ends_is_said_and_ends_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    locks = Path(".etl/dagster")
    with program("up", "--port", free_ports(1)[0]) as up:
        says(up, "Dagster is at http://127.0.0.1:")
        wait_until((locks / "dagster-daemon.lock").read_text)
        _, daemon = supervisor_and_server(locks / "dagster-daemon.lock")
        os.kill(daemon, signal.SIGKILL)
        _, errors = up.communicate(timeout=60)
    assert up.returncode == 1
    assert "The embedded dagster-daemon ended by itself; " in errors
    assert "Traceback" not in errors.partition("; ")[0]
    wait_until_nothing_runs(locks / "dagster-webserver.lock")
