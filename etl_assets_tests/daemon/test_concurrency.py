"""Eight loads at once of overlapping days, by the daemon and by the command line."""

import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
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
from etl_assets_tests.support.pipeline import Pipeline
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

LOADS = len(BY_THE_DAEMON) + len(BY_COMMANDS)

WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

LOCKS = """
    SELECT pid, application_name, usename, state, granted, mode, classid, objid
    FROM pg_locks
    JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory'
    ORDER BY granted DESC, pid
"""


@dataclass(frozen=True)
class Waiting:
    """The eight loads before it is anybody's turn: none of them can end, and no other may begin."""

    pipeline: Pipeline
    dagster: Dagster
    commands: Sequence["subprocess.Popen[str]"]

    def for_their_turn(self) -> bool:
        """Return whether all have read their files and wait; fail at once where they never will."""
        waiting = len(self.pipeline.query(WAITING))
        all_go_on = not any(run.is_finished for run in self.dagster.instance.get_runs()) and all(
            command.poll() is None for command in self.commands
        )
        assert all_go_on, f"a load has ended before its turn\n{self.told()}"
        assert waiting <= LOADS, f"{waiting} loads wait, of {LOADS}\n{self.told()}"
        return waiting == LOADS

    def told(self) -> str:
        """Return what the loads do, and who holds or waits for which lock."""
        lines = ["Runs, the newest first:"]
        for run in self.dagster.instance.get_runs():
            lines.append(f"  {run.run_id} {run.status.value} {dict(run.tags)}")
            failed = [
                entry.message
                for entry in self.dagster.instance.all_logs(run.run_id)
                if entry.dagster_event and entry.dagster_event.is_failure
            ]
            lines += [f"    {message}" for message in failed]
        lines.append("Commands:")
        for command in self.commands:
            lines.append(f"  {command.pid} ended with {command.poll()}")
            if command.returncode is not None:
                lines += [f"    {text}" for text in command.communicate() if text]
        lines.append("Locks, those that are held first:")
        lines += [f"  {lock}" for lock in self.pipeline.query(LOCKS)]
        return "\n".join(lines)


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
            all_eight = Waiting(pipeline, dagster, loads)
            wait_until(all_eight.for_their_turn, otherwise=all_eight.told)
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
