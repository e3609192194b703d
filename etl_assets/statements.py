"""The SQL statements, by the name of their file in `sql/`.

In a checkout the folder lies beside the package, in a wheel inside it.
"""

from functools import cache
from pathlib import Path
from typing import LiteralString, cast

_PACKAGE = Path(__file__).parent
SQL_FOLDER = next(
    folder for folder in (_PACKAGE / "sql", _PACKAGE.parent / "sql") if folder.is_dir()
)
MIGRATIONS = SQL_FOLDER / "migrations"


@cache
def statement(name: str) -> LiteralString:
    """Return the text of `sql/{name}.sql`, the name as in `mart/f_sales`.

    Only the project's own files are read, so the text is as trusted as a literal.
    """
    return cast(LiteralString, (SQL_FOLDER / f"{name}.sql").read_text(encoding="utf-8"))


@cache
def statements(name: str) -> tuple[LiteralString, ...]:
    """Return the statements of `sql/{name}.sql`, one by one: parameters allow no more at a time."""
    parts = statement(name).split(";\n")
    return tuple(part for part in parts if part.strip())
