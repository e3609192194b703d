"""Waiting for a lock of another session, and the warning about it."""

from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import psycopg
import pytest

from etl_assets.clients.transactions import WRITER_LOCK, writing
from etl_assets_tests.support.files import MONDAY
from etl_assets_tests.support.pipeline import Pipeline
from etl_assets_tests.support.processes import wait_until


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl_assets.clients.connection.LONG_WAIT_SECONDS", 0.3)


@pytest.mark.parametrize(
    "lock",
    ["SELECT pg_advisory_xact_lock({}, {})".format(*WRITER_LOCK), "LOCK TABLE mart.d_city"],
)
def test_who_holds_what_a_load_waits_for_is_said(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, lock: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(pipeline.owners_url, application_name="an old psql") as holder:
            holder.execute(lock.encode())
            load = pool.submit(pipeline.load, MONDAY)
            wait_until(lambda: caplog.messages)
            pid = holder.info.backend_pid
        load.result()
    (message, *_) = caplog.messages
    assert message.startswith("The warehouse: waiting for 0.3 s so far")
    assert f"process {pid} (an old psql) of user " in message
    assert f"end it: SELECT pg_terminate_backend({pid})" in message


def test_the_wait_for_another_load_is_said_again_and_again(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with pipeline.warehouse.session() as connection, writing(connection):
            load = pool.submit(pipeline.load, MONDAY)
            wait_until(lambda: len(caplog.messages) > 1)
        load.result()
    for message, seconds in zip(caplog.messages, ("0.3", "0.6"), strict=False):
        assert f"waiting for {seconds} s so far" in message
        assert (
            "(etl_assets) of user only_etl_writer at 127.0.0.1, in a transaction since" in message
        )
        assert "+00:00, idle in transaction. If that session was forgotten" in message


def test_a_run_says_in_its_log_whom_it_waits_for(pipeline: Pipeline) -> None:
    overrides = {"python_logs": {"managed_python_loggers": ["etl_assets"]}}
    pipeline.instance = pipeline.open_for_the_test.enter_context(
        dg.DagsterInstance.ephemeral(settings=overrides)
    )

    def messages() -> list[str]:
        return [
            entry.user_message
            for run in pipeline.instance.get_runs()
            for entry in pipeline.instance.all_logs(run.run_id)
            if "waiting for" in entry.user_message
        ]

    with ThreadPoolExecutor(1) as pool:
        with pipeline.warehouse.session() as connection, writing(connection):
            run = pool.submit(pipeline.run, MONDAY)
            wait_until(messages)
        run.result()
    assert messages()[0].startswith("The warehouse: waiting for 0.3 s so far")


def test_a_statement_that_takes_long_and_waits_for_nobody_is_no_matter(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.warehouse.run(lambda connection: connection.execute("SELECT pg_sleep(0.7)"))
    assert caplog.messages == []
