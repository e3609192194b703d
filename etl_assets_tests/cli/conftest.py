"""A loaded pipeline, and a fixture that runs a command in this process."""

import logging
import signal
import sys
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from etl_assets.cli import main
from etl_assets.embedded.simulator import GivenFiles
from etl_assets.mart.load import load_mart
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.command_line import Etl
from etl_assets_tests.support.files import (
    FRIDAY,
    MONDAY,
    SATURDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    order,
    without,
)
from etl_assets_tests.support.pipeline import Pipeline


@pytest.fixture
def etl() -> Iterator[Etl]:
    level, handler = logging.getLogger().level, signal.getsignal(signal.SIGTERM)
    unraisablehook = sys.unraisablehook

    def run(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(
            main, [str(a) for a in arguments], catch_exceptions=False, prog_name="etl-assets"
        )
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    yield run
    # What a command changes for its process.
    logging.captureWarnings(capture=False)
    logging.getLogger().setLevel(level)
    signal.signal(signal.SIGTERM, handler)
    sys.unraisablehook = unraisablehook


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    """A report of Monday to Wednesday, increments of Thursday and Friday; it is Saturday."""
    report = csv_file(
        order(MONDAY, "a"),
        order(TUESDAY, "b"),
        order(WEDNESDAY, "c"),
        columns=without("status"),
    )
    increments = {
        THURSDAY: csv_file(order(THURSDAY, "d"), order(THURSDAY, "d", id="2")),
        FRIDAY: csv_file(order(FRIDAY, "e", status="refunded")),
    }
    return open_pipeline(GivenFiles(report, (MONDAY, WEDNESDAY), increments), today=SATURDAY)


@pytest.fixture
def loaded(pipeline: Pipeline) -> Pipeline:
    """All but Friday is loaded; Thursday has a row in quarantine."""
    pipeline.files.increments[THURSDAY] = csv_file(
        order(THURSDAY, "d", payment_amount="1234567.5", quantity=2),
        order(THURSDAY, "e", status="[lost] :smile:"),
    )
    days = [MONDAY, TUESDAY, WEDNESDAY, THURSDAY]
    pipeline.stage(*days, max_rejected_share=1)
    load_mart(pipeline.warehouse, days, run_id="a run", only_unloaded=False)
    return pipeline
