"""Dagster's own UI, clicked through as a person does."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from etl_assets.embedded.dagster_servers import DagsterServers
from etl_assets.embedded.ports import free_ports
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.embedded.simulator import GivenFiles
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.defs.test_definitions import GRAPH
from etl_assets_tests.support.files import MONDAY, TUESDAY, csv_file, order
from etl_assets_tests.support.processes import wait_until

ui = pytest.importorskip(
    "etl_assets_tests.ui.browser", reason="playwright is not installed (the extra `pictures`)"
)
pytestmark = pytest.mark.ui

_BACKFILL = """
    query ($id: String!) {
        partitionBackfillOrError(backfillId: $id) {
            ... on PartitionBackfill { runs(limit: 10) { runId status } }
        }
    }
"""


@pytest.fixture
def browser() -> Iterator[Any]:
    try:
        ui.chromium()
    except ui.NoChromium as error:
        # Whoever names one means to run these tests: `make test-ui` does.
        if "CHROMIUM" in os.environ:
            raise
        pytest.skip(str(error))
    with ui.open_browser() as browser:
        yield browser


def test_a_range_chosen_in_the_dialog_is_loaded_by_one_run_that_the_pages_show(
    browser: Any, services: EmbeddedServices, open_pipeline: OpenPipeline, tmp_path: Path
) -> None:
    rows = [order(MONDAY, "a"), order(TUESDAY, "b"), order(TUESDAY, "c")]
    pipeline = open_pipeline(GivenFiles(csv_file(*rows), (MONDAY, TUESDAY)))
    (port,) = free_ports(1)
    with DagsterServers(tmp_path / "dagster", port, services.dagster_environment()) as servers:
        window = ui.DagsterUi.open(browser, servers.url, width=1440, height=1100)
        backfill = window.launch(window.choose_days("order_backfill", MONDAY, TUESDAY))
        (run,) = finished_runs(servers.url, backfill)
        assert run["status"] == "SUCCESS"
        loads = pipeline.query("SELECT partition_day, run_id FROM etl.load ORDER BY partition_day")
        assert loads == [(MONDAY, run["runId"]), (TUESDAY, run["runId"])]

        assert "Success" in window.show_run(run["runId"])
        for day, orders in {MONDAY: 1, TUESDAY: 2}.items():
            window.show_partition("mart/f_sales", day)
            assert window.metadata("dagster/partition_row_count") == str(orders)
        # It waits until every node is there, and green.
        window.show_graph(len(GRAPH))


def finished_runs(url: str, backfill: str) -> list[dict[str, Any]]:
    """Return the runs of a backfill, once all have ended; the daemon looks for one every 30 s."""

    def runs() -> list[dict[str, Any]]:
        answer = session.post(
            f"{url}/graphql",
            json={"query": _BACKFILL, "variables": {"id": backfill}},
            timeout=30,
        )
        return answer.json()["data"]["partitionBackfillOrError"]["runs"]

    def ended() -> list[dict[str, Any]]:
        found = runs()
        return found if all(run["status"] in ("SUCCESS", "FAILURE") for run in found) else []

    with requests.Session() as session:
        session.trust_env = False  # no proxy of the environment stands in between
        return wait_until(ended)
