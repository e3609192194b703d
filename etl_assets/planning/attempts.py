"""The tries to load a day, recorded in `etl.attempt`.

A run writes a row when it begins a day and completes it when it ends, each in a short transaction.
The outcome "loaded" is written by the mart's transaction itself. A row that is not complete, and
whose run no longer holds its lock, belongs to a killed run and does not count as a try.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from etl_assets.clients.retries import RETRY_SECONDS
from etl_assets.clients.transactions import RUN_LOCK
from etl_assets.clients.warehouse import Warehouse
from etl_assets.source.feeds import ORDER_LOG

REPORT = "order_report"
"""The name in place of a feed for runs that request a report because of a day."""

GRACE_SECONDS = RETRY_SECONDS
"""For this long after the start of the server no run counts as killed: a run that repeats its
transaction after a restart has lost its lock, and takes it again."""

_LONGEST_ERROR = 2_000


@dataclass(frozen=True)
class Failures:
    """The failed tries of a day since its last load.

    Attributes:
        tries: the tries of this version of the object, and those before the object was known.
        of_version: the tries of this version.
        last: when the newest ended; None without any.
        ago: how long ago that was, by the warehouse's clock; None without any.
    """

    tries: int
    of_version: int
    last: datetime | None
    ago: timedelta | None


@dataclass(frozen=True)
class Life:
    """Whether a run is alive, and whether one of its tries is not complete."""

    is_alive: bool
    is_open: bool


def begin(
    warehouse: Warehouse, days: Sequence[date], run_id: str, *, feed: str = ORDER_LOG
) -> None:
    """Record that the run begins the days."""
    warehouse.execute(
        "planning/begin_attempts", {"feed": feed, "days": list(days), "run_id": run_id}
    )


def record_objects(
    warehouse: Warehouse, rows: Sequence[Mapping[str, Any]], run_id: str, *, feed: str = ORDER_LOG
) -> None:
    """Record the objects of the run's days: rows with partition_day, uri, etag."""
    warehouse.execute(
        "planning/record_objects",
        {
            "feed": feed,
            "run_id": run_id,
            "days": [row["partition_day"] for row in rows],
            "uris": [row["uri"] for row in rows],
            "etags": [row["etag"] for row in rows],
        },
    )


def succeed(warehouse: Warehouse, run_id: str, *, feed: str) -> None:
    """Complete the run's tries as loaded."""
    _end(warehouse, run_id, feed, "loaded", None)


def fail(
    warehouse: Warehouse, run_id: str, error: str, *, refused: bool = False, feed: str = ORDER_LOG
) -> None:
    """Complete the open tries of the run. `error` is cut after 2,000 characters.

    Args:
        warehouse: the warehouse.
        run_id: the run.
        error: what is wrong and what to do, for people.
        refused: whether the file or the figures were at fault.
        feed: the feed.
    """
    # PostgreSQL can store neither NUL nor lone surrogates.
    text = error.replace("\0", "").encode(errors="replace").decode()
    _end(warehouse, run_id, feed, "refused" if refused else "failed", text[:_LONGEST_ERROR])


def forget(warehouse: Warehouse, run_id: str, *, feed: str = ORDER_LOG) -> None:
    """Remove the open tries of a run that succeeded without loading anything."""
    warehouse.execute("planning/forget_attempts", {"feed": feed, "run_id": run_id})


def failed_tries(
    warehouse: Warehouse, day: date, etag: str | None = None, *, feed: str = ORDER_LOG
) -> Failures:
    """Return the failed tries of a day. `of_version` counts those of `etag`, or all for None."""
    parameters = {"feed": feed, "day": day, "etag": etag}
    (row,) = warehouse.rows("planning/failed_tries", parameters)
    return Failures(**row)


def failed_days(warehouse: Warehouse) -> dict[date, str]:
    """Return the days whose newest try failed and that were not loaded since, with the error."""
    rows = warehouse.rows("planning/failed_days", {"feed": ORDER_LOG})
    return {row["partition_day"]: row["error"] for row in rows}


def attempts_of(warehouse: Warehouse, day: date) -> list[dict[str, Any]]:
    """Return the tries of a day, the newest last: rows of `planning/attempts_of_day`."""
    parameters = {"feed": ORDER_LOG, "day": day, "run_lock": RUN_LOCK}
    return warehouse.rows("planning/attempts_of_day", parameters)


def lives_of(warehouse: Warehouse, run_ids: Collection[str]) -> dict[str, Life]:
    """Return the state of each run."""
    rows = warehouse.rows(
        "planning/lives_of_runs",
        {"run_ids": list(run_ids), "run_lock": RUN_LOCK, "grace_seconds": GRACE_SECONDS},
    )
    return {row["run_id"]: Life(row["is_alive"], row["is_open"]) for row in rows}


def prune(warehouse: Warehouse, *, keep_days: int) -> None:
    """Delete tries older than `keep_days`, but for failed ones since the day's last load."""
    warehouse.execute("planning/prune_attempts", {"keep_days": keep_days})


def _end(warehouse: Warehouse, run_id: str, feed: str, outcome: str, error: str | None) -> None:
    parameters = {"feed": feed, "run_id": run_id, "outcome": outcome, "error": error}
    warehouse.execute("planning/end_attempts", parameters)
