"""`etl-assets status`: what is loaded, from what, and what is missing."""

import json

import pytest

from etl_assets.mart.load import load_mart
from etl_assets.mart.phases import PHASES
from etl_assets.planning import attempts
from etl_assets_tests.support.command_line import Etl
from etl_assets_tests.support.files import FRIDAY, MONDAY, THURSDAY, csv_file, order
from etl_assets_tests.support.pipeline import Pipeline


def test_names_the_report_each_load_and_its_object_and_what_is_missing(
    etl: Etl, loaded: Pipeline
) -> None:
    lines = etl("status").stdout.splitlines()
    (thursday,) = [line.split() for line in lines if line.startswith("2024-02-29")]
    assert thursday[:6] == ["2024-02-29", "2", "1", "0", "1", "1,234,567.50"]
    (uri,) = loaded.query("SELECT uri FROM etl.latest_load WHERE partition_day = %s", THURSDAY)
    assert f"object {thursday[-1]}: {uri[0]}" in lines
    (report,) = loaded.query("SELECT report_id FROM etl.report")
    assert any(report[0] in line for line in lines[:4])
    assert lines[-2:] == ["4 days loaded, 1 missing:", "  2024-03-01"]


@pytest.mark.usefixtures("loaded")
def test_at_80_columns(etl: Etl, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COLUMNS", "80")
    lines = etl("status").stdout.splitlines()
    assert max(len(line) for line in lines if not line.startswith("object ")) <= 80


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("columns", [30, 60])
def test_a_terminal_that_is_too_narrow_cuts_no_number_and_no_day(
    etl: Etl, environment: pytest.MonkeyPatch, columns: int
) -> None:
    environment.setenv("COLUMNS", str(columns))
    shown = etl("status").stdout.split()
    assert {"2024-02-29", "1,234,567.50"} <= set(shown)
    assert "1,234,567.50" in etl("status", THURSDAY).stdout.split()


@pytest.mark.usefixtures("loaded")
def test_as_json(etl: Etl) -> None:
    result = etl("status", "--json")
    status = json.loads(result.stdout)
    assert result.stderr == ""
    assert status["missing_days"] == [str(FRIDAY)]
    assert status["loads"][0]["partition_day"] == str(MONDAY)
    assert status["reports"][0]["end_day"] == "2024-02-28"


def test_missing_days_are_said_in_stretches(etl: Etl, pipeline: Pipeline) -> None:
    pipeline.load(THURSDAY)
    assert etl("status").stdout.splitlines()[-3:] == [
        "1 day loaded, 4 missing:",
        "  2024-02-26 to 2024-02-28 (3 days)",
        "  2024-03-01",
    ]


@pytest.mark.usefixtures("pipeline")
def test_before_a_report_was_asked_for(etl: Etl) -> None:
    result = etl("status")
    assert "What to do: etl-assets backfill" in result.stderr
    assert result.stdout == "0 days loaded, 0 missing\n"


def test_of_a_day_shows_what_each_load_changed_and_how_long_it_took(
    etl: Etl, loaded: Pipeline
) -> None:
    loaded.simulator.redeliver(THURSDAY, csv_file(order(THURSDAY, "f"), order(THURSDAY, "g")))
    loaded.load(THURSDAY)
    load_mart(loaded.warehouse, [THURSDAY], run_id="a rebuild", only_unloaded=False)

    shown = etl("status", THURSDAY).stdout
    first, second = loaded.query(
        "SELECT DISTINCT etag, uri FROM etl.load WHERE partition_day = %s", THURSDAY
    )
    assert first[1] == second[1]
    assert f"object 1: {first[1]}" in shown

    status = json.loads(etl("status", THURSDAY, "--json").stdout)
    assert status["partition_day"] == str(THURSDAY)
    loads = status["loads"]
    assert [
        [load[f"orders_{change}"] for change in ("added", "gone", "altered")] for load in loads
    ] == [[1, 0, 0], [2, 1, 0], [0, 0, 0]]
    assert [(load["revenue_before"], load["revenue_after"]) for load in loads] == [
        ("0", "1234567.50"),
        ("1234567.50", "200.00"),
        ("200.00", "200.00"),
    ]
    assert list(loads[1]["seconds"]) == list(PHASES)
    assert "  ".join(PHASES).replace("_", " ") in shown
    assert list(loads[2]["seconds"]) == ["mart"]
    assert loads[2]["run_id"] == "a rebuild"
    for load in loads:
        assert load["run_id"] in shown


@pytest.mark.usefixtures("loaded")
def test_of_a_day_that_was_never_loaded_says_how_to(etl: Etl) -> None:
    result = etl("status", FRIDAY)
    assert result.stdout == ""
    assert f"etl-assets backfill --from {FRIDAY} --to {FRIDAY}" in result.stderr


def test_of_a_day_shows_the_tries_that_failed_and_why(etl: Etl, loaded: Pipeline) -> None:
    loaded.simulator.redeliver(THURSDAY, b"no such header\n")
    failed = loaded.fail(THURSDAY)
    attempts.begin(loaded.warehouse, [THURSDAY], "a-killed-run")
    shown = etl("status", THURSDAY).stdout
    assert f"refused (run {failed.run_id}): " in shown
    assert "the header lacks date_time" in shown
    assert "killed (run a-killed-run)\n" in shown
    tries = json.loads(etl("status", THURSDAY, "--json").stdout)["attempts"]
    assert [attempt["outcome"] for attempt in tries] == ["refused", "killed"]


def test_of_a_day_never_loaded_shows_the_tries_too(etl: Etl, pipeline: Pipeline) -> None:
    pipeline.simulator.redeliver(FRIDAY, b"no such header\n")
    pipeline.fail(FRIDAY)
    result = etl("status", FRIDAY)
    assert "the header lacks date_time" in result.stdout
    assert "was never loaded" in result.stderr
