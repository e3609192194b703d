"""TLS to the warehouse, the object store and the report API: checked, and never silently off."""

import os
import re
import socket
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme
from pydantic import SecretStr

from etl_assets.clients.database import Connection
from etl_assets.clients.object_store import ObjectStore
from etl_assets.clients.report_api import ReportApi
from etl_assets.clients.warehouse import Warehouse
from etl_assets.clients.webhook import Webhook
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.errors import EtlError, ServiceUnavailable
from etl_assets.settings import ObjectStoreSettings, ReportApiSettings
from etl_assets_tests.clients.conftest import one
from etl_assets_tests.clients.tls import HOST, tls_in_front_of
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY
from etl_assets_tests.support.pipeline import Pipeline, holding


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusted(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the authority's certificate."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="module")
def unrelated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with another authority's certificate."""
    path = tmp_path_factory.mktemp("unrelated") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline, environment: pytest.MonkeyPatch) -> Pipeline:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"):
        environment.delenv(name, raising=False)
    return open_pipeline()


@dataclass
class Service:
    """The report API or the object store: its address without TLS, and its settings."""

    url: str
    variable: str
    bundle: str
    ask: Callable[[], None]
    environment: pytest.MonkeyPatch

    def is_at(self, url: str) -> None:
        self.environment.setenv(self.variable, url)

    def trusts(self, file: Path) -> None:
        self.environment.setenv(self.bundle, str(file))


@pytest.fixture(params=["the report API", "the object store"])
def service(
    request: pytest.FixtureRequest,
    pipeline: Pipeline,
    services: EmbeddedServices,
    environment: pytest.MonkeyPatch,
) -> Service:
    if request.param == "the report API":
        return Service(
            pipeline.simulator.url,
            "REPORT_API_URL",
            "REQUESTS_CA_BUNDLE",
            lambda: ReportApi(ReportApiSettings.read()).check_access(),
            environment,
        )
    return Service(
        services.object_store.endpoint_url,
        "AWS_ENDPOINT_URL_S3",
        "AWS_CA_BUNDLE",
        lambda: ObjectStore(ObjectStoreSettings.read()).check_access(),
        environment,
    )


def refusal(ask: Callable[[], object]) -> str:
    """Return the error of a permanent refusal; a transient fault would be `ServiceUnavailable`."""
    with pytest.raises(EtlError) as error:
        ask()
    assert not isinstance(error.value, ServiceUnavailable)
    return str(error.value)


