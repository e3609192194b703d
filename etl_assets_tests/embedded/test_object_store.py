"""The embedded S3 server: it checks credentials, and its objects survive a kill."""

from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from etl_assets.embedded.object_store import EmbeddedObjectStore
from etl_assets_tests.support.processes import (
    LOOPBACK_IN_PROC,
    listening_addresses,
    supervisor_and_server,
)


def test_an_object_survives_kill_9(store: EmbeddedObjectStore) -> None:
    store.create_bucket("orders")
    client = store.client()
    assert client.get_object(Bucket="orders", Key="a=/day.csv")["Body"].read() == b"before"
    client.put_object(Bucket="orders", Key="b=/day.csv", Body=b"after")
    assert client.get_object(Bucket="orders", Key="b=/day.csv")["Body"].read() == b"after"


@pytest.mark.parametrize("wrong", ["access_key_id", "secret_access_key"])
def test_wrong_credentials_are_refused(store: EmbeddedObjectStore, wrong: str) -> None:
    credentials = {
        "aws_access_key_id": store.access_key_id,
        "aws_secret_access_key": store.secret_access_key,
        f"aws_{wrong}": "wrong",
    }
    client = boto3.client(
        "s3", endpoint_url=store.endpoint_url, region_name="us-east-1", **credentials
    )
    with pytest.raises(ClientError) as refusal:
        client.get_object(Bucket="orders", Key="a=/day.csv")
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_unsigned_requests_are_refused(store: EmbeddedObjectStore) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=store.endpoint_url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED),
    )
    with pytest.raises(ClientError) as refusal:
        client.get_object(Bucket="orders", Key="a=/day.csv")
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_it_listens_on_the_loopback_address_only(
    store: EmbeddedObjectStore, store_folder: Path
) -> None:
    assert store.endpoint_url.startswith("http://127.0.0.1:")
    _, server = supervisor_and_server(store_folder / "weed.lock")
    assert listening_addresses(server) == {LOOPBACK_IN_PROC}


def test_only_its_owner_can_read_its_secret(store: EmbeddedObjectStore, store_folder: Path) -> None:
    assert len(store.secret_access_key) > 30
    assert (store_folder / "secret").stat().st_mode & 0o777 == 0o600
