"""Files of every kind, from the object store to the mart.

Each ends as the model says: a right row, a row in quarantine with its reason, or a refusal that
changes nothing. What a file's bytes mean is for the tests of `order_log`; here they have to get
through all of the pipeline, and one after the other through the same tables.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given, settings

from etl_assets.embedded.simulator import GivenFiles
from etl_assets.errors import FileRefused
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.properties import oracle
from etl_assets_tests.properties.oracle import Delivery, ReasonKind, Refused
from etl_assets_tests.staging.odd_files import bodies
from etl_assets_tests.staging.reading import reason_kind
from etl_assets_tests.support.files import (
    COLUMNS,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    increment,
    order,
    without,
)
from etl_assets_tests.support.pipeline import Pipeline, holding

GOOD = (order(MONDAY, "a", item_id=1), order(MONDAY, "b", item_id=2, status="refunded"))
RANDOM = Random(0)
MEGABYTE = 1_000_000


def with_good(*rows: Mapping[str, str] | str, columns: Iterable[str] = COLUMNS) -> bytes:
    return csv_file(*GOOD, *rows, columns=columns)


def each(column: str, *texts: str) -> bytes:
    """Return good rows, and one for each of the texts in a column."""
    rows = [{"uniq_id": f"{number}"} | {column: text} for number, text in enumerate(texts)]
    return with_good(*rows)


KINDS = {
    "byte order mark": b"\xef\xbb\xbf" + with_good(),
    "two byte order marks": b"\xef\xbb\xbf" * 2 + with_good(),
    "LF": csv_file(*GOOD, end="\n"),
    "CR alone": csv_file(*GOOD, end="\r"),
    "no last line end": with_good().removesuffix(b"\r\n"),
    "blank lines": with_good("", ",,,", " "),
    "quotes": each("item_name", '"a, ""b"""', "'a'", '"a"'),
    "a quote that is not closed": each("item_name", '"a'),
    "a quote in the middle": each("item_name", 'a"b'),
    "line feeds within quotes": each("item_name", '"a\nb"', '"\r\n"', '"\n"'),
    "NUL": each("item_name", "a\0b", "\0"),
    "NUL for a number": each("quantity", "\0", "1\0"),
    "nothing but NUL": bytes(MEGABYTE),
    "nothing": b"",
    "a line feed": b"\n",
    "invalid UTF-8": with_good() + csv_file({"item_name": "Яблоко"}).splitlines()[1][:-60],
    "Windows-1251": with_good().decode().encode("cp1251"),
    "UTF-16": with_good().decode().encode("utf-16"),
    "a picture": b"\x89PNG\r\n\x1a\n" + RANDOM.randbytes(1000),
    "HTML": b"<html><body>502 Bad Gateway</body></html>\n",
    "JSON": b'{"error": "no such file"}',
    "no header": b"\r\n".join(with_good().splitlines()[1:]),
    "header alone": csv_file(),
    "header in capitals": with_good().replace(b"uniq_id,date_time", b"UNIQ_ID,DATE_TIME"),
    "semicolons": with_good().replace(b",", b";"),
    "without item_name": with_good(columns=without("item_name")),
    "without id": with_good(columns=without("id")),
    "columns of 2022": with_good(columns=without("uniq_id", "status")),
    "columns turned round": with_good(columns=tuple(reversed(COLUMNS))),
    "columns too many": with_good(columns=(*COLUMNS, "colour", "", "colour")),
    "a column twice": with_good(columns=(*COLUMNS, "status")),
    "rows too short and too long": with_good("1,x", "1" + ",1" * 30),
    "decimals": each(
        "payment_amount",
        *("1,5", '"1,5"', "1.5", "1e3", "1E3", "NaN", "nan", "Infinity", "-Infinity", "inf"),
        *("", " ", "0", "-0", "-5", "0.001", "1.005", "1_000", "1 000", "0x10", "$5", "5.", ".5"),
        *("999999999999.99", "1000000000000", "9" * 100_000, "0" * 100_000 + "7"),
    ),
    "quantities": each("quantity", "1e3", "NaN", "", "0", "-1", "1.0", str(2**63 - 1), str(2**63)),
    "refunds at the limit": with_good(
        {"status": "refunded", "quantity": str(2**63 - 1), "payment_amount": "999999999999.99"}
    ),
    **{
        f"{name} at the limit": each(
            name, *map(str, [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 0]), "9" * 100_000
        )
        for name in ("city_id", "customer_id", "item_id")
    },
    "more money than an amount can be": csv_file(
        *(order(MONDAY, str(n), payment_amount="999999999999.99", customer_id=1) for n in range(9))
    ),
    "dates": each(
        "date_time",
        *(
            "2024-02-26",
            "2024-02-26 00:00:00",
            "2024-02-26T23:59:59.999999",
            "2024-02-26T00:00:00Z",
        ),
        *("2024-02-26T00:00:00+03:00", "2024-02-26T24:00:00", "2024-02-26T12:00", "26.02.2024"),
        *("2024-02-30", "1708905600", "2024-02-25T23:59:59", "2024-02-27", "yesterday", "NaT"),
        *("2038-01-19T03:14:07", "2038-01-19T03:14:08", "9999-12-31", "10000-01-01", "0001-01-01"),
        *("0000-00-00", "1970-01-01", "1969-12-31", "-0001-01-01", "infinity", "epoch", "today"),
    ),
    "statuses": each("status", "shipped", "refunded", "Shipped", "SHIPPED", "lost", "", "NULL"),
    "long names": each("item_name", "я" * 400_000, "a" * MEGABYTE, '"' + "\n" * MEGABYTE + '"'),
    "long ids of orders": each("uniq_id", "a" * MEGABYTE, RANDOM.randbytes(400_000).hex()),
    "a line over 1 MiB": each("last_name", "a" * 2 * MEGABYTE),
    "many columns": with_good(columns=(*COLUMNS, *(f"column_{number}" for number in range(2000)))),
    "duplicates alone": csv_file(*[GOOD[0] | {"id": str(number)} for number in range(10_000)]),
    "duplicates of wrong rows alone": csv_file(*[GOOD[0] | {"quantity": "0"}] * 1000),
    "conflicts alone": csv_file(*(GOOD[0] | {"quantity": f"{n + 1}"} for n in range(100))),
    "formulas": with_good(
        *(
            order(MONDAY, text) | dict.fromkeys(("first_name", "last_name", "item_name"), text)
            for text in ("=cmd|' /C calc'!A0", "@SUM(1+9)", "+1", "-2+3", "=1+1", "\t=1", "%00")
        )
    ),
    "odd letters": each(
        "item_name", "\u202e", "\u0085", "\u2028", "\ufeff", "\ud7ff", "😀", "\x1b[2J"
    ),
}


