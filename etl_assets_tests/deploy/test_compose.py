"""docker-compose.yml and the Dockerfile: valid, secured, and running as configured."""

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG

from etl_assets.clients.transactions import writing
from etl_assets_tests.instance.stack import PROFILES, ROOT, VENV, Stack, services
from etl_assets_tests.support.processes import wait_until

PASSWORD = r"a & $b\n"
PIPELINE = {"migrate", "code-location", "source", "first-load", "worker"}
ONE_SHOT = {"migrate", "first-load"}


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The .env of a fresh clone, a copy of .env.example."""
    path = tmp_path_factory.mktemp("project") / ".env"
    shutil.copy(ROOT / ".env.example", path)
    return path


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
def test_every_profile_is_valid_with_the_example_env_file(
    profiles: tuple[str, ...], env_file: Path
) -> None:
    usual = {"postgres", "migrate", "code-location", "webserver", "daemon"}
    assert usual <= services(*profiles, env_file=env_file).keys()


def test_the_linter_finds_no_fault_in_the_images() -> None:
    subprocess.run([VENV / "hadolint", ROOT / "Dockerfile"], check=True)


def test_the_images_run_as_a_normal_user_and_copy_only_listed_files() -> None:
    _, *stages = re.split(r"^FROM .* AS (?=\w+$)", (ROOT / "Dockerfile").read_text(), flags=re.M)
    users = {
        stage.split()[0]: re.findall(r"^USER (\d+)$", stage, re.M)[-1:]
        for stage in stages
        if not stage.startswith("build\n")
    }
    assert users == {"production": ["10001"], "demo": ["10001"]}
    rules = [
        rule
        for rule in (ROOT / ".dockerignore").read_text().splitlines()
        if not rule.startswith("#")
    ]
    assert rules[0] == "*"
    assert not {"!.env", "!.git", "!.", "!*"} & {*rules}


def test_schedules_and_sensors_keep_their_state_with_a_code_server() -> None:
    files = (ROOT / "workspace.yaml", ROOT / "deploy" / "workspace.yaml")
    names = [re.findall(r"location_name: (\w+)", file.read_text()) for file in files]
    assert names == [["etl_assets"], ["etl_assets"]]


def test_third_party_images_are_pinned(all_services: dict[str, Any]) -> None:
    images = [service["image"] for service in all_services.values() if "build" not in service]
    images += re.findall(r"^ARG PYTHON_IMAGE=(.+)$", (ROOT / "Dockerfile").read_text(), re.M)
    assert len(images) == 4
    for image in images:
        assert re.search(r":\d+\.\d+(\.\d+)?(-\w+)*$", image), image


def test_every_long_running_service_has_a_health_check(all_services: dict[str, Any]) -> None:
    checked = {name for name, service in all_services.items() if "healthcheck" in service}
    assert checked == all_services.keys() - ONE_SHOT


def test_only_the_proxy_can_be_reached_from_other_hosts(all_services: dict[str, Any]) -> None:
    published = {
        name: port.get("host_ip", "anywhere")
        for name, service in all_services.items()
        for port in service.get("ports", [])
    }
    assert published == {"webserver": "127.0.0.1", "proxy": "anywhere"}


def test_no_service_gets_a_secret_that_it_does_not_need(env_file: Path) -> None:
    secrets = {
        "POSTGRES_PASSWORD": {"postgres", "migrate"},
        "PIPELINE_PASSWORD": set(services(*PROFILES, env_file=env_file)) - {"proxy"},
        "PROXY_PASSWORD": {"proxy"},
        "REPORT_API_KEY": PIPELINE,
        "AWS_SECRET_ACCESS_KEY": PIPELINE,
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
        LOG_FORMAT="json",
        PROXY_USER="reader",
        PROXY_PASSWORD=f"'{PASSWORD}'",
    ) as stack:
        stack.run("migrate")
        yield stack


def test_the_services_run_as_configured(stack: Stack) -> None:
    stack.start("source", "code-location")
    stack.start("webserver", "daemon")
    assert "2024-02-19" in stack.run("first-load")
    assert stack.is_healthy("postgres")
    query = "{workspaceOrError {... on Workspace {locationEntries {name loadStatus}}}}"
    (location,) = stack.webserver.graphql(query)["workspaceOrError"]["locationEntries"]
    assert location == {"name": "etl_assets", "loadStatus": "LOADED"}


@pytest.fixture
def running(stack: Stack) -> Stack:
    """The stack with all services that a launched run needs."""
    needed = [["source", "code-location"], ["webserver", "daemon"]]
    for names in needed:
        stack.start(*[name for name in names if name not in stack.running])
    return stack


def test_an_orderly_restart_loses_no_run(running: Stack) -> None:
    with running.instance() as instance, ThreadPoolExecutor(1) as pool:

        def status(run_id: str) -> dg.DagsterRunStatus:
            run = instance.get_run_by_id(run_id)
            assert run
            return run.status

        with running.warehouse().session() as connection, writing(connection):
            # The run can't write before this block ends.
            under_way = running.webserver.launch("order_backfill", "2024-02-05", "2024-02-06")
            wait_until(lambda: status(under_way) is dg.DagsterRunStatus.STARTED)
            running.stop("daemon")
            waiting = running.webserver.launch("order_backfill", "2024-02-07", "2024-02-08")
            stopped = pool.submit(running.stop, "code-location")
            with pytest.raises(TimeoutError):
                stopped.result(timeout=3)
        stopped.result()
        assert status(under_way) is dg.DagsterRunStatus.SUCCESS
        assert status(waiting) is dg.DagsterRunStatus.QUEUED
        running.start("code-location")
        running.start("daemon")
        wait_until(lambda: status(waiting) is dg.DagsterRunStatus.SUCCESS)


def test_a_backfill_that_is_killed_with_its_code_location_runs_again(running: Stack) -> None:
    with running.instance() as instance:

        def run(run_id: str) -> dg.DagsterRun:
            found = instance.get_run_by_id(run_id)
            assert found
            return found

        with running.warehouse().session() as connection, writing(connection):
            killed = running.webserver.launch("order_backfill", "2024-02-09", "2024-02-10")
            wait_until(lambda: run(killed).status is dg.DagsterRunStatus.STARTED)
            running.kill("code-location")
        running.start("code-location")
        # The sensor next_increment does this after a minute without events of the run.
        instance.report_run_failed(run(killed))
        wait_until(lambda: run(killed).tags.get(AUTO_RETRY_RUN_ID_TAG))
        again = run(killed).tags[AUTO_RETRY_RUN_ID_TAG]
        wait_until(lambda: run(again).status is dg.DagsterRunStatus.SUCCESS)
        loads = running.warehouse().rows("mart/load_history", {"days": [date(2024, 2, 9)]})
        assert {load["run_id"] for load in loads} >= {again}
        assert killed not in {load["run_id"] for load in loads}


def test_all_logs_of_the_services_are_json(running: Stack) -> None:
    with running.instance() as instance:
        run_id = running.webserver.launch("order_backfill", "2024-02-11", "2024-02-12")
        wait_until(lambda: (run := instance.get_run_by_id(run_id)) and run.is_finished)
    events = {
        name: running.logged(name) for name in ("code-location", "webserver", "daemon", "source")
    }
    of_the_run = [event for event in events["code-location"] if run_id in event["event"]]
    assert {event["logger"] for event in of_the_run} == {"dagster"}
    assert any("RUN_START" in event["event"] for event in of_the_run)


def test_the_proxy_requires_a_login_and_its_ui_is_read_only(
    running: Stack,
) -> None:
    running.start("webserver-read-only", "proxy")
    session = requests.Session()
    session.trust_env = False
    session.verify = str(running.folder / "caddy/pki/authorities/local/root.crt")
    address = f"https://localhost:{running.ports['8443']}"
    assert session.get(f"{address}/server_info", timeout=10).status_code == 401
    session.auth = ("reader", "wrong")
    assert session.get(f"{address}/server_info", timeout=10).status_code == 401
    session.auth = ("reader", PASSWORD)
    assert session.get(f"{address}/server_info", timeout=10).status_code == 200
    query = "{permissions {permission value}}"
    answer = session.post(f"{address}/graphql", json={"query": query}, timeout=30).json()
    allowed = [each["permission"] for each in answer["data"]["permissions"] if each["value"]]
    assert allowed == []
