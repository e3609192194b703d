"""What Dagster's UI asks when a person backfills, repairs or looks, and what comes of it."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from etl_assets.defs.partitions import days_of
from etl_assets.embedded.simulator import GivenFiles
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.defs.test_definitions import GRAPH, UNPARTITIONED
from etl_assets_tests.support.files import (
    FRIDAY,
    MONDAY,
    SATURDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    order,
    without,
)
from etl_assets_tests.support.pipeline import Pipeline, calls, holding
from etl_assets_tests.ui.graphql import REPOSITORY, Graphql, open_graphql

REPORT_DAYS = (MONDAY, TUESDAY, WEDNESDAY)
DAILY = sorted(GRAPH.keys() - UNPARTITIONED)


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline, instance: dg.DagsterInstance) -> Pipeline:
    """A report of Monday to Wednesday and the increments of Thursday and Friday."""
    report = csv_file(*(order(day, str(day)) for day in REPORT_DAYS), columns=without("status"))
    increments = {day: csv_file(order(day, str(day))) for day in (THURSDAY, FRIDAY)}
    files = GivenFiles(report, (MONDAY, WEDNESDAY), increments)
    pipeline = open_pipeline(files, today=SATURDAY, start_day=MONDAY)
    pipeline.instance = instance
    return pipeline


@pytest.fixture
def graphql(pipeline: Pipeline) -> Iterator[Graphql]:
    with open_graphql(pipeline) as graphql:
        yield graphql


_SHOWN = """
    query Shown($asset: AssetKeyInput!, $days: [String!]) {
        assetNodeOrError(assetKey: $asset) {
            ... on AssetNode {
                assetMaterializations(partitions: $days, limit: 1) {
                    metadataEntries {
                        label
                        ... on IntMetadataEntry { intValue }
                        ... on TextMetadataEntry { text }
                        ... on TableSchemaMetadataEntry {
                            schema { columns { name type description } }
                        }
                        ... on TableColumnLineageMetadataEntry {
                            lineage { columnName columnDeps { assetKey { path } columnName } }
                        }
                    }
                }
            }
        }
    }
