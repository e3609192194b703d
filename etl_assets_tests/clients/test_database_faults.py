"""Faults of the database, as a load meets them, on a PostgreSQL of their own.

What passes is ridden out, wherever in the load it comes; what does not ends the load at once,
saying the cause and what to do. Either way nothing is half loaded, and the next load loads the
days.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal
from tenacity import wait_fixed

from etl_assets.clients.warehouse import Warehouse
from etl_assets.embedded.simulator import GivenFiles
from etl_assets.errors import EtlError, ServiceUnavailable
from etl_assets.operations.migrations import require_writable
from etl_assets.settings import WarehouseSettings
from etl_assets_tests.conftest import OpenPipeline, as_user
from etl_assets_tests.support.files import MONDAY, TUESDAY, csv_file, increment, order
from etl_assets_tests.support.own_postgres import OwnPostgres, own_postgres
from etl_assets_tests.support.pipeline import Pipeline, Row, mart_tables
from etl_assets_tests.support.processes import wait_until

WRITER, READER = "only_etl_writer", "only_etl_reader"

BEFORE = {MONDAY: csv_file(*(order(MONDAY, n, item_id=n) for n in "123"))}
AFTER = {
    MONDAY: csv_file(*(order(MONDAY, n, item_name=n) for n in "29")),
    TUESDAY: csv_file(*(order(TUESDAY, n, item_id=n) for n in "345")),
}

MOMENTS = ("staging.user_order_log", "mart.d_item", "mart.f_customer_retention_weekly")
"""Tables at which a load is held up: in staging's transaction, early in the mart's and late."""

READ_ONLY = (
    "in a read-only transaction (SQLSTATE 25006)",
    "It is a standby, or default_transaction_read_only is on: set WAREHOUSE_URL to the primary's",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgres]:
    with own_postgres(tmp_path_factory.mktemp("own") / "postgres") as server:
        yield server


@pytest.fixture
def pipeline(
    open_pipeline: OpenPipeline, environment: pytest.MonkeyPatch, server: OwnPostgres
) -> Pipeline:
    """`BEFORE` is loaded; the source has `AFTER`. What is tried again is tried again soon."""
    environment.setattr("etl_assets.clients.retries._back_off", wait_fixed(0.05))
    sunday = MONDAY - timedelta(days=1)
    files = GivenFiles(csv_file(), (sunday, sunday), dict(AFTER))
    pipeline = open_pipeline(files)
    pipeline.owners_url = server.make_database()
    pipeline.retry_seconds = 60
    environment.setenv("WAREHOUSE_URL", as_user(WRITER, pipeline.owners_url))
    files.increments[MONDAY] = BEFORE[MONDAY]
    pipeline.load(MONDAY)
    files.increments[MONDAY] = AFTER[MONDAY]
    pipeline.simulator.redeliver(MONDAY)
    return pipeline


def holds(pipeline: Pipeline, days: dict[date, bytes]) -> None:
    pipeline.holds({day: increment(body, day) for day, body in days.items()})


def mart(pipeline: Pipeline) -> dict[str, list[Row]]:
    with psycopg.connect(pipeline.owners_url) as connection:
        return mart_tables(connection)


def fails_and_then_loads(
    pipeline: Pipeline, mend: Callable[[], object], *says: str, after: dict[date, bytes] = AFTER
) -> None:
    """Check that a load fails, saying so, and leaves the mart alone; mended, the next one loads.

    What it took for passing it would try for a minute, and call the database unavailable.
    """
    before = mart(pipeline)
    with pytest.raises(EtlError) as error:
        pipeline.load(MONDAY, TUESDAY)
    assert type(error.value) is EtlError
    for words in says:
        assert words in str(error.value)
    mend()
    assert mart(pipeline) == before
    pipeline.load(MONDAY, TUESDAY)
    holds(pipeline, after)


# --- What passes ----------------------------------------------------------------------------------


@contextmanager
def held_up(pipeline: Pipeline, table: str) -> Generator[int]:
    """Load in the background, and give the load's backend once it waits for the table."""
    with ThreadPoolExecutor(1) as pool:
        with closing(psycopg.connect(pipeline.owners_url)) as holder:
            holder.execute(SQL("LOCK TABLE {}").format(Identifier(*table.split("."))))
            load = pool.submit(pipeline.load, MONDAY, TUESDAY)
            yield wait_until(lambda: waiting(pipeline))
        load.result()


def waiting(pipeline: Pipeline) -> int | None:
    """Return the backend that waits for a table, if there is one."""
    found = pipeline.query("SELECT pid FROM pg_locks WHERE locktype = 'relation' AND NOT granted")
    return found[0][0] if found else None


@pytest.mark.parametrize(
    ("by", "table"),
    [
        *((signal.SIGKILL, table) for table in MOMENTS),
        *((by, MOMENTS[1]) for by in (signal.SIGINT, signal.SIGQUIT)),
    ],
)
def test_a_load_rides_out_a_server_that_restarts_or_crashes(
    pipeline: Pipeline, server: OwnPostgres, by: signal.Signals, table: str
) -> None:
    with held_up(pipeline, table):
        server.restart(by)
    holds(pipeline, AFTER)


