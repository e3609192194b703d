"""Applies `sql/migrations/0003_mart.sql`."""

from etl_assets.operations.revisions import apply_file

revision = "0003_mart"
down_revision = "0002_staging"


def upgrade() -> None:
    """Add the file to the script."""
    apply_file(revision)