"""


def shown(graphql: Graphql, asset: str, *days: object) -> dict[str, Any]:
    """Return the metadata of the newest materialization of an asset, or of a day of it."""
    key = {"path": asset.split("/")}
    (materialization,) = graphql.ask(_SHOWN, asset=key, days=list(map(str, days)) or None)[
        "assetNodeOrError"
    ]["assetMaterializations"]
    return {entry["label"]: entry for entry in materialization["metadataEntries"]}


def texts(*days: object) -> set[str]:
    return set(map(str, days))


# --- Backfills ------------------------------------------------------------------------------------


def test_a_range_from_the_jobs_page_is_one_run_that_tells_of_each_day(
    pipeline: Pipeline, graphql: Graphql
) -> None:
    pipeline.files.increments[THURSDAY] = csv_file(
        order(THURSDAY, "a"), order(THURSDAY, "a", id="2"), order(THURSDAY, "b")
    )
    days = (*REPORT_DAYS, THURSDAY)
    (run,) = graphql.backfill_job(*days)
    assert pipeline.loads("partition_day, run_id") == [(day, run.run_id) for day in days]
    for asset in DAILY:
        assert graphql.days(asset, "MATERIALIZED") == texts(*days), asset
    pipeline.holds(holding(pipeline.files, *days))

    for day, orders in {TUESDAY: 1, THURSDAY: 2}.items():
        sales = shown(graphql, "mart/f_sales", day)
        assert sales["dagster/partition_row_count"]["intValue"] == orders
    staged = shown(graphql, "staging/user_order_log", THURSDAY)
    assert {name: staged[name]["intValue"] for name in ("rows_read", "duplicates", "rejected")} == {
        "rows_read": 3,
        "duplicates": 1,
        "rejected": 0,
    }
    raw = shown(graphql, "raw/user_order_log", THURSDAY)
    assert raw["uri"]["text"].endswith("user_order_log_inc.csv")


def test_a_repair_of_a_single_day_asks_for_no_report(pipeline: Pipeline, graphql: Graphql) -> None:
    pipeline.load(*REPORT_DAYS)
    asked = calls(pipeline, "/generate_report")
    (run,) = graphql.backfill_job(TUESDAY)
    assert pipeline.loads("partition_day, run_id")[3:] == [(TUESDAY, run.run_id)]
    assert calls(pipeline, "/generate_report") == asked == 1


def test_a_range_from_the_asset_graph_is_one_run_of_all_that_has_days(
    pipeline: Pipeline, graphql: Graphql
) -> None:
    pipeline.load(MONDAY)
    days = (TUESDAY, WEDNESDAY, THURSDAY)
    report, daily, view = graphql.backfill_assets(list(GRAPH), *days)

    assert [sorted(pipeline.materialized(run.run_id)) for run in (report, view)] == [
        [("order_report", None)],
        [("mart/f_customer_retention", None)],
    ]
    assert pipeline.materialized(daily.run_id) == {
        (asset, str(day)) for asset in DAILY for day in days
    }
    assert pipeline.loads("partition_day, run_id")[1:] == [(day, daily.run_id) for day in days]
    assert calls(pipeline, "/generate_report") == 1
    for asset in DAILY:
        assert graphql.days(asset, "MATERIALIZED") == texts(*days), asset
    pipeline.holds(holding(pipeline.files, MONDAY, *days))


def test_whatever_is_selected_of_the_mart_all_of_it_is_loaded(
    pipeline: Pipeline, graphql: Graphql
) -> None:
    pipeline.load(MONDAY)
    pipeline.stage(TUESDAY)
    (run,) = graphql.backfill_assets(["mart/d_item"], TUESDAY)
    assert pipeline.materialized(run.run_id) == {("mart/d_item", str(TUESDAY))}
    assert pipeline.checks(run.run_id) == {}
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY))


def test_failed_and_missing_days_are_told_and_repaired_with_a_run_for_each_stretch(
    pipeline: Pipeline, graphql: Graphql
) -> None:
    pipeline.files.increments[THURSDAY] = b"no,orders\r\n"
    graphql.backfill_job(TUESDAY, WEDNESDAY)
    (failed,) = graphql.backfill_job(THURSDAY)
    assert failed.status is dg.DagsterRunStatus.FAILURE
    for asset in ("staging/user_order_log", "mart/f_sales"):
        assert graphql.days(asset, "MATERIALIZED") == texts(TUESDAY, WEDNESDAY)
        assert graphql.days(asset, "FAILED") == texts(THURSDAY)
        assert graphql.days(asset, "MISSING") == texts(MONDAY, FRIDAY)

    pipeline.files.increments[THURSDAY] = csv_file(order(THURSDAY, str(THURSDAY)))
    pipeline.simulator.redeliver(THURSDAY)
    runs = graphql.backfill_job(MONDAY, THURSDAY, FRIDAY)
    assert sorted(days_of(run) for run in runs) == [[MONDAY], [THURSDAY, FRIDAY]]
    days = (*REPORT_DAYS, THURSDAY, FRIDAY)
    assert graphql.days("mart/f_sales", "MATERIALIZED") == texts(*days)
    assert calls(pipeline, "/generate_report") == 1
    pipeline.holds(holding(pipeline.files, *days))


# --- What the pages show --------------------------------------------------------------------------

_LINEAGE = """
    {
        assetNodes {
            assetKey { path } groupName description kinds isPartitioned hasMaterializePermission
            owners { ... on TeamAssetOwner { team } }
            dependencyKeys { path }
            internalFreshnessPolicy { __typename }
        }
    }
