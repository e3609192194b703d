"""A load of the mart: dimensions, calendar, facts, weekly rows and the record, in one transaction.

No reader ever sees them disagree. The statement of each table is `sql/mart/TABLE.sql`.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from etl_assets.clients.database import Connection, execute, rows
from etl_assets.clients.transactions import writing
from etl_assets.clients.warehouse import Warehouse
from etl_assets.errors import EtlError
from etl_assets.mart.checks import Offences, compare_weekdays, find_offences
from etl_assets.mart.tables import TABLES
from etl_assets.source.feeds import ORDER_LOG


@dataclass(frozen=True)
class MartLoad:
    """What a load of the mart has done.

    Attributes:
        days: the days loaded: those asked for, and those left staged by a run that was killed.
        counts: what they brought, by day: the columns of `sql/mart/counts_by_day.sql`.
        sizes: how many rows each table holds now.
        weekdays: what `compare_weekdays` found of the days asked for.
        seconds: how long the transaction took, without waiting for its turn.
    """

    days: list[date]
    counts: dict[date, dict[str, Any]]
    sizes: dict[str, int]
    weekdays: list[dict[str, Any]]
    seconds: float


def load_mart(
    warehouse: Warehouse, days: Sequence[date], *, run_id: str, only_unloaded: bool
) -> MartLoad:
    """Bring the mart up to date with staging, in one transaction.

    With `only_unloaded`, days that the mart holds already as they are staged are left alone.

    Raises:
        EtlError: a day is not staged.
        Offences: a check failed; the mart is as it was before.
    """

    def work(connection: Connection) -> MartLoad:
        with writing(connection):
            return bring_up_to_date(connection, days, run_id=run_id, only_unloaded=only_unloaded)

    return warehouse.run(work)


def bring_up_to_date(
    connection: Connection, days: Sequence[date], *, run_id: str, only_unloaded: bool
) -> MartLoad:
    """Do what `load_mart` does, in the writer's transaction."""
    began = time.monotonic()
    staged = {
        row["partition_day"]: row["is_loaded"] for row in rows(connection, "staging/staged_days")
    }
    _require_staged(days, staged.keys())
    again = set() if only_unloaded else set(days)
    to_load = [day for day, loaded in staged.items() if not loaded or day in again]
    if len(to_load) == len(staged):
        execute(connection, "mart/start_over")
    of_days = {"days": to_load}
    for table in TABLES:
        execute(connection, f"mart/{table}", of_days)
    found = find_offences(connection, to_load)
    if any(found.values()):
        raise Offences(found)
    seconds = time.monotonic() - began
    execute(
        connection,
        "mart/record_load",
        of_days | {"run_id": run_id, "seconds": {"mart": seconds}},
    )
    execute(connection, "mart/end_attempts", of_days | {"run_id": run_id, "feed": ORDER_LOG})
    counts = rows(connection, "mart/counts_by_day", of_days)
    (sizes,) = rows(connection, "mart/table_sizes")
    weekdays = compare_weekdays(connection, list(days))
    by_day = {row["partition_day"]: row for row in counts}
    return MartLoad(to_load, by_day, sizes, weekdays, seconds)


def _require_staged(days: Sequence[date], staged: Collection[date]) -> None:
    missing = [day for day in days if day not in staged]
    if missing:
        raise EtlError(
            f"staging.user_order_log does not hold {', '.join(map(str, missing))}, so the mart "
            "can't be made of it. Materialize the day's raw and staging user_order_log too"
        )
