"""The three services together: one folder, one owner, one current day, and no processes left."""

import json
import os
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import boto3
import psycopg
import pytest
import requests

from etl_assets.embedded.folder import FolderInUse
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.errors import ConfigurationError
from etl_assets_tests.support.processes import (
    AS_A_NORMAL_USER,
    kill,
    program,
    wait_until_nothing_runs,
)

HOLD = """
import sys
from pathlib import Path
import psycopg
from etl_assets.embedded.services import EmbeddedServices
with EmbeddedServices(Path(sys.argv[1]), rows_per_day=50, report_seconds=0) as services:
    with psycopg.connect(services.environment()["WAREHOUSE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
    services.object_store.client().put_object(Bucket="s3-sprint3", Key="kept", Body=b"kept")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose services were killed with `kill -9` while they ran."""
    folder = tmp_path_factory.mktemp("services")
    with program(HOLD, folder) as holder:
        with pytest.raises(FolderInUse, match=rf"process {holder.pid} is using it"):
            EmbeddedServices(folder).start()
        with pytest.raises(FolderInUse):
            EmbeddedServices(folder).delete()
        kill(holder)
    return folder


@pytest.fixture(scope="module")
def services(folder: Path) -> Iterator[EmbeddedServices]:
    with EmbeddedServices(folder) as services:
        yield services


def test_a_start_right_after_kill_9_finds_all_data(services: EmbeddedServices) -> None:
    environment = services.environment()
    with psycopg.connect(environment["WAREHOUSE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    client = services.object_store.client()
    assert client.get_object(Bucket="s3-sprint3", Key="kept")["Body"].read() == b"kept"


def test_its_environment_is_enough_to_reach_all_services(services: EmbeddedServices) -> None:
    environment = services.environment()
    headers = {
        "X-Nickname": environment["REPORT_API_NICKNAME"],
        "X-Cohort": environment["REPORT_API_COHORT"],
        "X-API-KEY": environment["REPORT_API_KEY"],
        "X-Project": "True",
    }
    answer = requests.post(
        f"{environment['REPORT_API_URL']}/generate_report", headers=headers, timeout=5
    )
    assert answer.json()["task_id"]
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    assert client.head_bucket(Bucket="s3-sprint3")
    dagster = environment["WAREHOUSE_URL"].replace("/warehouse", "/dagster")
    assert dagster == services.postgres.url("dagster")
    psycopg.connect(dagster).close()


def test_its_day_is_the_day_in_moscow_of_the_first_start(
    services: EmbeddedServices, folder: Path
) -> None:
    kept = json.loads((folder / "world.json").read_text())
    today = datetime.now(ZoneInfo("Europe/Moscow")).date()
    assert kept["today"] in {str(today), str(today - timedelta(days=1))}
    environment = services.environment()
    assert environment["ETL_TIMEZONE"] == "Europe/Moscow"
    assert environment["ETL_START_DATE"] == str(services.simulator.today - timedelta(days=30))
    assert environment["ETL_END_DATE"] == str(services.simulator.today - timedelta(days=1))


def test_an_existing_folder_keeps_its_day_and_rejects_another_number_of_orders(
    tmp_path: Path,
) -> None:
    kept = {"today": "2024-03-04", "seed": 1, "rows_per_day": 50}
    (tmp_path / "world.json").write_text(json.dumps(kept))
    with pytest.raises(ConfigurationError, match="rows_per_day=50"):
        EmbeddedServices(tmp_path, rows_per_day=51).start()
    with EmbeddedServices(tmp_path, rows_per_day=50) as services:
        assert services.environment()["ETL_END_DATE"] == "2024-03-03"
    services.delete()
    assert not tmp_path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests are about a normal user then")
def test_a_normal_user_can_start_them_and_sigterm_ends_them(tmp_path: Path) -> None:
    folder = tmp_path / "services"
    with program(HOLD, folder, prefix=AS_A_NORMAL_USER) as holder:
        holder.send_signal(signal.SIGTERM)
        holder.wait()
    assert (folder / "postgres" / "data").is_dir()
    for lock in (*folder.rglob("postgres.lock"), *folder.rglob("weed.lock")):
        wait_until_nothing_runs(lock)
