"""The assets, in the order of the graph.

`order_report` asks for the report, `raw` finds the object that holds a day, `staging` streams it
in, `mart` brings dimensions, facts and weekly figures up to date in one transaction, and
`retention` is the view. Data moves in this order only; each asset reads what the one before has
written to the warehouse.
"""

from etl_assets.defs.assets.mart import mart_assets
from etl_assets.defs.assets.order_report import order_report
from etl_assets.defs.assets.raw import raw_user_order_log
from etl_assets.defs.assets.retention import f_customer_retention
from etl_assets.defs.assets.staging import staging_user_order_log

__all__ = [
    "f_customer_retention",
    "mart_assets",
    "order_report",
    "raw_user_order_log",
    "staging_user_order_log",
]
