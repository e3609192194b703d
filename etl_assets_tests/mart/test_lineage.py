"""The column lineage of the mart, compared with the statements that make it."""

from collections.abc import Iterator

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.lineage import lineage

from etl_assets.mart.lineage import LINEAGE
from etl_assets.mart.tables import TABLES
from etl_assets.source.feeds import STAGING_TABLE
from etl_assets.sql import statements
from etl_assets_tests.conftest import OpenPipeline

Schema = dict[str, dict[str, dict[str, str]]]
Column = tuple[str, str]

_COLUMNS = """
SELECT table_schema, table_name, column_name, data_type
FROM information_schema.columns
WHERE table_schema IN ('etl', 'staging', 'mart')
ORDER BY table_schema, table_name, ordinal_position
"""


@pytest.fixture
def schema(open_pipeline: OpenPipeline) -> Schema:
    """The columns of the warehouse, by schema and table."""
    found: Schema = {}
    for schema, table, column, type_ in open_pipeline().query(_COLUMNS):
        found.setdefault(schema, {}).setdefault(table, {})[column] = type_
    return found


def inserts(table: str) -> Iterator[exp.Insert]:
    """Give the statements that fill the table."""
    for text in statements(f"mart/{table}"):
        tree = sqlglot.parse_one(text.replace("%(days)s", "'{}'"), dialect="postgres")
        if isinstance(tree, exp.Insert) and target(tree) == f"mart.{table}":
            yield tree


def target(insert: exp.Insert) -> str:
    table = insert.find(exp.Table)
    assert table
    return f"{table.db}.{table.name}"


def query(insert: exp.Insert) -> exp.Select:
    """Return what is inserted, with the CTEs that only read."""
    select = insert.expression.copy()
    ctes = insert.args.get("with_")
    if ctes:
        ctes = ctes.copy()
        reading = [cte for cte in ctes.expressions if isinstance(cte.this, exp.Query)]
        ctes.set("expressions", reading)
        select.set("with_", ctes)
    return select


def derived(insert: exp.Insert, schema: Schema) -> dict[str, set[Column]]:
    """Return the columns that the value of each column is computed from."""
    select = query(insert)
    found: dict[str, set[Column]] = {}
    for column, value in zip(insert.this.expressions, select.expressions, strict=True):
        node = lineage(value.alias_or_name, select, schema=schema, dialect="postgres")
        found[column.name] = {
            (f"{leaf.source.db}.{leaf.source.name}", leaf.name.split(".")[-1])
            for leaf in node.walk()
            if not leaf.downstream and isinstance(leaf.source, exp.Table)
        }
    return found


def named(insert: exp.Insert, schema: Schema) -> set[Column]:
    """Return the columns that the statement names, of each relation that it reads."""
    names = {column.name for column in insert.find_all(exp.Column)}
    return {
        (f"{table.db}.{table.name}", column)
        for table in insert.find_all(exp.Table)
        for column in schema.get(table.db, {}).get(table.name, {})
        if column in names
    }


@pytest.mark.parametrize("table", TABLES)
def test_the_lineage_of_a_table_is_what_its_statement_computes(table: str, schema: Schema) -> None:
    assert list(LINEAGE[table]) == list(schema["mart"][table])
    (insert,) = inserts(table)
    own = {(f"mart.{table}", column) for column in schema["mart"][table]}
    of_days = {(STAGING_TABLE, "partition_day")}
    for column, sources in derived(insert, schema).items():
        declared = set(LINEAGE[table][column])
        # What the statement reads of its own table came there from the sources too.
        assert sources - own <= declared, column
        assert declared <= named(insert, schema) | of_days, column
        # A value of no source is a day of the load, or a count of rows.
        assert declared, column
