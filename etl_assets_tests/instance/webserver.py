"""What a user does in the UI, asked of a webserver over HTTP."""

from typing import Any

import requests
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

_LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) { ... on LaunchRunSuccess { run { runId } } __typename }
}
"""
_TERMINATE = "mutation($run: String!) { terminateRun(runId: $run) { __typename } }"
_STATUSES = """
query($filter: RunsFilter!) {
  runsOrError(filter: $filter) { ... on Runs { results { runId rootRunId status } } __typename }
}
"""


class Webserver:
    """A webserver at an address."""

    def __init__(self, url: str) -> None:
        self._url = url

    def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        """Return the data of an answer."""
        body: Any = {"query": query, "variables": variables}
        answer = requests.post(f"{self._url}/graphql", json=body, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def launch(self, job: str, first_day: str, last_day: str | None = None) -> str:
        """Launch a job for a day or a range, as its page does; return the run's id."""
        tags = {
            ASSET_PARTITION_RANGE_START_TAG: first_day,
            ASSET_PARTITION_RANGE_END_TAG: last_day,
        }
        if last_day is None:
            tags = {PARTITION_NAME_TAG: first_day}
        selector = {
            "repositoryLocationName": "etl_assets",
            "repositoryName": "__repository__",
            "jobName": job,
        }
        params = {
            "selector": selector,
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in tags.items()]},
        }
        launched = self.graphql(_LAUNCH, params=params)["launchRun"]
        return launched["run"]["runId"]

    def terminate(self, run_id: str) -> None:
        """Terminate a run, as its page does."""
        answer = self.graphql(_TERMINATE, run=run_id)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def status(self, run_id: str) -> str:
        """Return how a run is, or the last one of those that were launched again in its place."""
        newest, *_ = self._runs({"tags": [{"key": "dagster/root_run_id", "value": run_id}]}) or (
            self._runs({"runIds": [run_id]})
        )
        return newest["status"]

    def _runs(self, runs_filter: dict[str, Any]) -> list[dict[str, Any]]:
        return self.graphql(_STATUSES, filter=runs_filter)["runsOrError"]["results"]
