"""Alembic's side of the migrations: the order of the files of `sql/migrations`.

Here belongs one revision a file, and what alembic needs to run them; no SQL. The idea: alembic
writes the script of what is missing, and `migrations.py` executes it.
"""

from alembic import op

from etl_assets.sql import statement


def apply_file(name: str) -> None:
    """Add `sql/migrations/{name}.sql` to the script that alembic writes."""
    # Alembic takes :name as a parameter.
    op.execute(statement(f"migrations/{name}").replace(":", r"\:"))
