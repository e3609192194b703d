"""The checks of the mart: which there are, and the statements that find what is wrong.

A load runs them before COMMIT (`mart/load.py`); the UI runs them on everything that is loaded.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from etl_assets.clients.database import Connection, rows

CHECKS = {
    "every_fact_has_its_dimensions": (
        "f_sales",
        "Each fact of the days has its day, item, customer and city.",
    ),
    "facts_equal_staging": ("f_sales", "Rows, quantity and revenue equal those of staging."),
    "weekly_equals_facts": (
        "f_customer_retention_weekly",
        "Customers, revenue and refunds equal those of the week's facts.",
    ),
}
"""The checks before COMMIT (`sql/mart/check/`), each with its table and what it compares."""

USUAL_CHECK = "usual_for_its_weekday"
"""The check after COMMIT: it warns, and blocks nothing."""

Found = Mapping[str, list[dict[str, Any]]]
"""The findings by check: rows of partition_day and found; no rows if the check passed."""


class Offences(Exception):
    """A check failed before COMMIT, and nothing was changed."""

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        return "; ".join(
            f"{check}: {', '.join(str(row['partition_day']) for row in offending)}"
            for check, offending in self.found.items()
            if offending
        )


def find_offences(connection: Connection, days: Sequence[date]) -> Found:
    """Return the findings of `CHECKS` for the days."""
    return {check: rows(connection, f"mart/check/{check}", {"days": days}) for check in CHECKS}


def compare_weekdays(connection: Connection, days: Sequence[date]) -> list[dict[str, Any]]:
    """Return the rows that `USUAL_CHECK` compares: the columns of its statement."""
    return rows(connection, f"mart/check/{USUAL_CHECK}", {"days": days})
