"""The checks of the mart: which there are, and the statements that find what is wrong.

A load runs them before COMMIT (`mart/load.py`); the UI runs them on everything that is loaded.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from etl_assets.clients.database import Connection, rows

CHECKS = {
    "every_fact_has_its_dimensions": ("f_sales", "The days' facts find day, item, customer, city."),
    "facts_equal_staging": ("f_sales", "Rows, quantity and revenue are those of staging."),
    "weekly_equals_facts": (
        "f_customer_retention_weekly",
        "Customers, revenue and refunds are those of the week's facts.",
    ),
}
"""The checks that run before COMMIT (`sql/mart/check/`): their table, and what they compare."""

USUAL_CHECK = "usual_for_its_weekday"
"""The check after COMMIT: it warns, and blocks nothing."""

Found = Mapping[str, list[dict[str, Any]]]
"""What the checks found, by check: rows of partition_day and found; none where all is well."""


class Offences(Exception):
    """The checks found something, and nothing was changed."""

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
    """Return what `CHECKS` find of the days."""
    return {check: rows(connection, f"mart/check/{check}", {"days": days}) for check in CHECKS}


def compare_weekdays(connection: Connection, days: Sequence[date]) -> list[dict[str, Any]]:
    """Return what `USUAL_CHECK` compares: the columns of its statement."""
    return rows(connection, f"mart/check/{USUAL_CHECK}", {"days": days})
