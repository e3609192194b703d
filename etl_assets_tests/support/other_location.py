"""A job of another code location, on the same Dagster instance."""

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG


@dg.op
def fail_at_once() -> None:
    raise dg.Failure("somebody else's")


@dg.job(name="maintenance")
def of_another_location() -> None:
    fail_at_once()


def fail_elsewhere(instance: dg.DagsterInstance) -> str:
    """Make a run fail whose partition is no day of ours, and return its id."""
    tags = {PARTITION_NAME_TAG: "eu-west"}
    run = of_another_location.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    assert not run.success
    return run.run_id
