"""Staging: which rows of an object are loaded, which are quarantined, and what stops a load."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import date
from functools import partial
from threading import Barrier

import pytest

from etl_assets.clients.database import Connection
from etl_assets.clients.object_store import ObjectStore, StoredObject
from etl_assets.clients.transactions import copying, lock_writer
from etl_assets.defs.assets.common import STAGING
from etl_assets.embedded.simulator import GivenFiles
from etl_assets.errors import EtlError, FileRefused, ObjectChanged
from etl_assets.mart.load import load_mart
from etl_assets.settings import ObjectStoreSettings
from etl_assets.source.catalog import Choice, locate
from etl_assets.source.raw_file import RawFile
from etl_assets.staging.copying import copy_in
from etl_assets.staging.files import FileToCopy
from etl_assets.staging.load import stage
from etl_assets.staging.swap import swap_in
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.properties.oracle import Delivery
from etl_assets_tests.support.files import (
    MONDAY,
    SATURDAY,
    SUNDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    increment,
    order,
    without,
)
from etl_assets_tests.support.pipeline import Pipeline, holding

COUNTS = "rows_read, duplicates, rejected, loaded"


def good(day: date, count: int = 100) -> list[dict[str, str]]:
    return [order(day, f"{day}-{number}") for number in range(count)]


def of_monday(body: bytes) -> GivenFiles:
    return GivenFiles(csv_file(), (date(2024, 2, 24), date(2024, 2, 25)), {MONDAY: body})


def test_a_wrong_row_is_quarantined_with_its_fields_and_its_reason(
    open_pipeline: OpenPipeline,
) -> None:
    bad = order(MONDAY, "bad", quantity="none", item_name="a\0b")
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY), bad)))
    pipeline.load(MONDAY)
    pipeline.holds(holding(pipeline.files, MONDAY))
    ((uri, etag, line, day, fields, reason),) = pipeline.query(
        "SELECT uri, etag, line, partition_day, fields, reason FROM staging.rejected_row"
    )
    assert [(uri, etag)] == pipeline.loads("uri, etag")
    assert (line, day, reason) == (102, MONDAY, "item_name holds a NUL character")
    assert fields["quantity"] == "none"
    assert fields["item_name"] == "a␀b"


def test_a_row_without_a_readable_day_is_quarantined_without_one(
    open_pipeline: OpenPipeline,
) -> None:
    bad = order(MONDAY) | {"date_time": "yesterday"}
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY), bad)))
    pipeline.load(MONDAY)
    assert pipeline.rejected() == [(102, None, "date_time is not a date and time without zone")]
    assert pipeline.loads(COUNTS) == [(101, 0, 1, 100)]


def test_a_rejected_row_is_quarantined_once_however_often_it_is_loaded(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY), order(TUESDAY))))
    for _ in range(2):
        pipeline.load(MONDAY)
    assert [row[:2] for row in pipeline.rejected()] == [(102, TUESDAY)]


def test_rows_of_days_that_were_not_asked_for_are_neither_loaded_nor_rejected(
    open_pipeline: OpenPipeline,
) -> None:
    days = (SATURDAY, SUNDAY)
    wrong = [order(day, "wrong", quantity=0) for day in days]
    outside = order(date(2024, 3, 4), "outside")
    body = csv_file(*good(SATURDAY, 150), *good(SUNDAY, 150), *wrong, outside)
    pipeline = open_pipeline(GivenFiles(body, days))

    pipeline.load(SUNDAY)
    pipeline.holds(holding(pipeline.files, SUNDAY))
    assert [row[:2] for row in pipeline.rejected()] == [
        (303, SUNDAY),
        (304, date(2024, 3, 4)),
    ]
    pipeline.load(SATURDAY)
    pipeline.holds(holding(pipeline.files, *days))
    assert (302, SATURDAY) in [row[:2] for row in pipeline.rejected()]


@pytest.mark.parametrize(("wrong", "refused"), [(1, False), (2, True)])
def test_a_larger_share_of_wrong_rows_than_is_allowed_refuses_the_load(
    open_pipeline: OpenPipeline, wrong: int, refused: bool
) -> None:
    rows = [order(MONDAY, f"wrong-{number}", quantity=0) for number in range(wrong)]
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY, 100 - wrong), *rows)))
    if not refused:
        pipeline.stage(MONDAY)
        return
    with pytest.raises(FileRefused) as refusal:
        pipeline.stage(MONDAY)
    message = str(refusal.value)
    assert (
        "2 of 100 rows of the file are wrong, duplicates left out, more than the share of "
        in message
    )
    assert "0.01 (ETL_MAX_REJECTED_SHARE). " in message
    assert "quantity is not above zero (2 rows, the first in line 100)" in message
    assert "user_order_log_inc.csv" in message
    pipeline.stage(MONDAY, max_rejected_share=0.02)
    assert len(pipeline.staged()) == 98


def test_a_share_exactly_as_large_as_allowed_is_accepted(open_pipeline: OpenPipeline) -> None:
    # 29 of 100 is a share that binary fractions miss.
    rows = [order(MONDAY, f"wrong-{number}", quantity=0) for number in range(29)]
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY, 71), *rows)))
    pipeline.stage(MONDAY, max_rejected_share=0.29)
    assert len(pipeline.staged()) == 71


@pytest.mark.parametrize("copied", ["right", "wrong"])
def test_duplicates_make_the_share_neither_smaller_nor_larger(
    open_pipeline: OpenPipeline, copied: str
) -> None:
    right, wrong = good(MONDAY, 98), [order(MONDAY, n, quantity=0) for n in ("first", "second")]
    rows = [*right * 4, *wrong] if copied == "right" else [*right, *wrong * 4]
    pipeline = open_pipeline(of_monday(csv_file(*rows)))
    with pytest.raises(
        FileRefused, match="2 of 100 rows of the file are wrong, duplicates left out"
    ):
        pipeline.stage(MONDAY)
    pipeline.stage(MONDAY, max_rejected_share=0.02)


def test_the_share_is_that_of_each_day_that_is_loaded(open_pipeline: OpenPipeline) -> None:
    wrong = order(SUNDAY, "wrong", quantity=0)
    body = csv_file(*good(SATURDAY, 300), *good(SUNDAY, 20), wrong)
    pipeline = open_pipeline(GivenFiles(body, (SATURDAY, SUNDAY)))
    with pytest.raises(FileRefused, match=f"1 of 21 rows of {SUNDAY} are wrong"):
        pipeline.stage(SATURDAY, SUNDAY)
    pipeline.load(SATURDAY)
    pipeline.holds(holding(pipeline.files, SATURDAY))


def test_the_share_is_that_of_the_whole_file_too(open_pipeline: OpenPipeline) -> None:
    unreadable = [order(MONDAY) | {"date_time": f"day {number}"} for number in range(5)]
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY), *unreadable)))
    with pytest.raises(FileRefused, match="5 of 105 rows of the file are wrong"):
        pipeline.stage(MONDAY)


def test_a_row_of_another_day_counts_as_rejected_for_the_day_of_the_increment(
    open_pipeline: OpenPipeline,
) -> None:
    outside = order(TUESDAY, "outside")
    unreadable = order(MONDAY, "unreadable") | {"date_time": "yesterday"}
    body = csv_file(*good(MONDAY, 98), *[outside, unreadable] * 3)
    pipeline = open_pipeline(of_monday(body))
    with pytest.raises(
        FileRefused, match="2 of 100 rows of the file are wrong, duplicates left out"
    ):
        pipeline.stage(MONDAY)
    pipeline.load(MONDAY, max_rejected_share=0.02)
    pipeline.holds(holding(pipeline.files, MONDAY))
    assert pipeline.loads(COUNTS) == [(104, 4, 2, 98)]


@pytest.mark.parametrize(
    "rows",
    [
        [order(TUESDAY, str(number)) for number in range(1030)],
        [order(MONDAY, str(number), quantity=0) for number in range(914)],
        [*good(MONDAY, 1) * 5000, *(order(MONDAY, str(n), item_name="") for n in range(918))],
    ],
    ids=["1,030 rows of another day", "914 wrong rows", "918 wrong rows of 919 and duplicates"],
)
def test_rows_that_are_wrong_never_take_the_place_of_a_good_day(
    open_pipeline: OpenPipeline, rows: list[dict[str, str]]
) -> None:
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY))))
    pipeline.load(MONDAY)
    expected = holding(pipeline.files, MONDAY)
    pipeline.simulator.redeliver(MONDAY, csv_file(*rows))
    with pytest.raises(FileRefused, match=r"rows of the file are wrong"):
        pipeline.load(MONDAY)
    pipeline.holds(expected)
    assert len(pipeline.loads()) == 1


@pytest.mark.parametrize(
    "rows",
    [[order(TUESDAY)], [order(MONDAY, quantity=0)], [order(MONDAY) | {"date_time": "x"}]],
    ids=["of another day", "wrong", "without a readable day"],
)
def test_an_increment_of_rejected_rows_alone_replaces_a_day_only_if_that_is_allowed(
    open_pipeline: OpenPipeline, rows: list[dict[str, str]]
) -> None:
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY))))
    pipeline.load(MONDAY)
    expected = holding(pipeline.files, MONDAY)
    pipeline.simulator.redeliver(MONDAY, csv_file(*rows))
    with pytest.raises(FileRefused) as refusal:
        pipeline.load(MONDAY, max_rejected_share=1)
    message = str(refusal.value)
    assert (
        "user_order_log_inc.csv gives no orders for 2024-02-26 (rows read: 1, rejected: 1)"
        in message
    )
    assert "etl-assets backfill --from 2024-02-26 --to 2024-02-26 --allow-empty" in message
    pipeline.holds(expected)
    assert pipeline.rejected() == []
    assert len(pipeline.loads()) == 1

    pipeline.load(MONDAY, max_rejected_share=1, allow_empty=True)
    pipeline.holds({MONDAY: increment(csv_file(*rows))})
    assert pipeline.loads(COUNTS)[1:] == [(1, 0, 1, 0)]
    # Now it has none, so there are none to lose.
    pipeline.load(MONDAY, max_rejected_share=1)


def test_an_increment_of_a_header_alone_says_itself_that_the_day_is_empty(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY))))
    pipeline.load(MONDAY)
    pipeline.simulator.redeliver(MONDAY, csv_file())
    staged = pipeline.stage(MONDAY)
    assert staged.emptied == {MONDAY: 100}
    pipeline.make_mart(MONDAY)
    pipeline.holds({MONDAY: increment(csv_file())})
    assert pipeline.stage(MONDAY).emptied == {}


@pytest.mark.parametrize("left", [0, 1], ids=["a header alone", "without Sunday"])
def test_a_report_takes_all_orders_from_a_day_only_if_that_is_allowed(
    open_pipeline: OpenPipeline, left: int
) -> None:
    days = (SATURDAY, SUNDAY)
    pipeline = open_pipeline(GivenFiles(csv_file(*map(order, days)), days))
    pipeline.load(*days)
    expected = holding(pipeline.files, *days)
    shorter = csv_file(*map(order, days[:left]))
    pipeline.simulator.redeliver_report(shorter)
    with pytest.raises(FileRefused, match=f"gives no orders for .*{SUNDAY}"):
        pipeline.load(*days)
    pipeline.holds(expected)
    with pytest.raises(FileRefused, match=f"--to {SUNDAY} --report latest --allow-empty"):
        pipeline.load(*days, choice=Choice.latest)

    pipeline.load(*days, allow_empty=True)
    pipeline.holds(dict.fromkeys(days, Delivery(shorter, *days)))


def test_a_day_that_never_had_orders_may_have_none(open_pipeline: OpenPipeline) -> None:
    files = GivenFiles(csv_file(order(SATURDAY)), (SATURDAY, SUNDAY))
    pipeline = open_pipeline(files)
    for _ in range(2):
        pipeline.load(SATURDAY, SUNDAY)
    pipeline.holds(holding(files, SATURDAY, SUNDAY))


def test_rows_of_no_day_of_a_report_are_counted_for_its_file(open_pipeline: OpenPipeline) -> None:
    days = (SATURDAY, SUNDAY)
    outside = [order(WEDNESDAY, "outside"), order(SUNDAY, "x") | {"date_time": "yesterday"}]
    pipeline = open_pipeline(GivenFiles(csv_file(*good(SATURDAY), *good(SUNDAY), *outside), days))
    (file,) = pipeline.stage(*days).files
    assert file.rejected_outside == 2
    assert [file.counts_of(day)["rejected"] for day in days] == [0, 0]
    with pytest.raises(FileRefused, match="2 of 202 rows of the file are wrong"):
        pipeline.stage(*days, max_rejected_share=0.005)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "the file is empty"),
        (csv_file(order(MONDAY), columns=without("item_id")), "the header lacks item_id"),
        (csv_file(order(MONDAY)) + b"\xff", "it is not UTF-8"),
        (csv_file(order(MONDAY, item_name="x" * (1 << 20))), "a line is over 1048576 bytes long"),
    ],
)
def test_a_refused_file_changes_nothing_and_says_what_to_do(
    open_pipeline: OpenPipeline, body: bytes, why: str
) -> None:
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY))))
    pipeline.load(MONDAY)
    expected = holding(pipeline.files, MONDAY)
    pipeline.simulator.redeliver(MONDAY, body)
    with pytest.raises(FileRefused) as refusal:
        pipeline.load(MONDAY)
    assert why in str(refusal.value)
    assert "nothing of it was loaded" in str(refusal.value)
    assert "then run the days again" in str(refusal.value)
    pipeline.holds(expected)
    assert len(pipeline.loads()) == 1


def test_one_refused_file_of_a_range_leaves_all_its_days_as_they_were(
    open_pipeline: OpenPipeline,
) -> None:
    increments = {day: csv_file(*good(day)) for day in (MONDAY, TUESDAY)}
    files = GivenFiles(csv_file(), (SATURDAY, SUNDAY), increments | {WEDNESDAY: b""})
    files.days = (date(2024, 2, 24), date(2024, 2, 25))
    pipeline = open_pipeline(files)
    with pytest.raises(FileRefused):
        pipeline.load(MONDAY, TUESDAY, WEDNESDAY)
    assert (pipeline.staged(), pipeline.loads()) == ([], [])


def test_a_header_alone_is_an_empty_day_and_loaded(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(of_monday(csv_file()))
    pipeline.load(MONDAY)
    pipeline.holds(holding(pipeline.files, MONDAY))
    assert pipeline.loads("partition_day, rows_read, loaded") == [(MONDAY, 0, 0)]


def test_an_object_replaced_between_finding_and_reading_it_is_not_read(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY))))
    pipeline.source.ensure_report(new=False, on_wait=lambda _: None)
    locate(pipeline.warehouse, pipeline.source, [MONDAY], run_id="a")
    pipeline.simulator.redeliver(MONDAY, csv_file(*good(MONDAY, 7)))
    with pytest.raises(ObjectChanged, match=r"was replaced meanwhile\. Run the day again"):
        stage(
            pipeline.warehouse,
            pipeline.object_store,
            [MONDAY],
            run_id="a",
            only_changed=False,
            max_rejected_share=0,
        )
    assert pipeline.staged() == []


def test_texts_reach_the_database_as_they_are(open_pipeline: OpenPipeline) -> None:
    texts = ['"\\."', "\\N", '" "', '"a ""b"", c\r\nd"', "NULL", "\N{SNOWMAN}", "\\", "'--"]
    rows = [order(MONDAY, str(n), item_name=text, item_id=n) for n, text in enumerate(texts)]
    pipeline = open_pipeline(of_monday(csv_file(*rows)))
    pipeline.load(MONDAY)
    pipeline.holds(holding(pipeline.files, MONDAY))


def test_what_a_new_load_of_a_day_has_changed_is_recorded(open_pipeline: OpenPipeline) -> None:
    rows = [order(MONDAY, name, payment_amount=100) for name in "abcd"]
    pipeline = open_pipeline(of_monday(csv_file(*rows)))
    pipeline.load(MONDAY)
    altered = order(MONDAY, "b", payment_amount=70)
    added = order(MONDAY, "e", status="refunded", payment_amount=20)
    pipeline.simulator.redeliver(MONDAY, csv_file(rows[0], altered, rows[2], added))
    pipeline.load(MONDAY)
    first, second = (changes for (changes,) in pipeline.loads("changes"))
    assert first == {
        "added": 4,
        "gone": 0,
        "altered": 0,
        "revenue_before": "0",
        "revenue_after": "400.00",
    }
    assert second == {
        "added": 1,
        "gone": 1,
        "altered": 1,
        "revenue_before": "400.00",
        "revenue_after": "250.00",
    }


def test_of_two_planned_runs_of_a_day_at_once_the_later_does_nothing(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(GivenFiles(csv_file(order(MONDAY)), (MONDAY, MONDAY)))
    pipeline.source.ensure_report(new=False, on_wait=lambda _: None)
    locate(pipeline.warehouse, pipeline.source, [MONDAY], run_id="a")

    def load(run_id: str, store: ObjectStore) -> None:
        stage(
            pipeline.warehouse,
            store,
            [MONDAY],
            run_id=run_id,
            only_changed=True,
            max_rejected_share=0,
        )
        load_mart(pipeline.warehouse, [MONDAY], run_id=run_id, only_unloaded=True)

    class OvertakenStore(ObjectStore):
        """While one run reads, another loads the day from beginning to end."""

        def read(self, found: StoredObject) -> Iterator[bytes]:
            yield from super().read(found)
            load("other", pipeline.object_store)

    load("one", OvertakenStore(ObjectStoreSettings.read()))
    assert pipeline.loads("run_id") == [("other",)]


def test_a_planned_run_replaces_what_a_killed_one_has_staged_of_another_version(
    open_pipeline: OpenPipeline,
) -> None:
    before, between = csv_file(order(MONDAY)), csv_file(order(MONDAY, quantity=9))
    pipeline = open_pipeline(of_monday(before))
    pipeline.load(MONDAY)
    pipeline.simulator.redeliver(MONDAY, between)
    pipeline.stage(MONDAY)
    pipeline.simulator.redeliver(MONDAY, before)
    pipeline.load(MONDAY, planned=True)
    pipeline.holds(holding(pipeline.files, MONDAY))


def test_a_run_that_another_with_a_newer_version_has_overtaken_does_not_put_its_own_back(
    open_pipeline: OpenPipeline,
) -> None:
    older, newer = csv_file(order(MONDAY)), csv_file(order(MONDAY, quantity=9))
    pipeline = open_pipeline(of_monday(older))
    overtaken = replace(pipeline)

    class OvertakenStore(ObjectStore):
        """While one run reads, the object is replaced and another loads it."""

        def read(self, found: StoredObject) -> Iterator[bytes]:
            yield from super().read(found)
            pipeline.files.increments[MONDAY] = newer
            pipeline.simulator.redeliver(MONDAY)
            pipeline.load(MONDAY)

    overtaken.object_store = OvertakenStore(ObjectStoreSettings.read())
    with pytest.raises(ObjectChanged, match=f"While {MONDAY} was read, another run has found"):
        overtaken.load(MONDAY)
    pipeline.holds(holding(pipeline.files, MONDAY))


# --- Rows are told from those that were there before, by the transaction that made them ----------


def located(pipeline: Pipeline, *days: date) -> list[RawFile]:
    pipeline.source.ensure_report(new=False, on_wait=lambda _: None)
    return pipeline.locate(*days)


@contextmanager
def copied(
    pipeline: Pipeline, *, in_savepoint: bool = False
) -> Generator[tuple[Connection, Callable[[], None]]]:
    """Copy Monday in a transaction of a load; give its connection, and what swaps the day in."""
    (raw_file,) = located(pipeline, MONDAY)
    read = partial(pipeline.object_store.read, raw_file.stored)
    file = FileToCopy((raw_file,), (MONDAY, MONDAY), read)
    with pipeline.warehouse.session() as connection, copying(connection):
        with connection.transaction() if in_savepoint else nullcontext():
            files = copy_in(connection, [file])

        def swap() -> None:
            lock_writer(connection)
            swap_in(connection, files, "by hand")

        yield connection, swap


def raises_other_rows() -> AbstractContextManager[object]:
    return pytest.raises(EtlError, match=f"other rows of {MONDAY} than were copied")


@pytest.mark.parametrize("times_loaded_before", [0, 2])
def test_of_two_loads_that_have_both_copied_a_day_the_later_one_replaces_the_other(
    open_pipeline: OpenPipeline, times_loaded_before: int
) -> None:
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY, 3))))
    for _ in range(times_loaded_before):
        pipeline.load(MONDAY)
    with copied(pipeline) as (_, swap):
        pipeline.load(MONDAY)
        assert len(pipeline.staged()) == 3
        swap()
    pipeline.make_mart(MONDAY)
    pipeline.holds(holding(pipeline.files, MONDAY))
    changes = pipeline.loads("changes")[-1][0]
    assert (changes["added"], changes["gone"], changes["altered"]) == (0, 0, 0)


def test_loads_that_want_the_same_days_at_once_wait_for_each_other_and_leave_each_row_once(
    open_pipeline: OpenPipeline,
) -> None:
    days = (MONDAY, TUESDAY, WEDNESDAY)
    increments = {day: csv_file(*good(day, 3)) for day in days}
    pipeline = open_pipeline(
        GivenFiles(csv_file(), (date(2024, 2, 24), date(2024, 2, 25)), increments)
    )
    all_have_copied = Barrier(4, timeout=20)

    class SlowestOfAll(ObjectStore):
        """The last object of a load is read to its end when the other loads are there too."""

        def read(self, found: StoredObject) -> Iterator[bytes]:
            yield from super().read(found)
            if found == last:
                all_have_copied.wait()

    last = max((file.stored for file in located(pipeline, *days)), key=lambda stored: stored.uri)

    def load(number: int) -> None:
        stage(
            pipeline.warehouse,
            SlowestOfAll(ObjectStoreSettings.read()),
            days,
            run_id=f"{number}",
            only_changed=False,
            max_rejected_share=0,
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load, range(4)))
    pipeline.make_mart(*days)
    pipeline.holds(holding(pipeline.files, *days))


def test_rows_that_are_taken_for_new_and_were_not_copied_stop_the_load(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY, 3))))
    pipeline.load(MONDAY)
    with raises_other_rows(), copied(pipeline) as (connection, swap):
        connection.execute(
            "INSERT INTO staging.user_order_log (partition_day, line, uniq_id, date_time, city_id,"
            " city_name, customer_id, first_name, last_name, item_id, item_name, quantity,"
            " payment_amount, status) VALUES ('2024-02-26', 7, 'a', '2024-02-26', 1, '', 1, '', '',"
            " 1, '', 1, 1, 'shipped')"
        )
        swap()
    pipeline.holds(holding(pipeline.files, MONDAY))


def test_rows_copied_in_a_savepoint_are_not_lost(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY, 3))))
    pipeline.load(MONDAY)
    with raises_other_rows(), copied(pipeline, in_savepoint=True) as (_, swap):
        swap()
    pipeline.holds(holding(pipeline.files, MONDAY))


def test_rows_that_nobody_has_recorded_are_replaced_too(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(of_monday(csv_file(*good(MONDAY, 3))))
    pipeline.load(MONDAY)
    pipeline.query("DELETE FROM etl.staged_day")
    pipeline.load(MONDAY)
    pipeline.holds(holding(pipeline.files, MONDAY))


def test_a_day_that_was_never_looked_for_is_not_said_to_be_staged(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(of_monday(csv_file(order(MONDAY))))
    error = pipeline.fail(MONDAY, assets=[STAGING]).error
    assert error == (
        f"No object is recorded for {MONDAY}, so staging was left as it was. Materialize "
        "raw/user_order_log of these days too"
    )
