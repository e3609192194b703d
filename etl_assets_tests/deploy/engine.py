"""A Docker engine for a test, and images for it, which are built because none can be pulled.

All its files are in one folder. It changes nothing on the machine: it has no bridge to the host and
no firewall rules, so containers reach only each other. It does not use another engine's images.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from etl_assets.embedded.ports import LOOPBACK, free_ports
from etl_assets.embedded.supervised import Supervised
from etl_assets_tests.instance.stack import ROOT, VENV
from etl_assets_tests.support.processes import wait_until

HERE = Path(__file__).parent
_STOP = ((signal.SIGTERM, 60.0),)
_NEEDED = {"dockerd": "docker.io", "debootstrap": "debootstrap", "iptables": "iptables"}


def why_not() -> str | None:
    """Return the reason why no engine can run here, or None."""
    missing = [package for name, package in _NEEDED.items() if shutil.which(name) is None]
    if missing:
        return f"no engine can be started: apt-get install {' '.join(missing)}"
    if os.geteuid():
        return "no engine can be started: only root may"
    rules = subprocess.run(
        ["iptables", "-S", "FORWARD"], capture_output=True, text=True, check=True
    )
    if "-P FORWARD DROP" in rules.stdout:
        return "another engine's firewall rules keep containers from each other: stop that first"
    return None


class Engine:
    """The engine with the project as in a fresh clone; a context manager."""

    def __init__(self, folder: Path, *profiles: str, **variables: str) -> None:
        """Configure it; `__enter__` starts it.

        Args:
            folder: where all its files are.
            profiles: the profiles of docker-compose.yml to start.
            variables: variables of .env that add to, or replace, those of .env.example.
        """
        self._folder = folder
        self._project = folder / "project"
        self._base = folder / "base"
        self._profiles = profiles
        self._variables = variables
        self.webserver_port, self.postgres_port, self._index_port = free_ports(3)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._delete)
            self._copy_project()
            python_image = re.search(
                r"^ARG PYTHON_IMAGE=(.+)$", (ROOT / "Dockerfile").read_text(), re.M
            )
            assert python_image
            self._environment = {
                "BASE_FOLDER": str(self._base),
                "COMPOSE_BAKE": "false",
                "DOCKER_HOST": f"unix://{self._folder}/docker.sock",
                "ENGINE_TESTS": str(HERE),
                "HOME": str(self._folder),
                "PATH": os.environ["PATH"],
                "PIP_INDEX_URL": f"http://{LOOPBACK}:{self._index_port}/",
                "POSTGRES_PORT": str(self.postgres_port),
                "PYTHON_IMAGE": python_image[1],
                "UV_DEFAULT_INDEX": f"http://{LOOPBACK}:{self._index_port}/",
            }
            self._start_engine(stack)
            self._make_base(suite=python_image[1].rpartition("-")[2])
            self.compose("--profile=base", "build", "python")
            self._start_index(stack)
            self.compose("build", "--quiet")
            stack.callback(self.compose, "down", "--volumes", "--timeout=5")
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run docker compose; return its output."""
        files = (self._project / "docker-compose.yml", HERE / "compose.yaml")
        done = subprocess.run(
            [
                VENV / "docker-compose",
                *("--progress=plain", f"--project-directory={self._project}"),
                *(f"--file={file}" for file in files),
                *(f"--profile={profile}" for profile in self._profiles),
                *arguments,
            ],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        # Its exit code is 0 even if a build fails.
        failed = done.returncode or "failed to solve" in done.stderr
        assert not (check and failed), (done.stdout + done.stderr)[-5_000:]
        return done.stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return the state of each service's container, from the engine."""
        lines = self.compose("ps", "--all", "--format=json").splitlines()
        return {each["Service"]: each for each in map(json.loads, lines)}

    def is_healthy(self, service: str) -> bool:
        """Return whether the service's container is healthy."""
        return self.containers()[service]["Health"] == "healthy"

    def crash(self, service: str) -> None:
        """Kill all processes of a container, and wait until it restarts.

        `docker kill` would not do, because the engine does not restart a container after it.
        """
        self.compose("exec", "-T", service, "sh", "-c", "kill -9 -1", check=False)
        wait_until(lambda: not self.is_healthy(service))

    def _delete(self) -> None:
        for line in Path("/proc/mounts").read_text().splitlines():
            mounted = line.split()[1]
            if mounted.startswith(f"{self._folder}/"):
                _run("umount", mounted)
        shutil.rmtree(self._folder)

    def _copy_project(self) -> None:
        """Copy the files of a clone, with the changes that are not committed yet."""
        listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in files.rstrip("\0").split("\0"):
            copy = self._project / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy)
        variables = {"WEBSERVER_PORT": str(self.webserver_port), **self._variables}
        lines = [f"{name}={value}" for name, value in variables.items()]
        env_file = (self._project / ".env.example").read_text()
        (self._project / ".env").write_text("\n".join([env_file, *lines]))

    def _start_engine(self, stack: ExitStack) -> None:
        folders = (f"--data-root={self._folder}/data", f"--exec-root={self._folder}/exec")
        isolated = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false")
        self._start(
            stack,
            "dockerd",
            *("dockerd", *folders, *isolated),
            *(f"--pidfile={self._folder}/pid", f"--host=unix://{self._folder}/docker.sock"),
        )
        wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            self.compose("ls")
        except AssertionError:
            return False
        return True

    def _start(self, stack: ExitStack, name: str, *command: str) -> None:
        server = Supervised.start(name, command, folder=self._folder, stop=_STOP)
        stack.callback(server.stop)

    def _make_base(self, suite: str) -> None:
        """Build a replacement for the official Python image: Debian with its own Python."""
        packages = "python3,python3-venv,python3-pip,python-is-python3"
        system = self._base / "system"
        _run("debootstrap", "--variant=minbase", f"--include={packages}", suite, str(system))
        (python,) = (system / "usr/lib").glob("python3.*")
        # The official image's pip installs into the image's own Python.
        (python / "EXTERNALLY-MANAGED").unlink()
        _run("tar", "--create", f"--file={self._base}/base.tar", f"--directory={system}", ".")
        self._python_version = python.name.removeprefix("python")
        shutil.rmtree(system)

    def _start_index(self, stack: ExitStack) -> None:
        """Serve the packages that the images install, downloaded with this machine's settings."""
        index = self._folder / "index"
        index.mkdir()
        pyproject = ROOT / "pyproject.toml"
        builds_with = self._folder / "build.in"
        requires = tomllib.loads(pyproject.read_text())["build-system"]["requires"]
        builds_with.write_text("\n".join([*requires, "uv"]))
        pinned = self._folder / "pinned.txt"
        _run(
            *(f"{VENV}/uv", "pip", "compile", f"{pyproject}", f"{builds_with}"),
            *("--extra=celery", "--extra=embedded", f"--constraint={ROOT}/constraints.txt"),
            *(f"--python-version={self._python_version}", f"--output-file={pinned}"),
        )
        _run(
            *(sys.executable, "-m", "pip", "download", "--quiet", f"--dest={index}", "--no-deps"),
            *("--only-binary=:all:", f"--python-version={self._python_version}"),
            f"--requirement={pinned}",
        )
        for wheel in [*index.iterdir()]:
            name = re.sub(r"[-_.]+", "-", wheel.name.partition("-")[0]).lower()
            (index / name).mkdir(exist_ok=True)
            wheel.rename(index / name / wheel.name)
        serve = ("-m", "http.server", f"--bind={LOOPBACK}", f"--directory={index}")
        self._start(stack, "index", sys.executable, *serve, str(self._index_port))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2_000:]}\n{done.stderr[-2_000:]}"
