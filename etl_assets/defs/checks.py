"""The checks of the mart as the asset graph shows them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from etl_assets.clients.database import Connection, rows
from etl_assets.clients.transactions import reading
from etl_assets.clients.warehouse import Warehouse
from etl_assets.days import format_days
from etl_assets.defs.assets.common import mart_key
from etl_assets.mart.checks import CHECKS, USUAL_CHECK, Found, compare_weekdays, find_offences

_SALES = mart_key("f_sales")
_SHOWN_DAYS = 100
_NAMED_DAYS = 3


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
            description="The day's rows and orders are near those of the same weekday before. "
            "A day that is far off may have been delivered incomplete.",
        ),
    ]


def check_all(warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    """Run the checks on all days that are loaded as they are staged."""

    def work(connection: Connection) -> list[dg.AssetCheckResult]:
        # One snapshot: a load that ends in between must not fail a check.
        with reading(connection):
            staged = rows(connection, "staging/staged_days")
            days = [row["partition_day"] for row in staged if row["is_loaded"]]
            counts = rows(connection, "mart/counts_by_day", {"days": days})
            return [
                *check_results(find_offences(connection, days), compared(days, counts)),
                usual_result(compare_weekdays(connection, days), days),
            ]

    yield from warehouse.run(work)


def compared(days: Sequence[date], counts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what was compared: the days, and the sums of `mart/counts_by_day`."""
    counts = list(counts)
    return {
        "days": format_days(days) if days else "none",
        "orders": sum(count["orders"] for count in counts),
        "revenue": float(sum(count["revenue"] for count in counts)),
    }


def check_results(found: Found, compared: Mapping[str, Any]) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of `CHECKS`. One that passed has what was compared as metadata."""
    for check, (table, _) in CHECKS.items():
        offending = found[check]
        yield dg.AssetCheckResult(
            asset_key=mart_key(table),
            check_name=check,
            passed=not offending,
            description=_by_day({row["partition_day"]: f"{row['found']:g}" for row in offending}),
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
    """Return the result of `USUAL_CHECK`, whose rows are `weekdays`."""
    unusual = {
        row["partition_day"]: f"{row['rows_read']} rows, usually {row['usual_rows']:g}; "
        f"{row['loaded']} orders, usually {row['usual_orders']:g}"
        for row in weekdays
        if row["is_unusual"]
    }
    return dg.AssetCheckResult(
        asset_key=_SALES,
        check_name=USUAL_CHECK,
        passed=not unusual,
        severity=dg.AssetCheckSeverity.WARN,
        description=_by_day(unusual),
        metadata={
            "days": format_days(days) if days else "none",
            **{str(day): text for day, text in list(unusual.items())[:_SHOWN_DAYS]},
            **{
                name: float(weekdays[-1][name])
                for name in ("rows_read", "usual_rows", "loaded", "usual_orders")
                if weekdays
            },
        },
    )


def _by_day(texts: Mapping[date, str]) -> str | None:
    """Return the texts of the first days, and the number of the others."""
    named = [f"{day}: {text}" for day, text in list(texts.items())[:_NAMED_DAYS]]
    if len(texts) > _NAMED_DAYS:
        named.append(f"{len(texts) - _NAMED_DAYS} more days")
    return ". ".join(named) or None
