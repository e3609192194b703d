"""The tags of runs: Dagster's own, by their documented names, and ours."""

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
MAX_RETRIES = "dagster/max_retries"

PLANNED = "etl_assets/planned"
"""On a run that the planner launched: days that are loaded from the same object are left alone. Any
other run loads its days again."""

NEVER_RETRIED = {MAX_RETRIES: "0"}
"""On runs that Dagster does not launch again if they are killed: the planner plans its runs anew,
and a person who runs a command is told that it has ended."""
