"""Dagster's own commands in a fresh checkout, without any variable of the pipeline."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from etl_assets.embedded.ports import LOOPBACK, free_ports
from etl_assets_tests.support.processes import PATIENCE_SECONDS, ROOT, wait_until

VENV = Path(sys.executable).parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout without .env and the files that running it leaves behind."""
    untracked = shutil.ignore_patterns(
        ".*", "__pycache__", "build", "dist", "etl-assets-benchmarks-*", "etl_assets_tests"
    )
    return shutil.copytree(ROOT, tmp_path / "checkout", ignore=untracked)


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """An environment without the variables of the pipeline and of Dagster's instance."""
    return {
        "PATH": f"{VENV}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("dg check defs", "All definitions loaded successfully."),
        ("dg list defs --json", '"staging/user_order_log"'),
        ("dagster definitions validate", "All code locations passed validation."),
    ],
)
def test_the_definitions_load_in_a_fresh_checkout(
    checkout: Path, variables: dict[str, str], command: str, message: str
) -> None:
    done = subprocess.run(
        command.split(),
        cwd=checkout,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert message in done.stdout


@pytest.mark.parametrize("command", ["dagster dev", "dg dev"])
def test_dagster_starts_in_a_fresh_checkout(
    checkout: Path, variables: dict[str, str], command: str
) -> None:
    (port,) = free_ports(1)
    address = f"http://{LOOPBACK}:{port}"
    log = checkout.parent / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            [*command.split(), "--host", LOOPBACK, "--port", str(port)],
            cwd=checkout,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        ) as process,
        requests.Session() as session,
    ):
        session.trust_env = False  # the environment's proxy can't reach 127.0.0.1

        def loaded_locations() -> list[str]:
            assert process.poll() is None, log.read_text()
            query = (
                "{ repositoriesOrError { ... on RepositoryConnection "
                "{ nodes { location { name } assetNodes { id } } } } }"
            )
            try:
                answer = session.post(f"{address}/graphql", json={"query": query}, timeout=60)
            except requests.RequestException:
                return []
            found = answer.json()["data"]["repositoriesOrError"].get("nodes", [])
            return [node["location"]["name"] for node in found if node["assetNodes"]]

        try:
            assert wait_until(lambda: loaded_locations() or None) == ["etl_assets"]
            # A run that needs a missing setting reports it.
            missing = "WAREHOUSE_URL is not set: set it in the environment or in .env"
            wait_until(lambda: missing in log.read_text() or None)
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_SECONDS) == 0, log.read_text()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert not [*checkout.glob(".tmp_dagster_home_*")]
