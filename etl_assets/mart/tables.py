"""The tables that one load of the mart changes, and what each is made of."""

from etl_assets.source.feeds import STAGING_TABLE as STAGING

DIMENSIONS = ("d_item", "d_city", "d_customer", "d_calendar")
TABLES = (*DIMENSIONS, "f_sales", "f_customer_retention_weekly")
"""The tables that a load changes, in the order of their statements."""

DESCRIPTIONS = {
    "d_item": "Items, as their latest order names them.",
    "d_city": "Cities, as their latest order names them.",
    "d_customer": "Customers, as their latest order describes them.",
    "d_calendar": "Every day from the first to the last loaded, gaps included.",
    "f_sales": "One row per order and status. Refunds are separate, negative rows, so sums "
    "are net.",
    "f_customer_retention_weekly": "Retention by week. A new customer has exactly one order row in "
    "the week, a returning one has more, whatever the status. Revenue is net.",
}

DEPENDENCIES = {
    **dict.fromkeys(DIMENSIONS, (STAGING,)),
    "f_sales": (STAGING, *(f"mart.{table}" for table in DIMENSIONS)),
    "f_customer_retention_weekly": ("mart.f_sales",),
}
"""The relations from which each table is computed."""
