"""Running a job with Dagster's instance, in this process.

If `DAGSTER_HOME` is set, the UI shows the runs like any other. If not, Dagster stores nothing, and
the warehouse has the only record.
"""

import signal
import sys
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from socket import socketpair
from threading import current_thread, main_thread
from typing import Any

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError
from yaml import YAMLError

from etl_assets.defs import run_tags
from etl_assets.defs.dagster_internals import RunFailureReason
from etl_assets.defs.run_queue import what_failed
from etl_assets.errors import EtlError
from etl_assets.instance.dagster_internals import (
    SINGLETON_REPOSITORY_NAME,
    DagsterError,
    DagsterInvalidConfigError,
    InMemoryJob,
    InstanceRef,
    RemoteRepositoryOrigin,
    execute_run,
    location_origins_from_yaml_paths,
)
from etl_assets.package_files import package_file
from etl_assets.settings import DagsterSettings

_OVERRIDES = {
    # To capture a step's output, Dagster redirects ours through two more processes a stream, which
    # Ctrl-C ends too. There is nothing to capture: steps log events.
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run_id: the run.
        error: what failed; None if the run succeeded.
        failed_checks: the reason of each check that failed or warns, by the check's name.
    """

    run_id: str
    error: str | None
    failed_checks: Mapping[str, str]


class Runner:
    """Runs jobs of a code location in this process."""

    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self._defs = defs
        self._instance = instance

    @property
    def instance(self) -> dg.DagsterInstance:
        """Dagster's instance, which records all runs."""
        return self._instance

    def run(
        self,
        job: str,
        days: Sequence[date] = (),
        *,
        ops: Mapping[str, Any] | None = None,
        planned: bool = False,
        assets: Sequence[dg.AssetKey] | None = None,
        on_step: Callable[[str], None] | None = None,
    ) -> Outcome:
        """Run a job for consecutive days, or without days if it has no partitions.

        The daemon does not run an interrupted or killed run again: the caller learns of it.

        Args:
            job: the job's name.
            days: consecutive days, loaded in one run.
            ops: the configuration of the assets, by op.
            planned: whether to skip days that are already loaded.
            assets: the assets of the job to run; None means all.
            on_step: called with the name of each step that starts.

        Raises:
            EtlError: Dagster's storage can't be used.
            KeyboardInterrupt: the run was interrupted. It has failed, unless all its steps had
                ended before.
        """
        run_id = str(uuid.uuid4())
        tags = run_tags.NEVER_RETRIED | ({run_tags.PLANNED: "true"} if planned else {})
        if len(days) == 1:
            tags[run_tags.PARTITION] = str(days[0])
        elif days:
            tags[run_tags.RANGE_START] = str(days[0])
            tags[run_tags.RANGE_END] = str(days[-1])
        if on_step:
            self._instance.add_event_listener(run_id, _step_listener(on_step))
        job_def = self._defs.resolve_job_def(job)
        with _storage_errors(), _noted_interrupts() as was_interrupted:
            # Like `execute_in_process`, which can't set the job's origin. The UI's timeline and the
            # job's page leave out runs without an origin.
            run = self._instance.create_run_for_job(
                job_def,
                run_id=run_id,
                run_config={
                    "ops": ops or {},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                tags=tags,
                asset_selection=frozenset(assets) if assets else None,
                remote_job_origin=_code_location().get_job_origin(job),
            )
            result = execute_run(InMemoryJob(job_def), run, self._instance)
            if was_interrupted() or any(_is_interruption(event) for event in result.all_events):
                raise KeyboardInterrupt
        events = result.all_events
        error = None if result.success else what_failed(events)
        return Outcome(run_id, error, _failed_checks(events))


@contextmanager
def runner(defs: dg.Definitions) -> Generator[Runner]:
    """Yield a runner that uses Dagster's instance.

    Raises:
        EtlError: Dagster's storage can't be used.
    """
    with open_instance() as instance:
        yield Runner(defs, instance)


def open_instance() -> dg.DagsterInstance:
    """Return Dagster's instance: the one of `DAGSTER_HOME`, or one that stores nothing.

    Raises:
        EtlError: Dagster's storage can't be used.
    """
    home = DagsterSettings.read().home
    if home is None:
        return dg.DagsterInstance.ephemeral()
    with _storage_errors(DagsterError, YAMLError):
        reference = InstanceRef.from_dir(str(Path(home).expanduser()), overrides=_OVERRIDES)
        return dg.DagsterInstance.from_ref(reference)


@contextmanager
def _storage_errors(*others: type[Exception]) -> Generator[None]:
    """Turn an error of Dagster's own storage into an `EtlError` of one line."""
    try:
        yield
    except (*_storage_faults(), *others) as error:
        raise EtlError(
            f"Dagster's instance of DAGSTER_HOME can't be used: {_in_one_line(error)}. Check its "
            "dagster.yaml and the database that it names, or unset DAGSTER_HOME to run without it"
        ) from error


def _storage_faults() -> tuple[type[Exception], ...]:
    # Importing it takes seconds. If it is not imported yet, its error can't be raised.
    postgres = sys.modules.get("dagster_postgres.utils")
    return (SQLAlchemyError, postgres.DagsterPostgresException) if postgres else (SQLAlchemyError,)


def _in_one_line(error: BaseException) -> str:
    """Return the message of the first cause, without the traceback that Dagster adds."""
    while error.__cause__:
        error = error.__cause__
    match error:
        case DagsterInvalidConfigError():
            text = error.errors[0].message.partition("Stack Trace:")[0].partition(" Expected: ")[0]
        case YAMLError():
            text = str(error)
        case _:
            text = str(error).partition("\n")[0]
    return " ".join(text.split()).rstrip(".")


@cache
def _code_location() -> RemoteRepositoryOrigin:
    """Return the origin of the definitions, as in workspace.yaml."""
    (location,) = location_origins_from_yaml_paths([str(package_file("workspace.yaml"))])
    return RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME)


def _failed_checks(events: Sequence[dg.DagsterEvent]) -> dict[str, str]:
    made = (
        event.asset_check_evaluation_data
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    )
    return {check.check_name: check.description or "failed" for check in made if not check.passed}


def _is_interruption(event: dg.DagsterEvent) -> bool:
    return (
        event.event_type is dg.DagsterEventType.RUN_FAILURE
        and event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION
    )


@contextmanager
def _noted_interrupts() -> Generator[Callable[[], bool]]:
    """Yield a function that returns whether SIGINT or SIGTERM has arrived.

    Dagster checks for interrupts only when a step begins, and loses one that arrives later.
    """
    if current_thread() is not main_thread():  # only the main thread handles signals
        yield lambda: False
        return
    noted, pythons_end = socketpair()
    with noted, pythons_end:
        noted.setblocking(False)
        pythons_end.setblocking(False)

        def was_interrupted() -> bool:
            with suppress(BlockingIOError):
                return not {signal.SIGINT, signal.SIGTERM}.isdisjoint(noted.recv(1 << 10))
            return False

        before = signal.set_wakeup_fd(pythons_end.fileno(), warn_on_full_buffer=False)
        try:
            yield was_interrupted
        finally:
            signal.set_wakeup_fd(before)


def _step_listener(on_step: Callable[[str], None]) -> Callable[[dg.EventLogEntry], None]:
    def listen(event: dg.EventLogEntry) -> None:
        happened = event.dagster_event
        if happened and happened.event_type is dg.DagsterEventType.STEP_START and happened.step_key:
            on_step(happened.step_key)

    return listen
