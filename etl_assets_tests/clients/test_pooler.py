"""The warehouse by way of PgBouncer in transaction mode."""

import os
import re
from collections.abc import Iterator

import psycopg
import pytest
from pydantic import SecretStr

from etl_assets.clients.transactions import days_being_loaded, loading
from etl_assets.clients.warehouse import Warehouse
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.errors import EtlError, ServiceUnavailable
from etl_assets.operations.migrations import migrate, require_schema
from etl_assets_tests.clients.conftest import one
from etl_assets_tests.conftest import MakeDatabase, as_user
from etl_assets_tests.support.files import MONDAY, TUESDAY, csv_file, order
from etl_assets_tests.support.pipeline import Pipeline, holding
from etl_assets_tests.support.pooler import Pooler, pooler


@pytest.fixture(scope="module")
def bouncer(services: EmbeddedServices) -> Iterator[Pooler]:
    url = services.postgres.url("postgres")
    with pooler([url, as_user("only_etl_writer", url)]) as running:
        yield running


@pytest.fixture
def pipeline(pipeline: Pipeline, environment: pytest.MonkeyPatch, bouncer: Pooler) -> Pipeline:
    pipeline.files.increments[TUESDAY] = csv_file(order(TUESDAY))
    environment.setenv("WAREHOUSE_URL", bouncer.url(os.environ["WAREHOUSE_URL"]))
    return pipeline


def locks(pipeline: Pipeline) -> int:
    ((count,),) = pipeline.query(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return count


def test_runs_load_days_again_and_again(pipeline: Pipeline) -> None:
    for name in ("Ольга", "Анна", "Вера"):
        pipeline.files.increments[TUESDAY] = csv_file(order(TUESDAY, first_name=name))
        pipeline.simulator.redeliver(TUESDAY)
        pipeline.run(MONDAY, TUESDAY)
        pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY))
    assert locks(pipeline) == 0


def test_days_are_shown_as_being_loaded_until_the_end(pipeline: Pipeline) -> None:
    warehouse = pipeline.warehouse
    with loading(warehouse, [MONDAY]), loading(warehouse, [MONDAY, TUESDAY]):
        for _ in range(10):
            assert days_being_loaded(warehouse) == {MONDAY, TUESDAY}
    assert days_being_loaded(warehouse) == set()
    assert locks(pipeline) == 0


def test_a_migration_leaves_no_lock_to_the_pooler(
    pipeline: Pipeline, make_database: MakeDatabase, bouncer: Pooler
) -> None:
    pipeline.owners_url = make_database("template0")
    warehouse = Warehouse(SecretStr(bouncer.url(pipeline.owners_url)), retry_seconds=0)
    migrate(warehouse)
    require_schema(warehouse)
    assert locks(pipeline) == 0
    assert migrate(warehouse) == []


@pytest.mark.usefixtures("pipeline")
def test_no_setting_is_left_to_other_clients_of_the_pooler() -> None:
    url = SecretStr(os.environ["WAREHOUSE_URL"])
    settings = ("statement_timeout", "search_path", "jit", "default_transaction_read_only")

    def shown() -> list[str]:
        with psycopg.connect(url.get_secret_value(), prepare_threshold=None) as connection:
            found = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in settings]
        return [row[0] for row in found if row]

    before = shown()
    for _ in range(10):
        Warehouse(url, retry_seconds=0, answer_seconds=8).run(one)
        with pytest.raises(ServiceUnavailable, match="statement timeout"):
            Warehouse(url, retry_seconds=0, answer_seconds=0.05).run(
                lambda connection: connection.execute("SELECT pg_sleep(60)")
            )
        assert shown() == before


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("a-users-password", "another", "SASL authentication failed"),
        (r"$", "?options=-cjit%3Doff", "unsupported startup parameter: options"),
        (r"/test_\d+", "/no_such_database", "does not exist"),
    ],
)
def test_what_the_pooler_refuses_is_said_at_once(
    pipeline: Pipeline, right: str, wrong: str, says: str
) -> None:
    url = re.sub(right, wrong, os.environ["WAREHOUSE_URL"])
    with pytest.raises(EtlError, match=rf"can't be opened: .*{says}.*Check WAREHOUSE_URL") as error:
        Warehouse(SecretStr(url)).run(one)
    assert not isinstance(error.value, ServiceUnavailable)
    assert pipeline.loads() == []


def test_a_server_that_the_pooler_does_not_reach_is_unavailable(pipeline: Pipeline) -> None:
    url = os.environ["WAREHOUSE_URL"].rpartition("/")[0] + "/nowhere"
    with pytest.raises(ServiceUnavailable, match="could not be reached"):
        Warehouse(SecretStr(url), retry_seconds=0, answer_seconds=1).run(one)
    assert pipeline.loads() == []
