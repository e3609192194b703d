"""The fixtures of the command line's tests."""

from etl_assets_tests.cli.conftest import etl, loaded, pipeline

__all__ = ["etl", "loaded", "pipeline"]
