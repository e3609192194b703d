"""An independent model of the mart: what the tables must hold, in plain Python.

The pipeline's tables are compared with what `mart` gives for the same deliveries. Nothing here
may share code, or a library, with the pipeline: this package imports the standard library only,
takes one row at a time, and is written to be obviously right rather than fast. A rule that changes
in the pipeline is changed here by hand, from the rule's words and not from the pipeline's code.

The path of a row: in `reading` a delivery's bytes become records (`_records`), records become rows
of named texts (`_rows`), a row becomes an order or is rejected (`_order`), and `read` drops the
duplicates and the conflicting versions; in `tables` `mart` builds the tables from the orders of
each day, with the days of `calendar`.

The csv module isn't used: it takes a stray quote for text.
"""

from etl_assets_tests.properties.oracle.calendar import CalendarDay, calendar_day, date_id
from etl_assets_tests.properties.oracle.orders import Delivery, Order, Reading, ReasonKind, Refused
from etl_assets_tests.properties.oracle.reading import MAX_LINE_BYTES, OPTIONAL_COLUMNS, read
from etl_assets_tests.properties.oracle.tables import TABLE_COLUMNS, Mart, mart

__all__ = [
    "MAX_LINE_BYTES",
    "OPTIONAL_COLUMNS",
    "TABLE_COLUMNS",
    "CalendarDay",
    "Delivery",
    "Mart",
    "Order",
    "Reading",
    "ReasonKind",
    "Refused",
    "calendar_day",
    "date_id",
    "mart",
    "read",
]
