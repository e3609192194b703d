"""The tables of the old pipeline's database.

Old databases differ. Facts refer to the source's ids or to the dimensions' own ids; there is a
status or none; a fact is a group of raw rows or one raw row. `_NEEDED` lists the columns that every
old database must have. The statements in `sql/legacy/` read the optional columns by way of JSON, so
that these may be missing.
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
"""The figures of a week, and the figure that the old view multiplies each by.

The old view joins every new customer with every returning one.
"""

_NEEDED = {
    FACTS: ("date_id", "item_id", "customer_id", "city_id", "quantity", "payment_amount"),
    "mart.d_calendar": ("date_id",),
    "mart.d_city": ("city_id", "city_name"),
    "mart.d_customer": ("customer_id", "first_name", "last_name"),
    "mart.d_item": ("item_id", "item_name"),
}


@dataclass(frozen=True)
class Layout:
    """The parts of the schema in which old databases differ.

    Attributes:
        has_orders: whether the table `ORDERS` has raw rows.
        has_retention: whether `RETENTION` has the figures of a week.
        keys: the column of each dimension that facts refer to: the source's id, or the table's own
            id. The keys `item_key`, `city_key` and `customer_key` are parameters of the statements.
    """

    has_orders: bool
    has_retention: bool
    keys: dict[str, str]


def layout(connection: Connection) -> Layout:
    """Check that it is an old database; return its layout.

    Raises:
        EtlError: it lacks tables or columns, the day of a fact or the ids that it refers to are
            ambiguous, or it is a warehouse of this project.
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
            "that the old pipeline loads. If its tables have other names, create views with the "
            "names above, in a copy of the database"
        )
    for lost in rows(connection, "legacy/adopt/facts_without_day"):
        raise EtlError(
            f"The day of {lost['found']} old facts is unknown: a date_id such as "
            f"{lost['date_id']} is no epoch second since 2000, no number such as 20240226, and "
            "mart.d_calendar has no date_actual for it. Add the days to the old "
            "mart.d_calendar or delete those facts, in a copy of the database if need be"
        )
    return Layout(
        has_orders=columns[ORDERS].issuperset(NEEDED_COLUMNS),
        has_retention=columns[RETENTION].issuperset({"period_id", *FIGURES}),
        keys=_keys(connection),
    )


def _keys(connection: Connection) -> dict[str, str]:
    """Return which column of each dimension the facts refer to, as `Layout.keys`.

    A foreign key decides. For all dimensions without one, the facts are taken to refer to the same
    kind of id: the kind by which more of the facts find a member.
    """
    found = {row["dimension"]: row for row in rows(connection, "legacy/adopt/keys")}
    to_tell = [row for row in found.values() if row["foreign_key"] is None]
    without_source_id = sum(row["without_source_id"] for row in to_tell)
    without_table_id = sum(row["without_table_id"] for row in to_tell)
    undecided = [row["dimension"] for row in to_tell if row["undecided"]]
    if undecided and without_source_id == without_table_id:
        columns = ", ".join(f"{dimension}_id" for dimension in undecided)
        raise EtlError(
            f"It is unclear whether {columns} of the old {FACTS} are the source's ids or the "
            "dimensions' own ids, because both have these numbers. Add foreign keys, in a copy of "
            f"the database if need be, such as: ALTER TABLE {FACTS} ADD FOREIGN KEY "
            f"({undecided[0]}_id) REFERENCES mart.d_{undecided[0]} (id)"
        )
    by_table_id = without_table_id < without_source_id
    keys: dict[str, str] = {}
    for dimension in ("item", "city", "customer"):
        told = "id" if by_table_id else f"{dimension}_id"
        keys[f"{dimension}_key"] = found.get(dimension, {}).get("foreign_key") or told
    return keys


def address(connection: Connection, table: str) -> str:
    """Return the address of a table of the old database, without user and password."""
    info = connection.info
    host = "localhost" if info.host.startswith("/") else info.host
    return f"postgresql://{host}:{info.port}/{info.dbname}/{table}"
