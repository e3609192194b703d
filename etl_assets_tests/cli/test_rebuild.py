"""`etl-assets rebuild`: the mart from staging alone."""

import pytest

from etl_assets_tests.cli.test_group import SOURCE
from etl_assets_tests.properties.oracle import TABLE_COLUMNS
from etl_assets_tests.support.command_line import Etl
from etl_assets_tests.support.files import FRIDAY, MONDAY, THURSDAY, TUESDAY, WEDNESDAY
from etl_assets_tests.support.pipeline import Pipeline, holding


@pytest.fixture
def without_source(pipeline: Pipeline, environment: pytest.MonkeyPatch, etl: Etl) -> Pipeline:
    """All days but Wednesday are loaded, and there are no settings of the source any more."""
    etl("backfill", "--to", TUESDAY)
    etl("backfill", "--from", THURSDAY, "--to", FRIDAY)
    for name in SOURCE:
        environment.delenv(name)
    return pipeline


def test_makes_the_mart_anew_without_the_source(etl: Etl, without_source: Pipeline) -> None:
    for table in TABLE_COLUMNS.keys() - {"f_customer_retention", "loaded_day"}:
        without_source.query(f"DELETE FROM mart.{table}")
    result = etl("rebuild")
    without_source.holds(holding(without_source.files, MONDAY, TUESDAY, THURSDAY, FRIDAY))
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [
        "Made the mart of 2024-02-26 to 2024-02-27 (2 days)",
        "Made the mart of 2024-02-29 to 2024-03-01 (2 days)",
    ]


def test_makes_some_days_anew_and_names_those_that_staging_lacks(
    etl: Etl, without_source: Pipeline
) -> None:
    loads = without_source.loads()
    result = etl("rebuild", "--from", TUESDAY, "--to", WEDNESDAY)
    assert "Left out: 2024-02-28, not in staging" in result.stderr
    assert without_source.loads() == [*loads, (TUESDAY,)]


def test_without_a_day_in_staging_it_says_what_to_do(etl: Etl, without_source: Pipeline) -> None:
    loads = without_source.loads()
    error = etl("rebuild", "--from", WEDNESDAY, "--to", WEDNESDAY, code=1).stderr
    assert error.endswith("What to do: etl-assets backfill\n")
    assert without_source.loads() == loads
