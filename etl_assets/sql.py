"""The SQL statements, by the name of their file in `sql/`."""

from functools import cache
from typing import LiteralString, cast

from etl_assets.package_files import package_file

_SQL = package_file("sql")
MIGRATIONS = _SQL / "migrations"


@cache
def statement(name: str) -> LiteralString:
    """Return the text of `sql/{name}.sql`; an example of a name is `mart/f_sales`.

    It reads only the project's own files, so the text is as safe as a literal.
    """
    return cast(LiteralString, (_SQL / f"{name}.sql").read_text(encoding="utf-8"))


@cache
def statements(name: str) -> tuple[LiteralString, ...]:
    """Return the statements of `sql/{name}.sql`: with parameters each must be executed alone."""
    parts = statement(name).split(";\n")
    return tuple(part for part in parts if part.strip())
