"""The version of an object that holds a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from etl_assets.clients.object_store import StoredObject


@dataclass(frozen=True)
class RawFile:
    """The version of an object that holds a day.

    Attributes:
        partition_day: the day.
        stored: the object's address, ETag and size.
        report_id: the report; None for a day adopted from an old database.
        increment_id: the increment; None for a report.
        is_rewrite: whether the run was told to use this object although the day has another one.
    """

    partition_day: date
    stored: StoredObject
    report_id: str | None
    increment_id: str | None
    is_rewrite: bool = False

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "RawFile":
        """Return the object of a row of `sql/source/raw_files.sql`."""
        stored = StoredObject(row["uri"], row["etag"], row["size"])
        return cls(
            row["partition_day"],
            stored,
            row["report_id"],
            row["increment_id"],
            row["is_rewrite"],
        )
