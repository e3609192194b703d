"""Dagster's webserver and daemon as child processes, for a laptop.

Not `dagster dev`: in the background of a script that ignores SIGINT and SIGTERM.
"""

import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import requests
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from etl_assets.embedded.ports import LOOPBACK, are_free
from etl_assets.embedded.supervised import ServerFailed, StopSteps, Supervised
from etl_assets.shipped import shipped

# The webserver and the daemon first end the code servers that they have started.
_STOP: StopSteps = ((signal.SIGTERM, 10.0),)
_READY_SECONDS = 90.0


class DagsterServers:
    """Dagster's webserver on 127.0.0.1 and its daemon; usable as a context manager.

    What they work on is the environment's: `DAGSTER_HOME` and the pipeline's own settings.
    """

    def __init__(self, folder: Path, port: int, environment: Mapping[str, str]) -> None:
        """Describe them.

        Args:
            folder: where their logs go.
            port: the webserver's.
            environment: variables added to our own.
        """
        self._folder = folder.resolve()
        self._port = port
        self._environment = environment
        self._running = ExitStack()
        self._webserver: Supervised | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of the UI."""
        return f"http://{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Start both and wait until the UI answers.

        Raises:
            ServerFailed: one of them doesn't start; none is left running.
        """
        if not are_free([self._port]):
            raise ServerFailed(
                f"Port {self._port} is in use: stop what uses it, or choose another with --port"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            # The webserver sets Dagster's storage up; the daemon would do it at the same time.
            address = ["--host", LOOPBACK, "--port", str(self._port)]
            self._webserver = self._start("dagster-webserver", address, stack)
            self._wait_until_ready(self._webserver)
            self._start("dagster-daemon", ["run"], stack)
            self._running = stack.pop_all()

    def wait(self) -> None:
        """Wait until the webserver ends by itself, and say so.

        Raises:
            ServerFailed: it has.
        """
        if self._webserver:
            self._webserver.wait()
            raise self._webserver.failure("ended by itself")

    def stop(self) -> None:
        """Stop both; a second call does nothing."""
        self._running.close()

    def _start(self, program: str, arguments: list[str], stack: ExitStack) -> Supervised:
        command = [
            str(Path(sys.executable).parent / program),
            *arguments,
            *("--workspace", str(shipped("workspace.yaml"))),
        ]
        server = Supervised.start(
            program,
            command,
            folder=self._folder,
            stop=_STOP,
            environment=self._environment,
        )
        stack.callback(server.stop)
        return server

    def _wait_until_ready(self, server: Supervised) -> None:
        session = requests.Session()
        session.trust_env = False  # no proxy of the environment stands in between

        def answers() -> None:
            server.raise_if_ended()
            session.get(f"{self.url}/server_info", timeout=5).raise_for_status()

        attempts = Retrying(
            retry=retry_if_exception_type(requests.RequestException),
            stop=stop_after_delay(_READY_SECONDS),
            wait=wait_fixed(0.1),
        )
        try:
            attempts(answers)
        except RetryError as error:
            raise server.failure(f"was not ready after {_READY_SECONDS:.0f} s") from error
