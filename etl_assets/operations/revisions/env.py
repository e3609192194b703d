"""What alembic executes before it runs revisions: which record it keeps, and where."""

from alembic import context

context.configure(
    dialect_name="postgresql",
    # Of other styles, SQLAlchemy doubles each % in the files.
    dialect_opts={"paramstyle": "named"},
    version_table="alembic_version",
    version_table_schema="etl",
)
context.run_migrations()
