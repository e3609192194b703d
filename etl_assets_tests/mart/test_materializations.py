"""What a run tells Dagster of each of its days."""

from etl_assets.mart.tables import TABLES
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.mart.days import holds, source_of
from etl_assets_tests.support.files import MONDAY, TUESDAY, WEDNESDAY, order


def test_a_range_is_one_run_that_tells_of_each_of_its_days(open_pipeline: OpenPipeline) -> None:
    days = {MONDAY: 3, TUESDAY: 0, WEDNESDAY: 1}
    pipeline = open_pipeline(
        source_of(
            {
                day: [order(day, str(n), item_id=n) for n in range(count)]
                for day, count in days.items()
            }
        )
    )
    run_id = pipeline.run(*days)

    assert pipeline.loads("partition_day, run_id") == [(day, run_id) for day in days]
    daily = ["raw/user_order_log", "staging/user_order_log", *(f"mart/{table}" for table in TABLES)]
    assert pipeline.materialized(run_id) == {
        *((asset, str(day)) for asset in daily for day in days),
        ("order_report", None),
        ("mart/f_customer_retention", None),
    }
    for day, count in days.items():
        for asset in ("staging/user_order_log", "mart/f_sales", "mart/d_item"):
            metadata = pipeline.metadata(run_id, asset, day)
            assert metadata["dagster/partition_row_count"] == count, (asset, day)
        assert pipeline.metadata(run_id, "mart/f_sales", day)["revenue"] == 100.0 * count
        assert pipeline.metadata(run_id, "mart/d_calendar", day)["dagster/partition_row_count"] == 1
        (load,) = pipeline.metadata(run_id, "mart/f_sales", day)["loads"].records
        assert (load.data["added"], load.data["run_id"]) == (count, run_id)
    last = pipeline.metadata(run_id, "mart/f_sales", WEDNESDAY)
    assert last["dagster/row_count"] == 4
    assert [column.name for column in last["dagster/column_schema"].columns][:2] == [
        "date_id",
        "item_id",
    ]
    assert "payment_amount" in last["dagster/column_lineage"].deps_by_column
    assert all(pipeline.checks(run_id).values())
    holds(pipeline, *days)


def test_a_run_shows_a_sample_of_each_table_without_names_of_people(
    open_pipeline: OpenPipeline,
) -> None:
    named = {"first_name": "Zebedee", "last_name": "Quux"}
    days = {MONDAY: [order(MONDAY, "a", **named)], TUESDAY: []}
    run_id = (pipeline := open_pipeline(source_of(days))).run(MONDAY)
    for asset in ("staging/user_order_log", *(f"mart/{table}" for table in TABLES)):
        (record,) = pipeline.metadata(run_id, asset, MONDAY)["sample"].records
        assert not {"first_name", "last_name"} & set(record.data)
        assert not set(named.values()) & set(record.data.values())
    (record,) = pipeline.metadata(run_id, "mart/f_sales", MONDAY)["sample"].records
    assert (record.data["uniq_id"], record.data["payment_amount"]) == ("a", 100.0)

    run_id = pipeline.run(TUESDAY)
    assert pipeline.metadata(run_id, "mart/f_sales", TUESDAY)["sample"].records == []
