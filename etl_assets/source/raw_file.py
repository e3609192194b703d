"""The version of an object that holds a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from etl_assets.clients.object_store import StoredObject


@dataclass(frozen=True)
class RawFile:
    """The version of an object that holds a day.

    `increment_id` is None for a report, `report_id` for a day adopted from an old database.
    `is_rewrite` tells that the run was told to take the day from there, whatever holds it.
    """

    partition_day: date
    stored: StoredObject
    report_id: str | None
    increment_id: str | None
    is_rewrite: bool = False

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "RawFile":
        """Make one of a row of `sql/source/raw_files.sql`."""
        stored = StoredObject(row["uri"], row["etag"], row["size"])
        return cls(
            row["partition_day"],
            stored,
            row["report_id"],
            row["increment_id"],
            row["is_rewrite"],
        )