TUESDAYS = csv_file(order(TUESDAY, "a", item_id=1, item_name="Tuesday's"))


def quarantined(pipeline: Pipeline, day: date) -> list[tuple[int, date | None, ReasonKind]]:
    """Return what is in quarantine of the object that the day is staged from."""
    rows = pipeline.query(
        "SELECT line, rejected_row.partition_day, reason FROM staging.rejected_row"
        " INNER JOIN etl.staged_day USING (uri, etag) WHERE staged_day.partition_day = %s"
        " ORDER BY line",
        day,
    )
    return [(line, of_day, reason_kind(reason)) for line, of_day, reason in rows]


def test_a_file_of_any_kind_ends_as_the_model_says(
    open_pipeline: OpenPipeline, subtests: pytest.Subtests
) -> None:
    sunday = MONDAY - timedelta(days=1)
    loaded = csv_file()
    pipeline = open_pipeline(
        GivenFiles(csv_file(), (sunday, sunday), {MONDAY: loaded, TUESDAY: TUESDAYS})
    )
    pipeline.load(MONDAY, TUESDAY)
    for kind, body in KINDS.items():
        with subtests.test(kind):
            pipeline.simulator.redeliver(MONDAY, body)
            try:
                reading = oracle.read(increment(body))
            except Refused:
                with pytest.raises(FileRefused, match=r"_inc.csv is refused, nothing of it was"):
                    pipeline.load(MONDAY, max_rejected_share=1, allow_empty=True)
            else:
                pipeline.load(MONDAY, max_rejected_share=1, allow_empty=True)
                loaded = body
                assert quarantined(pipeline, MONDAY) == [tuple(row) for row in reading.rejected]
            pipeline.holds({MONDAY: increment(loaded), TUESDAY: increment(TUESDAYS, TUESDAY)})


def test_a_file_that_nobody_thought_of_ends_as_the_model_says(open_pipeline: OpenPipeline) -> None:
    days = (MONDAY, TUESDAY)
    loaded = Delivery(csv_file(), *days)
    wednesdays = increment(csv_file(order(WEDNESDAY)), WEDNESDAY)
    pipeline = open_pipeline(GivenFiles(loaded.body, days, {WEDNESDAY: wednesdays.body}))
    pipeline.load(*days, WEDNESDAY)

    @settings(max_examples=25, deadline=None, derandomize=True)
    @given(bodies())
    def ends_as_the_model_says(body: bytes) -> None:
        nonlocal loaded
        pipeline.simulator.redeliver_report(body)
        delivery = Delivery(body, *days)
        try:
            reading = oracle.read(delivery)
        except Refused:
            with pytest.raises(FileRefused):
                pipeline.load(*days, max_rejected_share=1, allow_empty=True)
        else:
            pipeline.load(*days, max_rejected_share=1, allow_empty=True)
            loaded = delivery
            # Of several faults of a row the model names another one first.
            rejected = [row[:2] for row in quarantined(pipeline, MONDAY)]
            assert rejected == [row[:2] for row in reading.rejected]
        pipeline.holds(dict.fromkeys(days, loaded) | {WEDNESDAY: wednesdays})

    ends_as_the_model_says()


@pytest.mark.parametrize("day", [date(1970, 1, 1), date(2038, 1, 19), date(9999, 12, 24)])
def test_a_day_of_any_year_has_its_key_and_its_place_in_the_calendar(
    open_pipeline: OpenPipeline, day: date
) -> None:
    before, after = (day + timedelta(days=number) for number in (-1, 1))
    files = GivenFiles(csv_file(order(before)), (before, before), {day: csv_file(order(day))})
    pipeline = open_pipeline(files, today=after)
    pipeline.load(before, day)
    pipeline.holds(holding(files, before, day))
