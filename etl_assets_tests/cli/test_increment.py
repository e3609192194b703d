"""`etl-assets increment`: day after day, until the source has no more."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import date

import pytest

from etl_assets.clients.object_store import bucket_and_key
from etl_assets.clients.transactions import days_being_loaded, loading
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.source.raw_file import RawFile
from etl_assets_tests.support.command_line import Etl
from etl_assets_tests.support.files import (
    FRIDAY,
    MONDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    order,
    without,
)
from etl_assets_tests.support.pipeline import Pipeline


def test_loads_the_next_days_in_order_until_the_source_has_no_more(
    etl: Etl, pipeline: Pipeline
) -> None:
    etl("backfill")
    result = etl("increment")
    assert pipeline.loads()[3:] == [(THURSDAY,), (FRIDAY,)]
    thursday, friday, nothing_more = result.stdout.splitlines()
    assert thursday.startswith(
        "Loaded 2024-02-29: 1 orders of 2 rows, 1 duplicates, 0 rejected, in "
    )
    assert friday.startswith("Loaded 2024-03-01: ")
    assert nothing_more.startswith("Nothing more to load: ")


def test_days_that_were_never_loaded_come_first(etl: Etl, pipeline: Pipeline) -> None:
    etl("backfill", "--from", TUESDAY, "--to", TUESDAY)
    etl("increment", "--until", THURSDAY)
    assert pipeline.loads() == [(TUESDAY,), (MONDAY,), (WEDNESDAY,), (THURSDAY,)]


def test_a_day_that_is_not_there_yet_is_waited_for(etl: Etl, pipeline: Pipeline) -> None:
    del pipeline.files.increments[FRIDAY]
    etl("backfill")
    result = etl("increment")
    assert result.stdout.splitlines()[-1].startswith("Nothing more to load: 2024-03-01: ")
    assert pipeline.loads()[3:] == [(THURSDAY,)]


def test_a_file_that_the_api_names_and_the_store_lacks_fails_and_says_what_to_do(
    etl: Etl, pipeline: Pipeline, services: EmbeddedServices
) -> None:
    etl("backfill")
    found = pipeline.source.find_next(THURSDAY)
    assert isinstance(found, RawFile)
    bucket, key = bucket_and_key(found.stored.uri)
    services.object_store.client().delete_object(Bucket=bucket, Key=key)
    result = etl("increment", code=1)
    assert "Nothing more to load" not in result.stdout
    assert result.stderr == (
        f"{THURSDAY}: the increment's file is not in the object store ({found.stored.uri}). What "
        "to do: have the source put the file there, or ask for the day with a new report: "
        f"etl-assets backfill --new-report --from {THURSDAY} --to {THURSDAY}\n"
    )
    pipeline.simulator.redeliver(THURSDAY)
    etl("increment")
    assert pipeline.loads()[3:] == [(THURSDAY,), (FRIDAY,)]


def test_a_second_time_does_nothing(etl: Etl, pipeline: Pipeline) -> None:
    etl("backfill", "--to", FRIDAY)
    loads = pipeline.loads()
    assert etl("increment").stdout == (
        "Nothing more to load: all is loaded, 2024-02-26 to 2024-03-01 (5 days)\n"
    )
    assert pipeline.loads() == loads


def test_a_day_that_another_process_loads_is_left_to_it(etl: Etl, pipeline: Pipeline) -> None:
    etl("backfill")
    with loading(pipeline.warehouse, [THURSDAY]):
        result = etl("increment")
    assert result.stdout == "Nothing more to load: 2024-02-29 is being loaded\n"


def test_a_day_is_shown_as_being_loaded_between_two_steps_too(
    etl: Etl, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    etl("backfill")
    shown: list[set[date]] = []

    @contextmanager
    def progress(_: str) -> Generator[Callable[[str], None]]:
        yield lambda _: shown.append(days_being_loaded(pipeline.warehouse))

    monkeypatch.setattr("etl_assets.cli.output.progress", progress)
    etl("increment", "--until", THURSDAY)
    assert shown == [{THURSDAY}] * 4


def test_without_a_report_it_says_what_to_do(etl: Etl, pipeline: Pipeline) -> None:
    error = etl("increment", code=1).stderr
    assert error == "No report was asked for yet. What to do: etl-assets backfill\n"
    assert pipeline.loads() == []


def test_a_day_that_the_source_no_longer_has_blocks_and_says_what_to_do(
    etl: Etl, pipeline: Pipeline
) -> None:
    for first, last in [(MONDAY, TUESDAY), (THURSDAY, FRIDAY)]:
        pipeline.files.days = (first, last)
        pipeline.files.orders = csv_file(order(first), order(last), columns=without("status"))
        etl("backfill", "--new-report")
    error = etl("increment", code=1).stderr
    assert error.startswith("The source no longer has 2024-02-28: it is between two reports")
    assert f"set ETL_START_DATE to {THURSDAY}. " in error


@pytest.mark.usefixtures("impatient", "pipeline")
def test_an_api_that_is_down_ends_it(etl: Etl, environment: pytest.MonkeyPatch) -> None:
    etl("backfill")
    environment.setenv("REPORT_API_URL", "http://127.0.0.1:1")
    assert "the report API could not be reached" in etl("increment", code=1).stderr


@pytest.mark.usefixtures("impatient", "pipeline")
def test_an_object_store_that_is_down_ends_it(etl: Etl, environment: pytest.MonkeyPatch) -> None:
    etl("backfill")
    environment.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    assert "the object store could not be reached" in etl("increment", code=1).stderr


@pytest.mark.usefixtures("impatient")
def test_a_warehouse_that_is_down_ends_it(etl: Etl, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WAREHOUSE_URL", "postgresql://etl:hush@127.0.0.1:1/warehouse")
    error = etl("increment", code=1).stderr
    assert "The warehouse could not be reached" in error
    assert "hush" not in error
