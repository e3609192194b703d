"""Compares an old pipeline's database with the warehouse: what differs by day and week, and why.

The known causes are faults of old pipelines. They count the source's duplicates, sum the orders of
one customer and item into one fact, count refunds as sales, and their view multiplies revenue by
the number of the other customers. A difference without a known cause is reported as unexplained.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

import psycopg

from etl_assets.clients.database import Connection, execute, rows
from etl_assets.clients.warehouse import Warehouse
from etl_assets.days import days_between
from etl_assets.errors import EtlError
from etl_assets.legacy.old_database import OldDatabase
from etl_assets.legacy.old_schema import FIGURES, layout

Row = Mapping[str, Any]
Period = Literal["day", "week", "all"]

_VIEW_SECONDS = 60.0
"""How long the old view may take: with a large history it joins billions of rows."""

_NOTHING: Row = dict.fromkeys(FIGURES, 0)


@dataclass(frozen=True)
class Difference:
    """A figure that differs between the two databases.

    Attributes:
        period: the period of the figure: a day, a week, or all the days together.
        first_day: the day, the week's Monday, or the first of all the days.
        figure: rows, quantity or revenue of the facts, or a column of the week's retention.
        old: the old database's value; None if it has none of the days.
        new: the warehouse's value; None if it has none of the days.
        why: the causes.
        is_explained: whether all causes are known faults of old pipelines.
    """

    period: Period
    first_day: date
    figure: str
    old: int | Decimal | None
    new: int | Decimal | None
    why: list[str]
    is_explained: bool


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`.

    Attributes:
        differences: the differences by day, by week, and over all days.
        days: how many days were compared.
        weeks: how many weeks were compared.
        only_old: the days that only the old database has.
        only_new: the days that only the warehouse has.
        has_view: whether the old view was compared; if not, weeks come from the old facts.
    """

    differences: list[Difference]
    days: int
    weeks: int
    only_old: list[date]
    only_new: list[date]
    has_view: bool


def compare(
    warehouse: Warehouse, old: OldDatabase, *, first: date | None = None, last: date | None = None
) -> Comparison:
    """Compare the days from first to last, and the weeks that lie wholly within them.

    Each database is read in one snapshot.

    Raises:
        EtlError: it is not an old database, one of the two can't be read, or neither has the days.
    """
    span = {"first": first or date.min, "last": last or date.max}

    def read(theirs: Connection) -> Comparison:
        with theirs.transaction():
            of_theirs = layout(theirs)
            view = _by_week(_read_view(theirs)) if of_theirs.has_retention else {}
            wanted = {**span, **of_theirs.keys, "keep_duplicates": True}
            old_facts = old.stream(theirs, "legacy/adopt/facts", wanted)
            with warehouse.session() as ours:
                ours.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                with ours.transaction():
                    return _compare(ours, old_facts, view, span)

    return old.run(read)


def _read_view(theirs: Connection) -> Sequence[Row]:
    """Return the old view's rows, or none if it takes too long."""
    try:
        with theirs.transaction():
            limit = f"{_VIEW_SECONDS:g}s"
            theirs.execute("SELECT set_config('statement_timeout', %s, true)", (limit,))
            shown = rows(theirs, "legacy/compare/old_retention")
            theirs.execute("SET LOCAL statement_timeout TO DEFAULT")
            return shown
    except psycopg.errors.QueryCanceled:
        return []


def _compare(
    ours: Connection,
    old_facts: Iterator[Row],
    view: Mapping[date, Row],
    span: Mapping[str, date],
) -> Comparison:
    _copy_in(ours, old_facts)
    by_day: defaultdict[date, list[Row]] = defaultdict(list)
    for row in rows(ours, "legacy/compare/days", span):
        by_day[row["partition_day"]].append(row)
    if not by_day:
        raise EtlError("There is nothing to compare: neither database has any of the days")
    facts = _by_week(rows(ours, "legacy/compare/old_weeks"))
    new = _by_week(rows(ours, "mart/retention"))
    weeks = [
        week
        for week in sorted(facts.keys() | new.keys())
        if span["first"] <= week and week + timedelta(days=6) <= span["last"]
    ]
    differences = [found for day, parts in by_day.items() for found in _of_days("day", day, parts)]
    for week in weeks:
        days = days_between(week, week + timedelta(days=6))
        parts = [part for day in days for part in by_day.get(day, ())]
        of_facts = facts.get(week, _NOTHING)
        shown = view.get(week, of_facts)
        differences += _of_week(week, parts, shown, of_facts, new.get(week, _NOTHING))
    all_parts = [part for parts in by_day.values() for part in parts]
    differences += _of_days("all", min(by_day), all_parts)
    return Comparison(
        differences,
        days=len(by_day),
        weeks=len(weeks),
        only_old=[day for day, parts in by_day.items() if _causes(parts) == {"day_only_old"}],
        only_new=[day for day, parts in by_day.items() if _causes(parts) == {"day_only_new"}],
        has_view=bool(view),
    )


def _copy_in(ours: Connection, old_facts: Iterator[Row]) -> None:
    execute(ours, "legacy/compare/old_sales")
    columns = (
        "partition_day",
        "customer_id",
        "item_id",
        "quantity_signed",
        "payment_amount_signed",
    )
    with ours.cursor() as writer, writer.copy("COPY old_sales FROM STDIN") as copy:
        for fact in old_facts:
            copy.write_row([fact[column] for column in columns])


def _by_week(figures: Sequence[Row]) -> dict[date, Row]:
    """Return the figures by week, or {} unless there is one row per week, dated by its Monday."""
    by_week = {row["period_id"]: row for row in figures}
    return {} if None in by_week or len(by_week) < len(figures) else by_week


