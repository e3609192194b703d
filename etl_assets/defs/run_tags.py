"""The tags of runs: Dagster's own, by their documented names, and ours."""

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
MAX_RETRIES = "dagster/max_retries"
BACKFILL = "dagster/backfill"
WILL_RETRY = "dagster/will_retry"
RETRIED_BY = "dagster/auto_retry_run_id"

PLANNED = "etl_assets/planned"
"""On the planner's runs: days that are loaded from the same object are left as they are. Any other
run loads its days again."""

REPORT_FOR = "etl_assets/report_for"
"""On the planner's runs that ask for a report: the day that needs it."""

NEVER_RETRIED = {MAX_RETRIES: "0"}
"""On runs that Dagster does not launch again after they are killed: the planner plans its runs
anew, and a command tells its user that the run has ended."""
