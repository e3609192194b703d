"""Dagster's webserver and daemon as child processes, for a laptop.

`dagster dev` would not do: in the background of a script it ignores SIGINT and SIGTERM.
"""

import signal
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import requests

from etl_assets.embedded.ports import LOOPBACK, require_port
from etl_assets.embedded.startable import Startable
from etl_assets.embedded.supervised import StopSteps, Supervised
from etl_assets.package_files import package_file

# The webserver and the daemon need time to end the code servers that they have started.
_STOP: StopSteps = ((signal.SIGTERM, 10.0),)
_READY_SECONDS = 90.0
_POLL_SECONDS = 1.0
"""How often to check that both still run. No call waits for the first of two processes to end."""


class DagsterServers(Startable):
    """Dagster's webserver on 127.0.0.1 and its daemon.

    The environment configures them: `DAGSTER_HOME` and the pipeline's own settings.
    """

    def __init__(self, folder: Path, port: int, environment: Mapping[str, str]) -> None:
        """Configure both; `start` starts them.

        Args:
            folder: where their logs go.
            port: the webserver's port.
            environment: variables added to our own.
        """
        self._folder = folder.resolve()
        self._port = port
        self._environment = environment
        self._servers: list[Supervised] = []

    @property
    def url(self) -> str:
        """The address of the UI."""
        return f"http://{LOOPBACK}:{self._port}"

    def wait(self) -> None:
        """Wait until one of them ends by itself.

        Raises:
            ServerFailed: a server ended by itself.
        """
        while self._servers:
            for server in self._servers:
                server.raise_if_ended()
            time.sleep(_POLL_SECONDS)

    def _start(self, running: ExitStack) -> None:
        require_port(self._port)
        self._folder.mkdir(parents=True, exist_ok=True)
        # The webserver starts first: both set up Dagster's storage, and must not do so together.
        address = ["--host", LOOPBACK, "--port", str(self._port)]
        webserver = self._start_server("dagster-webserver", address, running)
        self._wait_until_ready(webserver)
        self._servers = [webserver, self._start_server("dagster-daemon", ["run"], running)]

    def _start_server(self, program: str, arguments: list[str], running: ExitStack) -> Supervised:
        command = [
            str(Path(sys.executable).parent / program),
            *arguments,
            *("--workspace", str(package_file("workspace.yaml"))),
        ]
        server = Supervised.start(
            program,
            command,
            folder=self._folder,
            stop=_STOP,
            environment=self._environment,
        )
        running.callback(server.stop)
        return server

    def _wait_until_ready(self, server: Supervised) -> None:
        with requests.Session() as session:
            session.trust_env = False  # the environment's proxy can't reach 127.0.0.1
            server.wait_until_ready(
                lambda: session.get(f"{self.url}/server_info", timeout=5).ok,
                seconds=_READY_SECONDS,
                not_yet=(requests.RequestException,),
            )
