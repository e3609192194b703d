"""`etl-assets up`: Dagster's UI and daemon on the demo's parts."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from etl_assets.embedded.ports import free_ports
from etl_assets_tests.support.command_line import COMMAND, Etl, program, read_until_line
from etl_assets_tests.support.processes import (
    AS_A_NORMAL_USER,
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
        read_until_line(up, "Dagster is at http://127.0.0.1:")
        wait_until((locks / "dagster-daemon.lock").read_text)
        _, daemon = supervisor_and_server(locks / "dagster-daemon.lock")
        os.kill(daemon, signal.SIGKILL)
        _, errors = up.communicate(timeout=60)
    assert up.returncode == 1
    assert "The embedded dagster-daemon ended by itself; " in errors
    assert "Traceback" not in errors.partition("; ")[0]
    wait_until_nothing_runs(locks / "dagster-webserver.lock")


def as_a_normal_user(*arguments: object) -> str:
    """Run a command that fails, as somebody who is not root; return what it says."""
    prefix = AS_A_NORMAL_USER if os.geteuid() == 0 else ()
    command = [*prefix, *COMMAND, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("empty_folder")
def test_a_port_that_there_is_not_is_wrong_use(etl: Etl) -> None:
    for port in (0, 65_536):
        assert "1<=x<=65535" in etl("up", "--port", port, code=2).stderr


def test_a_port_in_use_is_said_before_anything_is_started(etl: Etl, empty_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} is in use" in etl("up", "--port", port, code=1).stderr
    assert list(empty_folder.iterdir()) == []


@pytest.mark.skipif(
    int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 1,
    reason="every user may listen at every port here",
)
@pytest.mark.usefixtures("empty_folder")
def test_a_port_that_only_root_may_use_is_said_to_be_reserved() -> None:
    assert "Port 1 is reserved" in as_a_normal_user("up", "--port", 1)


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_folder_that_cannot_be_written_is_named(empty_folder: Path, command: str) -> None:
    empty_folder.chmod(0o555)
    assert f"Can't use {empty_folder}/.etl: Permission denied. What to do" in as_a_normal_user(
        command
    )
