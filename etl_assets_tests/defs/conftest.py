"""The instance as in production, for the tests of what Dagster keeps."""

from etl_assets_tests.instance.conftest import instance

__all__ = ["instance"]
