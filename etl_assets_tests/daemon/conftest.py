"""Dagster's servers on a storage of their own, and what a test sees of them."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.tags import PARTITION_NAME_TAG

from etl_assets.embedded.dagster_servers import DagsterServers
from etl_assets.embedded.ports import free_ports
from etl_assets.embedded.services import EmbeddedServices
from etl_assets_tests.conftest import MakeDatabase, psycopg2_url
from etl_assets_tests.support.processes import supervisor_and_server


class Dagster:
    """The servers, and what their storage tells."""

    def __init__(self, servers: DagsterServers, folder: Path, instance: dg.DagsterInstance) -> None:
        self.servers = servers
        self.instance = instance
        self._folder = folder

    def runs(self, day: date) -> list[dg.DagsterRun]:
        """Return the runs of a day, the oldest first."""
        tags = {PARTITION_NAME_TAG: str(day)}
        return list(reversed(self.instance.get_runs(dg.RunsFilter(tags=tags))))

    def statuses(self, day: date) -> list[str]:
        """Return how the runs of a day have ended, the oldest first."""
        return [run.status.value for run in self.runs(day)]

    def ticks(self, sensor: str) -> list[str]:
        """Return what the sensor's ticks said that asked for no run, the newest first.

        None may have failed.
        """
        reasons: list[str] = []
        for state in self.instance.all_instigator_state():
            if state.instigator_name == sensor:
                for tick in self.instance.get_ticks(state.instigator_origin_id, state.selector_id):
                    assert tick.status is not TickStatus.FAILURE, tick.error
                    reasons.append(tick.skip_reason or "")
        return reasons

    def kill_daemon(self) -> None:
        """Kill the daemon, with what it has started and not ended: it gets no chance to tidy up."""
        for process in supervisor_and_server(self._folder / "dagster-daemon.lock"):
            os.kill(process, signal.SIGKILL)

    def kill_worker(self, run: dg.DagsterRun) -> None:
        """Kill the process of a run."""
        for entry in self.instance.all_logs(run.run_id, dg.DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            if event and "pid" in event.engine_event_data.metadata:
                with suppress(ProcessLookupError):
                    os.kill(int(str(event.engine_event_data.metadata["pid"].value)), signal.SIGKILL)


@pytest.fixture
def dagster(
    services: EmbeddedServices,
    make_database: MakeDatabase,
    dagster_storage: str,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Dagster]:
    """The servers, not started yet, on a database of their own."""
    url = psycopg2_url(make_database(dagster_storage))
    for name, value in (services.dagster_environment() | {"DAGSTER_POSTGRES_URL": url}).items():
        environment.setenv(name, value)
    folder = tmp_path / "servers"
    servers = DagsterServers(folder, free_ports(1)[0], {})
    with dg.DagsterInstance.get() as instance:
        yield Dagster(servers, folder, instance)
        servers.stop()
