"""The jobs: the parts of the graph that run together."""

import dagster as dg

from etl_assets.defs.assets.common import NO_FAILED_DAYS, ORDER_REPORT
from etl_assets.defs.run_tags import NEVER_RETRIED

ORDER_BACKFILL = "order_backfill"
ORDER_INCREMENT = "order_increment"
ORDER_REPORT_JOB = "order_report_job"
MAINTENANCE = "etl_maintenance"
"""With a prefix, because other code locations of the instance may have a job `maintenance`."""

_ALL = dg.AssetSelection.all() - dg.AssetSelection.checks(NO_FAILED_DAYS)
_REPORT = dg.AssetSelection.assets(ORDER_REPORT)

order_backfill = dg.define_asset_job(
    ORDER_BACKFILL,
    selection=_ALL,
    description="Loads a range of days in one run. Asks for the report first if there is none.",
)
order_increment = dg.define_asset_job(
    ORDER_INCREMENT,
    selection=_ALL - _REPORT,
    tags=NEVER_RETRIED,
    description="Loads a day.",
)
order_report_job = dg.define_asset_job(
    ORDER_REPORT_JOB,
    selection=_REPORT,
    tags=NEVER_RETRIED,
    description="Asks for the report and waits for it.",
)

JOBS = (order_backfill, order_increment, order_report_job)
