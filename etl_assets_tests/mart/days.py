"""A source of some days, and the mart that has to come of it."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from etl_assets.embedded.simulator import GivenFiles
from etl_assets_tests.support.files import MONDAY, csv_file
from etl_assets_tests.support.pipeline import Pipeline, holding

REPORT_DAYS = (date(2024, 2, 12), date(2024, 2, 25))
NEXT_MONDAY = MONDAY + timedelta(days=7)

Rows = Sequence[dict[str, str]]


def source_of(increments: Mapping[date, Rows], report: Rows = ()) -> GivenFiles:
    """Return a source of increments, and of a report before them."""
    bodies = {day: csv_file(*rows) for day, rows in increments.items()}
    return GivenFiles(csv_file(*report), REPORT_DAYS, bodies)


def redeliver(pipeline: Pipeline, day: date, *rows: dict[str, str]) -> None:
    """Let the source have other rows of a day, and load it again."""
    pipeline.files.increments[day] = csv_file(*rows)
    pipeline.simulator.redeliver(day)
    pipeline.load(day)


def holds(pipeline: Pipeline, *days: date) -> None:
    """Check that the mart is what the source has of the days."""
    pipeline.holds(holding(pipeline.files, *days))
