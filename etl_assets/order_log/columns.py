"""The columns of the source's order log."""

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
"""A file without one of them is refused."""

KNOWN_COLUMNS = ("uniq_id", *NEEDED_COLUMNS, "status")
"""The columns that make an order; rows equal in all of them are copies."""

ORDER_COLUMNS = ("partition_day", "line", *KNOWN_COLUMNS)
"""The columns of an order, as in staging.user_order_log."""
