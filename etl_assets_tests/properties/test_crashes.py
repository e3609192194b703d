"""The loading process and PostgreSQL, killed at random moments: nothing is ever half loaded.

A few times in CI; with `--hypothesis-profile=soak` hundreds of times. To the server a process that
is killed is a connection that breaks: `test_model` goes through every message at which it may.
"""

import signal
import time
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

import psycopg
import pytest
from hypothesis import settings

from etl_assets.embedded.simulator import GivenFiles
from etl_assets_tests.conftest import OpenPipeline, as_user
from etl_assets_tests.properties.oracle import Delivery
from etl_assets_tests.support.files import (
    MONDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    increment,
    order,
)
from etl_assets_tests.support.loading_process import start_loading
from etl_assets_tests.support.own_postgres import OwnPostgres, own_postgres
from etl_assets_tests.support.pipeline import Pipeline
from etl_assets_tests.support.watching import Versions, Watching, seen

DAYS = (MONDAY, TUESDAY, WEDNESDAY)

SECONDS = 0.6
"""In which a load is done on an idle machine."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgres]:
    with own_postgres(tmp_path_factory.mktemp("own") / "postgres") as server:
        yield server


def rounds() -> int:
    return 1_000 if settings.get_current_profile_name() == "soak" else 5


def look(pipeline: Pipeline, versions: Versions) -> dict[date, Delivery]:
    with psycopg.connect(pipeline.owners_url, autocommit=True) as connection:
        return seen(connection, versions)


def test_whoever_is_killed_the_mart_is_as_before_or_after_and_the_next_run_repairs_it(
    open_pipeline: OpenPipeline, environment: pytest.MonkeyPatch, server: OwnPostgres
) -> None:
    before, after = (
        {
            day: increment(
                csv_file(*(order(day, f"{n}", item_id=n % 5, city_name=name) for n in numbers)), day
            )
            for day in DAYS
        }
        for name, numbers in (("before", range(50)), ("after", range(20, 90)))
    )
    thursday = increment(csv_file(order(THURSDAY)), THURSDAY)
    sunday = MONDAY - timedelta(days=1)
    files = GivenFiles(csv_file(), (sunday, sunday), {THURSDAY: thursday.body})
    files.increments |= {day: delivery.body for day, delivery in before.items()}
    pipeline = open_pipeline(files, start_day=MONDAY)
    pipeline.owners_url = server.make_database()
    pipeline.retry_seconds = 60
    environment.setenv("WAREHOUSE_URL", as_user("only_etl_writer", pipeline.owners_url))
    pipeline.load(*DAYS, THURSDAY)

    random = Random(rounds())
    versions = {day: [before[day], after[day]] for day in DAYS} | {THURSDAY: [thursday]}
    reader = as_user("only_etl_reader", pipeline.owners_url)
    with Watching(reader, versions) as watching:
        deliveries = before
        for number in range(rounds()):
            deliveries = after if deliveries is before else before
            for day, delivery in deliveries.items():
                pipeline.simulator.redeliver(day, delivery.body)
            loading = start_loading(DAYS, f"killed-{number}")
            time.sleep(random.uniform(0, SECONDS))
            if kills_server := random.random() < 0.3:
                server.restart(signal.SIGKILL)
            else:
                loading.kill()
            loading.join()
            assert loading.exitcode in ({0} if kills_server else {0, -signal.SIGKILL})
            loaded = look(pipeline, versions)
            states = [{day: of[day] for day in DAYS} for of in (before, after)]
            assert {day: loaded[day] for day in DAYS} in states
            # The next run, of another day, brings what was staged into the mart.
            pipeline.load(THURSDAY)
            pipeline.holds(look(pipeline, versions))
            assert pipeline.query("SELECT FROM etl.staged_day WHERE load_id IS NULL") == []
    assert watching.looks > rounds()
    pipeline.load(*DAYS)
    pipeline.holds(deliveries | {THURSDAY: thursday})
