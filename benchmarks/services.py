"""Starts the demo's embedded services for a benchmark, and loads a history."""

import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
from typing_extensions import override

from etl_assets.clients.warehouse import Warehouse
from etl_assets.definitions import build_defs
from etl_assets.defs.jobs import ORDER_BACKFILL
from etl_assets.embedded.services import SEED, EmbeddedServices
from etl_assets.embedded.simulator import GeneratedOrders, SourceFiles
from etl_assets.instance.runner import Runner
from etl_assets.operations.migrations import migrate
from etl_assets.settings import PartitionSettings, WarehouseSettings

# The beta features of Dagster that we use are known, and Dagster is pinned.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

TODAY = date(2025, 1, 1)


class LongReport(GeneratedOrders):
    """Generated orders, with a report that covers many days up to yesterday."""

    def __init__(self, days: int) -> None:
        super().__init__(SEED)
        self._days = days

    @override
    def report_days(self, today: date) -> tuple[date, date]:
        """Return the report's first and last day."""
        return today - timedelta(days=self._days), today - timedelta(days=1)


@contextmanager
def services(folder: Path, files: SourceFiles | None = None) -> Generator[EmbeddedServices]:
    """Start the services with a migrated warehouse, and configure the environment for them."""
    before = dict(os.environ)
    try:
        with EmbeddedServices(folder, today=TODAY, report_seconds=0, files=files) as parts:
            os.environ.update(parts.environment() | parts.dagster_environment())
            migrate(Warehouse(WarehouseSettings.read().url))
            yield parts
    finally:
        os.environ.clear()
        os.environ.update(before)


def backfill(instance: dg.DagsterInstance, first: date, last: date) -> None:
    """Load a range of days in one run, as the command line does."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    outcome = Runner(build_defs(PartitionSettings.read()), instance).run(ORDER_BACKFILL, days)
    if outcome.error:
        raise RuntimeError(outcome.error)
