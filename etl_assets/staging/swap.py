"""The swap of days: the old rows go, the copied ones stay, and the change is recorded."""

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg.types.json import Jsonb

from etl_assets.clients.database import Connection, execute, rows
from etl_assets.errors import EtlError
from etl_assets.staging.files import CopiedFile, Staged


def swap_in(connection: Connection, files: Sequence[CopiedFile], run_id: str) -> Staged:
    """Delete the rows that the days had before `copy_in`, and record what they have now.

    The transaction holds the writer lock.
    """
    changes = _swap(connection, files)
    for number, file in enumerate(files):
        stored = file.raw_files[0].stored
        version = {"uri": stored.uri, "etag": stored.etag}
        execute(connection, "staging/reject_rows", version | {"file": number})
        for raw_file in file.raw_files:
            execute(
                connection,
                "staging/record_staged_day",
                version
                | file.counts_of(raw_file.partition_day)
                | {
                    "partition_day": raw_file.partition_day,
                    "run_id": run_id,
                    "sha256": file.sha256,
                    "report_id": raw_file.report_id,
                    "increment_id": raw_file.increment_id,
                    "changes": Jsonb(changes[raw_file.partition_day], _dump_exactly),
                    "seconds": Jsonb(file.seconds),
                },
            )
    return Staged(files, changes)


def _swap(connection: Connection, files: Sequence[CopiedFile]) -> dict[date, dict[str, Any]]:
    counts = {day: file.counts_of(day) for file in files for day in file.days}
    # Days that were not staged have no old rows, and looking for them among a million new ones is
    # slow.
    staged = {row["partition_day"] for row in rows(connection, "staging/staged_days")}
    replaced = staged.union(*(file.replaced for file in files)) & counts.keys()
    of_days = {"days": sorted(replaced)}
    before = {row["partition_day"]: row for row in rows(connection, "staging/swap_days", of_days)}
    _require_copied(connection, {day: counts[day]["loaded"] for day in of_days["days"]})
    nothing = {"orders": 0, "still_there": 0, "altered": 0, "revenue": Decimal(0)}
    changes: dict[date, dict[str, Any]] = {}
    for day, count in counts.items():
        old = before.get(day, nothing)
        changes[day] = {
            "added": count["loaded"] - old["still_there"],
            "gone": old["orders"] - old["still_there"],
            "altered": old["altered"],
            "revenue_before": old["revenue"],
            "revenue_after": count["revenue"],
        }
    return changes


def _require_copied(connection: Connection, loaded: dict[date, int]) -> None:
    """Check that the days have the rows that were copied and no others.

    Old rows are told from new ones by their transaction number, which repeats after 2³²
    transactions.
    """
    held = rows(connection, "staging/count_days", {"days": list(loaded)})
    wrong = [row["partition_day"] for row in held if row["orders"] != loaded[row["partition_day"]]]
    if wrong:
        raise EtlError(
            f"Staging would have other rows of {', '.join(map(str, wrong))} than were copied, so "
            "nothing was loaded. Run the days again"
        )


def _dump_exactly(value: object) -> str:
    return json.dumps(value, default=str)
