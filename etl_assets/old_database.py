"""The old pipeline's database: which tables it has, and what they are called.

Old databases differ: dimensions and facts have serial ids, there may be a status or not, facts are
grouped or one a raw row. What is needed of them stands in `_NEEDED`; whatever else there is, the
statements for them (`sql/adopt/`, `sql/compare/`) read as JSON, so that it may be missing.
"""

from collections import defaultdict
from collections.abc import Mapping

from etl_assets.errors import EtlError
from etl_assets.resources.warehouse import Connection, rows

FACTS = "mart.f_sales"
ORDERS = "staging.user_order_log"
RETENTION = "mart.f_customer_retention"

_NEEDED = {
    FACTS: ("date_id", "item_id", "customer_id", "city_id", "quantity", "payment_amount"),
    "mart.d_calendar": ("date_id",),
    "mart.d_city": ("city_id", "city_name"),
    "mart.d_customer": ("customer_id", "first_name", "last_name"),
    "mart.d_item": ("item_id", "item_name"),
}


def columns_of_tables(connection: Connection) -> Mapping[str, set[str]]:
    """Check that it is an old database; return which columns its tables have.

    `ORDERS` and `RETENTION` may be missing, or lack columns.

    Raises:
        EtlError: it lacks tables or columns, a fact's day can't be told, or it is a warehouse of
            this project.
    """
    columns: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows(connection, "adopt/columns", {"tables": [*_NEEDED, ORDERS, RETENTION]}):
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
    for lost in rows(connection, "adopt/facts_without_day"):
        raise EtlError(
            f"The day of {lost['found']} old facts can't be told: a date_id such as "
            f"{lost['date_id']} is no epoch second since 2000, and mart.d_calendar has no "
            "date_actual for it. Put the days into the old mart.d_calendar, in a copy if need be"
        )
    return columns


def address(connection: Connection, table: str) -> str:
    """Return where a table of the old database is, without user and password."""
    info = connection.info
    host = "localhost" if info.host.startswith("/") else info.host
    return f"postgresql://{host}:{info.port}/{info.dbname}/{table}"
