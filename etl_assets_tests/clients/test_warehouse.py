"""The warehouse when it fails."""

from contextlib import ExitStack
from select import select
from typing import Any

import pytest
from pydantic import SecretStr

from etl_assets.clients.database import Connection, execute
from etl_assets.clients.warehouse import Warehouse
from etl_assets.errors import EtlError, SchemaMissing, ServiceUnavailable
from etl_assets_tests.clients.conftest import Address, closed_port, message_without, one
from etl_assets_tests.support.pipeline import Pipeline
from etl_assets_tests.support.processes import PATIENCE_SECONDS


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"password": "a-wrong-password"}, "password authentication failed"),
        ({"user": "nobody"}, "password authentication failed"),
        ({"database": "no_such_database"}, '"no_such_database" does not exist'),
    ],
)
def test_a_warehouse_that_cannot_be_opened_is_said_at_once(
    address: Address, wrong: dict[str, str], message: str
) -> None:
    with pytest.raises(EtlError) as error:
        address.but(**wrong).run(one)
    words = message_without(error, "a-wrong-password", address.password)
    assert not isinstance(error.value, ServiceUnavailable)
    assert words.startswith("The warehouse can't be opened: ")
    assert message in words
    assert words.endswith("Check WAREHOUSE_URL")


def test_a_service_that_is_not_defined_is_said_at_once(address: Address) -> None:
    with pytest.raises(EtlError, match=r"opened: .*nowhere.* Check WAREHOUSE_URL") as error:
        Warehouse(SecretStr(f"{address.url}?service=nowhere"), retry_seconds=0).run(one)
    assert not isinstance(error.value, ServiceUnavailable)
    message_without(error, address.password)


def test_a_warehouse_that_does_not_answer_is_unavailable(address: Address) -> None:
    with pytest.raises(ServiceUnavailable) as error:
        address.but(port=closed_port()).run(one)
    assert "could not be reached" in message_without(error, address.password)
    assert "Check that it runs, and WAREHOUSE_URL" in str(error.value)


def raising(state: str) -> str:
    return f"DO $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END$$"


@pytest.mark.parametrize(
    "fault",
    [
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "SET statement_timeout = 10; SELECT pg_sleep(60)",
        "SET idle_session_timeout = 10",
        "SET LOCAL transaction_timeout = 10",
        "SET LOCAL idle_in_transaction_session_timeout = 10",
        *map(raising, ["08006", "40001", "40P01", "53200", "53300", "55P03", "57P02", "57P03"]),
    ],
)
def test_what_passes_in_the_warehouse_is_done_again(address: Address, fault: str) -> None:
    faults = [fault]

    def work(connection: Connection) -> Any:
        if faults:
            with ExitStack() as stack:
                if "LOCAL" in fault:
                    stack.enter_context(connection.transaction())
                connection.execute(faults.pop().encode())
                # The session is ended while nobody asks it anything.
                assert select([connection], [], [], PATIENCE_SECONDS)[0]
        return one(connection)

    assert Warehouse(SecretStr(address.url), retry_seconds=5).run(work) == 1
    faults.append(fault)
    with pytest.raises(ServiceUnavailable, match=r"broke off: .+\. [A-Z]\w+ .+") as error:
        address.but().run(work)
    message_without(error, address.password)


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("25006", "set WAREHOUSE_URL to the primary's address"),
        ("53100", "free or add space"),
        ("53400", "Raise that limit of its server"),
        ("58030", "see the server's log"),
        ("XX001", "see the server's log"),
    ],
)
def test_what_does_not_pass_in_the_warehouse_is_said_at_once_with_what_to_do(
    address: Address, state: str, remedy: str
) -> None:
    tries: list[str] = []

    def work(connection: Connection) -> None:
        tries.append(state)
        connection.execute(raising(state).encode())

    with pytest.raises(EtlError, match=rf"no \(SQLSTATE {state}\)\. .*{remedy}"):
        Warehouse(SecretStr(address.url), retry_seconds=5).run(work)
    assert len(tries) == 1


def test_a_statement_that_takes_too_long_is_given_up_by_who_is_in_a_hurry(
    address: Address,
) -> None:
    warehouse = Warehouse(SecretStr(address.url), retry_seconds=0, answer_seconds=0.05)
    with pytest.raises(ServiceUnavailable, match="due to statement timeout"):
        warehouse.run(lambda connection: connection.execute("SELECT pg_sleep(60)"))


def test_whoever_vanishes_without_a_word_is_noticed_soon_by_the_other(address: Address) -> None:
    def keepalive(connection: Connection) -> tuple[Any, ...]:
        settings = connection.execute("SHOW tcp_keepalives_idle").fetchone() or {}
        ours = connection.info.get_parameters()
        return settings["tcp_keepalives_idle"], ours["keepalives_idle"]

    assert address.but().run(keepalive) == ("30", "30")


def test_the_rows_of_an_error_are_not_said(pipeline: Pipeline) -> None:
    def work(connection: Connection) -> None:
        for _ in range(2):
            execute(connection, "source/record_task", {"task_id": "Ольга"})
            connection.execute("INSERT INTO etl.report (task_id) VALUES ('Ольга')")

    with pytest.raises(EtlError, match=r"duplicate key value violates.*SQLSTATE 23505") as error:
        pipeline.warehouse.run(work)
    message_without(error, "Key (task_id)")


def test_a_value_that_the_server_quotes_is_not_said(address: Address) -> None:
    value = "Ольга"
    with pytest.raises(EtlError, match="InvalidTextRepresentation") as error:
        address.but().run(lambda connection: connection.execute("SELECT %s::bigint", [value]))
    message_without(error, value)


def test_a_table_that_is_missing_is_the_schema_that_is_missing(address: Address) -> None:
    with pytest.raises(SchemaMissing, match="Run: etl-assets migrate"):
        address.but().run(lambda connection: connection.execute("SELECT * FROM mart.nothing"))
