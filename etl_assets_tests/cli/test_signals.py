"""Ctrl-C and SIGTERM: every command that can take long ends at once, with all that it started.

A terminal sends SIGINT to all processes of a command; a service manager may send SIGTERM to the
first alone.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from etl_assets.clients.transactions import MIGRATION_LOCK, writing
from etl_assets.embedded.folder import lock
from etl_assets.embedded.ports import free_ports
from etl_assets.embedded.postgres import programs
from etl_assets.embedded.simulator import Fault
from etl_assets_tests.conftest import MakeDatabase
from etl_assets_tests.support.command_line import program, read_until_line
from etl_assets_tests.support.files import MONDAY, TUESDAY, WEDNESDAY, order
from etl_assets_tests.support.old_pipeline import OldPipeline
from etl_assets_tests.support.pipeline import Pipeline, calls
from etl_assets_tests.support.processes import ROOT, wait_until

SECONDS = 30
"""A command ends in a few; what hangs takes for ever."""

BOTH = pytest.mark.parametrize(
    ("number", "sent"),
    [(signal.SIGINT, os.killpg), (signal.SIGTERM, os.kill)],
    ids=["SIGINT to all", "SIGTERM to the first"],
)

Sent = Callable[[int, signal.Signals], None]


def end(process: "subprocess.Popen[str]", number: signal.Signals, sent: Sent) -> str:
    """Send the program a signal; return what it says to that, once it has ended with its children.

    Those with a session of their own hold locks: see `nothing_runs`.
    """
    sent(process.pid, number)
    _, errors = process.communicate(timeout=SECONDS)
    assert "Traceback" not in errors
    wait_until(lambda: not living(process.pid))
    return errors


def living(group: int) -> list[str]:
    """Return the processes of a group, without those that have ended and are not reaped yet."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            state, _, of_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(of_group) == group and state != "Z":
                found.append(path.parent.name)
    return found


@contextmanager
def locked(url: str, table: str) -> Generator[None]:
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


def is_waiting(pipeline: Pipeline) -> bool:
    return bool(pipeline.query("SELECT pid FROM pg_locks WHERE NOT granted"))


# --- Commands on services that they wait for ------------------------------------------------------


@BOTH
def test_a_report_that_is_never_ready(
    pipeline: Pipeline, number: signal.Signals, sent: Sent
) -> None:
    pipeline.simulator.report_seconds = float("inf")
    with program("backfill") as backfill:
        wait_until(lambda: calls(pipeline, "/get_report"))
        assert "Interrupted. " in end(backfill, number, sent)
    assert backfill.returncode == 130


@BOTH
@pytest.mark.parametrize(
    ("fault", "after"),
    [
        (Fault("/get_increment", delay=SECONDS * 2, times=None), 1),
        (Fault("/get_increment", status=502, times=None), 2),
    ],
    ids=["silent", "tried again"],
)
def test_an_api_that_does_not_answer(
    pipeline: Pipeline, number: signal.Signals, sent: Sent, *, fault: Fault, after: int
) -> None:
    pipeline.load(MONDAY, TUESDAY, WEDNESDAY)
    pipeline.simulator.faults.add(fault)
    pipeline.simulator.calls.clear()
    with program("increment") as increment:
        wait_until(lambda: calls(pipeline, "/get_increment") >= after)
        assert "Interrupted. " in end(increment, number, sent)
    assert increment.returncode == 130


@pytest.fixture
def old(
    pipeline: Pipeline, make_database: MakeDatabase, environment: pytest.MonkeyPatch
) -> OldPipeline:
    """An old database with a day, beside days that are loaded."""
    pipeline.load(MONDAY, TUESDAY, WEDNESDAY)
    old = OldPipeline(make_database("template1"), "grouped")
    old.load(order(MONDAY))
    environment.setenv("OLD_WAREHOUSE_URL", old.url)
    return old


@BOTH
@pytest.mark.parametrize("command", ["backfill", "rebuild", "adopt"])
def test_another_writer(
    pipeline: Pipeline, old: OldPipeline, number: signal.Signals, sent: Sent, *, command: str
) -> None:
    if command == "adopt":
        old.load(order(MONDAY.replace(day=MONDAY.day - 7)))
    with (
        pipeline.warehouse.session() as connection,
        writing(connection),
        program(command) as waiting,
    ):
        wait_until(lambda: is_waiting(pipeline))
        assert "Interrupted. " in end(waiting, number, sent)
    assert waiting.returncode == 130


@BOTH
def test_another_migration(pipeline: Pipeline, number: signal.Signals, sent: Sent) -> None:
    with pipeline.warehouse.session() as connection, program("migrate") as waiting:
        connection.execute("SELECT pg_advisory_lock(%s, %s)", MIGRATION_LOCK)
        wait_until(lambda: is_waiting(pipeline))
        assert "Interrupted. " in end(waiting, number, sent)
    assert waiting.returncode == 130


