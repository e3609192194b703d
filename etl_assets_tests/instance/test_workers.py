"""Runs on Celery's workers: one is killed in the middle, one is told to stop."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import dagster as dg
import psycopg
import pytest
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from etl_assets.clients.transactions import writing
from etl_assets.defs.run_queue import RunQueue
from etl_assets.planning import attempts
from etl_assets_tests.instance.demo import DAYS, holds_the_demo
from etl_assets_tests.instance.stack import Stack
from etl_assets_tests.support.processes import wait_until

RANGE, INCREMENTS = DAYS[:-10], DAYS[-10:]
CANCELED, STARTED, FAILED, DONE = (
    dg.DagsterRunStatus.CANCELED,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.SUCCESS,
)


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(
        tmp_path_factory.mktemp("workers"),
        RUN_LAUNCHER="celery",
        LOG_FORMAT="json",
        ETL_POLL_SECONDS="0.1",
        ETL_NEXT_INCREMENT_SECONDS="1",
    ) as stack:
        stack.run("migrate")
        stack.start("broker", "source", "code-location")
        stack.start("webserver", "worker", "worker:2", "daemon")
        yield stack


def test_a_killed_worker_and_one_that_is_restarted_lose_and_double_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = stack.warehouse()

    def loaded() -> list[date]:
        return [row["partition_day"] for row in warehouse.rows("mart/loaded_days")]

    def runs_with_attempts() -> int:
        with psycopg.connect(stack.warehouse_url) as connection:
            found = connection.execute("SELECT count(DISTINCT run_id) FROM etl.attempt").fetchone()
        return found[0] if found else 0

    with stack.instance() as instance, ThreadPoolExecutor(1) as pool:

        def runs(*statuses: dg.DagsterRunStatus) -> Sequence[dg.DagsterRun]:
            return instance.get_runs(dg.RunsFilter(statuses=statuses))

        # Nobody's turn to write comes before this block ends.
        with warehouse.session() as connection, writing(connection):
            stack.webserver.launch("order_backfill", str(RANGE[0]), str(RANGE[-1]))
            # An increment that starts before would find no report, and fail.
            wait_until(lambda: warehouse.rows("source/ready_reports"))
            for day in INCREMENTS:
                stack.webserver.launch("order_increment", str(day))
            # All four have begun their days. A run that is killed before that holds its day longer.
            wait_until(lambda: len(runs(STARTED)) == 4 and runs_with_attempts() == 4)
            started = {run.run_id for run in runs(STARTED)}
            stack.kill("worker")
            stopped = pool.submit(stack.stop, "worker:2")
            stack.start("worker")
        stopped.result()
        # The stopped worker has finished its two runs. Those of the killed one are marked as
        # failed, here or by next_increment. Then Dagster runs a range again, and the planner a day.
        monkeypatch.setattr(attempts, "GRACE_SECONDS", 0)
        queue = RunQueue(instance, warehouse)

        def all_is_loaded() -> bool:
            queue.end_killed_runs()
            return loaded() == DAYS and len(runs(DONE)) == len(INCREMENTS) + 1

        wait_until(all_is_loaded)
        failed = {run.run_id for run in runs(FAILED)}
        assert len(failed) == 2
        assert failed < started

        # What somebody terminates is not run again.
        with warehouse.session() as connection, writing(connection):
            terminated = stack.webserver.launch("order_backfill", str(RANGE[0]), str(RANGE[1]))
            wait_until(lambda: [run.run_id for run in runs(STARTED)] == [terminated])
            stack.webserver.terminate(terminated)
            wait_until(lambda: [run.run_id for run in runs(CANCELED)] == [terminated])
        assert not runs(*IN_PROGRESS_RUN_STATUSES)
    holds_the_demo(stack.warehouse_url)

    of_runs = [event for event in stack.logged("worker") if "RUN_START" in event["event"]]
    assert {event["logger"] for event in of_runs} == {"dagster"}
