"""Alembic executes this module before the revisions: it names the table of applied migrations."""

from alembic import context

context.configure(
    dialect_name="postgresql",
    # With any other style, SQLAlchemy doubles each % in the files.
    dialect_opts={"paramstyle": "named"},
    version_table="alembic_version",
    version_table_schema="etl",
)
context.run_migrations()
