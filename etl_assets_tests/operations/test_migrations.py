"""The schema's migrations: applied once, whoever else migrates, and to nobody else's tables."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import psycopg
import pytest
from pydantic import SecretStr

from etl_assets.clients.database import Connection
from etl_assets.clients.transactions import copying, lock_writer, writing
from etl_assets.clients.warehouse import Warehouse
from etl_assets.errors import EtlError, SchemaMissing
from etl_assets.operations.migrations import migrate, require_schema, script_after
from etl_assets.sql import MIGRATIONS, statement
from etl_assets_tests.conftest import PASSWORD, MakeDatabase, as_user
from etl_assets_tests.support.pipeline import Row
from etl_assets_tests.support.processes import wait_until

ALL = sorted(file.stem for file in MIGRATIONS.glob("*.sql"))


class Database:
    """An empty database, as its owner and as the pipeline see it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.warehouse = Warehouse(SecretStr(url), retry_seconds=0)

    def query(self, sql: str) -> list[Row]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def relations(self) -> set[str]:
        return {
            name
            for (name,) in self.query(
                "SELECT schemaname || '.' || tablename FROM pg_tables"
                " WHERE schemaname IN ('etl', 'staging', 'mart')"
                " UNION ALL SELECT schemaname || '.' || viewname FROM pg_views"
                " WHERE schemaname IN ('etl', 'staging', 'mart')"
            )
        }


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    return Database(make_database("template0"))


def test_an_empty_database_gets_the_whole_schema(database: Database) -> None:
    assert migrate(database.warehouse) == ALL
    require_schema(database.warehouse)
    assert {"etl.load", "staging.user_order_log", "mart.f_sales"} <= database.relations()


@pytest.mark.parametrize("at_work", [writing, copying])
def test_what_is_being_written_is_waited_for(
    database: Database, at_work: Callable[[Connection], AbstractContextManager[None]]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with database.warehouse.session() as connection, at_work(connection):
            migration = pool.submit(migrate, database.warehouse)
            with pytest.raises(TimeoutError):
                migration.result(timeout=1)
            assert database.relations() == set()
            # A load that has copied becomes the writer before it ends.
            lock_writer(connection)
        assert migration.result() == ALL


def test_where_nothing_is_left_to_do_nothing_is_waited_for(database: Database) -> None:
    migrate(database.warehouse)
    with database.warehouse.session() as connection, copying(connection):
        lock_writer(connection)
        assert migrate(database.warehouse) == []


def test_nothing_is_left_to_do_the_second_time(database: Database) -> None:
    migrate(database.warehouse)
    before = database.query("SELECT * FROM etl.alembic_version")
    assert migrate(database.warehouse) == []
    assert database.query("SELECT * FROM etl.alembic_version") == before


def test_of_several_at_once_one_migrates_and_the_others_wait_for_it(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [database.warehouse] * 4))
    assert sorted(applied) == [[], [], [], ALL]


def test_only_what_is_missing_is_applied(database: Database) -> None:
    migrate(database.warehouse)
    database.query("DROP SCHEMA mart CASCADE")
    database.query("UPDATE etl.alembic_version SET version_num = '0002_staging'")
    with pytest.raises(SchemaMissing, match=r"lacks 0003_mart\b.*Run: etl-assets migrate"):
        require_schema(database.warehouse)
    assert migrate(database.warehouse) == ["0003_mart"]
    require_schema(database.warehouse)


@pytest.mark.parametrize(
    "foreign", ["TABLE mart.d_item AS SELECT 1 AS id", "VIEW etl.load AS SELECT 1 AS id"]
)
def test_tables_of_somebody_else_are_refused_and_left_alone(
    database: Database, foreign: str
) -> None:
    relation = foreign.split()[1]
    database.query(f"CREATE SCHEMA {relation.split('.')[0]}")
    database.query(f"CREATE {foreign}")
    with pytest.raises(EtlError) as refusal:
        migrate(database.warehouse)
    assert f"already has {relation}, which this project's migrations did not create" in str(
        refusal.value
    )
    assert "Set WAREHOUSE_URL to another database" in str(refusal.value)
    assert database.relations() == {relation}
    assert database.query(f"SELECT id FROM {relation}") == [(1,)]


