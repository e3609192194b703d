"""The checks of the mart: what they compare, and what they say of it.

A load makes them (`load_mart`); the UI's button makes them of all that the mart holds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from etl_assets.assets.common import mart_key
from etl_assets.partitions import in_words
from etl_assets.resources import Warehouse
from etl_assets.resources.database import Connection, rows
from etl_assets.resources.transactions import reading

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

_SALES = mart_key("f_sales")
_SHOWN_DAYS = 100

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


def check_specs() -> list[dg.AssetCheckSpec]:
    """Return the checks as the asset graph shows them."""
    return [
        *(
            dg.AssetCheckSpec(check, asset=mart_key(table), description=text, blocking=True)
            for check, (table, text) in CHECKS.items()
        ),
        dg.AssetCheckSpec(
            USUAL_CHECK,
            asset=_SALES,
            description="The day's rows and orders are near those of the same weekday before: "
            "a day far off may have been delivered incomplete.",
        ),
    ]


def find_offences(connection: Connection, days: Sequence[date]) -> Found:
    """Return what `CHECKS` find of the days."""
    return {check: rows(connection, f"mart/check/{check}", {"days": days}) for check in CHECKS}


def compare_weekdays(connection: Connection, days: Sequence[date]) -> list[dict[str, Any]]:
    """Return what `USUAL_CHECK` compares: the columns of its statement."""
    return rows(connection, f"mart/check/{USUAL_CHECK}", {"days": days})


def check_all(warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    """Make the checks of all days that the mart holds as they are staged."""

    def work(connection: Connection) -> list[dg.AssetCheckResult]:
        # As of one moment: a load that ends in between is no offence.
        with reading(connection):
            staged = rows(connection, "etl/staged_days")
            days = [row["partition_day"] for row in staged if row["is_loaded"]]
            counts = rows(connection, "mart/counts_by_day", {"days": days})
            return [
                *check_results(find_offences(connection, days), compared(days, counts)),
                usual_result(compare_weekdays(connection, days), days),
            ]

    yield from warehouse.run(work)


def compared(days: Sequence[date], counts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Say what was compared: the days, and what `mart/counts_by_day` gives of them."""
    counts = list(counts)
    return {
        "days": in_words(days) if days else "none",
        "orders": sum(count["orders"] for count in counts),
        "revenue": float(sum(count["revenue"] for count in counts)),
    }


def check_results(found: Found, compared: Mapping[str, Any]) -> Iterator[dg.AssetCheckResult]:
    """Give the outcome of `CHECKS`; one that has passed says what was compared."""
    for check, (table, _) in CHECKS.items():
        offending = found[check]
        yield dg.AssetCheckResult(
            asset_key=mart_key(table),
            check_name=check,
            passed=not offending,
            metadata=compared
            if not offending
            else {
                "offending_days": ", ".join(str(row["partition_day"]) for row in offending),
                **{
                    str(row["partition_day"]): float(row["found"])
                    for row in offending[:_SHOWN_DAYS]
                },
            },
        )


def usual_result(
    weekdays: Sequence[Mapping[str, Any]], days: Sequence[date]
) -> dg.AssetCheckResult:
    """Return the outcome of `USUAL_CHECK` for the days: `weekdays` are what it has compared."""
    unusual = [row for row in weekdays if row["is_unusual"]]
    return dg.AssetCheckResult(
        asset_key=_SALES,
        check_name=USUAL_CHECK,
        passed=not unusual,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "days": in_words(days) if days else "none",
            **{
                str(
                    row["partition_day"]
                ): f"{row['rows_read']} rows, usually {row['usual_rows']:g}; "
                f"{row['kept']} orders, usually {row['usual_orders']:g}"
                for row in unusual[:_SHOWN_DAYS]
            },
            **{
                name: float(weekdays[-1][name])
                for name in ("rows_read", "usual_rows", "kept", "usual_orders")
                if weekdays
            },
        },
    )
