"""The reasons why a session could not be opened, in every language and through a pooler."""

import time
from contextlib import closing

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from etl_assets.clients.warehouse import Warehouse
from etl_assets.errors import EtlError, ServiceUnavailable
from etl_assets_tests.clients.conftest import Address, message_without, one
from etl_assets_tests.conftest import MakeDatabase, as_user
from etl_assets_tests.support.translating import in_russian


def test_a_wrong_password_is_refused_at_once_in_every_language(address: Address) -> None:
    with in_russian(address.url.replace(address.password, "a-wrong-password")) as server:
        with pytest.raises(EtlError) as error:
            Warehouse(SecretStr(server.url)).run(one)
        assert server.connections <= 2
    assert not isinstance(error.value, ServiceUnavailable)
    words = message_without(error, "a-wrong-password")
    assert words.startswith("The warehouse can't be opened: ")
    assert words.endswith("ВАЖНО: так не пойдёт. Check WAREHOUSE_URL")


def test_a_database_without_a_free_connection_is_tried_again_in_every_language(
    make_database: MakeDatabase,
) -> None:
    url = make_database()
    users = as_user("only_etl_writer", url)
    with (
        closing(psycopg.connect(url, autocommit=True)) as owner,
        in_russian(users) as server,
    ):
        name = Identifier(owner.info.dbname)
        owner.execute(SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(name))
        warehouse = Warehouse(SecretStr(server.url), retry_seconds=0)
        with pytest.raises(ServiceUnavailable, match=r"no free connection: .*так не пойдёт"):
            warehouse.run(one)
        owner.execute(SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(name))
        assert warehouse.run(one) == 1


@pytest.mark.parametrize(
    ("address_ends", "message"),
    [
        ("?require_auth=md5", "authentication method requirement"),
        ("?channel_binding=require", "channel binding required"),
        ("?sslmode=always", 'invalid sslmode value: "always"'),
        ("?options=-cno_such_setting%3D1", "no_such_setting"),
    ],
)
def test_options_of_the_address_that_cannot_work_are_refused_at_once(
    address: Address, address_ends: str, message: str
) -> None:
    with pytest.raises(
        EtlError, match=rf"can't be opened: .*{message}.*Check WAREHOUSE_URL"
    ) as error:
        Warehouse(SecretStr(f"{address.url}{address_ends}")).run(one)
    assert not isinstance(error.value, ServiceUnavailable)
    message_without(error, address.password)


def test_a_missing_password_is_refused_at_once(address: Address) -> None:
    url = address.url.replace(f":{address.password}@", "@")
    with pytest.raises(EtlError, match="no password supplied") as error:
        Warehouse(SecretStr(url)).run(one)
    assert not isinstance(error.value, ServiceUnavailable)


def test_a_fault_that_has_passed_meanwhile_is_tried_again(address: Address) -> None:
    with in_russian(address.url) as server:
        server.sever(1)
        began = time.monotonic()
        assert Warehouse(SecretStr(server.url), retry_seconds=5).run(one) == 1
        assert time.monotonic() - began < 5
