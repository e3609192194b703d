"""The tries to load a day, as `etl.attempt` records them.

Each run writes a row when it begins a day and completes it when it ends, in short transactions of
their own; that a day is loaded the mart's own transaction writes. A row that was never completed,
and whose run no longer holds its lock, is that of a run that was killed: it is no try.
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
"""What stands for the feed where a report was asked for because of a day."""

GRACE_SECONDS = RETRY_SECONDS
"""For so long after its server has started no run counts as killed: one that waits in a transaction
that it tries again has lost its lock, and takes it again."""

_LONGEST_ERROR = 2_000


@dataclass(frozen=True)
class Failures:
    """The failed tries of a day since it was loaded last.

    Attributes:
        tries: how many there were of a version of the object, or before the object was known.
        of_version: how many were of the version.
        last: when the newest ended; None without any.
        ago: how long ago that was, by the warehouse's clock; None without any.
    """

    tries: int
    of_version: int
    last: datetime | None
    ago: timedelta | None


@dataclass(frozen=True)
class Life:
    """What the warehouse knows of a run: whether it lives, and whether one of its tries is open."""

    is_alive: bool
    is_open: bool


def begin(
    warehouse: Warehouse, days: Sequence[date], run_id: str, *, feed: str = ORDER_LOG
) -> None:
    """Record that the run begins to work on the days."""
    warehouse.execute(
        "planning/begin_attempts", {"feed": feed, "days": list(days), "run_id": run_id}
    )


def record_objects(
    warehouse: Warehouse, rows: Sequence[Mapping[str, Any]], run_id: str, *, feed: str = ORDER_LOG
) -> None:
    """Record the objects that the run takes its days from: rows with partition_day, uri, etag."""
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
    """Complete the run's tries that are not complete yet; `error` is cut after 2,000 characters.

    Args:
        warehouse: the warehouse.
        run_id: the run.
        error: what is wrong and what to do, for people.
        refused: whether the file or the figures were at fault.
        feed: the feed.
    """
    # PostgreSQL stores neither of these.
    text = error.replace("\0", "").encode(errors="replace").decode()
    _end(warehouse, run_id, feed, "refused" if refused else "failed", text[:_LONGEST_ERROR])


def forget(warehouse: Warehouse, run_id: str, *, feed: str = ORDER_LOG) -> None:
    """Remove the open tries of a run that was to load nothing, and succeeded."""
    warehouse.execute("planning/forget_attempts", {"feed": feed, "run_id": run_id})


def failed_tries(
    warehouse: Warehouse, day: date, etag: str | None = None, *, feed: str = ORDER_LOG
) -> Failures:
    """Return the failed tries of a day; `of_version` counts those of this ETag, or all for None."""
    parameters = {"feed": feed, "day": day, "etag": etag}
    (row,) = warehouse.rows("planning/failed_tries", parameters)
    return Failures(**row)


def failed_days(warehouse: Warehouse) -> dict[date, str]:
    """Return why the newest try of each day failed that has not been loaded since."""
    rows = warehouse.rows("planning/failed_days", {"feed": ORDER_LOG})
    return {row["partition_day"]: row["error"] for row in rows}


def attempts_of(warehouse: Warehouse, day: date) -> list[dict[str, Any]]:
    """Return the tries of a day, the newest last: rows of `planning/attempts_of_day`."""
    parameters = {"feed": ORDER_LOG, "day": day, "run_lock": RUN_LOCK}
    return warehouse.rows("planning/attempts_of_day", parameters)


def lives_of(warehouse: Warehouse, run_ids: Collection[str]) -> dict[str, Life]:
    """Return what the warehouse knows of the runs."""
    rows = warehouse.rows(
        "planning/lives_of_runs",
        {"run_ids": list(run_ids), "run_lock": RUN_LOCK, "grace_seconds": GRACE_SECONDS},
    )
    return {row["run_id"]: Life(row["is_alive"], row["is_open"]) for row in rows}


def prune(warehouse: Warehouse, *, keep_days: int) -> None:
    """Delete the tries that are older, except those that failed since the day was loaded last."""
    warehouse.execute("planning/prune_attempts", {"keep_days": keep_days})


def _end(warehouse: Warehouse, run_id: str, feed: str, outcome: str, error: str | None) -> None:
    parameters = {"feed": feed, "run_id": run_id, "outcome": outcome, "error": error}
    warehouse.execute("planning/end_attempts", parameters)
