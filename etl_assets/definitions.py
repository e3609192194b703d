"""The code location: what Dagster loads.

`build_defs` creates the definitions from the settings, for Dagster, the command line and the tests.
Loading reads only the settings of partitions and sensors, and opens no connection.
"""

import gc
import warnings

import dagster as dg

from etl_assets.defs.alarms import alarms
from etl_assets.defs.assets import (
    f_customer_retention,
    mart_assets,
    order_report,
    raw_user_order_log,
    staging_user_order_log,
)
from etl_assets.defs.failed_days import failed_days, no_failed_days
from etl_assets.defs.jobs import JOBS
from etl_assets.defs.maintenance import maintenance, nightly_maintenance
from etl_assets.defs.partitions import daily_partitions
from etl_assets.defs.resources import (
    ObjectStoreResource,
    ReportApiResource,
    WarehouseResource,
    WebhookResource,
)
from etl_assets.defs.sensors import schedules, sensors
from etl_assets.settings import PartitionSettings

# The modules imported so far stay in memory. Without this, the later imports of a run make the
# garbage collector traverse all of Dagster, which takes a tenth of a second each time.
gc.freeze()


def build_defs(settings: PartitionSettings) -> dg.Definitions:
    """Return the definitions for the days of the settings."""
    partitions = daily_partitions(settings)
    with warnings.catch_warnings(action="ignore", category=dg.BetaWarning):
        assets = dg.with_source_code_references(
            [
                order_report,
                raw_user_order_log(partitions),
                staging_user_order_log(partitions),
                mart_assets(partitions),
                f_customer_retention,
            ]
        )
    return dg.Definitions(
        assets=assets,
        asset_checks=[no_failed_days(settings)],
        jobs=[*JOBS, maintenance],
        sensors=[*sensors(settings), failed_days(settings), alarms(settings)],
        schedules=[*schedules(settings), nightly_maintenance(settings)],
        resources={
            "report_api": ReportApiResource(),
            "object_store": ObjectStoreResource(),
            "warehouse": WarehouseResource(),
            "webhook": WebhookResource(),
        },
        # A day's run takes 3 s. With a process for each step it takes 22 s.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions for the settings of the environment."""
    return build_defs(PartitionSettings.read())