@pytest.mark.parametrize("how", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_load_rides_out_an_administrator_who_ends_its_session(
    pipeline: Pipeline, how: str
) -> None:
    with held_up(pipeline, MOMENTS[2]) as backend:
        pipeline.query(f"SELECT {how}(%s)", backend)
    holds(pipeline, AFTER)


@contextmanager
def limited(server: OwnPostgres, setting: str, value: str) -> Generator[None]:
    """Set a limit for the pipeline's user."""
    role, name = Identifier(WRITER), Identifier(setting)
    server.execute(SQL("ALTER ROLE {} SET {} = {}").format(role, name, Literal(value)))
    try:
        yield
    finally:
        server.execute(SQL("ALTER ROLE {} RESET {}").format(role, name))


@pytest.mark.parametrize(
    "setting",
    [
        "statement_timeout",
        "lock_timeout",
        "transaction_timeout",
        "idle_in_transaction_session_timeout",
    ],
)
def test_a_load_waits_for_longer_than_a_time_limit_of_its_user(
    pipeline: Pipeline, server: OwnPostgres, setting: str
) -> None:
    with limited(server, setting, "200ms"), held_up(pipeline, MOMENTS[1]) as first:
        time.sleep(0.5)
        assert waiting(pipeline) == first
    holds(pipeline, AFTER)


def test_a_load_rides_out_being_a_deadlocks_victim(pipeline: Pipeline) -> None:
    with psycopg.connect(pipeline.owners_url) as other:
        other.execute("SET deadlock_timeout = '1min'")
        other.execute("LOCK TABLE mart.d_city")
        with ThreadPoolExecutor(1) as pool:
            load = pool.submit(pipeline.load, MONDAY, TUESDAY)
            wait_until(lambda: waiting(pipeline))
            other.execute("LOCK TABLE mart.d_item")
            other.rollback()
            load.result()
    holds(pipeline, AFTER)


def test_a_load_rides_out_a_server_without_a_connection_free(
    pipeline: Pipeline, server: OwnPostgres
) -> None:
    with ExitStack() as others, ThreadPoolExecutor(1) as pool:
        with suppress(psycopg.OperationalError):
            while True:
                others.enter_context(psycopg.connect(as_user(READER, pipeline.owners_url)))
        with pytest.raises(
            ServiceUnavailable, match=r"no free connection: .*raise max_connections"
        ):
            Warehouse(WarehouseSettings.read().url, retry_seconds=0).rows("source/reports")
        server.way.messages = 0
        load = pool.submit(pipeline.load, MONDAY, TUESDAY)
        wait_until(lambda: server.way.messages)
        assert not load.done()
        others.close()
        load.result()
    holds(pipeline, AFTER)


def test_a_load_gives_up_a_server_that_stays_down_and_the_next_one_loads(
    pipeline: Pipeline, server: OwnPostgres
) -> None:
    server.end(signal.SIGINT)
    with pytest.raises(ServiceUnavailable, match="Check that it runs, and WAREHOUSE_URL"):
        replace(pipeline, retry_seconds=0.2).load(MONDAY, TUESDAY)
    server.start()
    holds(pipeline, BEFORE)
    pipeline.load(MONDAY, TUESDAY)
    holds(pipeline, AFTER)


# --- What does not pass ---------------------------------------------------------------------------


def test_a_read_only_database_stops_a_load_at_once(pipeline: Pipeline, server: OwnPostgres) -> None:
    limit = ExitStack()
    limit.enter_context(limited(server, "default_transaction_read_only", "on"))
    fails_and_then_loads(pipeline, limit.close, *READ_ONLY)


def test_a_standby_stops_a_load_at_once(pipeline: Pipeline, server: OwnPostgres) -> None:
    standby = server.data / "standby.signal"
    server.end(signal.SIGINT)
    standby.touch()
    server.start()
    with pytest.raises(EtlError, match=r"server is a standby.*the primary's address"):
        require_writable(pipeline.warehouse)

    def promote() -> None:
        server.end(signal.SIGINT)
        standby.unlink()
        server.start()

    fails_and_then_loads(pipeline, promote, *READ_ONLY)


@pytest.fixture
def disk(server: OwnPostgres) -> Iterator[Path]:
    """A disk of 8 MB with a tablespace, `small`."""
    folder = server.folder.parent / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("only root may mount a small disk")
    try:
        tables = folder / "tables"
        tables.mkdir()
        os.chown(tables, server.data.stat().st_uid, -1)
        server.execute(SQL("CREATE TABLESPACE small LOCATION {}").format(Literal(str(tables))))
        server.execute(SQL("GRANT CREATE ON TABLESPACE small TO {}").format(Identifier(WRITER)))
        yield folder
        server.drop_databases()
        server.execute(SQL("DROP TABLESPACE small"))
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@pytest.mark.parametrize("table", ["incoming_rejected", "staging.user_order_log", "mart.f_sales"])
def test_a_full_disk_stops_a_load_at_once(
    pipeline: Pipeline, server: OwnPostgres, disk: Path, table: str
) -> None:
    many = csv_file(*(order(TUESDAY, str(number), item_name="a" * 99) for number in range(2000)))
    pipeline.files.increments[TUESDAY] = many
    with ExitStack() as limit:
        if table == "incoming_rejected":  # a temporary one
            limit.enter_context(limited(server, "temp_tablespaces", "small"))
        else:
            pipeline.query(f"ALTER TABLE {table} SET TABLESPACE small")
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(1 << 12))
        says = ("No space left on device (SQLSTATE 53100)", "free or add space")
        after = AFTER | {TUESDAY: many}
        fails_and_then_loads(pipeline, (disk / "filler").unlink, *says, after=after)
