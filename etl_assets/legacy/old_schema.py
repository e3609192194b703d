"""The old pipeline's database: which tables it has, and what they are like.

Old databases differ: facts refer to the source's ids or to the dimensions' own, there may be a
status or not, facts are grouped or one a raw row. What is needed of them stands in `_NEEDED`;
whatever else there is, the statements for them (`sql/legacy/`) read as JSON, so that
it may be missing.
"""

from collections import defaultdict
from dataclasses import dataclass

from etl_assets.clients.database import Connection, rows
from etl_assets.errors import EtlError
from etl_assets.source.feeds import NEEDED_COLUMNS

FACTS = "mart.f_sales"
ORDERS = "staging.user_order_log"
RETENTION = "mart.f_customer_retention"

FIGURES = {
    "new_customers_count": None,
    "new_customers_revenue": "returning_customers_count",
    "returning_customers_count": None,
    "returning_customers_revenue": "new_customers_count",
    "refunded_customer_count": None,
    "customers_refunded": None,
}
"""The figures of a week, and what the old view multiplies each by: it joins every new customer with
every returning one."""

_NEEDED = {
    FACTS: ("date_id", "item_id", "customer_id", "city_id", "quantity", "payment_amount"),
    "mart.d_calendar": ("date_id",),
    "mart.d_city": ("city_id", "city_name"),
    "mart.d_customer": ("customer_id", "first_name", "last_name"),
    "mart.d_item": ("item_id", "item_name"),
}


@dataclass(frozen=True)
class Layout:
    """What is not the same in all old databases.

    Attributes:
        has_orders: whether there are raw rows, in `ORDERS`.
        has_retention: whether `RETENTION` has the figures of a week.
        keys: by `item_key`, `city_key` and `customer_key`, as the statements call it, the column of
            the dimension that facts refer to: the source's id, or one of the table's own.
    """

    has_orders: bool
    has_retention: bool
    keys: dict[str, str]


def layout(connection: Connection) -> Layout:
    """Check that it is an old database; return its layout.

    Raises:
        EtlError: it lacks tables or columns, what a fact refers to or its day can't be told, or it
            is a warehouse of this project.
    """
    columns: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows(connection, "legacy/adopt/columns", {"tables": [*_NEEDED, ORDERS, RETENTION]}):
        columns[row["table_name"]].add(row["column_name"])
    if columns["etl.load"]:
        raise EtlError(
            "OLD_URL names a warehouse of this project, not an old pipeline's database: it has "
            "etl.load. Give the database that the old pipeline loads"
        )
    missing = [
        f"{table} ({', '.join(lacking)})" if columns[table] else table
        for table, needed in _NEEDED.items()
        if (lacking := [column for column in needed if column not in columns[table]])
    ]
    if missing:
        raise EtlError(
            f"The old database lacks {', '.join(missing)}. Check that OLD_URL names the database "
            "that the old pipeline loads. If tables are called otherwise there, make views of the "
            "names that are needed, in a copy of it"
        )
    for lost in rows(connection, "legacy/adopt/facts_without_day"):
        raise EtlError(
            f"The day of {lost['found']} old facts can't be told: a date_id such as "
            f"{lost['date_id']} is no epoch second since 2000, no number such as 20240226, and "
            "mart.d_calendar has no date_actual for it. Put the days into the old "
            "mart.d_calendar, or take those facts out, in a copy if need be"
        )
    return Layout(
        has_orders=columns[ORDERS].issuperset(NEEDED_COLUMNS),
        has_retention=columns[RETENTION].issuperset({"period_id", *FIGURES}),
        keys=_keys(connection),
    )


def _keys(connection: Connection) -> dict[str, str]:
    """Return which column of each dimension the facts refer to, as `Layout.keys`.

    A foreign key says it. Dimensions without one are taken to be referred to alike: by the ids that
    find more of their members.
    """
    found = {row["dimension"]: row for row in rows(connection, "legacy/adopt/keys")}
    to_tell = [row for row in found.values() if row["foreign_key"] is None]
    without_source_id = sum(row["without_source_id"] for row in to_tell)
    without_table_id = sum(row["without_table_id"] for row in to_tell)
    undecided = [row["dimension"] for row in to_tell if row["undecided"]]
    if undecided and without_source_id == without_table_id:
        columns = ", ".join(f"{dimension}_id" for dimension in undecided)
        raise EtlError(
            f"It can't be told whether {columns} of the old {FACTS} are the source's ids or the "
            "dimensions' own, for their numbers are among both. Add the foreign keys that say it, "
            f"in a copy if need be, such as: ALTER TABLE {FACTS} ADD FOREIGN KEY "
            f"({undecided[0]}_id) REFERENCES mart.d_{undecided[0]} (id)"
        )
    by_table_id = without_table_id < without_source_id
    keys: dict[str, str] = {}
    for dimension in ("item", "city", "customer"):
        told = "id" if by_table_id else f"{dimension}_id"
        keys[f"{dimension}_key"] = found.get(dimension, {}).get("foreign_key") or told
    return keys


def address(connection: Connection, table: str) -> str:
    """Return where a table of the old database is, without user and password."""
    info = connection.info
    host = "localhost" if info.host.startswith("/") else info.host
    return f"postgresql://{host}:{info.port}/{info.dbname}/{table}"
