"""Applies `sql/migrations/0001_etl.sql`."""

from etl_assets.operations.revisions import apply_file

revision = "0001_etl"
down_revision = None


def upgrade() -> None:
    """Add the file to the script."""
    apply_file(revision)
