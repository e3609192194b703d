"""The commands that load: `backfill`, `increment`, `rebuild`."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.days import DAY, require_range
from etl_assets.cli.reading import open_warehouse
from etl_assets.errors import EtlError

if TYPE_CHECKING:
    from etl_assets.clients.warehouse import Warehouse
    from etl_assets.instance.runner import Runner
    from etl_assets.settings import PartitionSettings
    from etl_assets.source.catalog import Source

_DAY = timedelta(days=1)


@dataclass
class Pipeline:
    """The parts that the commands of this module use."""

    partitions: "PartitionSettings"
    warehouse: "Warehouse"
    runner: "Runner"

    @cached_property
    def source(self) -> "Source":
        """The source. Its settings are read at the first use."""
        from etl_assets.clients.object_store import ObjectStore
        from etl_assets.clients.report_api import ReportApi
        from etl_assets.settings import ObjectStoreSettings, ReportApiSettings
        from etl_assets.source.catalog import Source

        return Source(
            self.warehouse,
            ReportApi(ReportApiSettings.read()),
            ObjectStore(ObjectStoreSettings.read()),
        )

    def run(
        self, what: str, job: str, days: Sequence[date] = (), **options: Any
    ) -> Mapping[str, str]:
        """Run a job and show the progress. `options` are those of `Runner.run`.

        Returns:
            The checks that warn: the reason by the check's name.

        Raises:
            EtlError: the run failed.
        """
        from etl_assets.cli.output import progress

        with progress(what) as step:
            outcome = self.runner.run(job, days, on_step=step, **options)
        if outcome.error is not None:
            failed = f"{what}: failed (run {outcome.run_id})"
            raise EtlError(
                "\n".join([failed, outcome.error, *_format_checks(outcome.failed_checks)])
            )
        return outcome.failed_checks

    def load(self, doing: str, done: str, job: str, days: Sequence[date], **options: Any) -> None:
        """Run a job that loads days. Print the row counts of the loads, and the warnings.

        Raises:
            EtlError: the run failed.
        """
        from etl_assets.cli.output import print_message
        from etl_assets.clients.transactions import loading
        from etl_assets.days import format_days
        from etl_assets.defs.assets.staging import EMPTIED_CHECK

        began = time.monotonic()
        # Also between two steps: a planner in another process may not know this run.
        with loading(self.warehouse, days):
            checks = self.run(f"{doing} {format_days(days)}", job, days, **options)
        loads = self.warehouse.rows("mart/latest_loads", {"days": list(days)})
        became = format_row_counts(loads)
        click.echo(f"{done} {format_days(days)}: {became}, in {time.monotonic() - began:.1f} s")
        outside = self.warehouse.rows("staging/rejected_outside", {"days": list(days)})
        # `warnings_of` reports emptied days from the loads, with the object.
        checks = {name: why for name, why in checks.items() if name != EMPTIED_CHECK.name}
        for warning in (*warnings_of(loads, outside), *_format_checks(checks)):
            print_message(f"Warning: {warning}")


def _format_checks(checks: Mapping[str, str]) -> list[str]:
    return [f"check {name}: {why}" for name, why in checks.items()]


def format_row_counts(counts: Sequence[Mapping[str, int]]) -> str:
    """Return the total counts as text: orders, rows read, duplicates, rejected rows."""
    loaded, read, duplicates, rejected = (
        sum(count[column] for count in counts)
        for column in ("loaded", "rows_read", "duplicates", "rejected")
    )
    return f"{loaded:,} orders of {read:,} rows, {duplicates:,} duplicates, {rejected:,} rejected"


def warnings_of(
    loads: Sequence[Mapping[str, Any]], outside: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Return the warnings about loads that succeeded.

    Args:
        loads: the rows of `sql/mart/latest_loads.sql`.
        outside: the rows of `sql/staging/rejected_outside.sql`.
    """
    for load in loads:
        if load["changes"]["gone"] and not load["loaded"]:
            yield (
                f"{load['partition_day']} had {load['changes']['gone']:,} orders before this load "
                f"and has none now. It was loaded from {load['uri']}"
            )
    for of_object in outside:
        yield (
            f"{of_object['rejected']:,} rows of {of_object['uri']} were rejected because their day "
            f"is unreadable or not from {of_object['start_day']} to {of_object['end_day']}. They "
            "are not in the count of any day: etl-assets rejected shows them"
        )


def needed_settings(*, with_source: bool = True) -> "PartitionSettings":
    """Check every setting that loading needs. Return the settings of the partitions.

    Raises:
        ConfigurationError: variables are missing or malformed; one line for each.
    """
    from etl_assets.settings import (
        DagsterSettings,
        LoadSettings,
        ObjectStoreSettings,
        PartitionSettings,
        ReportApiSettings,
        WarehouseSettings,
        require,
    )

    source = (ReportApiSettings, ObjectStoreSettings, LoadSettings) if with_source else ()
    require(WarehouseSettings, *source, PartitionSettings, DagsterSettings)
    return PartitionSettings.read()


