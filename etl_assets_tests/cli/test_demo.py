"""`etl-assets demo`: killed, run again, run twice, begun anew; in an empty folder."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from etl_assets.embedded.postgres import EmbeddedPostgres
from etl_assets_tests.support.command_line import Etl, interrupt, program, read_until_line
from etl_assets_tests.support.processes import wait_until_nothing_runs

LOCKS = (".etl/postgres/postgres.lock", ".etl/object-store/weed.lock")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield
    # The demo puts the addresses of its parts into its process's environment.
    os.environ.clear()
    os.environ.update(before)


def nothing_runs() -> None:
    for lock in LOCKS:
        wait_until_nothing_runs(Path(lock))


def loads() -> list[tuple[object, ...]]:
    """Return etl.load as the demo has left it."""
    with ExitStack() as stack:
        postgres = stack.enter_context(EmbeddedPostgres(Path(".etl/postgres")))
        connection = stack.enter_context(psycopg.connect(postgres.url("warehouse")))
        return connection.execute("SELECT * FROM etl.load ORDER BY load_id").fetchall()


def test_killed_and_run_again_it_loads_all_and_once_more_it_changes_nothing(etl: Etl) -> None:
    with program("demo") as killed:
        read_until_line(killed, "Loading")
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    nothing_runs()

    result = etl("demo", "--days", 1)
    nothing_runs()
    loaded = loads()
    assert len({load[1] for load in loaded}) == 24
    assert "mart.f_customer_retention" in result.stdout
    assert "new customers count" in result.stdout

    again = etl("demo", "--days", 1)
    assert "Nothing more to load: " in again.stdout
    assert loads() == loaded

    with program("demo", "--fresh") as anew:
        assert "applied" in read_until_line(anew, "Schema")
        assert "Interrupted. " in interrupt(anew)
    nothing_runs()
    assert loads() == []


def test_a_second_one_beside_it_is_refused_and_ctrl_c_ends_all_of_it(etl: Etl) -> None:
    with program("demo") as demo:
        read_until_line(demo, "Schema")
        for arguments in ([], ["--fresh"]):
            refusal = etl("demo", *arguments, code=1).stderr
            assert f"process {demo.pid} is using it. Stop that one first" in refusal
        assert "Interrupted. " in interrupt(demo)
    nothing_runs()


def test_it_has_seven_increments_to_load(etl: Etl) -> None:
    for days in (0, 8):
        assert "1<=x<=7" in etl("demo", "--days", days, code=2).stderr
    assert not Path(".etl").exists()
