"""docker-compose.yml and the Dockerfile: valid in every profile, closed, and running as written."""

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from etl_assets_tests.production.stack import PROFILES, ROOT, VENV, Stack, services

PASSWORD = r"a & $b\n"
ONE_SHOT = {"migrate", "first-load"}


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone's .env, before anybody has filled it in."""
    return shutil.copy(ROOT / ".env.example", tmp_path_factory.mktemp("project") / ".env")


@pytest.fixture(scope="module")
def all_services(env_file: Path) -> dict[str, Any]:
    return services(*PROFILES, env_file=env_file)


def test_it_follows_the_compose_specification() -> None:
    check = [VENV / "check-jsonschema", "--builtin-schema=vendor.compose-spec"]
    subprocess.run([*check, ROOT / "docker-compose.yml"], check=True)


@pytest.mark.parametrize(
    "profiles",
    [chosen for n in range(len(PROFILES) + 1) for chosen in itertools.combinations(PROFILES, n)],
)
def test_every_profile_needs_no_more_than_the_example_of_an_env_file(
    profiles: tuple[str, ...], env_file: Path
) -> None:
    usual = {"postgres", "migrate", "code-location", "webserver", "daemon"}
    assert usual <= services(*profiles, env_file=env_file).keys()


def test_the_images_have_no_fault_that_the_linter_knows() -> None:
    subprocess.run([VENV / "hadolint", ROOT / "Dockerfile"], check=True)


def test_the_images_of_others_are_pinned(all_services: dict[str, Any]) -> None:
    images = [service["image"] for service in all_services.values() if "build" not in service]
    images += re.findall(r"^ARG PYTHON_IMAGE=(.+)$", (ROOT / "Dockerfile").read_text(), re.M)
    assert len(images) == 3
    for image in images:
        assert re.search(r":\d+\.\d+(\.\d+)?(-\w+)*$", image), image


def test_whatever_goes_on_running_has_a_health_check(all_services: dict[str, Any]) -> None:
    checked = {name for name, service in all_services.items() if "healthcheck" in service}
    assert checked == all_services.keys() - ONE_SHOT


def test_only_the_proxy_can_be_reached_from_elsewhere(all_services: dict[str, Any]) -> None:
    published = {
        name: port.get("host_ip", "anywhere")
        for name, service in all_services.items()
        for port in service.get("ports", [])
    }
    assert published == {"webserver": "127.0.0.1", "proxy": "anywhere"}


def test_no_service_knows_a_secret_that_it_does_not_need(env_file: Path) -> None:
    secrets = {
        "POSTGRES_PASSWORD": {"postgres", "migrate"},
        "PIPELINE_PASSWORD": set(services(*PROFILES, env_file=env_file)) - {"proxy"},
        "PROXY_PASSWORD": {"proxy"},
        "REPORT_API_KEY": {"migrate", "code-location", "source", "first-load"},
        "AWS_SECRET_ACCESS_KEY": {"migrate", "code-location", "source", "first-load"},
    }
    values = {name: f"the-{name.lower()}" for name in secrets}
    lines = [f"{name}={value}" for name, value in values.items()]
    env_file = env_file.parent / "secrets" / ".env"
    env_file.parent.mkdir()
    env_file.write_text("\n".join([(ROOT / ".env.example").read_text(), *lines]))
    found = services(*PROFILES, env_file=env_file)
    for secret, value in values.items():
        knowing = {name for name, service in found.items() if value in json.dumps(service)}
        assert knowing == secrets[secret], secret


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(
        tmp_path_factory.mktemp("stack"),
        ETL_POLL_SECONDS="0.1",
        PROXY_USER="reader",
        PROXY_PASSWORD=f"'{PASSWORD}'",
    ) as stack:
        stack.run("migrate")
        yield stack


def test_the_services_run_as_they_are_written(stack: Stack) -> None:
    stack.start("source", "code-location")
    stack.start("webserver", "daemon")
    assert "2024-02-19" in stack.run("first-load")
    assert stack.is_healthy("postgres")
    query = "{workspaceOrError {... on Workspace {locationEntries {name loadStatus}}}}"
    answer = requests.post(f"{stack.url('3000')}/graphql", json={"query": query}, timeout=30)
    (location,) = answer.json()["data"]["workspaceOrError"]["locationEntries"]
    assert location == {"name": "etl_assets", "loadStatus": "LOADED"}


def test_the_proxy_lets_nobody_in_without_a_login_and_nobody_change_anything(stack: Stack) -> None:
    if "code-location" not in stack.running:
        stack.start("code-location")
    stack.start("webserver-read-only", "proxy")
    session = requests.Session()
    session.trust_env = False
    session.verify = str(stack.folder / "caddy/pki/authorities/local/root.crt")
    address = f"https://localhost:{stack.ports['8443']}"
    assert session.get(f"{address}/server_info", timeout=10).status_code == 401
    session.auth = ("reader", "wrong")
    assert session.get(f"{address}/server_info", timeout=10).status_code == 401
    session.auth = ("reader", PASSWORD)
    assert session.get(f"{address}/server_info", timeout=10).status_code == 200
    query = "{permissions {permission value}}"
    answer = session.post(f"{address}/graphql", json={"query": query}, timeout=30).json()
    assert not any(each["value"] for each in answer["data"]["permissions"])
