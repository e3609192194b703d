"""The command line as tests run it: in this process, or in one of its own."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from etl_assets.assets.mart import load_mart
from etl_assets.cli import main
from etl_assets.embedded.simulator import GivenFiles
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.files import (
    FRIDAY,
    MONDAY,
    SATURDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    order,
    without,
)
from etl_assets_tests.pipeline import Pipeline

COMMAND = [sys.executable, "-c", "from etl_assets.cli import main; main(prog_name='etl-assets')"]
"""`etl-assets`, by the Python that runs the tests."""


class Etl(Protocol):
    """Runs a command in this process; it ends with the code, 0 by default."""

    def __call__(self, *arguments: object, code: int = 0) -> Result: ...


Program = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]


@pytest.fixture
def etl() -> Iterator[Etl]:
    level, handler = logging.getLogger().level, signal.getsignal(signal.SIGTERM)
    unraisablehook = sys.unraisablehook

    def run(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(
            main, [str(a) for a in arguments], catch_exceptions=False, prog_name="etl-assets"
        )
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    yield run
    # What a command changes for its process.
    logging.captureWarnings(capture=False)
    logging.getLogger().setLevel(level)
    signal.signal(signal.SIGTERM, handler)
    sys.unraisablehook = unraisablehook


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


def says(process: "subprocess.Popen[str]", beginning: str) -> str:
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


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    """A report of Monday to Wednesday, increments of Thursday and Friday; it is Saturday."""
    report = csv_file(
        order(MONDAY, "a"),
        order(TUESDAY, "b"),
        order(WEDNESDAY, "c"),
        columns=without("status"),
    )
    increments = {
        THURSDAY: csv_file(order(THURSDAY, "d"), order(THURSDAY, "d", id="2")),
        FRIDAY: csv_file(order(FRIDAY, "e", status="refunded")),
    }
    return open_pipeline(GivenFiles(report, (MONDAY, WEDNESDAY), increments), today=SATURDAY)


@pytest.fixture
def loaded(pipeline: Pipeline) -> Pipeline:
    """All but Friday is loaded; Thursday has a row in quarantine."""
    pipeline.files.increments[THURSDAY] = csv_file(
        order(THURSDAY, "d", payment_amount="1234567.5", quantity=2),
        order(THURSDAY, "e", status="[lost] :smile:"),
    )
    days = [MONDAY, TUESDAY, WEDNESDAY, THURSDAY]
    pipeline.stage(*days, max_rejected_share=1)
    load_mart(pipeline.warehouse, days, run_id="a run", only_unloaded=False)
    return pipeline
