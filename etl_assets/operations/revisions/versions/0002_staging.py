"""Applies `sql/migrations/0002_staging.sql`."""

from etl_assets.operations.revisions import apply_file

revision = "0002_staging"
down_revision = "0001_etl"


def upgrade() -> None:
    """Add the file to the script."""
    apply_file(revision)
