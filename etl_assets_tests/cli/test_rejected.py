"""`etl-assets rejected`: the rows in quarantine."""

import json

import pytest

from etl_assets_tests.cli.conftest import Etl
from etl_assets_tests.files import MONDAY, THURSDAY
from etl_assets_tests.pipeline import Pipeline


def test_names_the_row_and_what_is_wrong_with_it(etl: Etl, loaded: Pipeline) -> None:
    for arguments in ([], [THURSDAY]):
        table = etl("rejected", *arguments).stdout
        (row,) = [line for line in table.splitlines() if line.startswith("2024-02-29")]
        (line, reason) = loaded.query("SELECT line, reason FROM staging.rejected_row")[0]
        assert row.split()[1] == str(line)
        assert reason in row
        assert "object 1: s3://" in table


@pytest.mark.usefixtures("loaded")
def test_as_json(etl: Etl) -> None:
    (row,) = json.loads(etl("rejected", THURSDAY, "--json").stdout)
    assert row["partition_day"] == str(THURSDAY)
    assert "Ольга" not in str(row)


@pytest.mark.usefixtures("loaded")
def test_of_a_day_without_any(etl: Etl) -> None:
    result = etl("rejected", MONDAY)
    assert result.stdout == ""
    assert result.stderr == "No row is in quarantine for 2024-02-26\n"
    assert json.loads(etl("rejected", MONDAY, "--json").stdout) == []