@BOTH
@pytest.mark.parametrize(
    ("command", "table"),
    [
        ("status", "etl.load"),
        ("rejected", "staging.rejected_row"),
        ("retention", "mart.f_customer_retention_weekly"),
        ("compare", "mart.f_sales"),
        ("backup", "mart.f_sales"),
    ],
)
@pytest.mark.usefixtures("old")
def test_a_table_that_somebody_has_locked(
    pipeline: Pipeline,
    environment: pytest.MonkeyPatch,
    number: signal.Signals,
    sent: Sent,
    *,
    command: str,
    table: str,
) -> None:
    arguments = [command]
    if command == "backup":
        environment.setenv("WAREHOUSE_URL", pipeline.owners_url)
        # PostgreSQL's client programs of the server's version; the machine's own may be older.
        environment.setenv("PATH", f"{programs()}:{os.environ['PATH']}")
        arguments.append("saved")
    with locked(pipeline.owners_url, table), program(*arguments) as waiting:
        wait_until(lambda: is_waiting(pipeline))
        assert "Interrupted. " in end(waiting, number, sent)
    assert waiting.returncode == 130
    assert not list(Path("saved").glob("*"))


# --- Commands with servers of their own -----------------------------------------------------------


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def nothing_runs() -> None:
    """Check that no server of the folder is left: each of their processes holds a lock."""
    locks = [path for path in Path(".etl").rglob("*.lock") if path.name != "owner.lock"]
    assert locks
    for path in locks:
        os.close(lock(path))


def is_starting(name: str) -> None:
    """Wait until a server's process is there, which is before it answers."""
    wait_until(lambda: any(path.read_text() for path in Path(".etl").rglob(f"{name}.lock")))


@BOTH
@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("name", ["weed", "dagster-webserver"])
def test_servers_that_are_starting(number: signal.Signals, sent: Sent, *, name: str) -> None:
    with program("up", "--port", free_ports(1)[0]) as up:
        is_starting(name)
        assert "Interrupted. " in end(up, number, sent)
        nothing_runs()
    assert up.returncode == 130


@BOTH
@pytest.mark.usefixtures("empty_folder")
def test_servers_that_run(number: signal.Signals, sent: Sent) -> None:
    with program("up", "--port", free_ports(1)[0]) as up:
        read_until_line(up, "Dagster is at http://127.0.0.1:")
        assert end(up, number, sent) == "Stopping\n"
        nothing_runs()
    assert up.returncode == 0


@BOTH
@pytest.mark.usefixtures("empty_folder")
def test_a_demo_that_loads(number: signal.Signals, sent: Sent) -> None:
    with program("demo") as demo:
        read_until_line(demo, "Loading")
        assert "Interrupted. " in end(demo, number, sent)
        nothing_runs()
    assert demo.returncode == 130


@pytest.fixture
def ignored() -> Iterator[None]:
    """What is started has SIGINT ignored, as a shell without a terminal does in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ignored")
def test_sigint_ends_what_a_script_has_started_in_the_background(pipeline: Pipeline) -> None:
    pipeline.simulator.report_seconds = float("inf")
    with program("backfill") as backfill:
        wait_until(lambda: calls(pipeline, "/get_report"))
        assert "Interrupted. " in end(backfill, signal.SIGINT, os.kill)


@BOTH
def test_the_demos_source_alone(
    environment: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals, sent: Sent
) -> None:
    api, store = free_ports(2)
    environment.setenv("REPORT_API_URL", f"http://127.0.0.1:{api}")
    environment.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{store}")
    with ExitStack() as stack:
        source = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "etl_assets.embedded", str(tmp_path / ".etl")],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                process_group=0,
            )
        )
        stack.callback(source.kill)
        assert source.stdout
        assert source.stdout.readline().startswith("The report API is at ")
        end(source, number, sent)
        nothing_runs()


# --- Whatever waits -------------------------------------------------------------------------------

WAITS = {
    "for a child": "import subprocess as s; s.Popen(['sleep', '60'], stdout=-3, stderr=-3).wait()",
    "for a thread": "import threading; held = threading.Lock(); held.acquire(); held.acquire()",
    "to read": "import os; os.read(os.pipe()[0], 1)",
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_ctrl_c_interrupts_what_waits_though_polars_is_imported(wait: str) -> None:
    code = f"import etl_assets.frames; print('waits', flush=True); {wait}"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "waits\n"
            time.sleep(0.2)
            os.kill(process.pid, signal.SIGINT)
            assert "KeyboardInterrupt" in process.communicate(timeout=SECONDS)[1]
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