@contextmanager
def pipeline(partitions: "PartitionSettings") -> Generator[Pipeline]:
    """Open the warehouse and Dagster's instance, and yield the parts that the commands use.

    Raises:
        EtlError: the warehouse, or Dagster's own storage, can't be used.
    """
    import logging

    # Libraries warn about retries and deprecations. The commands report the outcome themselves.
    logging.captureWarnings(capture=True)
    logging.getLogger().setLevel(logging.ERROR)
    # Whom a run waits for: Dagster keeps it in the run's log, and would show it nowhere else.
    ours = logging.getLogger("etl_assets")
    ours.setLevel(logging.WARNING)
    if logging.lastResort and logging.lastResort not in ours.handlers:
        ours.addHandler(logging.lastResort)
    warehouse = open_warehouse(retried=True)

    from etl_assets.definitions import build_defs
    from etl_assets.instance.runner import runner

    with runner(build_defs(partitions)) as runs:
        yield Pipeline(partitions, warehouse, runs)


@click.command(short_help="Load a range of days in one run, by default the report's days.")
@click.option("--from", "first", type=DAY, help="The first day; by default the report's.")
@click.option("--to", "last", type=DAY, help="The last day, included; by default the report's.")
@click.option("--new-report", is_flag=True, help="Request a new report, even if there is one.")
@click.option(
    "--report",
    type=click.Choice(["recorded", "latest"]),
    default="recorded",
    show_default=True,
    help="Where to load days from that are loaded already: recorded is the object that each was "
    "loaded from, latest is the newest report. latest rewrites days; a report has no refunds.",
)
@click.option(
    "--allow-empty",
    is_flag=True,
    help="Replace a day that has orders even if its object has no valid order for it.",
)
def backfill(
    first: date | None, last: date | None, new_report: bool, report: str, allow_empty: bool
) -> None:
    """Load a range of days in one run, by default all days of the report.

    If there is no report, the command requests one. The range may include any day that the source
    has, increments included. Loading a day again replaces its rows with those that the source has
    now.

    Nothing is loaded if the source lacks one of the days, or if a day would lose all its orders
    (see --allow-empty). An increment that has only the header is an exception: it is loaded, with a
    warning.

    \b
    Examples:
      etl-assets backfill
      etl-assets backfill --from 2024-02-26 --to 2024-03-03
      etl-assets backfill --from 2024-02-26 --to 2024-02-26 --report latest
      etl-assets backfill --from 2024-02-26 --to 2024-02-26 --allow-empty
    """
    partitions = needed_settings()
    _check_range(partitions, first, last)
    with pipeline(partitions) as work:
        load_range(work, first, last, new_report=new_report, choice=report, allow_empty=allow_empty)


def _check_range(partitions: "PartitionSettings", first: date | None, last: date | None) -> None:
    """Refuse days outside the partitions, before anything is requested."""
    earliest, latest = partitions.start_day, partitions.last_day()
    for option, day in (("--from", first), ("--to", last)):
        if day and day < earliest:
            raise click.UsageError(
                f"{option} {day} is before the first day, {earliest} (ETL_START_DATE)"
            )
        if day and day > latest:
            limit = f"the last day that is over, {latest}"
            if latest == partitions.end_day:
                limit = f"the last day, {latest} (ETL_END_DATE)"
            raise click.UsageError(f"{option} {day} is after {limit}")
    require_range(first, last)


def load_range(
    work: Pipeline,
    first: date | None = None,
    last: date | None = None,
    *,
    new_report: bool = False,
    choice: str = "recorded",
    allow_empty: bool = False,
) -> None:
    """Load the days from `first` to `last`, by default those of the report.

    If there is no report, or with `new_report`, request one first.

    Raises:
        EtlError: the run failed, or no day of the report is in the range.
    """
    from etl_assets.defs.jobs import ORDER_BACKFILL

    if new_report or not work.source.reports():
        _ask_for_report(work, new=new_report)
    days = _chosen_days(work, first, last)
    ops = {
        "raw__user_order_log": {"config": {"report": choice}},
        "staging__user_order_log": {"config": {"allow_empty": allow_empty}},
    }
    work.load("Loading", "Loaded", ORDER_BACKFILL, days, ops=ops)


def _ask_for_report(work: Pipeline, *, new: bool) -> None:
    from etl_assets.days import days_between, format_days
    from etl_assets.defs.jobs import ORDER_REPORT_JOB

    ops = {"order_report": {"config": {"new_report": new}}}
    work.run("Requesting the report", ORDER_REPORT_JOB, ops=ops)
    report = work.source.reports()[0]
    covered = days_between(report.start_day, report.end_day)
    click.echo(f"The report is ready. It covers {format_days(covered)}")


