"""`etl-assets backfill`: the report, days of it, days after it."""

from datetime import timedelta

import pytest

from etl_assets.embedded.simulator import Fault, GivenFiles
from etl_assets.planning.planner import Load
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.command_line import Etl
from etl_assets_tests.support.files import (
    FRIDAY,
    MONDAY,
    SATURDAY,
    SUNDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    order,
    without,
)
from etl_assets_tests.support.pipeline import Pipeline, calls


def test_asks_for_the_report_and_loads_all_of_it_in_one_run(etl: Etl, pipeline: Pipeline) -> None:
    result = etl("backfill")
    assert pipeline.loads() == [(MONDAY,), (TUESDAY,), (WEDNESDAY,)]
    assert len(set(pipeline.loads("run_id"))) == 1
    asked, loaded = result.stdout.splitlines()
    assert asked == "The report is ready. It covers 2024-02-26 to 2024-02-28 (3 days)"
    assert loaded.startswith(
        "Loaded 2024-02-26 to 2024-02-28 (3 days): 3 orders of 3 rows, 0 duplicates, "
        "0 rejected, in "
    )
    assert result.stderr.splitlines() == [
        "Requesting the report …",
        "Loading 2024-02-26 to 2024-02-28 (3 days) …",
    ], "neither colours nor a spinner where there is no terminal"


def test_a_second_time_loads_the_same_from_the_same_report(etl: Etl, pipeline: Pipeline) -> None:
    etl("backfill")
    facts = pipeline.table("f_sales")
    etl("backfill")
    assert pipeline.table("f_sales") == facts
    assert len(pipeline.loads()) == 6
    assert calls(pipeline, "/generate_report") == 1


def test_days_of_the_report_and_after_it_come_in_one_run(etl: Etl, pipeline: Pipeline) -> None:
    etl("backfill", "--from", WEDNESDAY, "--to", FRIDAY)
    assert pipeline.loads() == [(WEDNESDAY,), (THURSDAY,), (FRIDAY,)]
    assert len(set(pipeline.loads("run_id"))) == 1


def test_one_end_alone_goes_to_the_end_of_the_report(etl: Etl, pipeline: Pipeline) -> None:
    etl("backfill", "--from", TUESDAY)
    assert pipeline.loads() == [(TUESDAY,), (WEDNESDAY,)]
    etl("backfill", "--to", MONDAY)
    assert pipeline.loads()[2:] == [(MONDAY,)]


def test_a_day_again_is_what_the_source_has_now(etl: Etl, pipeline: Pipeline) -> None:
    etl("backfill", "--from", THURSDAY, "--to", THURSDAY)
    assert pipeline.query("SELECT uniq_id FROM mart.f_sales") == [("d",)]
    pipeline.simulator.redeliver(THURSDAY, csv_file(order(THURSDAY, "x"), order(THURSDAY, "y")))
    result = etl("backfill", "--from", THURSDAY, "--to", THURSDAY)
    assert "2 orders of 2 rows" in result.stdout
    assert sorted(pipeline.query("SELECT uniq_id FROM mart.f_sales")) == [("x",), ("y",)]


def test_a_day_that_the_source_lacks_is_named_and_nothing_is_loaded(
    etl: Etl, open_pipeline: OpenPipeline, pipeline: Pipeline
) -> None:
    later = open_pipeline(pipeline.files, today=SUNDAY)
    result = etl("backfill", "--from", THURSDAY, "--to", SATURDAY, code=1)
    assert "nothing was loaded" in result.stderr
    assert [line[:10] for line in result.stderr.splitlines() if line[:4] == "2024"] == [
        "2024-03-02"
    ]
    assert later.loads() == []
    assert later.staged() == []


