"""The private names of Dagster that the definitions need, each with its reason.

They may change with any version of Dagster. Nothing else in `defs/` imports such names; those of
running jobs and of storage are in `instance/dagster_internals.py`, which takes longer to import.

- `FreshnessState`: the alarm about late data asks what the daemon found.
- `RunFailureReason`: a run that was interrupted is told from one that failed.
- `requested_backfills`: the planner asks which backfills are about to launch runs.
- `storage_connection`: maintenance prunes logs; the public interface deletes whole runs only.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.events import RunFailureReason
from dagster._core.execution.backfill import (
    BulkActionsFilter,
    BulkActionStatus,
    PartitionBackfill,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = [
    "FreshnessState",
    "PartitionBackfill",
    "RunFailureReason",
    "requested_backfills",
    "storage_connection",
]


def requested_backfills(instance: dg.DagsterInstance) -> Sequence[PartitionBackfill]:
    """Return the backfills that were requested and have not ended."""
    requested = BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])
    return instance.get_backfills(filters=requested)


@contextmanager
def storage_connection(instance: dg.DagsterInstance) -> "Generator[Connection | None]":
    """Give a connection to Dagster's event log, or None where that is not in PostgreSQL."""
    # Half a second, which nothing else that loads this module has to spend.
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        yield None
        return
    with storage.index_connection() as connection:
        yield connection if connection.dialect.name == "postgresql" else None