def _chosen_days(work: Pipeline, first: date | None, last: date | None) -> list[date]:
    """Return the days from `first` to `last`; a missing end is the report's, within the limits."""
    from etl_assets.cli.output import print_message
    from etl_assets.days import days_between, format_days

    earliest, latest = work.partitions.start_day, work.partitions.last_day()
    report = work.source.reports()[0]
    from_day = first or max(report.start_day, earliest)
    to_day = last or min(report.end_day, latest)
    if from_day > to_day:
        covered = format_days(days_between(report.start_day, report.end_day))
        raise EtlError(
            f"The report covers {covered}. None of these days is from {first or earliest} to "
            f"{last or latest}. What to do: give --from and --to, or change ETL_START_DATE"
        )
    if first is None and report.start_day < earliest:
        left_out = days_between(report.start_day, min(report.end_day, earliest - _DAY))
        print_message(
            f"Left out: {format_days(left_out)} of the report, before ETL_START_DATE ({earliest})"
        )
    if last is None and latest < report.end_day:
        left_out = days_between(max(report.start_day, latest + _DAY), report.end_day)
        print_message(
            f"Left out: {format_days(left_out)} of the report, after the last day ({latest})"
        )
    return days_between(from_day, to_day)


@click.command(short_help="Load the next days, until the source has no more days.")
@click.option(
    "--until", type=DAY, help="The last day to load; by default the last that the source has."
)
def increment(until: date | None) -> None:
    """Load the next days in order, until the source has no more days.

    \b
    Examples:
      etl-assets increment
      etl-assets increment --until 2024-03-01
    """
    with pipeline(needed_settings()) as work:
        load_increments(work, until)


def load_increments(work: Pipeline, until: date | None = None) -> None:
    """Load day after day, as long as the planner returns one.

    Raises:
        EtlError: a load failed, or the planner is blocked.
        ServiceUnavailable: the source can't be asked.
    """
    from etl_assets import errors
    from etl_assets.cli.output import print_message
    from etl_assets.defs.jobs import ORDER_INCREMENT
    from etl_assets.defs.run_queue import RunQueue
    from etl_assets.planning.planner import AskForReport, Blocked, Load, Planner, Unavailable, Wait

    queue = RunQueue(work.runner.instance, work.warehouse)
    planner = Planner(work.warehouse, work.source, work.partitions, queue, pauses=False)
    while True:
        match planner.next(until=until):
            case Load(day):
                work.load("Loading", "Loaded", ORDER_INCREMENT, [day], planned=True)
            case AskForReport(why):
                print_message(why)
                _ask_for_report(work, new=True)
            case Wait(why):
                click.echo(f"Nothing more to load: {why}")
                return
            case Blocked(why, remedy):
                raise EtlError(f"{why[0].upper()}{why[1:]}. What to do: {remedy}")
            case Unavailable(error):
                raise errors.ServiceUnavailable(error)


@click.command(short_help="Make the mart again from staging, without the source.")
@click.option(
    "--from", "first", type=DAY, help="The first day; by default the first day in staging."
)
@click.option(
    "--to", "last", type=DAY, help="The last day, included; by default the last day in staging."
)
def rebuild(first: date | None, last: date | None) -> None:
    """Make the mart again from staging: all days, or a range.

    The command does not use the source, and needs none of its settings.

    \b
    Examples:
      etl-assets rebuild
      etl-assets rebuild --from 2024-02-26 --to 2024-03-03
    """
    from etl_assets.cli.output import print_message
    from etl_assets.days import days_between, format_days, split_at_gaps
    from etl_assets.defs.assets.common import mart_key
    from etl_assets.defs.jobs import ORDER_INCREMENT
    from etl_assets.mart.tables import TABLES

    partitions = needed_settings(with_source=False)
    _check_range(partitions, first, last)
    with pipeline(partitions) as work:
        staged = [row["partition_day"] for row in work.warehouse.rows("staging/staged_days")]
        from_day, to_day = first or partitions.start_day, last or partitions.last_day()
        days = [day for day in staged if from_day <= day <= to_day]
        if not days:
            raise EtlError(
                f"Staging has no day from {from_day} to {to_day}. What to do: etl-assets backfill"
            )
        asked_for = days_between(first or days[0], last or days[-1])
        for gap in split_at_gaps(sorted(set(asked_for) - set(days))):
            print_message(f"Left out: {format_days(gap)}, not in staging")
        for stretch in split_at_gaps(days):
            work.load(
                "Making the mart of",
                "Made the mart of",
                ORDER_INCREMENT,
                stretch,
                assets=[mart_key(table) for table in (*TABLES, "f_customer_retention")],
            )
