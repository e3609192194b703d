"""Running a job in this process: what Dagster by itself would not do."""

import signal

import dagster as dg
import pytest

from etl_assets.defs.jobs import ORDER_BACKFILL
from etl_assets.embedded.simulator import GivenFiles
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY, csv_file, order


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupt_at_the_very_end_of_a_run_is_not_lost(
    open_pipeline: OpenPipeline, number: signal.Signals
) -> None:
    """Dagster looks for one before each step, and this one comes after the last."""
    pipeline = open_pipeline(GivenFiles(csv_file(order(MONDAY)), (MONDAY, MONDAY)))
    steps: list[str] = []
    ends: list[dg.DagsterEvent] = []

    def on_step(step: str) -> None:
        if not steps:
            (run,) = pipeline.instance.get_runs(limit=1)
            pipeline.instance.add_event_listener(run.run_id, interrupt_the_end)
        steps.append(step)

    def interrupt_the_end(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event and event.event_type is dg.DagsterEventType.RUN_SUCCESS:
            signal.raise_signal(number)
            ends.append(event)

    with pytest.raises(KeyboardInterrupt):
        pipeline.runner.run(ORDER_BACKFILL, [MONDAY], on_step=on_step)
    assert (steps[-1], len(ends)) == ("mart__f_customer_retention", 1)
    assert len(pipeline.loads()) == 1
