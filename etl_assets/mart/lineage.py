"""What each column of the mart is made of.

`LINEAGE` gives, by table and column, the relations and columns that the value comes from. A test
compares it with the statements in `sql/mart/`. The days of a load are a parameter of those; they
are the partition days of staging.
"""

from etl_assets.source.feeds import STAGING_TABLE as STAGING

_SALES = "mart.f_sales"

CALENDAR_COLUMNS = (
    "date_id",
    "date_actual",
    "epoch",
    "day_suffix",
    "day_name",
    "day_of_week",
    "day_of_month",
    "day_of_quarter",
    "day_of_year",
    "week_of_month",
    "week_of_year",
    "week_of_year_iso",
    "month_actual",
    "month_name",
    "month_name_abbreviated",
    "quarter_actual",
    "quarter_name",
    "year_actual",
    "first_day_of_week",
    "last_day_of_week",
    "first_day_of_month",
    "last_day_of_month",
    "first_day_of_quarter",
    "last_day_of_quarter",
    "first_day_of_year",
    "last_day_of_year",
    "mmyyyy",
    "mmddyyyy",
    "weekend_indr",
)
"""The columns of `mart.d_calendar`, all of which follow from the day."""

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
    "d_calendar": dict.fromkeys(CALENDAR_COLUMNS, ((STAGING, "partition_day"),)),
    "f_sales": {
        "date_id": ((STAGING, "partition_day"),),
        "item_id": ((STAGING, "item_id"),),
        "customer_id": ((STAGING, "customer_id"),),
        "city_id": ((STAGING, "city_id"),),
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
