"""`etl-assets rejected`: the rows in quarantine."""

import json
import re

import pytest

from etl_assets_tests.support.command_line import Etl
from etl_assets_tests.support.files import MONDAY, THURSDAY, csv_file, order
from etl_assets_tests.support.pipeline import Pipeline


def test_names_the_row_and_what_is_wrong_with_it(etl: Etl, loaded: Pipeline) -> None:
    for arguments in ([], [THURSDAY]):
        table = etl("rejected", *arguments).stdout
        (row,) = [line for line in table.splitlines() if line.startswith("2024-02-29")]
        (line, reason) = loaded.query("SELECT line, reason FROM staging.rejected_row")[0]
        assert row.split()[1] == str(line)
        assert reason in row
        assert "object 1: s3://" in table


def test_those_of_an_object_that_was_replaced_are_shown_on_request(
    etl: Etl, loaded: Pipeline
) -> None:
    loaded.simulator.redeliver(THURSDAY, csv_file(order(THURSDAY, quantity=0)))
    loaded.load(THURSDAY, max_rejected_share=1, allow_empty=True)
    assert len(json.loads(etl("rejected", "--json").stdout)) == 1
    assert len(json.loads(etl("rejected", "--replaced", "--json").stdout)) == 2
    table = etl("rejected", "--replaced").stdout
    for number in (1, 2):
        assert re.search(f"^object {number}: s3://.*, version .+$", table, re.MULTILINE)

    loaded.simulator.redeliver(THURSDAY, csv_file(order(THURSDAY)))
    loaded.load(THURSDAY)
    assert etl("rejected", THURSDAY).stderr == f"No row is rejected for {THURSDAY}\n"


@pytest.mark.usefixtures("loaded")
def test_as_json(etl: Etl) -> None:
    (row,) = json.loads(etl("rejected", THURSDAY, "--json").stdout)
    assert row["partition_day"] == str(THURSDAY)
    assert "Ольга" not in str(row)


def test_by_reason_gives_each_with_its_rows_and_the_first_of_them(
    etl: Etl, loaded: Pipeline
) -> None:
    loaded.simulator.redeliver(
        THURSDAY,
        csv_file(
            order(THURSDAY, "a", quantity=0),
            order(THURSDAY, "b", status="lost"),
            order(THURSDAY, "c", status="lost"),
        ),
    )
    loaded.stage(THURSDAY, max_rejected_share=1, allow_empty=True)
    table = etl("rejected", "--by", "reason").stdout
    lines = [line.split() for line in table.splitlines()[3:5]]
    assert [line[-4:] for line in lines] == [
        ["2", str(THURSDAY), "3", "1"],
        ["1", str(THURSDAY), "2", "1"],
    ]
    assert table.splitlines()[4].startswith("quantity is not above zero")
    lost, zero = json.loads(etl("rejected", THURSDAY, "--by", "reason", "--json").stdout)
    assert (lost["rows"], lost["first_line"]) == (2, 3)
    assert lost["reason"].startswith("status is neither ")
    assert (zero["rows"], zero["first_line"]) == (1, 2)
    assert "no such choice" not in table
    assert "'day' is not 'reason'" in etl("rejected", "--by", "day", code=2).stderr


@pytest.mark.usefixtures("loaded")
def test_of_a_day_without_any(etl: Etl) -> None:
    result = etl("rejected", MONDAY)
    assert result.stdout == ""
    assert result.stderr == "No row is rejected for 2024-02-26\n"
    assert json.loads(etl("rejected", MONDAY, "--json").stdout) == []
