"""The feeds of the source: the names, columns and staging table of each kind of file.

The order log is CSV in UTF-8 with this header, columns in any order, lines ended by LF or CRLF:

    id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,
    quantity,payment_amount[,status]

`id` restarts at 1 in every file and is ignored. Files of 2022 have no `uniq_id`. Reports, and the
first increment after them, have no `status`, which means shipped.
"""

ORDER_LOG = "user_order_log"
"""The name of the feed, as in `etl.attempt`."""

STAGING_TABLE = "staging.user_order_log"

FILE_NAMES = ("user_order_log", "user_orders_log")
"""The names of the order log's file. The second was used in 2022."""

NEEDED_COLUMNS = (
    "date_time",
    "city_id",
    "city_name",
    "customer_id",
    "first_name",
    "last_name",
    "item_id",
    "item_name",
    "quantity",
    "payment_amount",
)
"""The columns without which a file is refused."""

KNOWN_COLUMNS = ("uniq_id", *NEEDED_COLUMNS, "status")
"""The columns of an order. Rows that are equal in all of them are duplicates."""

ORDER_COLUMNS = ("partition_day", "line", *KNOWN_COLUMNS)
"""The columns that are copied into staging.user_order_log."""