def test_a_day_is_loaded_over_tls_from_servers_of_a_private_authority(
    pipeline: Pipeline,
    services: EmbeddedServices,
    authority: trustme.CA,
    trusted: Path,
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    warehouse = os.environ["WAREHOUSE_URL"]
    with (
        tls_in_front_of(pipeline.simulator.url, authority) as api,
        tls_in_front_of(services.object_store.endpoint_url, authority) as store,
        tls_in_front_of(warehouse, authority) as encrypted,
    ):
        environment.setenv("REPORT_API_URL", api)
        environment.setenv("AWS_ENDPOINT_URL_S3", store)
        environment.setenv(
            "WAREHOUSE_URL", f"{encrypted}?sslmode=verify-full&sslrootcert={trusted}"
        )
        pipeline.load(MONDAY)
    pipeline.holds(holding(pipeline.files, MONDAY))


def test_a_server_of_an_unknown_authority_is_refused_at_once(
    service: Service, authority: trustme.CA, unrelated: Path
) -> None:
    with tls_in_front_of(service.url, authority) as url:
        service.is_at(url)
        without_bundle = refusal(service.ask)
        service.trusts(unrelated)
        with_another = refusal(service.ask)
    for message in (without_bundle, with_another):
        assert "TLS with the server failed: unable to get local issuer certificate" in message
        assert f"Check {service.variable}, and that {service.bundle} names the" in message


def test_a_certificate_for_another_name_is_refused_at_once(
    service: Service, authority: trustme.CA, trusted: Path
) -> None:
    service.trusts(trusted)
    with tls_in_front_of(service.url, authority, "other.example") as url:
        service.is_at(url)
        message = refusal(service.ask)
    assert re.search(rf"not valid for '{HOST}'|'{HOST}' doesn't match 'other\.example'", message)


def test_a_server_without_tls_is_refused_at_once(service: Service) -> None:
    service.is_at(service.url.replace("http:", "https:"))
    assert "TLS with the server failed: " in refusal(service.ask)


@pytest.mark.usefixtures("impatient")
def test_a_handshake_that_breaks_off_is_tried_again(service: Service) -> None:
    with closing_server() as port:
        service.is_at(f"https://{HOST}:{port}")
        with pytest.raises(ServiceUnavailable, match="could not be reached"):
            service.ask()


@contextmanager
def closing_server() -> Generator[int]:
    """Start a server that closes every connection after the first byte, without an answer."""
    with socket.create_server((HOST, 0)) as server, ThreadPoolExecutor(1) as pool:

        def close_all() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    if connection.recv(1) == b"q":
                        return
                    connection.recv(1 << 16)

        pool.submit(close_all)
        port = server.getsockname()[1]
        try:
            yield port
        finally:
            with socket.create_connection((HOST, port)) as connection:
                connection.send(b"q")


def test_a_webhook_of_an_unknown_authority_is_refused_at_once(
    pipeline: Pipeline, authority: trustme.CA
) -> None:
    with tls_in_front_of(pipeline.simulator.url, authority) as url:
        webhook = Webhook(SecretStr(f"{url}/hush"))
        message = refusal(lambda: webhook.post("text"))
    assert "TLS with the webhook's server failed: unable to get local issuer" in message
    assert "hush" not in message


# --- The warehouse --------------------------------------------------------------------------------


@pytest.fixture
def encrypted(services: EmbeddedServices, authority: trustme.CA) -> Iterator[str]:
    """The URL of a database on a server that accepts only TLS."""
    with tls_in_front_of(services.postgres.url("postgres"), authority) as url:
        yield url


def refused_by(url: str) -> str:
    message = refusal(lambda: Warehouse(SecretStr(url)).run(one))
    assert message.startswith("TLS with the warehouse's server failed: ")
    assert message.endswith("Check the host, sslmode and sslrootcert in WAREHOUSE_URL")
    return message


def test_a_warehouse_of_an_unknown_authority_is_refused_at_once(
    encrypted: str, unrelated: Path
) -> None:
    url = f"{encrypted}?sslmode=verify-ca&sslrootcert={unrelated}"
    assert "certificate verify failed" in refused_by(url)


def test_a_warehouse_with_a_certificate_for_another_name_is_refused_at_once(
    encrypted: str, trusted: Path
) -> None:
    parameters = f"sslmode=verify-full&sslrootcert={trusted}"
    Warehouse(SecretStr(f"{encrypted}?{parameters}"), retry_seconds=0).run(one)
    other = encrypted.replace(HOST, "localhost")
    assert 'does not match host name "localhost"' in refused_by(f"{other}?{parameters}")


def test_without_its_authoritys_certificate_a_warehouse_is_refused_at_once(encrypted: str) -> None:
    message = refused_by(f"{encrypted}?sslmode=verify-full&sslrootcert=/nowhere")
    assert 'certificate file "/nowhere" does not exist' in message


@pytest.mark.parametrize(
    ("sslmode", "wrong"),
    [
        ("require", "server does not support SSL"),
        ("verify-full&sslrootcert=system", "server does not support SSL"),
    ],
)
def test_without_tls_a_connection_that_requires_it_is_refused(
    services: EmbeddedServices, sslmode: str, wrong: str
) -> None:
    assert wrong in refused_by(f"{services.postgres.url('postgres')}?sslmode={sslmode}")


@pytest.mark.parametrize(
    "words",
    [
        "consuming input failed: SSL connection has been closed unexpectedly",
        "consuming input failed: SSL SYSCALL error: EOF detected",
        "consuming input failed: SSL error: unexpected eof while reading",
    ],
)
def test_an_encrypted_connection_that_breaks_off_is_opened_again(
    services: EmbeddedServices, words: str
) -> None:
    faults = [psycopg.OperationalError(words)]

    def work(connection: Connection) -> Any:
        if faults:
            raise faults.pop()
        return one(connection)

    assert Warehouse(SecretStr(services.postgres.url("postgres"))).run(work) == 1
