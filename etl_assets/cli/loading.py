"""Commands that load: a range, the next days, the mart anew."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.days import DAY
from etl_assets.cli.reading import open_warehouse
from etl_assets.errors import EtlError

if TYPE_CHECKING:
    from etl_assets.resources import Warehouse
    from etl_assets.runs import Runner
    from etl_assets.settings import PartitionSettings
    from etl_assets.source import Source


@dataclass
class Pipeline:
    """What the commands here work with."""

    partitions: "PartitionSettings"
    warehouse: "Warehouse"
    runner: "Runner"

    @cached_property
    def source(self) -> "Source":
        """The source, whose settings are read when it is needed."""
        from etl_assets.resources import ObjectStore, ReportApi
        from etl_assets.settings import ObjectStoreSettings, ReportApiSettings
        from etl_assets.source import Source

        return Source(
            self.warehouse,
            ReportApi(ReportApiSettings.read()),
            ObjectStore(ObjectStoreSettings.read()),
        )

    def run(self, what: str, job: str, days: Sequence[date] = (), **options: Any) -> None:
        """Run a job, with the options of `Runner.run`, and show that it runs.

        Raises:
            EtlError: the run failed.
        """
        from etl_assets.cli.output import progress, say

        with progress(what) as step:
            outcome = self.runner.run(job, days, on_step=step, **options)
        if outcome.error is not None:
            raise EtlError(f"{what}: failed (run {outcome.run_id})\n{outcome.error}")
        say(f"{what}: done")


@contextmanager
def pipeline(*, with_source: bool = True) -> Generator[Pipeline]:
    """Put together what the commands work with; every setting is read before anything starts."""
    from etl_assets.settings import (
        LoadSettings,
        ObjectStoreSettings,
        PartitionSettings,
        ReportApiSettings,
    )

    partitions = PartitionSettings.read()
    if with_source:
        for settings in (ReportApiSettings, ObjectStoreSettings, LoadSettings):
            settings.read()
    warehouse = open_warehouse(retried=True)

    from etl_assets.definitions import build_defs
    from etl_assets.runs import runner

    with runner(build_defs(partitions)) as runs:
        yield Pipeline(partitions, warehouse, runs)


@click.command()
@click.option("--from", "first", type=DAY, help="The first day; by default the report's.")
@click.option("--to", "last", type=DAY, help="The last day, included; by default the report's.")
@click.option("--new-report", is_flag=True, help="Ask for a new report although there is one.")
@click.option(
    "--report",
    type=click.Choice(["kept", "latest"]),
    default="kept",
    help="Take loaded days from the object that they were loaded from (kept, the default), or from "
    "the newest report even where that rewrites them (latest; a report has no refunds).",
)
def backfill(first: date | None, last: date | None, new_report: bool, report: str) -> None:
    """Load a range of days in one run, all that the report covers by default.

    Any day that the source has can be given, increments included. Loading a day again replaces it
    by what the source has now. If the source lacks one of the days, nothing is loaded.

    \b
    Examples:
      etl-assets backfill
      etl-assets backfill --from 2024-02-26 --to 2024-03-03
      etl-assets backfill --from 2024-02-26 --to 2024-02-26 --report latest
    """
    with pipeline() as work:
        load_range(work, first, last, new_report=new_report, choice=report)


def load_range(
    work: Pipeline,
    first: date | None = None,
    last: date | None = None,
    *,
    new_report: bool = False,
    choice: str = "kept",
) -> None:
    """Load the days from first to last, by default those of the report, which is asked for."""
    from etl_assets.automation.jobs import ORDER_BACKFILL
    from etl_assets.partitions import in_words

    if new_report or not work.source.reports():
        _ask_for_report(work, new=new_report)
    days = _chosen_days(work, first, last)
    ops = {"raw__user_order_log": {"config": {"report": choice}}}
    work.run(f"Loading {in_words(days)}", ORDER_BACKFILL, days, ops=ops)


def _ask_for_report(work: Pipeline, *, new: bool) -> None:
    from etl_assets.automation.jobs import ORDER_REPORT_JOB

    ops = {"order_report": {"config": {"new_report": new}}}
    work.run("Asking for the report", ORDER_REPORT_JOB, ops=ops)


def _chosen_days(work: Pipeline, first: date | None, last: date | None) -> list[date]:
    from etl_assets.cli.output import say
    from etl_assets.partitions import days_between

    earliest, latest = work.partitions.start_day, work.partitions.last_day()
    report = work.source.reports()[0]
    if first is None and report.start_day < earliest:
        say(f"Left out: the report's days before {earliest} (ETL_START_DATE)")
    days = days_between(
        first or max(report.start_day, earliest), last or min(report.end_day, latest)
    )
    if not days:
        raise click.UsageError(
            f"There is no day from {first or report.start_day} to {last or report.end_day}"
        )
    if days[0] < earliest or days[-1] > latest:
        raise click.UsageError(
            f"{days[0]} to {days[-1]} is not within {earliest} (ETL_START_DATE) to {latest} "
            "(yesterday, or ETL_END_DATE)"
        )
    return days


@click.command()
@click.option("--until", type=DAY, help="The last day to load; by default all that there are.")
def increment(until: date | None) -> None:
    """Load the next days, in order, until the source has no more.

    \b
    Examples:
      etl-assets increment
      etl-assets increment --until 2024-03-01
    """
    with pipeline() as work:
        load_increments(work, until)


def load_increments(work: Pipeline, until: date | None = None) -> None:
    """Load day after day while the planner says so.

    Raises:
        EtlError: a load failed, or the planner is blocked.
        Unavailable: the source can't be asked.
    """
    from etl_assets import errors
    from etl_assets.automation.jobs import ORDER_INCREMENT
    from etl_assets.automation.planner import (
        AskForReport,
        Blocked,
        Load,
        Planner,
        Unavailable,
        Wait,
    )
    from etl_assets.automation.run_history import RunHistory
    from etl_assets.cli.output import say

    history = RunHistory(work.runner.instance)
    planner = Planner(work.warehouse, work.source, work.partitions, history, pauses=False)
    while True:
        match planner.next(until=until):
            case Load(day):
                work.run(f"Loading {day}", ORDER_INCREMENT, [day], planned=True)
            case AskForReport(why):
                say(why)
                _ask_for_report(work, new=True)
            case Wait(why):
                say(f"Nothing more to load: {why}")
                return
            case Blocked(why, remedy):
                raise EtlError(f"{why[0].upper()}{why[1:]}. What to do: {remedy}")
            case Unavailable(error):
                raise errors.Unavailable(error)


@click.command()
@click.option("--from", "first", type=DAY, help="The first day; by default the first staged.")
@click.option("--to", "last", type=DAY, help="The last day, included; by default the last staged.")
def rebuild(first: date | None, last: date | None) -> None:
    """Make the mart anew from staging, without the source.

    \b
    Examples:
      etl-assets rebuild
      etl-assets rebuild --from 2024-02-26 --to 2024-03-03
    """
    from etl_assets.assets.common import mart_key
    from etl_assets.assets.mart import TABLES
    from etl_assets.automation.jobs import ORDER_INCREMENT
    from etl_assets.partitions import in_words, stretches

    with pipeline(with_source=False) as work:
        staged = [row["partition_day"] for row in work.warehouse.rows("etl/staged_days")]
        days = [day for day in staged if (first or day) <= day <= (last or day)]
        if not days:
            raise EtlError("Staging holds none of these days. What to do: etl-assets backfill")
        for stretch in stretches(days):
            work.run(
                f"Making the mart of {in_words(stretch)}",
                ORDER_INCREMENT,
                stretch,
                assets=[mart_key(table) for table in (*TABLES, "f_customer_retention")],
            )
