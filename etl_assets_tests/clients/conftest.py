"""Helpers of the clients' tests: checks of error messages, and a pipeline of one order a day."""

import socket
import traceback
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from pydantic import SecretStr

from etl_assets.clients.database import Connection
from etl_assets.clients.warehouse import Warehouse
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.embedded.simulator import GivenFiles
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY, TUESDAY, csv_file, order
from etl_assets_tests.support.pipeline import Pipeline


def message_without(error: pytest.ExceptionInfo[BaseException], *secrets: str) -> str:
    """Return an error's message, and check that no secret is in it or in its traceback."""
    whole = "".join(traceback.format_exception(error.value))
    for secret in secrets:
        assert secret not in whole
    return str(error.value)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def one(connection: Connection) -> Any:
    (row,) = connection.execute("SELECT 1 AS one").fetchall()
    return row["one"]


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    body = csv_file(order(MONDAY))
    return open_pipeline(GivenFiles(body, (MONDAY, MONDAY), {TUESDAY: body}))


@dataclass
class Address:
    """The warehouse's address, of which `but` changes parts."""

    url: str

    def but(self, **parts: str | int) -> Warehouse:
        split = urlsplit(self.url)
        user = parts.get("user", split.username)
        password = parts.get("password", split.password)
        port = parts.get("port", split.port)
        path = f"/{parts['database']}" if "database" in parts else split.path
        netloc = f"{user}:{password}@{parts.get('host', split.hostname)}:{port}"
        url = urlunsplit(split._replace(netloc=netloc, path=path))
        return Warehouse(SecretStr(url), retry_seconds=0)

    @property
    def password(self) -> str:
        return urlsplit(self.url).password or ""


@pytest.fixture
def address(services: EmbeddedServices) -> Address:
    return Address(services.postgres.url("warehouse"))
