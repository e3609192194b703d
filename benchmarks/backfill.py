"""A long range in one run, compared with Dagster's own storage class and with Airflow.

In Airflow each day is a run, as in the old pipeline. Its three tasks do nothing, so the benchmark
counts the cost of a run without any work.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import yaml

from benchmarks.airflow import Airflow
from benchmarks.measure import Figure, Pair, at_least, at_most, in_turn, stopwatch
from benchmarks.services import TODAY, LongReport, backfill, services
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.instance.dagster_internals import InstanceRef
from etl_assets.instance.runner import open_instance

_WEEK = 7


def measure(folder: Path, *, big: bool) -> Iterator[Figure]:
    """Measure it."""
    count = 365 if big else 60
    with services(folder / "services", LongReport(count)) as parts:
        os.environ["ETL_START_DATE"] = str(TODAY - timedelta(days=count))
        default = _default_home(parts, folder / "default")
        ours_batch = os.environ["DAGSTER_EVENT_BATCH_SIZE"]
        parts.postgres.create_database("airflow")
        with Airflow(folder / "airflow", parts.postgres.url("airflow")) as airflow:

            def load(instance: dg.DagsterInstance, number: int, batch: str) -> float:
                # Dagster reads the variable for each event. `services` restores the environment.
                os.environ["DAGSTER_EVENT_BATCH_SIZE"] = batch
                days = count if number else _WEEK
                with instance, stopwatch() as seconds:
                    backfill(instance, TODAY - timedelta(days=days), TODAY - timedelta(days=1))
                return seconds()

            def load_as_default(number: int) -> float:
                return load(dg.DagsterInstance.from_ref(default), number, "0")

            def load_as_ours(number: int) -> float:
                return load(open_instance(), number, ours_batch)

            def run_airflow(_number: int) -> float:
                began, ended = airflow.run()
                return count * (ended - began).total_seconds()

            ours, as_default, by_airflow = in_turn(
                load_as_ours, load_as_default, run_airflow, rounds=3
            )
    what = f"a backfill of {count} days of 1,000 rows, in one run"
    yield Pair(ours, as_default).ratio(
        what, "the same, with Dagster's default way of writing events", at_most(0.4)
    )
    yield Pair(by_airflow, ours).ratio(
        f"{count} runs of Airflow 3 that do nothing, one a day", what, at_least(20)
    )


def _default_home(parts: EmbeddedServices, home: Path) -> InstanceRef:
    """Return an instance with our settings but Dagster's own storage class, in its own database."""
    parts.postgres.create_database("default")
    settings = yaml.safe_load((Path(os.environ["DAGSTER_HOME"]) / "dagster.yaml").read_text())
    url = parts.postgres.url("default").replace("postgresql://", "postgresql+psycopg2://")
    settings["storage"] = {"postgres": {"postgres_url": url}}
    home.mkdir()
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    return InstanceRef.from_dir(str(home))
