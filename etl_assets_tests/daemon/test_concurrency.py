"""Eight loads at once of overlapping days, by the daemon and by the command line."""

from contextlib import ExitStack
from datetime import timedelta
from urllib.parse import urlsplit

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from dagster_graphql import DagsterGraphQLClient

from etl_assets.clients.transactions import writing
from etl_assets.embedded.ports import LOOPBACK
from etl_assets.embedded.simulator import GivenFiles
from etl_assets_tests.conftest import OpenPipeline, as_user
from etl_assets_tests.daemon.conftest import Dagster
from etl_assets_tests.support.command_line import program
from etl_assets_tests.support.files import (
    FRIDAY,
    MONDAY,
    SATURDAY,
    SUNDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    increment,
    order,
)
from etl_assets_tests.support.processes import PATIENCE_SECONDS, wait_until
from etl_assets_tests.support.watching import Watching

DAYS = (MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY)

BEFORE, AFTER = (
    {
        day: csv_file(
            *(order(day, f"{n}", customer_id=n % 7, item_id=n % 3, item_name=name) for n in numbers)
        )
        for day in DAYS
    }
    for name, numbers in (("before", range(20)), ("after", range(5, 30)))
)

BY_THE_DAEMON = ((MONDAY, WEDNESDAY), (TUESDAY, FRIDAY), (FRIDAY, SUNDAY), (MONDAY, SUNDAY))
BY_COMMANDS = ((MONDAY, MONDAY), (SUNDAY, SUNDAY), (WEDNESDAY, SATURDAY), (MONDAY, SUNDAY))

WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def test_eight_loads_at_once_of_overlapping_days_lose_and_double_nothing(
    open_pipeline: OpenPipeline, dagster: Dagster
) -> None:
    sunday_before = MONDAY - timedelta(days=1)
    files = GivenFiles(csv_file(), (sunday_before, sunday_before), dict(BEFORE))
    pipeline = open_pipeline(files, start_day=MONDAY)
    pipeline.load(*DAYS)
    versions = {day: [increment(of[day], day) for of in (BEFORE, AFTER)] for day in DAYS}
    reader = as_user("only_etl_reader", pipeline.owners_url)
    dagster.servers.start()
    # It looks for what was delivered again now, and not in the next ten minutes.
    wait_until(lambda: "no loaded object was replaced" in dagster.ticks("redelivered_increments"))
    for day, body in AFTER.items():
        pipeline.simulator.redeliver(day, body)
    client = DagsterGraphQLClient(LOOPBACK, urlsplit(dagster.servers.url).port)

    with ExitStack() as stack:
        with pipeline.warehouse.session() as connection, writing(connection):
            for first, last in BY_THE_DAEMON:
                tags = {
                    ASSET_PARTITION_RANGE_START_TAG: str(first),
                    ASSET_PARTITION_RANGE_END_TAG: str(last),
                }
                client.submit_job_execution("order_backfill", tags=tags)
            loads = [
                stack.enter_context(program("backfill", "--from", first, "--to", last))
                for first, last in BY_COMMANDS
            ]
            # All have read their files, and wait for their turn.
            wait_until(lambda: len(pipeline.query(WAITING)) == 8)
            watching = stack.enter_context(Watching(reader, versions))
        for load in loads:
            _, errors = load.communicate(timeout=PATIENCE_SECONDS)
            assert load.returncode == 0, errors
        wait_until(lambda: all(run.is_finished for run in dagster.instance.get_runs()))

    statuses = [run.status for run in dagster.instance.get_runs()]
    assert statuses == [dg.DagsterRunStatus.SUCCESS] * 8
    assert watching.looks > 10
    pipeline.holds({day: increment(body, day) for day, body in AFTER.items()})
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert pipeline.query(deadlocks) == [(0,)]