def test_days_of_the_report_that_are_not_wanted_are_left_out_and_named(
    etl: Etl, pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ETL_START_DATE", str(TUESDAY))
    environment.setenv("ETL_END_DATE", str(TUESDAY))
    lines = etl("backfill").stderr.splitlines()
    assert "Left out: 2024-02-26 of the report, before ETL_START_DATE (2024-02-27)" in lines
    assert "Left out: 2024-02-28 of the report, after the last day (2024-02-27)" in lines
    assert pipeline.loads() == [(TUESDAY,)]


def test_without_a_first_day_nothing_before_the_report_is_loaded_or_missing(
    etl: Etl, pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("ETL_START_DATE")
    assert "Left out" not in etl("backfill").stderr
    assert pipeline.loads() == [(MONDAY,), (TUESDAY,), (WEDNESDAY,)]
    assert pipeline.planner().next() == Load(THURSDAY)
    assert etl("status").stdout.splitlines()[-2:] == [
        "3 days loaded, 2 missing:",
        "  2024-02-29 to 2024-03-01 (2 days)",
    ]
    assert etl("rebuild").stderr.count("Left out") == 0


def test_a_report_with_no_day_that_is_wanted_says_so(
    etl: Etl, pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ETL_START_DATE", str(THURSDAY))
    error = etl("backfill", code=1).stderr
    assert "The report covers 2024-02-26 to 2024-02-28 (3 days)" in error
    assert "What to do: " in error
    assert pipeline.loads() == []


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--from", WEDNESDAY, "--to", TUESDAY], "--from 2024-02-28 is after --to 2024-02-27"),
        (["--from", "2024-02-25"], "--from 2024-02-25 is before the first day, 2024-02-26"),
        (["--to", SATURDAY], "--to 2024-03-02 is after the last day, 2024-03-01"),
        (["--from", "26.02.2024"], "'26.02.2024' is not a day such as 2024-02-25"),
    ],
)
def test_a_range_that_cannot_be_is_refused_before_anything_is_asked(
    etl: Etl, pipeline: Pipeline, arguments: list[object], wrong: str
) -> None:
    assert wrong in etl("backfill", *arguments, code=2).stderr
    assert pipeline.simulator.calls == []


def test_a_newer_report_rewrites_loaded_days_only_where_that_is_asked_for(
    etl: Etl, pipeline: Pipeline
) -> None:
    etl("backfill")
    facts = pipeline.table("f_sales")
    pipeline.files.orders = csv_file(order(MONDAY, "other"), columns=without("status"))
    etl("backfill", "--new-report")
    assert calls(pipeline, "/generate_report") == 2
    assert pipeline.table("f_sales") == facts
    error = etl("backfill", "--report", "latest", code=1).stderr
    assert f"gives no orders for {TUESDAY} to {WEDNESDAY} (2 days) (rows read: 0" in error
    assert f"--from {TUESDAY} --to {WEDNESDAY} --report latest --allow-empty" in error
    assert pipeline.table("f_sales") == facts
    etl("backfill", "--report", "latest", "--allow-empty")
    assert pipeline.query("SELECT uniq_id FROM mart.f_sales") == [("other",)]


def test_refused_access_names_the_settings_and_no_secret(
    etl: Etl, pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("REPORT_API_KEY", "hush")
    error = etl("backfill", code=1).stderr
    assert "REPORT_API_KEY" in error
    environment.setenv("REPORT_API_KEY", pipeline.simulator.api_key)
    environment.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    error += etl("backfill", code=1).stderr
    assert "AWS_SECRET_ACCESS_KEY" in error
    assert "hush" not in error
    assert pipeline.loads() == []


@pytest.mark.usefixtures("impatient")
def test_an_api_that_goes_on_failing_ends_it(etl: Etl, pipeline: Pipeline) -> None:
    pipeline.simulator.faults.add(Fault("/generate_report", status=502, times=None))
    error = etl("backfill", code=1).stderr
    assert "Requesting the report: failed (run " in error
    assert "generate_report: the report API answered 502" in error


def test_a_check_that_warns_is_named_with_what_is_unusual(
    etl: Etl, open_pipeline: OpenPipeline
) -> None:
    weeks = [MONDAY - timedelta(weeks=number) for number in (3, 2, 1)]
    usual = csv_file(*(order(day, f"{number}") for day in weeks for number in range(8)))
    incomplete = csv_file(order(MONDAY))
    report = (weeks[0], MONDAY - timedelta(days=1))
    pipeline = open_pipeline(GivenFiles(usual, report, {MONDAY: incomplete}))
    for day in weeks:
        pipeline.load(day)
    result = etl("backfill", "--from", MONDAY, "--to", MONDAY)
    assert "1 orders of 1 rows" in result.stdout
    assert (
        f"Warning: check usual_for_its_weekday: {MONDAY}: 1 rows, usually 8; 1 orders, usually 8\n"
        in result.stderr
    )


def test_a_check_that_fails_is_named_with_what_is_wrong(etl: Etl, pipeline: Pipeline) -> None:
    pipeline.query(
        "CREATE FUNCTION public.add_one() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " NEW.payment_amount := NEW.payment_amount + 1; RETURN NEW; END$$"
    )
    pipeline.query(
        "CREATE TRIGGER add_one BEFORE INSERT ON mart.f_sales"
        " FOR EACH ROW EXECUTE FUNCTION public.add_one()"
    )
    error = etl("backfill", code=1).stderr
    assert "The mart was not changed: facts_equal_staging: 2024-02-26, 2024-02-27" in error
    (line,) = [line for line in error.splitlines() if line.startswith("check ")]
    assert line.startswith("check facts_equal_staging: 2024-02-26: ")
    assert pipeline.loads() == []
