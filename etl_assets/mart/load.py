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
    """The result of a load of the mart.

    Attributes:
        days: the days loaded: those asked for, and those that a killed run left staged.
        counts: the counts of each day: the columns of `sql/mart/counts_by_day.sql`.
        sizes: the number of rows of each table now.
        weekdays: the rows of `compare_weekdays` for the days asked for.
        seconds: the duration of the transaction, without the wait for the writer lock.
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

    With `only_unloaded`, days that are loaded as they are staged are left alone.

    Raises:
        EtlError: a day is not staged.
        Offences: a check failed; the mart is unchanged.
    """

    def work(connection: Connection) -> MartLoad:
        with writing(connection):
            return bring_up_to_date(connection, days, run_id=run_id, only_unloaded=only_unloaded)

    return warehouse.run(work)


def bring_up_to_date(
    connection: Connection, days: Sequence[date], *, run_id: str, only_unloaded: bool
) -> MartLoad:
    """Do the work of `load_mart` in a transaction that holds the writer lock."""
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
            f"staging.user_order_log lacks {', '.join(map(str, missing))}, so the mart was left as "
            "it was. Materialize raw/user_order_log and staging/user_order_log of these days too"
        )
