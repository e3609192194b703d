"""What each column of the mart is made of.

`LINEAGE` gives, by table and column, the relations and columns that the value comes from.
"""

from etl_assets.source.feeds import STAGING_TABLE as STAGING

_CALENDAR = "mart.d_calendar"
_SALES = "mart.f_sales"

Sources = tuple[tuple[str, str], ...]
"""Pairs of relation and column."""

_LATEST: dict[str, Sources] = {
    "latest_day": ((STAGING, "partition_day"),),
    "latest_line": ((STAGING, "line"),),
}

LINEAGE: dict[str, dict[str, Sources]] = {
    "d_item": {
        "item_id": ((STAGING, "item_id"),),
        "item_name": ((STAGING, "item_name"),),
        **_LATEST,
    },
    "d_city": {
        "city_id": ((STAGING, "city_id"),),
        "city_name": ((STAGING, "city_name"),),
        **_LATEST,
    },
    "d_customer": {
        "customer_id": ((STAGING, "customer_id"),),
        "first_name": ((STAGING, "first_name"),),
        "last_name": ((STAGING, "last_name"),),
        "city_id": ((STAGING, "city_id"),),
        **_LATEST,
    },
    "d_calendar": {
        "date_id": ((STAGING, "partition_day"),),
        "date_actual": ((STAGING, "partition_day"),),
    },
    "f_sales": {
        "date_id": ((STAGING, "partition_day"), (_CALENDAR, "date_id")),
        "item_id": ((STAGING, "item_id"), ("mart.d_item", "item_id")),
        "customer_id": ((STAGING, "customer_id"), ("mart.d_customer", "customer_id")),
        "city_id": ((STAGING, "city_id"), ("mart.d_city", "city_id")),
        "quantity": ((STAGING, "quantity_signed"),),
        "payment_amount": ((STAGING, "payment_amount_signed"),),
        "uniq_id": ((STAGING, "uniq_id"),),
        "status": ((STAGING, "status"),),
    },
    "f_customer_retention_weekly": {
        "period_id": ((_SALES, "date_id"),),
        "new_customers_count": ((_SALES, "customer_id"),),
        "new_customers_revenue": ((_SALES, "customer_id"), (_SALES, "payment_amount")),
        "returning_customers_count": ((_SALES, "customer_id"),),
        "returning_customers_revenue": ((_SALES, "customer_id"), (_SALES, "payment_amount")),
        "refunded_customer_count": ((_SALES, "customer_id"), (_SALES, "status")),
        "customers_refunded": ((_SALES, "status"),),
    },
}
