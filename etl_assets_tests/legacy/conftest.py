"""The fixtures of the command line's tests, for `adopt` and `compare`."""

from etl_assets_tests.cli.conftest import etl, loaded, pipeline

__all__ = ["etl", "loaded", "pipeline"]
