"""Alembic's part of the migrations: the order of the files of `sql/migrations`.

This package has one revision for each file, and what alembic needs to run them. It has no SQL. The
idea: alembic writes the script of the missing migrations, and `migrations.py` executes it.
"""

from alembic import op

from etl_assets.sql import statement


def apply_file(name: str) -> None:
    """Add `sql/migrations/{name}.sql` to the script that alembic writes."""
    # Alembic would read :name as a parameter.
    op.execute(statement(f"migrations/{name}").replace(":", r"\:"))
