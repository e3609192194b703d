"""`etl-assets retention`: a table for people, JSON and CSV for programs."""

import csv
import json
from io import StringIO

import pytest

from etl_assets_tests.conftest import as_user
from etl_assets_tests.support.command_line import Etl
from etl_assets_tests.support.pipeline import Pipeline


@pytest.mark.usefixtures("loaded")
def test_as_a_table(etl: Etl) -> None:
    table = etl("retention").stdout
    assert "new customers count" in table
    assert "1,234,867.50" in table


@pytest.mark.usefixtures("loaded")
def test_as_a_table_at_80_columns(etl: Etl, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COLUMNS", "80")
    lines = etl("retention").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split() for line in lines[-1:]] == [
        ["2024-02-26", "0", "0.00", "1", "1,234,867.50", "0", "0"]
    ]


@pytest.mark.usefixtures("loaded")
def test_as_json(etl: Etl) -> None:
    result = etl("retention", "--json")
    (week,) = json.loads(result.stdout)
    assert week["period_id"] == "2024-02-26"
    assert week["returning_customers_revenue"] == "1234867.50"
    assert result.stderr == ""


@pytest.mark.usefixtures("loaded")
def test_as_csv(etl: Etl) -> None:
    result = etl("retention", "--csv")
    (week,) = csv.DictReader(StringIO(result.stdout))
    assert week["period_name"] == "weekly"
    assert week["returning_customers_revenue"] == "1234867.50"
    assert result.stderr == ""


@pytest.mark.usefixtures("pipeline")
def test_before_anything_is_loaded(etl: Etl) -> None:
    result = etl("retention")
    assert result.stdout == ""
    assert "What to do: etl-assets backfill" in result.stderr
    assert json.loads(etl("retention", "--json").stdout) == []
    assert len(etl("retention", "--csv").stdout.splitlines()) == 1


def test_a_user_of_bi_may_read_it(
    etl: Etl, loaded: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    table = etl("retention").stdout
    environment.setenv("WAREHOUSE_URL", as_user("only_etl_reader", loaded.owners_url))
    assert etl("retention").stdout == table


def test_one_format_at_a_time(etl: Etl) -> None:
    assert "can't be used together" in etl("retention", "--json", "--csv", code=2).stderr
