"""The daemon by itself, through what a week brings."""

import pytest

from etl_assets.clients.transactions import writing
from etl_assets.embedded.simulator import Fault, GivenFiles
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.daemon.conftest import Dagster
from etl_assets_tests.support.files import MONDAY, THURSDAY, TUESDAY, WEDNESDAY, csv_file, order
from etl_assets_tests.support.pipeline import holding
from etl_assets_tests.support.processes import wait_until

NEXT, REDELIVERED = "next_increment", "redelivered_increments"
FAILED, DONE = "FAILURE", "SUCCESS"
WAITS_FOR_ITS_TURN = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def test_days_late_twice_broken_and_with_the_daemon_killed_are_each_loaded_once(
    open_pipeline: OpenPipeline, environment: pytest.MonkeyPatch, dagster: Dagster
) -> None:
    files = GivenFiles(csv_file(order(MONDAY)), (MONDAY, MONDAY))
    pipeline = open_pipeline(files, today=THURSDAY)
    environment.setenv("ETL_NEXT_INCREMENT_SECONDS", "1")
    environment.setenv("ETL_REDELIVERED_INCREMENTS_SECONDS", "1")
    environment.setenv("ETL_RETRY_PAUSE_SECONDS", "2")
    pipeline.load(MONDAY)
    dagster.servers.start()

    # Tuesday is late, and the API is down for a while.
    wait_until(lambda: f"{TUESDAY}: its increment is not there yet" in dagster.ticks(NEXT))
    pipeline.simulator.faults.add(Fault("/get_increment", status=502, times=None))
    files.increments[TUESDAY] = csv_file(order(TUESDAY), order(TUESDAY, "b"))
    wait_until(lambda: "answered 502" in dagster.ticks(NEXT)[0])
    assert dagster.runs(TUESDAY) == []
    pipeline.simulator.faults.clear()
    wait_until(lambda: dagster.statuses(TUESDAY) == [DONE])

    # Wednesday comes broken, and in the middle of the third try the daemon is killed with the run.
    mended = csv_file(order(WEDNESDAY, status="refunded"))
    files.increments[WEDNESDAY] = csv_file(order(WEDNESDAY, status="lost"))
    wait_until(lambda: dagster.statuses(WEDNESDAY)[:1] == [FAILED])
    wait_until(lambda: dagster.statuses(WEDNESDAY) == [FAILED, FAILED])
    with pipeline.warehouse.session() as connection, writing(connection):
        files.increments[WEDNESDAY] = mended
        pipeline.simulator.redeliver(WEDNESDAY, mended)
        wait_until(lambda: pipeline.query(WAITS_FOR_ITS_TURN))
        dagster.kill_daemon()
        dagster.kill_worker(dagster.runs(WEDNESDAY)[-1])
    dagster.servers.stop()

    # Meanwhile Tuesday is delivered again, with other orders.
    files.increments[TUESDAY] = csv_file(order(TUESDAY, quantity=3), order(TUESDAY, "c"))
    pipeline.simulator.redeliver(TUESDAY, files.increments[TUESDAY])
    dagster.servers.start()
    wait_until(lambda: dagster.statuses(TUESDAY) == [DONE, DONE])
    # The killed run is no try.
    wait_until(lambda: dagster.statuses(WEDNESDAY) == [FAILED, FAILED, FAILED, DONE])
    wait_until(lambda: dagster.ticks(NEXT)[0].startswith("all is loaded"))
    wait_until(lambda: dagster.ticks(REDELIVERED)[0] == "no loaded object was replaced")

    pipeline.holds(holding(files, MONDAY, TUESDAY, WEDNESDAY))
    assert sorted(pipeline.loads()) == [(MONDAY,), (TUESDAY,), (TUESDAY,), (WEDNESDAY,)]
    assert len(dagster.instance.get_runs()) == 6
