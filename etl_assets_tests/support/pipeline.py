"""Runs the pipeline for tests: jobs in this process, with real services, and their results."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from itertools import count
from typing import Any

import dagster as dg
import psycopg
from dagster._core.definitions.sensor_definition import SensorExecutionData

from etl_assets.clients.object_store import ObjectStore
from etl_assets.clients.report_api import ReportApi
from etl_assets.clients.warehouse import Warehouse
from etl_assets.definitions import build_defs
from etl_assets.defs.jobs import ORDER_BACKFILL
from etl_assets.defs.run_queue import RunQueue
from etl_assets.embedded.simulator import GivenFiles, Simulator
from etl_assets.instance.runner import Outcome, Runner
from etl_assets.mart.load import MartLoad, load_mart
from etl_assets.planning.planner import Planner
from etl_assets.settings import (
    ObjectStoreSettings,
    PartitionSettings,
    ReportApiSettings,
    WarehouseSettings,
)
from etl_assets.source.catalog import Choice, Source, locate
from etl_assets.source.raw_file import RawFile
from etl_assets.staging.files import Staged
from etl_assets.staging.load import stage
from etl_assets_tests.properties import oracle
from etl_assets_tests.properties.model import Tables
from etl_assets_tests.properties.oracle import TABLE_COLUMNS, Delivery, Mart, Order

Row = tuple[Any, ...]


@dataclass
class Pipeline:
    """A test's source, warehouse and Dagster instance, for which the environment is configured.

    `files` are the source's files and may be changed while it runs. `owners_url` is the address of
    the warehouse for its owner, who may do more than the pipeline.
    """

    files: GivenFiles
    simulator: Simulator
    owners_url: str
    open_for_the_test: ExitStack
    retry_seconds: float = 1.0

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        """Dagster's instance, for tests that run something in it."""
        return self.open_for_the_test.enter_context(dg.DagsterInstance.ephemeral())

    @cached_property
    def runner(self) -> Runner:
        return Runner(build_defs(PartitionSettings.read()), self.instance)

    @cached_property
    def warehouse(self) -> Warehouse:
        return Warehouse(WarehouseSettings.read().url, retry_seconds=self.retry_seconds)

    @cached_property
    def report_api(self) -> ReportApi:
        return ReportApi(ReportApiSettings.read(), retry_seconds=self.retry_seconds)

    @cached_property
    def object_store(self) -> ObjectStore:
        return ObjectStore(ObjectStoreSettings.read(), retry_seconds=self.retry_seconds)

    @cached_property
    def source(self) -> Source:
        return Source(self.warehouse, self.report_api, self.object_store)

    def planner(self, *, pauses: bool = True) -> Planner:
        """Return the planner of the sensors, or that of the command line."""
        queue = self.queue()
        partitions = PartitionSettings.read()
        return Planner(self.warehouse, self.source, partitions, queue, pauses=pauses)

    def queue(self) -> RunQueue:
        """Return Dagster's queue, as the sensors read it."""
        return RunQueue(self.instance, self.warehouse)

    # --- Running ----------------------------------------------------------------------------------

    def run(self, *days: date, job: str = ORDER_BACKFILL, **options: Any) -> str:
        """Run a job that succeeds, for consecutive days, and return the run's id.

        The options are those of `Runner.run`.
        """
        outcome = self.runner.run(job, days, **options)
        assert outcome.error is None
        return outcome.run_id

    def fail(self, *days: date, job: str = ORDER_BACKFILL, **options: Any) -> Outcome:
        """Run a job that fails, for consecutive days."""
        outcome = self.runner.run(job, days, **options)
        assert outcome.error is not None
        return outcome

    def load(
        self,
        *days: date,
        choice: Choice = Choice.recorded,
        planned: bool = False,
        max_rejected_share: float = 0.01,
        allow_empty: bool = False,
    ) -> MartLoad:
        """Do the same as `order_backfill` without Dagster, which is five times as fast.

        With `planned` it skips days that are loaded already, like a run of the planner.
        """
        self.stage(
            *days,
            choice=choice,
            planned=planned,
            max_rejected_share=max_rejected_share,
            allow_empty=allow_empty,
        )
        return self.make_mart(*days, planned=planned)

    def stage(
        self,
        *days: date,
        choice: Choice = Choice.recorded,
        planned: bool = False,
        max_rejected_share: float = 0.01,
        allow_empty: bool = False,
    ) -> Staged:
        """Do the first part of `load`: find the objects and stage them."""
        self.source.ensure_report(new=False, on_wait=lambda _: None)
        run_id = a_run()
        self.locate(*days, choice=choice, run_id=run_id)
        return self.stage_located(
            *days,
            planned=planned,
            max_rejected_share=max_rejected_share,
            allow_empty=allow_empty,
            run_id=run_id,
        )

    def locate(
        self, *days: date, choice: Choice = Choice.recorded, run_id: str | None = None
    ) -> list[RawFile]:
        """Do the first part of `stage`: find the objects."""
        return locate(self.warehouse, self.source, days, run_id=run_id or a_run(), choice=choice)

    def stage_located(
        self,
        *days: date,
        planned: bool = False,
        max_rejected_share: float = 0.01,
        allow_empty: bool = False,
        run_id: str | None = None,
        done_again: Sequence[str] = (),
    ) -> Staged:
        """Do the second part of `stage`: load the objects into staging."""
        return stage(
            self.warehouse,
            self.object_store,
            days,
            run_id=run_id or a_run(),
            done_again=done_again,
            only_changed=planned,
            max_rejected_share=max_rejected_share,
            allow_empty=allow_empty,
        )

    def make_mart(self, *days: date, planned: bool = False) -> MartLoad:
        """Do the second part of `load`: load staging into the mart."""
        return load_mart(self.warehouse, days, run_id=a_run(), only_unloaded=planned)

    def tick(self, sensor: str, cursor: str | None = None) -> SensorExecutionData:
        """Evaluate a sensor as the daemon does."""
        defs = build_defs(PartitionSettings.read())
        repository = defs.get_repository_def()
        with dg.build_sensor_context(
            instance=self.instance,
            repository_def=repository,
            cursor=cursor,
            resources=dict(defs.resources or {}),
        ) as context:
            return repository.get_sensor_def(sensor).evaluate_tick(context)

    # --- The warehouse ----------------------------------------------------------------------------

    def query(self, sql: str, *parameters: object) -> list[Row]:
        """Run a statement as the owner; return its rows, or [] if it has none."""
        with psycopg.connect(self.owners_url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def table(self, name: str) -> list[Row]:
        """Return a table of the mart, sorted by its columns."""
        return sorted(self.query(_table_query(name)))

    def staged(self) -> list[Row]:
        """Return staging.user_order_log, by day and line."""
        return sorted(self.query(f"SELECT {', '.join(Order._fields)} FROM staging.user_order_log"))

    def rejected(self) -> list[Row]:
        """Return (line, day, reason) of the rows in quarantine, by line."""
        return self.query(
            "SELECT line, partition_day, reason FROM staging.rejected_row ORDER BY line"
        )

    def loads(self, columns: str = "partition_day") -> list[Row]:
        """Return etl.load, the history of all loads, in order."""
        return self.query(f"SELECT {columns} FROM etl.load ORDER BY load_id")

    def holds(self, days: Mapping[date, Delivery]) -> None:
        """Check that every table is as the model computes it from the deliveries of the days."""
        mart, staged = expected(days)
        with psycopg.connect(self.owners_url) as connection:
            for table, rows in mart_tables(connection).items():
                assert rows == getattr(mart, table), table
        assert self.staged() == staged

    # --- Dagster's events -------------------------------------------------------------------------

    def events(self, run_id: str) -> list[dg.DagsterEvent]:
        """Return the events of a run."""
        return [
            entry.dagster_event for entry in self.instance.all_logs(run_id) if entry.dagster_event
        ]

    def materialized(self, run_id: str) -> set[tuple[str, str | None]]:
        """Return the assets and days that a run has materialized."""
        return {
            (event.asset_key.to_user_string(), event.partition)
            for event in self.events(run_id)
            if event.is_step_materialization and event.asset_key
        }

    def metadata(self, run_id: str, asset: str, day: date | None = None) -> dict[str, Any]:
        """Return the metadata that a run recorded for the asset, or for one day of it."""
        return {
            name: value.value
            for event in self.events(run_id)
            if event.is_step_materialization
            and event.asset_key == dg.AssetKey(asset.split("/"))
            and event.partition == (day and str(day))
            for name, value in event.step_materialization_data.materialization.metadata.items()
        }

    def checks(self, run_id: str) -> dict[str, bool]:
        """Return the checks of a run, and whether each passed."""
        return {
            event.asset_check_evaluation_data.check_name: event.asset_check_evaluation_data.passed
            for event in self.events(run_id)
            if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        }


def calls(pipeline: Pipeline, path: str) -> int:
    """Return how many calls of a path reached the report API."""
    return sum(call.path == path for call in pipeline.simulator.calls)


def holding(files: GivenFiles, *days: date) -> dict[date, Delivery]:
    """Return the delivery of each day: its increment, else the report."""
    first, last = files.days or (min(days), max(days))
    return {
        day: Delivery(files.increments[day], day, day)
        if day in files.increments
        else Delivery(files.orders, first, last)
        for day in days
    }


_VERSION = "report_id, increment_id IS NOT NULL, etag"
_COUNTS = "rows_read, duplicates, rejected, loaded"
_QUERIES = {
    "user_order_log": f"SELECT {', '.join(Order._fields)} FROM staging.user_order_log",
    "rejected_row": "SELECT etag, line, partition_day FROM staging.rejected_row",
    "raw_file": f"SELECT partition_day, {_VERSION} FROM etl.raw_file",
    "rewrite": f"SELECT run_id, partition_day, {_VERSION} FROM etl.rewrite",
    "staged_day": f"SELECT partition_day, {_VERSION}, {_COUNTS}, load_id IS NOT NULL"
    " FROM etl.staged_day",
    "latest_load": f"SELECT partition_day, {_VERSION}, {_COUNTS}, revenue FROM etl.latest_load",
}


def all_tables(connection: psycopg.Connection[Row]) -> Tables:
    """Return the warehouse's tables in the form of `Model.tables`."""
    rows = {name: connection.execute(query.encode()).fetchall() for name, query in _QUERIES.items()}
    quarantine = Counter(rows.pop("rejected_row"))
    return {
        **mart_tables(connection),
        **{name: sorted(of_name) for name, of_name in rows.items()},
        "rejected_row": quarantine,
    }


def mart_tables(connection: psycopg.Connection[Row]) -> dict[str, list[Row]]:
    """Return every table and view of the mart, sorted by its columns, from one snapshot."""
    with connection.transaction(), connection.pipeline():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursors = {name: connection.execute(_table_query(name).encode()) for name in TABLE_COLUMNS}
        return {name: sorted(cursor.fetchall()) for name, cursor in cursors.items()}


def _table_query(name: str) -> str:
    return f"SELECT {', '.join(TABLE_COLUMNS[name])} FROM mart.{name}"


_numbers = count(1)


def a_run() -> str:
    """Return the id of a new run."""
    return f"test-run-{next(_numbers)}"


def expected(days: Mapping[date, Delivery]) -> tuple[Mart, list[Order]]:
    """Return the model's mart and staged orders after a load of the days from the deliveries."""
    return _expected(tuple(sorted(days.items())))


@cache
def _expected(days: tuple[tuple[date, Delivery], ...]) -> tuple[Mart, list[Order]]:
    # The computation is slow, so each result is cached.
    readings = {delivery: oracle.read(delivery) for delivery in {held for _, held in days}}
    staged = [order for day, held in days for order in readings[held].orders_of(day)]
    return oracle.mart(dict(days)), staged