# --- Why ------------------------------------------------------------------------------------------

_CAUSES = {
    "duplicates": ("duplicates counted", True),
    "in_quarantine": ("facts in quarantine here", True),
    "only_old": ("facts only in the old database", False),
    "only_new": ("orders only in the warehouse", False),
    "other": ("orders of other amounts", False),
    "day_only_old": ("days only in the old database", False),
    "day_only_new": ("days only in the warehouse", False),
}
"""The causes of `sql/legacy/compare/days.sql`: text, and whether it is a known fault."""


@dataclass(frozen=True)
class _Cause:
    """A cause of a difference, and whether it is a known fault of old pipelines."""

    text: str
    is_known: bool = True


def _causes_of_grouping(parts: Sequence[Row]) -> Iterator[_Cause]:
    """Yield why the number of facts differs from the number of orders.

    Args:
        parts: rows of `sql/legacy/compare/days.sql`.
    """
    if collapsed := _total(parts, "collapsed"):
        yield _Cause(f"orders collapsed (-{collapsed:,})")
    if repeated := _total(parts, "repeated"):
        yield _Cause(f"duplicates as facts (+{repeated:,})")


def _causes_of_sum(parts: Sequence[Row], figure: str) -> Iterator[_Cause]:
    """Yield why rows, quantity or revenue differ, apart from grouping, and by how much."""
    for cause, (text, is_known) in _CAUSES.items():
        of_cause = _parts_of(parts, cause)
        # Count the differences, because their sum can be zero.
        if _total(of_cause, f"{figure}_differ"):
            more = _total(of_cause, f"more_{figure}")
            times = _times(parts, figure) if cause == "duplicates" else ""
            yield _Cause(f"{text}{times} ({more:+,})", is_known)


def _causes_of_sign(parts: Sequence[Row], figure: str) -> Iterator[_Cause]:
    """Yield by how much quantity, revenue or refunds differ because refunds are not negative."""
    if more := _total(parts, f"unsigned_{figure}"):
        yield _Cause(f"refunds counted as sales ({more:+,})")


def _times(parts: Sequence[Row], figure: str) -> str:
    """Return how many times each order was counted on average, if nothing else differs."""
    counted = [*_parts_of(parts, "duplicates"), *_parts_of(parts, "same")]
    new, more = _total(counted, f"new_{figure}"), _total(counted, f"more_{figure}")
    return f" ×{1 + more / new:.1f}" if new * more > 0 else ""


def _causes(parts: Sequence[Row]) -> set[str]:
    return {part["cause"] for part in parts}


def _parts_of(parts: Sequence[Row], cause: str) -> list[Row]:
    return [part for part in parts if part["cause"] == cause]


def _total(parts: Sequence[Row], column: str) -> Any:
    return sum(part[column] for part in parts)


def _of_days(period: Period, first_day: date, parts: Sequence[Row]) -> Iterator[Difference]:
    """Yield how the sums over the facts of some days differ."""
    for figure in ("rows", "quantity", "revenue"):
        why = (
            [*_causes_of_grouping(parts), *_causes_of_sum(parts, figure)]
            if figure == "rows"
            else [*_causes_of_sum(parts, figure), *_causes_of_sign(parts, figure)]
        )
        if why:
            old, new = _total(parts, f"old_{figure}"), _total(parts, f"new_{figure}")
            yield _difference(period, first_day, figure, why, parts, old=old, new=new)


def _of_week(
    week: date, parts: Sequence[Row], shown: Row, facts: Row, new: Row
) -> Iterator[Difference]:
    """Yield how the old view differs from the old facts, and how those differ from ours."""
    for figure, multiplied_by in FIGURES.items():
        causes: list[_Cause] = []
        if shown[figure] != facts[figure]:
            causes.append(_cause_of_view(figure, multiplied_by, shown, facts))
        if facts[figure] != new[figure]:
            causes += _causes_of_week(figure, parts)
        if causes:
            old = shown[figure]
            yield _difference("week", week, figure, causes, parts, old=old, new=new[figure])


def _cause_of_view(figure: str, multiplied_by: str | None, shown: Row, facts: Row) -> _Cause:
    if multiplied_by and shown[figure] == facts[figure] * facts[multiplied_by]:
        return _Cause(f"multiplied by the view ×{facts[multiplied_by]:,}")
    return _Cause("the old view differs from the old facts", is_known=False)


def _causes_of_week(figure: str, parts: Sequence[Row]) -> list[_Cause]:
    """Return why the old facts give another figure for a week: the causes found in its days."""
    causes = list(_causes_of_grouping(parts))
    if figure.endswith("revenue"):
        causes += [*_causes_of_sum(parts, "revenue"), *_causes_of_sign(parts, "revenue")]
    else:
        causes += _causes_of_sum(parts, "rows")
    if "refunded" in figure:
        causes += _causes_of_sign(parts, "refunds")
    return causes or [_Cause("its days don't explain it", is_known=False)]


def _difference(
    period: Period,
    first_day: date,
    figure: str,
    causes: Sequence[_Cause],
    parts: Sequence[Row],
    *,
    old: int | Decimal,
    new: int | Decimal,
) -> Difference:
    return Difference(
        period,
        first_day,
        figure,
        old=None if _causes(parts) == {"day_only_new"} else old,
        new=None if _causes(parts) == {"day_only_old"} else new,
        why=[cause.text for cause in causes],
        is_explained=all(cause.is_known for cause in causes),
    )
