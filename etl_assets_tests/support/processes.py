"""Starts, watches and kills programs, and finds the processes that they leave."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry,
    retry_if_exception_type,
    retry_if_result,
    stop_after_delay,
    wait_fixed,
)

from etl_assets.embedded.folder import Locked, lock

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
# If the tests run as root, this runs a program as a normal user who owns the files. (Another real
# user could not read a Python below /root.)
AS_A_NORMAL_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")

# Longer than anything takes on a busy machine, so only a hanging program exceeds it.
PATIENCE_SECONDS = 300


@contextmanager
def program(
    code: str, *arguments: object, prefix: Sequence[str] = ()
) -> Generator[subprocess.Popen[str]]:
    """Run Python code in a new process group, and wait until it prints a line."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline(), "the program ended early"
        try:
            yield process
        finally:
            process.kill()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def kill_all(process: subprocess.Popen[str], lock_file: Path) -> None:
    """Kill the program, its server and the server's supervisor at once, like a power cut."""
    for each in supervisor_and_server(lock_file):
        os.kill(each, signal.SIGKILL)
    kill(process)


def supervisor_and_server(lock_file: Path) -> tuple[int, int]:
    supervisor, server = lock_file.read_text().split()
    return int(supervisor), int(server)


@retry(
    retry=retry_if_exception_type(Locked),
    stop=stop_after_delay(10),
    wait=wait_fixed(0.05),
    reraise=True,
)
def wait_until_nothing_runs(lock_file: Path) -> None:
    """Wait until no process of the server is left; each of them holds the lock."""
    os.close(lock(lock_file))


def wait_until(
    so: Callable[[], T | None],
    *,
    pause: float = 0.1,
    otherwise: Callable[[], str] | None = None,
) -> T:
    """Wait until a function returns something true, and return that.

    `pause` is the seconds between two calls. If the time runs out, the error quotes the result of
    `otherwise`.
    """

    def in_vain(_: RetryCallState) -> None:
        raise AssertionError(otherwise() if otherwise else "it did not come in time")

    patience = Retrying(
        retry_error_callback=in_vain,
        retry=retry_if_result(lambda found: not found),
        stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_fixed(pause),
    )
    found = patience(so)
    assert found
    return found


def listening_addresses(process: int) -> set[str]:
    """Return the addresses, without ports, at which a process accepts TCP connections."""
    inodes: set[str] = set()
    for entry in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            inodes.add(os.readlink(entry))
    addresses: set[str] = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in inodes:
                addresses.add(local.split(":")[0])
    return addresses


LOOPBACK_IN_PROC = "0100007F"
