"""Runs the command line for tests, in this process or in a new one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from click.testing import Result

COMMAND = [sys.executable, "-c", "from etl_assets.cli import main; main(prog_name='etl-assets')"]
"""`etl-assets`, with the Python that runs the tests."""


class Etl(Protocol):
    """Runs a command in this process and checks its exit code, which is 0 by default."""

    def __call__(self, *arguments: object, code: int = 0) -> Result: ...


Program = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]


@contextmanager
def program(*arguments: object) -> Generator["subprocess.Popen[str]"]:
    """Run a command in a new process group, with a pipe for its standard error."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_until_line(process: "subprocess.Popen[str]", beginning: str) -> str:
    """Read the program's standard error up to a line with this beginning; return the text."""
    assert process.stderr
    read = ""
    for line in process.stderr:
        read += line
        if line.startswith(beginning):
            return read
    raise AssertionError(f"it ended without a line that begins {beginning!r}: {read}")


def interrupt(process: "subprocess.Popen[str]", by: signal.Signals = signal.SIGINT) -> str:
    """Interrupt the program as a terminal does; return the rest of its standard error."""
    os.killpg(process.pid, by)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    return errors
