"""The command line as tests run it: in this process, or in one of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from click.testing import Result

COMMAND = [sys.executable, "-c", "from etl_assets.cli import main; main(prog_name='etl-assets')"]
"""`etl-assets`, by the Python that runs the tests."""


class Etl(Protocol):
    """Runs a command in this process; it ends with the code, 0 by default."""

    def __call__(self, *arguments: object, code: int = 0) -> Result: ...


Program = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]


@contextmanager
def program(*arguments: object) -> Generator["subprocess.Popen[str]"]:
    """Run a command in a process group of its own; its standard error is to be read."""
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
    """Read the program's standard error up to a line that begins so; return what was read."""
    assert process.stderr
    read = ""
    for line in process.stderr:
        read += line
        if line.startswith(beginning):
            return read
    raise AssertionError(f"it ended without saying {beginning!r}: {read}")


def interrupt(process: "subprocess.Popen[str]", by: signal.Signals = signal.SIGINT) -> str:
    """Interrupt the program as a terminal does; return what it says to that."""
    os.killpg(process.pid, by)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    return errors
