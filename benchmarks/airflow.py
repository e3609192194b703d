"""Apache Airflow, installed into a folder and run as the peer of Dagster's runs.

A DAG of three tasks that do nothing runs in the LocalExecutor, with its state in PostgreSQL. So the
benchmark measures the cost of a run without any work.
"""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
from tenacity import (
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_delay,
    wait_fixed,
)

from etl_assets.embedded.ports import LOOPBACK, free_ports
from etl_assets.embedded.startable import Startable
from etl_assets.embedded.supervised import Supervised

_HERE = Path(__file__).parent
_REQUIREMENTS = _HERE / "airflow.txt"
_DAG = "three_tasks"
_DAG_FILE = f"""
from airflow.sdk import dag, task

@dag(schedule=None)
def {_DAG}():
    @task
    def extract(): ...
    @task
    def load(): ...
    @task
    def transform(): ...
    extract() >> load() >> transform()

{_DAG}()
"""
_SERVICES = ("api-server", "scheduler", "dag-processor")
_STOP = ((signal.SIGTERM, 20.0),)


class Airflow(Startable):
    """Airflow's services."""

    def __init__(self, folder: Path, database_url: str) -> None:
        """Configure them; `start` installs and starts them.

        Args:
            folder: where it is installed and has all its files.
            database_url: the address of an empty database.
        """
        self._folder = folder
        self._url = f"http://{LOOPBACK}:{free_ports(1)[0]}"
        self._environment = os.environ | {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "false",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self._url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "true",
            "AIRFLOW__API__HOST": LOOPBACK,
            "AIRFLOW__API__PORT": self._url.rpartition(":")[2],
            "AIRFLOW__API__BASE_URL": self._url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": "a-secret-of-the-benchmark-alone",
            "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-of-the-benchmark-alone-too",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url.replace(
                "postgresql://", "postgresql+psycopg2://"
            ),
            "PATH": f"{folder}/venv/bin:{os.environ['PATH']}",
        }
        self.services: list[Supervised] = []
        self._session = requests.Session()
        self._session.trust_env = False

    def _start(self, running: ExitStack) -> None:
        (self._folder / "dags").mkdir(parents=True)
        (self._folder / "dags" / f"{_DAG}.py").write_text(_DAG_FILE)
        self._install()
        self._run("airflow", "db", "migrate")
        for service in _SERVICES:
            server = Supervised.start(
                service,
                [str(self._folder / "venv/bin/airflow"), service],
                folder=self._folder,
                stop=_STOP,
                environment=self._environment,
            )
            running.callback(server.stop)
            self.services.append(server)
        self._wait_for_dag()

    def run(self) -> tuple[datetime, datetime]:
        """Run the DAG once; return the times at which it was queued and ended."""
        runs = f"/api/v2/dags/{_DAG}/dagRuns"
        run_id = self._call("POST", runs, json={"logical_date": None})["dag_run_id"]
        ended = self._wait(
            retry_if_result(lambda run: run["end_date"] is None),
            self._call,
            "GET",
            f"{runs}/{run_id}",
        )
        if ended["state"] != "success":
            raise RuntimeError(f"Airflow's run {run_id} ended as {ended['state']}")
        return _moment(ended["queued_at"]), _moment(ended["end_date"])

    def _install(self) -> None:
        uv = Path(sys.executable).with_name("uv")
        python = self._folder / "venv/bin/python"
        self._run(uv, "venv", "--quiet", "--python", sys.executable, self._folder / "venv")
        self._run(uv, "pip", "install", "--quiet", "--python", python, "-r", _REQUIREMENTS)

    def _run(self, *command: str | Path) -> None:
        subprocess.run(command, env=self._environment, check=True, stdout=subprocess.DEVNULL)

    def _wait_for_dag(self) -> None:
        token = self._wait(
            retry_if_exception_type(requests.RequestException), self._call, "GET", "/auth/token"
        )["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._wait(
            retry_if_exception_type(requests.RequestException),
            self._call,
            "GET",
            f"/api/v2/dags/{_DAG}",
        )

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self._session.request(method, f"{self._url}{path}", timeout=30, **options)
        answer.raise_for_status()
        return answer.json()

    def _wait(self, retry: Any, function: Any, *arguments: object) -> dict[str, Any]:
        return Retrying(retry=retry, stop=stop_after_delay(120), wait=wait_fixed(1), reraise=True)(
            function, *arguments
        )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
