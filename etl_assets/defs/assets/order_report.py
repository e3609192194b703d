"""The report: asked for once, and polled until it is ready."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from etl_assets.clients.object_store import object_uri
from etl_assets.clients.warehouse import Warehouse
from etl_assets.defs import run_tags
from etl_assets.defs.assets.common import ORDER_REPORT, OWNERS, SINGLE_RUN, attempt
from etl_assets.defs.code_versions import code_version
from etl_assets.defs.resources import ObjectStoreResource, ReportApiResource, WarehouseResource
from etl_assets.errors import EtlError
from etl_assets.planning import attempts
from etl_assets.source.catalog import Source


class OrderReportConfig(dg.Config):
    """How the report is come by."""

    new_report: bool = Field(
        default=False,
        description="Ask for a new report although there is one. Loaded days stay as they are.",
    )


@dg.asset(
    key=ORDER_REPORT,
    group_name="source",
    kinds={"python"},
    code_version=code_version(modules=["source/catalog.py"], statements=["source"]),
    owners=OWNERS,
    backfill_policy=SINGLE_RUN,
    metadata={"dagster/table_name": "etl.report"},
)
def order_report(
    context: dg.AssetExecutionContext,
    config: OrderReportConfig,
    warehouse: WarehouseResource,
    report_api: ReportApiResource,
    object_store: ObjectStoreResource,
) -> dg.MaterializeResult[Any]:
    """The report of the past weeks: asked of the report API, polled, and recorded in `etl.report`.

    A report that is there already is used again; `new_report` asks for another, which never
    rewrites days that are loaded.
    """
    with _attempt(context, warehouse) as database:
        source = Source(database, report_api.connect(), object_store.connect())
        report = source.ensure_report(
            new=config.new_report,
            on_wait=lambda task_id: context.log.info(f"Waiting for the report of task {task_id}"),
        )
    return dg.MaterializeResult(
        metadata={
            "report_id": report.report_id,
            "start_day": report.start_day.isoformat(),
            "end_day": report.end_day.isoformat(),
            "days": (report.end_day - report.start_day).days + 1,
            "files": dg.MetadataValue.json(
                {name: _address(url) for name, url in report.paths.items()}
            ),
        }
    )


@contextmanager
def _attempt(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> Generator[Warehouse]:
    """Record the try: for the run's days, or for the one that a report is asked for because of."""
    if run_tags.REPORT_FOR not in context.run.tags:
        with attempt(context, warehouse) as connected:
            yield connected
        return
    day = date.fromisoformat(context.run.tags[run_tags.REPORT_FOR])
    with attempt(context, warehouse, feed=attempts.REPORT, days=[day]) as connected:
        yield connected
        attempts.succeed(connected, context.run.run_id, feed=attempts.REPORT)


def _address(url: str) -> str:
    """Return what counts of a file's URL: its user, password and query are nobody's business."""
    try:
        return object_uri(url)
    except EtlError:
        return "no address of the form https://host/bucket/key"
