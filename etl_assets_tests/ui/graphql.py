"""Dagster's GraphQL on a test's pipeline, without the time that servers take.

It is the webserver's own code, and the daemon's own for backfills; only the runs differ: they
happen in this process, one after the other.
"""

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster_graphql.cli import execute_query

from etl_assets_tests.support.pipeline import Pipeline

REPOSITORY = {"repositoryLocationName": "etl_assets", "repositoryName": "__repository__"}

_LAUNCH = """
    mutation LaunchPartitionBackfill($params: LaunchBackfillParams!) {
        launchPartitionBackfill(backfillParams: $params) {
            ... on LaunchBackfillSuccess { backfillId }
            ... on Error { message }
        }
    }
"""

_STATUSES = """
    query Partitions($assets: [AssetKeyInput!]!) {
        assetNodes(assetKeys: $assets) {
            partitionKeys
            assetPartitionStatuses {
                ... on TimePartitionStatuses { ranges { startKey endKey status } }
            }
        }
    }
"""

# It ends after at most this many rounds: one for the report, the days, the view, and its end.
_ROUNDS = 5


class Graphql:
    """What the UI asks Dagster, and what the daemon makes of it."""

    def __init__(self, context: WorkspaceProcessContext) -> None:
        self._context = context

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the data of an answer."""
        answer = execute_query(self._context, query, variables)
        assert "errors" not in answer, answer["errors"]
        data = answer.get("data")
        assert data is not None
        return data

    def backfill_job(self, *days: date) -> list[dg.DagsterRun]:
        """Launch what the dialog of the job order_backfill does, and return the runs."""
        partition_set = {
            "partitionSetName": "order_backfill_partition_set",
            "repositorySelector": REPOSITORY,
        }
        return self._backfill({"selector": partition_set, "partitionNames": list(map(str, days))})

    def backfill_assets(self, assets: Sequence[str], *days: date) -> list[dg.DagsterRun]:
        """Launch what the dialog of the asset graph does, and return the runs, in their order."""
        keys = [{"path": asset.split("/")} for asset in assets]
        return self._backfill({"assetSelection": keys, "partitionNames": list(map(str, days))})

    def days(self, asset: str, status: str) -> set[str]:
        """Return the days of an asset that are MATERIALIZED, FAILED or, with no range, MISSING."""
        (node,) = self.ask(_STATUSES, assets=[{"path": asset.split("/")}])["assetNodes"]
        keys: list[str] = node["partitionKeys"]
        statuses = dict.fromkeys(keys, "MISSING")
        for found in node["assetPartitionStatuses"]["ranges"]:
            first, last = keys.index(found["startKey"]), keys.index(found["endKey"])
            statuses |= dict.fromkeys(keys[first : last + 1], found["status"])
        return {key for key in keys if statuses[key] == status}

    def _backfill(self, params: dict[str, Any]) -> list[dg.DagsterRun]:
        launched = self.ask(_LAUNCH, params=params)["launchPartitionBackfill"]
        assert "backfillId" in launched, launched["message"]
        instance = self._context.instance
        for _ in range(_ROUNDS):
            errors = [
                error
                for error in execute_backfill_iteration(self._context, logging.getLogger())
                if error
            ]
            assert not errors
            backfill = instance.get_backfill(launched["backfillId"])
            assert backfill
            if backfill.status.value != "REQUESTED":
                break
        else:
            raise AssertionError(f"the backfill has not ended after {_ROUNDS} rounds")
        tags = {"dagster/backfill": backfill.backfill_id}
        runs = list(reversed(instance.get_runs(dg.RunsFilter(tags=tags))))
        all_succeeded = all(run.status is dg.DagsterRunStatus.SUCCESS for run in runs)
        assert (backfill.status.value == "COMPLETED_SUCCESS") == all_succeeded
        return runs


@contextmanager
def open_graphql(pipeline: Pipeline) -> Generator[Graphql]:
    """Give Dagster's GraphQL on the pipeline's instance, with the code location in this process."""
    location = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(module_name="etl_assets.definitions"), location_name="etl_assets"
    )
    target = InProcessWorkspaceLoadTarget(location)
    with WorkspaceProcessContext(pipeline.instance, target) as context:
        yield Graphql(context)