def test_other_schemas_and_empty_ones_of_ours_are_no_matter(database: Database) -> None:
    database.query("CREATE TABLE public.load (id bigint)")
    database.query("CREATE SCHEMA mart")
    assert migrate(database.warehouse) == ALL
    assert database.query("SELECT * FROM public.load") == []


def test_a_database_without_the_schema_says_how_to_get_it(database: Database) -> None:
    with pytest.raises(SchemaMissing, match=r"lacks 0001_etl, .*Run: etl-assets migrate"):
        require_schema(database.warehouse)
    with pytest.raises(SchemaMissing, match=r"lacks the schema \(.*\)\. Run: etl-assets migrate"):
        database.warehouse.rows("source/ready_reports")


def test_a_migration_that_fails_half_way_leaves_nothing_behind(database: Database) -> None:
    database.query("CREATE SCHEMA mart")
    database.query("CREATE TYPE mart.f_sales AS ENUM ()")
    with pytest.raises(EtlError, match='type "f_sales" already exists'):
        migrate(database.warehouse)
    assert database.relations() == set()
    database.query("DROP TYPE mart.f_sales")
    assert migrate(database.warehouse) == ALL


def test_a_migration_that_is_killed_leaves_nothing_behind_and_holds_nobody_up(
    database: Database,
) -> None:
    code = (
        "from pydantic import SecretStr; from etl_assets.clients.warehouse import Warehouse;"
        "from etl_assets.operations.migrations import migrate;"
        f"migrate(Warehouse(SecretStr({database.url!r})))"
    )
    locks = (
        "SELECT pid FROM pg_locks INNER JOIN pg_database ON pg_database.oid = database"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    )
    with database.warehouse.session() as connection, writing(connection):
        process = subprocess.Popen([sys.executable, "-c", code])
        try:
            wait_until(lambda: bool(database.query(f"{locks} AND NOT granted")))
        finally:
            process.kill()
            process.wait()
    wait_until(lambda: not database.query(locks))
    assert database.relations() == set()
    assert migrate(database.warehouse) == ALL


def test_a_schema_newer_than_the_code_lacks_nothing(database: Database) -> None:
    migrate(database.warehouse)
    database.query("UPDATE etl.alembic_version SET version_num = '9999_later'")
    require_schema(database.warehouse)
    assert migrate(database.warehouse) == []


def test_each_file_stands_in_the_script_as_it_is_written() -> None:
    script = script_after(None)
    for name in ALL:
        assert statement(f"migrations/{name}").strip() in script
    assert statement("migrations/0001_etl").strip() not in script_after("0001_etl")


def test_a_user_who_may_not_create_schemas_is_told_so(database: Database) -> None:
    writer = Warehouse(SecretStr(as_user("only_etl_writer", database.url)), retry_seconds=0)
    with pytest.raises(EtlError, match=r"user lacks a right.*: permission denied") as refusal:
        migrate(writer)
    assert PASSWORD not in str(refusal.value)
    assert "grant the right" in str(refusal.value)


def test_every_relation_and_column_is_commented(database: Database) -> None:
    migrate(database.warehouse)
    uncommented = database.query(
        """
        SELECT relation.oid::regclass::text || coalesce('.' || attname, '')
        FROM pg_class AS relation
        LEFT JOIN pg_attribute ON attrelid = relation.oid AND attnum >= 0 AND NOT attisdropped
        WHERE
            relkind IN ('r', 'v')
            AND relnamespace::regnamespace::text IN ('etl', 'staging', 'mart')
            AND col_description(relation.oid, attnum) IS NULL
            -- A view that shows another's columns is explained there.
            AND relname != 'latest_load'
        """
    )
    assert uncommented == []
    relations = database.query(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v')"
        " AND relnamespace::regnamespace::text IN ('etl', 'staging', 'mart')"
        " AND obj_description(oid, 'pg_class') IS NULL"
    )
    assert relations == []
