"""The check that warns of a day delivered incomplete, before anyone tells us."""

from datetime import timedelta

import dagster as dg

from etl_assets.embedded.simulator import GivenFiles
from etl_assets.mart.checks import USUAL_CHECK
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY, csv_file, order

MONDAYS = [MONDAY - timedelta(weeks=weeks) for weeks in (3, 2, 1)]


def files(orders: int) -> GivenFiles:
    """Three Mondays of 8 orders in the report, and the next one as an increment."""
    usual = [order(day, f"{number}") for day in MONDAYS for number in range(8)]
    last = csv_file(*(order(MONDAY, f"{number}") for number in range(orders)))
    return GivenFiles(csv_file(*usual), (MONDAYS[0], MONDAY - timedelta(days=1)), {MONDAY: last})


def test_a_day_with_half_the_usual_rows_passes(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(files(4))
    for day in MONDAYS:
        pipeline.load(day)
    assert pipeline.checks(pipeline.run(MONDAY))[USUAL_CHECK]


def test_a_day_with_fewer_is_loaded_with_a_warning(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(files(3))
    for day in MONDAYS:
        pipeline.load(day)
    run = pipeline.run(MONDAY)
    (warning,) = [
        event.asset_check_evaluation_data
        for event in pipeline.events(run)
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        and event.asset_check_evaluation_data.check_name == USUAL_CHECK
    ]
    assert not warning.passed
    assert warning.severity is dg.AssetCheckSeverity.WARN
    assert warning.metadata[str(MONDAY)].value == "3 rows, usually 8; 3 orders, usually 8"
    assert (warning.metadata["rows_read"].value, warning.metadata["usual_rows"].value) == (3, 8)
    assert pipeline.loads()[-1] == (MONDAY,)


def test_nothing_is_usual_after_one_week(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(files(1))
    pipeline.load(MONDAYS[-1])
    assert pipeline.checks(pipeline.run(MONDAY))[USUAL_CHECK]
