"""Transactions on the warehouse, and the locks that show who loads what."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest
from pydantic import SecretStr

from etl_assets.clients.database import Connection, rows
from etl_assets.clients.transactions import days_being_loaded, loading, writing
from etl_assets.clients.warehouse import Warehouse
from etl_assets.settings import WarehouseSettings
from etl_assets_tests.clients.conftest import Address
from etl_assets_tests.support.files import MONDAY, TUESDAY, WEDNESDAY
from etl_assets_tests.support.pipeline import Pipeline
from etl_assets_tests.support.processes import wait_until


def test_a_transaction_that_is_done_again_begins_anew(pipeline: Pipeline) -> None:
    faults = [psycopg.errors.SerializationFailure("no")]

    def work(connection: Connection) -> None:
        with writing(connection):
            connection.execute("INSERT INTO etl.report (task_id) VALUES ('a')")
            if faults:
                raise faults.pop()

    Warehouse(WarehouseSettings.read().url, retry_seconds=5).run(work)
    assert pipeline.query("SELECT task_id FROM etl.report") == [("a",)]


def test_one_writer_waits_for_the_other_and_then_sees_what_it_has_done(
    pipeline: Pipeline,
) -> None:
    first_is_in, second_waits = Event(), Event()

    def first(connection: Connection) -> None:
        with writing(connection):
            first_is_in.set()
            second_waits.wait(10)
            connection.execute("INSERT INTO etl.report (task_id) VALUES ('of the first')")

    def second(connection: Connection) -> list[str]:
        first_is_in.wait(10)
        with writing(connection):
            return [row["task_id"] for row in rows(connection, "source/reports")]

    def watch() -> None:
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while pipeline.query(waiting) == [(0,)]:
            first_is_in.wait(10)
        second_waits.set()

    with ThreadPoolExecutor(3) as pool:
        pool.submit(pipeline.warehouse.run, first)
        seen = pool.submit(pipeline.warehouse.run, second)
        watched = pool.submit(watch)
        watched.result()
        assert seen.result() == ["of the first"]


def test_a_day_is_shown_as_being_loaded_although_the_warehouse_restarts_just_then(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Warehouse(SecretStr(address.url), retry_seconds=5)
    opened = warehouse.open
    faults = [psycopg.OperationalError("the connection was lost")]

    def open_at_the_second_try() -> Connection:
        if faults:
            raise faults.pop()
        return opened()

    monkeypatch.setattr(warehouse, "open", open_at_the_second_try)
    with loading(warehouse, [MONDAY]):
        assert days_being_loaded(warehouse) == {MONDAY}
        # And if its session is lost, another takes the locks again.
        warehouse.run(
            lambda connection: connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
        wait_until(lambda: days_being_loaded(warehouse) == {MONDAY})
    assert days_being_loaded(warehouse) == set()


def test_days_are_shown_as_being_loaded_for_as_long_as_the_session_lives(
    pipeline: Pipeline,
) -> None:
    warehouse = pipeline.warehouse
    with loading(warehouse, [MONDAY, TUESDAY]), loading(warehouse, [TUESDAY, WEDNESDAY]):
        assert days_being_loaded(warehouse) == {MONDAY, TUESDAY, WEDNESDAY}
    assert days_being_loaded(warehouse) == set()


def test_a_session_that_shows_days_as_being_loaded_is_never_ended_as_idle(address: Address) -> None:
    url = f"{address.url}?options=-cidle_session_timeout%3D50"
    warehouse = Warehouse(SecretStr(url), retry_seconds=0)
    with loading(warehouse, [MONDAY]):
        time.sleep(0.2)
        assert days_being_loaded(warehouse) == {MONDAY}