"""


def test_the_lineage_is_the_graph_with_groups_kinds_owners_and_descriptions(
    graphql: Graphql,
) -> None:
    nodes = {
        "/".join(node["assetKey"]["path"]): node for node in graphql.ask(_LINEAGE)["assetNodes"]
    }
    drawn = {
        name: (node["groupName"], sorted("/".join(key["path"]) for key in node["dependencyKeys"]))
        for name, node in nodes.items()
    }
    assert drawn == GRAPH
    for name, node in nodes.items():
        assert node["description"], name
        assert node["kinds"], name
        assert node["owners"] == [{"team": "data"}], name
        assert node["isPartitioned"] == (name not in UNPARTITIONED), name
        assert bool(node["internalFreshnessPolicy"]) == (name == "mart/f_sales"), name


def test_every_column_is_described_and_leads_back_to_the_source(graphql: Graphql) -> None:
    graphql.backfill_job(MONDAY)

    def sources(asset: str, column: str) -> set[tuple[str, str]]:
        """Return what a column is made of, all the way back."""
        if asset == "raw/user_order_log":
            return {(asset, column)}
        lineage = shown(graphql, asset)["dagster/column_lineage"]["lineage"]
        (of_column,) = [each["columnDeps"] for each in lineage if each["columnName"] == column]
        return {
            source
            for dep in of_column
            for source in sources("/".join(dep["assetKey"]["path"]), dep["columnName"])
        }

    for asset in GRAPH.keys() - {"order_report", "raw/user_order_log"}:
        for column in shown(graphql, asset)["dagster/column_schema"]["schema"]["columns"]:
            assert column["type"], (asset, column)
            assert column["description"], (asset, column)
    raw = "raw/user_order_log"
    view = "mart/f_customer_retention"
    assert sources(view, "new_customers_count") == {(raw, "customer_id")}
    assert sources(view, "customers_refunded") == {(raw, "status")}
    assert sources(view, "period_id") == {(raw, "date_time")}
    assert sources("mart/d_customer", "city_id") == {(raw, "city_id")}


_EXECUTE = """
    mutation ExecuteCheck($params: ExecutionParams!) {
        launchPipelineExecution(executionParams: $params) {
            ... on LaunchRunSuccess { run { runId } }
            ... on Error { message }
        }
    }
"""


_CHECKS = """
    query Checks($asset: AssetKeyInput!) {
        assetNodeOrError(assetKey: $asset) {
            ... on AssetNode {
                assetChecksOrError {
                    ... on AssetChecks {
                        checks {
                            name blocking description canExecuteIndividually
                            executionForLatestMaterialization { status }
                        }
                    }
                }
            }
        }
    }
"""


def test_a_check_can_be_made_at_any_time_of_all_that_is_loaded(
    pipeline: Pipeline, graphql: Graphql
) -> None:
    pipeline.load(*REPORT_DAYS)
    # Not loaded yet, so no offence.
    pipeline.stage(THURSDAY)
    check = {"assetKey": {"path": ["mart", "f_sales"]}, "name": "facts_equal_staging"}

    def execute() -> dict[str, bool]:
        selector = {"pipelineName": "__ASSET_JOB", "assetSelection": []}
        selector |= REPOSITORY | {"assetCheckSelection": [check]}
        launched = graphql.ask(_EXECUTE, params={"selector": selector, "mode": "default"})
        return pipeline.checks(launched["launchPipelineExecution"]["run"]["runId"])

    assert execute() == {"facts_equal_staging": True}
    pipeline.query("DELETE FROM mart.f_sales WHERE uniq_id = %s", str(TUESDAY))
    assert execute() == {"facts_equal_staging": False}
    assert len(pipeline.loads()) == 3

    answer = graphql.ask(_CHECKS, asset=check["assetKey"])
    checks = {
        each.pop("name"): each
        for each in answer["assetNodeOrError"]["assetChecksOrError"]["checks"]
    }
    assert all(each["description"] for each in checks.values())
    assert checks["facts_equal_staging"] | {"description": ""} == {
        "blocking": True,
        "description": "",
        "canExecuteIndividually": "CAN_EXECUTE",
        "executionForLatestMaterialization": {"status": "FAILED"},
    }
