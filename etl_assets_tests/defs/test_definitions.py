"""The code location: the graph as it is drawn, so that it does not change by accident."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from etl_assets.definitions import build_defs, defs
from etl_assets.defs.jobs import JOBS, ORDER_BACKFILL, ORDER_INCREMENT, ORDER_REPORT_JOB
from etl_assets.defs.run_queue import is_ours
from etl_assets.errors import ConfigurationError
from etl_assets.mart.checks import CHECKS
from etl_assets.mart.lineage import LINEAGE
from etl_assets.mart.tables import TABLES
from etl_assets.settings import PartitionSettings
from etl_assets_tests.conftest import OpenPipeline

DIMENSIONS = ["mart/d_calendar", "mart/d_city", "mart/d_customer", "mart/d_item"]
GRAPH: Mapping[str, tuple[str, list[str]]] = {
    "order_report": ("source", []),
    "raw/user_order_log": ("raw", ["order_report"]),
    "staging/user_order_log": ("staging", ["raw/user_order_log"]),
    **dict.fromkeys(DIMENSIONS, ("mart", ["staging/user_order_log"])),
    "mart/f_sales": ("mart", [*DIMENSIONS, "staging/user_order_log"]),
    "mart/f_customer_retention_weekly": ("mart", ["mart/f_sales"]),
    "mart/f_customer_retention": ("mart", ["mart/f_customer_retention_weekly"]),
}
UNPARTITIONED = {"order_report", "mart/f_customer_retention"}


@pytest.fixture(autouse=True)
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETL_START_DATE", "2024-02-02")
    monkeypatch.setenv("ETL_END_DATE", "2024-03-03")
    monkeypatch.delenv("ETL_TIMEZONE", raising=False)
    return monkeypatch


def definitions() -> dg.Definitions:
    return build_defs(PartitionSettings.read())


def keys(found: Iterable[dg.AssetKey]) -> list[str]:
    return sorted(key.to_user_string() for key in found)


def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions().resolve_all_asset_specs()}


def test_the_graph_is_as_it_is_drawn() -> None:
    graph = {
        name: (spec.group_name, sorted(dep.asset_key.to_user_string() for dep in spec.deps))
        for name, spec in specs().items()
    }
    assert graph == GRAPH


def test_every_asset_has_a_version_of_its_own_statements_and_code() -> None:
    versions = {name: spec.code_version for name, spec in specs().items()}
    assert all(versions.values())
    assert len(set(versions.values())) == len(GRAPH)


def test_a_range_is_a_single_run_of_every_asset() -> None:
    graph = definitions().resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        assert graph.get(key).backfill_policy == dg.BackfillPolicy.single_run(), key


def test_all_that_has_days_has_the_same_ones() -> None:
    graph = definitions().resolve_asset_graph()
    for name in GRAPH:
        partitions = graph.get(dg.AssetKey(name.split("/"))).partitions_def
        assert (partitions is None) == (name in UNPARTITIONED), name
        if partitions:
            days = partitions.get_partition_keys()
            assert (days[0], days[-1], len(days)) == ("2024-02-02", "2024-03-03", 31)


def test_days_end_with_yesterday_where_no_end_is_given(variables: pytest.MonkeyPatch) -> None:
    variables.delenv("ETL_END_DATE")
    variables.setenv("ETL_TIMEZONE", "Pacific/Kiritimati")
    (partitions,) = {
        spec.partitions_def for spec in specs().values() if spec.partitions_def is not None
    }
    today = datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
    assert partitions.get_partition_keys()[-1] == str(today - timedelta(days=1))


@pytest.mark.parametrize("name", GRAPH)
def test_an_asset_says_what_it_is_whose_and_where(name: str) -> None:
    spec = specs()[name]
    assert spec.description
    assert spec.owners == ["team:data"]
    assert spec.kinds
    schema = "etl" if name in {"order_report", "raw/user_order_log"} else name.partition("/")[0]
    assert str(spec.metadata["dagster/table_name"]).startswith(f"{schema}.")


@pytest.mark.parametrize("name", GRAPH)
def test_a_run_of_any_asset_is_known_to_be_ours(name: str) -> None:
    key = dg.AssetKey.from_user_string(name)
    run = dg.DagsterRun("__ASSET_JOB", asset_selection=frozenset({key}))
    assert is_ours(run)
    check = frozenset({dg.AssetCheckKey(key, "any")})
    assert is_ours(dg.DagsterRun("__ASSET_JOB", asset_check_selection=check))


def test_the_jobs_run_the_graph_or_their_part_of_it() -> None:
    selected = {
        job.name: keys(definitions().resolve_job_def(job.name).asset_layer.selected_asset_keys)
        for job in JOBS
    }
    assert selected == {
        ORDER_BACKFILL: sorted(GRAPH),
        ORDER_INCREMENT: sorted(GRAPH.keys() - {"order_report"}),
        ORDER_REPORT_JOB: ["order_report"],
    }


def test_the_checks_that_guard_the_numbers_are_blocking() -> None:
    graph = definitions().resolve_asset_graph()
    blocking = {key.name for key in graph.asset_check_keys if graph.get_check_spec(key).blocking}
    assert blocking == CHECKS.keys()


def test_every_table_of_the_mart_has_column_lineage() -> None:
    assert LINEAGE.keys() == set(TABLES)


def test_no_run_configuration_holds_an_address_or_a_key() -> None:
    for name, resource in (definitions().resources or {}).items():
        assert not resource.get_resource_definition().config_schema.as_field().is_required, name
        assert resource.model_fields_set == set(), name


_LOAD = """
import sys

def refuse(event, args):
    if event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen"}:
        raise RuntimeError(f"loading must not: {event} {args}")

from etl_assets.definitions import defs
sys.addaudithook(refuse)
print(len(list(defs().resolve_all_asset_specs())))
of_runs = {"boto3", "numpy", "polars", "psycopg", "requests", "sqlalchemy"}
print(sorted(of_runs & sys.modules.keys()))
"""


def test_it_loads_without_any_variable_and_connects_to_nothing(tmp_path: Path) -> None:
    # And imports nothing that only a run needs: together those take as long as Dagster.
    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LOAD],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (loaded.stdout.splitlines(), loaded.returncode) == ([str(len(GRAPH)), "[]"], 0), (
        loaded.stderr
    )


def test_with_a_malformed_first_day_it_says_so_in_one_line(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("ETL_START_DATE", "soon")
    with pytest.raises(ConfigurationError) as refusal:
        defs()
    assert str(refusal.value) == "ETL_START_DATE is malformed: give a day such as 2024-02-25"


def test_a_run_without_its_settings_says_which_it_lacks(
    open_pipeline: OpenPipeline, environment: pytest.MonkeyPatch
) -> None:
    pipeline = open_pipeline()
    environment.delenv("REPORT_API_KEY")
    environment.delenv("REPORT_API_COHORT")
    error = pipeline.fail(date(2024, 2, 26)).error
    assert error is not None
    assert [line.split()[0] for line in error.splitlines()] == [
        "REPORT_API_KEY",
        "REPORT_API_COHORT",
    ]
