"""The asset `order_report`: it requests the report once and polls it until it is ready."""

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
    """Whether to request a new report."""

    new_report: bool = Field(
        default=False,
        description="Request a new report, even if there is one. Loaded days do not change.",
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
    """The report of the past weeks. It is requested from the report API and stored in `etl.report`.

    An existing report is used again. `new_report` requests another one, which never rewrites loaded
    days.
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
    """Record the attempt for the run's days, or for the day that needs the new report."""
    if run_tags.REPORT_FOR not in context.run.tags:
        with attempt(context, warehouse) as connected:
            yield connected
        return
    day = date.fromisoformat(context.run.tags[run_tags.REPORT_FOR])
    with attempt(context, warehouse, feed=attempts.REPORT, days=[day]) as connected:
        yield connected
        attempts.succeed(connected, context.run.run_id, feed=attempts.REPORT)


def _address(url: str) -> str:
    """Return the address of a file without the user, password and query of its URL."""
    try:
        return object_uri(url)
    except EtlError:
        return "not an address of the form https://host/bucket/key"
