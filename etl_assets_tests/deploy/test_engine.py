"""The demo on a real engine, its containers killed one by one: `make compose-e2e`."""

import os
from collections.abc import Iterator

import psycopg
import pytest
import requests

from etl_assets.embedded.ports import LOOPBACK
from etl_assets_tests.deploy.engine import Engine, why_not
from etl_assets_tests.instance.demo import DAYS, holds_the_demo
from etl_assets_tests.instance.webserver import Webserver
from etl_assets_tests.support.processes import wait_until

if "COMPOSE_E2E" not in os.environ:
    pytest.skip("some minutes: make compose-e2e", allow_module_level=True)
if reason := why_not():
    pytest.skip(reason, allow_module_level=True)

OWNER_PASSWORD = "the-owners-password"
SERVERS = ("postgres", "source", "code-location", "webserver", "daemon")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    with Engine(
        folder,
        "demo",
        POSTGRES_PASSWORD=OWNER_PASSWORD,
        LOG_FORMAT="json",
        ETL_NEXT_INCREMENT_SECONDS="5",
    ) as engine:
        yield engine
    assert not folder.exists()


def test_the_image_has_a_normal_user_and_no_settings_of_the_build_machine(engine: Engine) -> None:
    def output_of(*command: str) -> str:
        return engine.compose("run", "--rm", "--no-deps", "--entrypoint=", "migrate", *command)

    assert output_of("id", "--user", "--name").strip() == "etl"
    assert "index" not in output_of("env").lower()
    settings = "find / -xdev '(' -name pip.conf -o -name uv.toml -o -name .env ')' 2>&1"
    assert "\n/" not in output_of(
        "sh", "-c", f"echo; {settings} | grep -v 'Permission denied'; true"
    )
    assert "PostgreSQL" in output_of("pg_dump", "--version")
    assert output_of("sh", "-c", "etl-assets --version && dagster --version && celery --version")
    assert "Permission denied" in output_of("sh", "-c", "touch /opt/code/new 2>&1 || true")


def test_the_demo_survives_the_kill_of_each_of_its_containers(engine: Engine) -> None:
    engine.compose("up", "--detach")
    webserver = Webserver(f"http://{LOOPBACK}:{engine.webserver_port}")
    for service in SERVERS:
        wait_until(lambda service=service: engine.is_healthy(service))

    # A backfill from the UI loads all days of the report again, and meanwhile the sensor loads the
    # increments.
    run_id = webserver.launch("order_backfill", str(DAYS[0]), str(DAYS[-10]))
    wait_until(lambda: webserver.status(run_id) == "STARTED")
    for service in SERVERS:
        engine.crash(service)
        wait_until(lambda service=service: engine.is_healthy(service))
        webserver.graphql("{version}")

    warehouse = (
        f"postgresql://postgres:{OWNER_PASSWORD}@{LOOPBACK}:{engine.postgres_port}/warehouse"
    )

    def loaded() -> int:
        with psycopg.connect(warehouse) as connection:
            row = connection.execute("SELECT count(*) FROM mart.loaded_day").fetchone()
        return row[0] if row else 0

    wait_until(lambda: webserver.status(run_id) == "SUCCESS")
    wait_until(lambda: loaded() == len(DAYS))
    holds_the_demo(warehouse)

    engine.compose("down", "--volumes")
    assert engine.containers() == {}
    with pytest.raises(requests.ConnectionError):
        webserver.graphql("{version}")
