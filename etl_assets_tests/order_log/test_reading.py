"""Reading an order log: what becomes of each row, and which files are refused whole.

Everything is compared with the model (`oracle.read`), which is another program; what is written out
by hand here shows each rule once, and the property at the end looks for what nobody thought of.
"""

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etl_assets.errors import FileRefused
from etl_assets.order_log.csv_pieces import MAX_LINE_BYTES, PIECE_BYTES
from etl_assets.order_log.reading import ORDER_COLUMNS, Contradicted, OrderLog
from etl_assets.order_log.seen_rows import SeenRows
from etl_assets_tests import oracle
from etl_assets_tests.files import COLUMNS, MONDAY, ORDER, SUNDAY, TUESDAY, csv_file, without
from etl_assets_tests.oracle import Delivery, Order, ReasonKind, Refused

CHUNK_BYTES = 1 << 20

ORDER_TYPES = {
    "partition_day": pl.Date,
    "line": pl.Int64,
    "uniq_id": pl.String,
    "date_time": pl.Datetime,
    "city_id": pl.Int64,
    "city_name": pl.String,
    "customer_id": pl.Int64,
    "first_name": pl.String,
    "last_name": pl.String,
    "item_id": pl.Int64,
    "item_name": pl.String,
    "quantity": pl.Int64,
    "payment_amount": pl.Decimal(14, 2),
    "status": pl.String,
}

REASONS: Mapping[str, ReasonKind] = {
    "more values than": "too many fields",
    "is missing": "missing value",
    "NUL character": "unparsable value",
    "is not a ": "unparsable value",
    "out of range": "out of range",
    "not above zero": "not above zero",
    "status is neither": "unknown status",
    "outside what the object may hold": "other day",
    "another order's too": "conflict",
}
"""What the model calls the reasons, by a part of our words."""


@dataclass(frozen=True)
class File:
    """A file as its pieces make it; the texts of the orders are cast as PostgreSQL casts them."""

    orders: pl.DataFrame
    rejected: pl.DataFrame
    counts: pl.DataFrame
    revenue: Mapping[date | None, Decimal]
    unknown_columns: tuple[str, ...]
    sha256: str


def chunks(body: bytes, size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Give a file as the object store does."""
    return (body[at : at + size] for at in range(0, len(body), size))


def read_file(
    body: bytes,
    first_day: date,
    last_day: date,
    *,
    chunk_bytes: int = CHUNK_BYTES,
    piece_bytes: int = PIECE_BYTES,
) -> File:
    """Read a file, and once more if it contradicts itself."""
    contradicted = SeenRows()
    for _ in range(2):
        log = OrderLog(
            chunks(body, chunk_bytes),
            first_day,
            last_day,
            contradicted=contradicted,
            piece_bytes=piece_bytes,
        )
        try:
            pieces = list(log.pieces())
            break
        except Contradicted:
            continue
    else:
        pytest.fail("what it contradicts itself in was not known after the first reading")
    rejected = [row for piece in pieces for row in piece.rejected.rows()]
    assert log.reasons.sort("reason").rows() == reasons_of(rejected)
    counts = log.counts
    return File(
        pl.DataFrame(
            [typed(row) for piece in pieces for row in piece.orders.iter_rows()],
            ORDER_TYPES,
            orient="row",
        ),
        pl.DataFrame(
            rejected,
            pieces[0].rejected.schema if pieces else ["line", "partition_day", "fields", "reason"],
            orient="row",
        ),
        counts.select("partition_day", "rows_read", "copies", "rejected", "kept"),
        dict(counts.select("partition_day", "revenue").rows()),
        log.unknown_columns,
        log.sha256,
    )


def typed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Cast the texts of an order."""
    casts = {pl.Int64: int, pl.Decimal(14, 2): Decimal, pl.Datetime: datetime.fromisoformat}
    return row[:2] + tuple(
        casts.get(kind, str)(text)
        for kind, text in list(zip(ORDER_TYPES.values(), row, strict=True))[2:]
    )


def reasons_of(rejected: list[tuple[Any, ...]]) -> list[tuple[str, int, int]]:
    """Return reason, rows and first line of the rejected rows, by reason."""
    lines = [(reason, line) for line, _, _, reason in rejected]
    return [
        (reason, len(of_reason := [line for why, line in lines if why == reason]), min(of_reason))
        for reason in sorted({reason for reason, _ in lines})
    ]


def parsed(body: bytes, first_day: date = MONDAY, last_day: date | None = None) -> File:
    """Read a file and check that the model says the same of every row."""
    last_day = last_day or first_day
    file = read_file(body, first_day, last_day)
    # Of some records, and of one each.
    for piece_bytes in (200, 1):
        in_pieces = read_file(body, first_day, last_day, chunk_bytes=99, piece_bytes=piece_bytes)
        assert_equal(in_pieces, file)
    reading = oracle.read(Delivery(body, first_day, last_day))
    assert [Order(*row) for row in file.orders.iter_rows()] == reading.orders
    assert reasons(file) == [tuple(row) for row in reading.rejected]
    assert_equal_counts(file, reading)
    return file


def assert_equal(one: File, other: File) -> None:
    for name in ("orders", "rejected", "counts"):
        assert getattr(one, name).equals(getattr(other, name)), name
    assert (one.revenue, one.unknown_columns, one.sha256) == (
        other.revenue,
        other.unknown_columns,
        other.sha256,
    )


def assert_equal_counts(file: File, reading: oracle.Reading) -> None:
    total = file.counts.drop("partition_day").sum().row(0)
    expected = (reading.rows, reading.copies, len(reading.rejected), len(reading.orders))
    assert tuple(number or 0 for number in total) == expected
    revenue = sum(order.payment_amount_signed for order in reading.orders)
    assert sum(file.revenue.values()) == revenue
    by_day = {row[0]: row[1:] for row in file.counts.iter_rows() if row[0] is not None}
    assert by_day == {
        day: (
            rows,
            reading.copies_by_day.get(day, 0),
            len(reading.rejected_of(day)),
            len(reading.orders_of(day)),
        )
        for day, rows in reading.rows_by_day.items()
    }


def reason_kind(reason: str) -> ReasonKind:
    """Return what the model calls a reason."""
    return next(kind for words, kind in REASONS.items() if words in reason)


def reasons(file: File) -> list[tuple[int, date | None, ReasonKind]]:
    """Return the rejected rows as the model names them."""
    return [
        (line, day, reason_kind(reason))
        for line, day, reason in file.rejected.select("line", "partition_day", "reason").iter_rows()
    ]


def lines(file: File) -> list[int]:
    return file.orders["line"].to_list()


def refused(body: bytes) -> str:
    """Return why a file is refused; the model refuses it too."""
    with pytest.raises(Refused):
        oracle.read(Delivery(body, MONDAY, MONDAY))
    with pytest.raises(FileRefused) as refusal:
        read_file(body, MONDAY, MONDAY)
    return str(refusal.value)


# --- The file -------------------------------------------------------------------------------------


def test_a_row_becomes_an_order_of_typed_values() -> None:
    file = parsed(csv_file({}))
    assert file.orders.columns == list(ORDER_COLUMNS)
    assert file.orders.rows() == [
        (
            MONDAY,
            2,
            "a",
            datetime(2024, 2, 26),
            0,
            "Москва",
            7,
            "Ольга",
            "Орлова",
            3,
            "Яблоко",
            2,
            Decimal(100),
            "shipped",
        )
    ]


def test_columns_are_matched_by_name_in_any_order() -> None:
    rows = ({"uniq_id": "a"}, {"uniq_id": "b", "status": "refunded"})
    usual = parsed(csv_file(*rows))
    assert parsed(csv_file(*rows, columns=reversed(COLUMNS))).orders.equals(usual.orders)


def test_unknown_columns_are_ignored_and_reported() -> None:
    columns = (*COLUMNS[:3], "colour", "", *COLUMNS[3:], "size", "size", "line", "reason")
    file = parsed(csv_file({"colour": "red", "line": "x", "reason": "y"}, {}, columns=columns))
    assert (lines(file), reasons(file)) == ([2], [])
    assert file.unknown_columns == ("colour", "_5", "size_16", "size_17", "line", "reason")


@pytest.mark.parametrize(
    "name", ["surplus", "too_long", "typed_status", "partition_day", "column_14", "schema", "len"]
)
def test_a_column_may_be_called_anything(name: str) -> None:
    file = parsed(csv_file({name: "x"}, {"status": "lost"}, columns=(*COLUMNS, name)))
    assert (lines(file), len(reasons(file))) == ([2], 1)


def test_a_byte_order_mark_is_dropped() -> None:
    assert lines(parsed(b"\xef\xbb\xbf" + csv_file({}))) == [2]


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_lines_end_either_way_and_the_last_one_not_at_all(end: str) -> None:
    body = csv_file({"uniq_id": "a"}, {"uniq_id": "b"}, end=end)
    assert lines(parsed(body)) == lines(parsed(body.removesuffix(end.encode()))) == [2, 3]


@pytest.mark.parametrize("line", ["", ",,,", '"",', "," * 12, "," * 20])
def test_a_line_without_any_value_is_no_row(line: str) -> None:
    file = parsed(csv_file(line, {"uniq_id": "a"}, line, {"uniq_id": "b"}, line))
    assert lines(file) == [3, 5]
    assert file.counts.row(0) == (MONDAY, 2, 0, 0, 2)


def test_a_quoted_field_may_hold_commas_quotes_and_line_feeds() -> None:
    file = parsed(csv_file({"item_name": '"a, ""b""\r\n\nc"'}, {"uniq_id": "b"}))
    assert file.orders["item_name"].to_list() == ['a, "b"\r\n\nc', "Яблоко"]
    assert lines(file) == [2, 5]


def test_a_header_alone_is_an_empty_day() -> None:
    for body in (csv_file(), csv_file().rstrip()):
        file = parsed(body)
        assert (len(file.orders), len(file.rejected), len(file.counts)) == (0, 0, 0)


@pytest.mark.parametrize("body", [b"", b"\xef\xbb\xbf", b"\n", b"\r\n" + csv_file({})])
def test_a_file_without_a_header_is_refused(body: bytes) -> None:
    assert refused(body).startswith(("the file is empty", "the header lacks"))


@pytest.mark.parametrize(
    "column", [name for name in COLUMNS if name not in oracle.OPTIONAL_COLUMNS]
)
def test_a_missing_column_refuses_the_file(column: str) -> None:
    assert refused(csv_file({}, columns=without(column))) == f"the header lacks {column}"


def test_the_refusal_of_a_file_without_its_header_names_nobody() -> None:
    body = csv_file({}).split(b"\r\n", 1)[1]
    assert "Ольга" not in refused(body)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_known_column_that_comes_twice_refuses_the_file(column: str) -> None:
    assert refused(csv_file({}, columns=(*COLUMNS, column))) == (
        f"the header has {column} more than once"
    )


@pytest.mark.parametrize("place", [csv_file({}), csv_file()[:30]])
def test_bytes_that_are_no_utf_8_refuse_the_file(place: bytes) -> None:
    assert "not UTF-8" in refused(place + b"\xff\r\n" + csv_file({}))


def test_bytes_of_an_unknown_column_have_to_be_utf_8_too() -> None:
    body = csv_file({"colour": "red"}, columns=(*COLUMNS, "colour")).replace(b"red", b"\xff")
    assert refused(body) == "it is not UTF-8"


@pytest.mark.parametrize(
    "field", ['"never closed', '"closed" early', 'Стул "дачный"', '"a"b"c"', "a\rb", "\r", "a\r"]
)
def test_a_stray_quote_or_carriage_return_refuses_the_file(field: str) -> None:
    assert refused(csv_file({"item_name": field}, {})).startswith("it is not CSV: a quote")


def test_a_line_over_1_mib_refuses_the_file_wherever_it_is() -> None:
    long = csv_file({"item_name": "x" * MAX_LINE_BYTES})
    filler = csv_file(*[{"uniq_id": f"{number}"} for number in range(15_000)])
    for body in (long, filler + long, long.replace(b"\r\n", b"\n") + filler):
        assert refused(body) == "a line is over 1048576 bytes long"
    assert lines(parsed(csv_file({"item_name": "x" * (MAX_LINE_BYTES - 200)}))) == [2]


def test_the_sha256_is_of_all_bytes_the_byte_order_mark_included() -> None:
    body = b"\xef\xbb\xbf" + csv_file({})
    assert read_file(body, MONDAY, MONDAY).sha256 == hashlib.sha256(body).hexdigest()


# --- The columns that not every file has ----------------------------------------------------------


def test_without_a_status_column_every_row_is_shipped() -> None:
    file = parsed(csv_file({}, columns=without("status")))
    assert file.orders["status"].to_list() == ["shipped"]


def test_with_a_status_column_a_row_without_a_value_is_rejected() -> None:
    assert reasons(parsed(csv_file({"status": ""}))) == [(2, MONDAY, "missing value")]


def test_in_files_of_2022_the_md5_of_the_row_is_its_uniq_id() -> None:
    columns = without("uniq_id", "status")
    file = parsed(csv_file({"id": "1"}, {"id": "2"}, {"id": "3", "quantity": "5"}, columns=columns))
    contents = ",".join(ORDER[name] for name in columns if name != "id")
    expected = hashlib.md5(contents.encode()).hexdigest()
    assert file.orders["uniq_id"].to_list()[0] == expected
    assert (lines(file), file.orders["uniq_id"].n_unique()) == ([2, 4], 2)


# --- Copies and conflicts -------------------------------------------------------------------------


def test_rows_equal_in_all_but_id_are_copies_and_the_first_stays() -> None:
    file = parsed(csv_file({"id": "1"}, {"id": "2", "uniq_id": "b"}, {"id": "3"}, {"id": "4"}))
    assert lines(file) == [2, 3]
    assert file.counts.row(0) == (MONDAY, 4, 2, 0, 2)


def test_rows_that_differ_in_unknown_columns_alone_are_copies() -> None:
    columns = (*COLUMNS, "colour")
    assert lines(parsed(csv_file({"colour": "red"}, {"colour": "blue"}, columns=columns))) == [2]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("payment_amount", "100.00"),
        ("quantity", "02"),
        ("city_id", "-0"),
        ("date_time", "2024-02-26"),
        ("date_time", "2024-02-26 00:00:00.000"),
        ("item_name", '"Яблоко"'),
    ],
)
def test_rows_that_say_the_same_in_other_words_are_copies(column: str, text: str) -> None:
    assert lines(parsed(csv_file({}, {column: text}))) == [2]


def test_rows_of_2022_that_say_the_same_in_other_words_are_copies() -> None:
    columns = without("uniq_id", "status")
    assert lines(parsed(csv_file({}, {"quantity": "02"}, columns=columns))) == [2]


def test_the_copies_of_a_rejected_row_are_copies() -> None:
    file = parsed(csv_file({"quantity": "0"}, {"quantity": "0", "id": "2"}))
    assert file.counts.row(0) == (MONDAY, 2, 1, 1, 0)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (name, "8" if name.endswith("_id") else "x")
        for name in COLUMNS
        if name.endswith(("y_id", "r_id", "m_id", "_name"))
    ]
    + [("quantity", "3"), ("payment_amount", "100.01"), ("date_time", "2024-02-26 12:00:00")],
)
def test_the_same_key_with_other_contents_rejects_every_version(column: str, text: str) -> None:
    file = parsed(csv_file({}, {"uniq_id": "b"}, {column: text}, {}))
    assert (lines(file), file.counts.row(0)) == ([3], (MONDAY, 4, 1, 2, 1))
    assert reasons(file) == [(2, MONDAY, "conflict"), (4, MONDAY, "conflict")]


def test_a_refund_is_no_conflict_with_the_order_of_its_uniq_id() -> None:
    assert lines(parsed(csv_file({}, {"status": "refunded", "quantity": "1"}))) == [2, 3]


def test_a_uniq_id_on_another_day_is_another_order() -> None:
    body = csv_file({}, {"date_time": f"{TUESDAY}"})
    assert lines(parsed(body, MONDAY, TUESDAY)) == [2, 3]


def test_a_rejected_version_is_no_conflict() -> None:
    file = parsed(csv_file({}, {"quantity": "0"}))
    assert (lines(file), reasons(file)) == ([2], [(3, MONDAY, "not above zero")])


# --- Rejected rows --------------------------------------------------------------------------------

WHOLE_NUMBERS = ("city_id", "customer_id", "item_id", "quantity")


@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "id"])
@pytest.mark.parametrize("text", ["", '""'])
def test_a_missing_value(column: str, text: str) -> None:
    file = parsed(csv_file({column: text}))
    day = None if column == "date_time" else MONDAY
    assert reasons(file) == [(2, day, "missing value")]
    assert file.rejected["reason"].to_list() == [f"{column} is missing"]


def test_a_short_row() -> None:
    assert reasons(parsed(csv_file("1,a,2024-02-26"))) == [(2, MONDAY, "missing value")]


@pytest.mark.parametrize("surplus", [",x", ",,x", ',"x"', ", ", ',,"x\n,y",', ',"""",'])
def test_a_row_with_a_value_too_many(surplus: str) -> None:
    row = ",".join(ORDER.values())
    file = parsed(csv_file(row + surplus, {"uniq_id": "b"}))
    assert reasons(file) == [(2, MONDAY, "too many fields")]
    assert len(lines(file)) == 1


@pytest.mark.parametrize("surplus", [",", ",,", ',"",', ",,,,,,,,"])
def test_commas_at_the_end_of_a_row_are_no_values(surplus: str) -> None:
    row = ",".join(ORDER.values())
    assert lines(parsed(csv_file(row + surplus, {"uniq_id": "b"}))) == [2, 3]


@pytest.mark.parametrize("column", WHOLE_NUMBERS)
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x", "unparsable value"),
        ("1.0", "unparsable value"),
        ("+1", "unparsable value"),
        (" 1", "unparsable value"),
        ("1e3", "unparsable value"),
        ("٣", "unparsable value"),
        ("9223372036854775808", "out of range"),
        ("9" * 400, "out of range"),
    ],
)
def test_no_whole_number(column: str, text: str, kind: ReasonKind) -> None:
    assert reasons(parsed(csv_file({column: text}))) == [(2, MONDAY, kind)]


@pytest.mark.parametrize("text", ["9223372036854775807", "0009", "-3"])
def test_a_whole_number(text: str) -> None:
    assert parsed(csv_file({"customer_id": text})).orders["customer_id"].to_list() == [int(text)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("NaN", "unparsable value"),
        ("inf", "unparsable value"),
        ("1e2", "unparsable value"),
        ("1,5", "too many fields"),
        ('"1,5"', "unparsable value"),
        (".5", "unparsable value"),
        ("5.", "unparsable value"),
        ("12.345", "out of range"),
        ("1000000000000", "out of range"),
        ("0", "not above zero"),
        ("0.00", "not above zero"),
        ("-100", "not above zero"),
    ],
)
def test_no_amount(text: str, kind: ReasonKind) -> None:
    assert reasons(parsed(csv_file({"payment_amount": text}))) == [(2, MONDAY, kind)]


@pytest.mark.parametrize("text", ["999999999999.99", "0.01", "100.000", "00100.10", "0" * 30 + "7"])
def test_an_amount(text: str) -> None:
    assert parsed(csv_file({"payment_amount": text})).orders["payment_amount"].to_list() == [
        Decimal(text)
    ]


@pytest.mark.parametrize(("text", "is_too_long"), [("я" * 500, False), ("я" * 500 + "a", True)])
def test_an_order_whose_id_is_longer_than_a_key_can_be(text: str, is_too_long: bool) -> None:
    rejected = [(2, MONDAY, "out of range")] if is_too_long else []
    assert reasons(parsed(csv_file({"uniq_id": text}))) == rejected


@pytest.mark.parametrize("text", ["0", "-1"])
def test_a_quantity_not_above_zero(text: str) -> None:
    assert reasons(parsed(csv_file({"quantity": text}))) == [(2, MONDAY, "not above zero")]


@pytest.mark.parametrize(
    "text",
    [
        "26.02.2024",
        "2024-2-26",
        "2024-02-30",
        "2023-02-29",
        "0000-01-01",
        "2024-02-26T24:00:00",
        "2024-02-26T00:00",
        "2024-02-26T23:59:60",
        "2024-02-26T00:00:00Z",
        "2024-02-26T00:00:00+03:00",
        "2024-02-26T00:00:00.1234567",
        "2024-02-26  00:00:00",
        "２０２４-02-26",
        "x",
    ],
)
def test_no_date(text: str) -> None:
    assert reasons(parsed(csv_file({"date_time": text}))) == [(2, None, "unparsable value")]


@pytest.mark.parametrize(
    "text", ["2024-02-26", "2024-02-26 23:59:59", "2024-02-26T00:00:00.5", "2024-02-26T23:59:59"]
)
def test_a_date(text: str) -> None:
    assert parsed(csv_file({"date_time": text})).orders["date_time"].to_list() == [
        datetime.fromisoformat(text)
    ]


@pytest.mark.parametrize("day", [date(2024, 2, 25), TUESDAY, date(1, 1, 1), date(9999, 12, 31)])
def test_a_day_that_the_object_may_not_hold(day: date) -> None:
    assert reasons(parsed(csv_file({"date_time": f"{day}"}))) == [(2, day, "other day")]


def test_a_report_may_hold_all_the_days_of_its_range() -> None:
    body = csv_file(*[{"date_time": f"{day}"} for day in (MONDAY, TUESDAY, SUNDAY)])
    assert len(parsed(body, MONDAY, SUNDAY).orders) == 3


@pytest.mark.parametrize("text", ["Shipped", "shipped ", "returned", "NULL"])
def test_an_unknown_status(text: str) -> None:
    assert reasons(parsed(csv_file({"status": text}))) == [(2, MONDAY, "unknown status")]


@pytest.mark.parametrize("column", ["uniq_id", "first_name", "item_name", "status"])
def test_a_nul_character(column: str) -> None:
    assert reasons(parsed(csv_file({column: "a\0b"}))) == [(2, MONDAY, "unparsable value")]


def test_a_rejected_row_is_kept_as_it_was_read() -> None:
    row = ",".join([*ORDER.values(), "red", "", "more"]).replace("100", "free")
    file = parsed(csv_file(row, columns=(*COLUMNS, "colour")))
    fields = file.rejected["fields"].to_list()[0]
    assert fields == ORDER | {"payment_amount": "free", "colour": "red", "surplus": ",more"}


# --- What nobody thought of -----------------------------------------------------------------------

odd_texts = st.sampled_from(
    ["", " ", '"', '""', ",", "\n", "\r", "\r\n", "\0", "\ufeff", "a", "NULL", "Ü", "١"]
)
names = st.one_of(
    st.sampled_from(["Ольга", "Петр"]),
    st.lists(odd_texts, max_size=3).map("".join),
    st.text(max_size=3),
)
numbers = st.one_of(
    st.sampled_from(["0", "1", "7", "-0", "007", "+1", "1.0", " 1", "1e3", "9" * 19, "-", "٣"]),
    st.integers(-(2**64), 2**64).map(str),
    st.from_regex(r"-?[0-9]{1,25}", fullmatch=True),
    names,
)
amounts = st.one_of(
    st.sampled_from(["100", "100.0", "100.00", "0", "nan", "1_0"]),
    st.from_regex(r"-?0{0,40}[0-9]{1,14}(\.[0-9]{1,4}0{0,40})?", fullmatch=True),
    numbers,
)
moments = st.one_of(
    st.sampled_from(["2024-02-26", "2024-02-26T00:00:00", "2024-02-27 00:00:00", "0001-01-01"]),
    st.dates(MONDAY, TUESDAY).map(str),
    st.datetimes().map(lambda moment: moment.isoformat(sep=" ")),
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][012][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,7})?)?",
        fullmatch=True,
    ),
    names,
)
VALUES: Mapping[str, st.SearchStrategy[str]] = {
    "date_time": moments,
    "payment_amount": amounts,
    "status": st.one_of(st.sampled_from(["shipped", "refunded", "lost"]), names),
    "uniq_id": st.one_of(st.sampled_from(["a", "b"]), names),
    **dict.fromkeys(WHOLE_NUMBERS, numbers),
}


@st.composite
def rows(draw: st.DrawFn, columns: tuple[str, ...]) -> str:
    """A line of a file: an order with some values changed, quoted in vain, too few or too many."""
    values = [ORDER.get(column, "x") for column in columns]
    for place in draw(st.lists(st.sampled_from(range(len(columns))), max_size=3)):
        values[place] = draw(VALUES.get(columns[place], names))
    in_vain = draw(st.sampled_from(range(30)))
    quoted = [
        '"' + value.replace('"', '""') + '"'
        if place == in_vain or any(special in value for special in ',"\r\n')
        else value
        for place, value in enumerate(values)
    ]
    cut = draw(st.sampled_from([*[len(quoted)] * 9, 0, 1, 9]))
    surplus = draw(st.sampled_from([""] * 9 + [",", ",,", ",x", ',,"\n,"', ',""', ", "]))
    return ",".join(quoted[:cut]) + surplus


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A well-formed file: columns in any order, rows usual and odd, repeated and empty."""
    columns = draw(
        st.sampled_from([COLUMNS, without("status"), without("uniq_id"), (*COLUMNS, "", "colour")])
    )
    columns = tuple(draw(st.permutations(columns)))
    lines = draw(st.lists(rows(columns) | st.sampled_from(["", ",,", '"",""']), max_size=8))
    repeated = draw(st.lists(st.sampled_from(lines), max_size=2)) if lines else []
    end = draw(st.sampled_from(["\n", "\r\n"]))
    body = end.join([",".join(columns), *lines, *repeated])
    body += draw(st.sampled_from(["", end, end * 2]))
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + body.encode("utf-8", "replace")


def check_against_the_model(
    body: bytes, first_day: date, last_day: date, chunk_bytes: int, piece_bytes: int
) -> None:
    sizes = {"chunk_bytes": chunk_bytes, "piece_bytes": piece_bytes}
    try:
        reading = oracle.read(Delivery(body, first_day, last_day))
    except Refused:
        for in_pieces in ({}, sizes):
            with pytest.raises(FileRefused):
                read_file(body, first_day, last_day, **in_pieces)
        return
    file = read_file(body, first_day, last_day)
    assert_equal(read_file(body, first_day, last_day, **sizes), file)
    assert [Order(*row) for row in file.orders.iter_rows()] == reading.orders
    # Of several faults of a row the model names another one first.
    rejected = [(row.line, row.partition_day) for row in reading.rejected]
    assert file.rejected.select("line", "partition_day").rows() == rejected
    assert_equal_counts(file, reading)


@settings(max_examples=150, deadline=None)
@given(bodies(), st.integers(1, 300), st.integers(1, 500))
def test_every_file_is_read_as_the_model_reads_it_whatever_the_pieces(
    body: bytes, chunk_bytes: int, piece_bytes: int
) -> None:
    check_against_the_model(body, MONDAY, TUESDAY, chunk_bytes, piece_bytes)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=20), st.integers(0, 200), st.integers(1, 300))
@example(b'"', 150, 1)
@example(b"\r\r\n", 120, 1)
@example(b"\xd0\n", 120, 1)
def test_no_bytes_anywhere_are_read_otherwise_than_the_model_reads_them(
    bytes_: bytes, place: int, piece_bytes: int
) -> None:
    body = csv_file({"uniq_id": "a"}, {"uniq_id": "b"}, {})
    place += len(csv_file())
    check_against_the_model(body[:place] + bytes_ + body[place:], MONDAY, MONDAY, 10, piece_bytes)


def test_a_large_file_is_read_in_parallel_as_in_one() -> None:
    rows = [{"uniq_id": f"{number}", "item_name": '"a\nb"'} for number in range(20_000)]
    file = read_file(csv_file(*rows), MONDAY, MONDAY)
    assert file.orders["line"].equals(pl.Series("line", range(2, 40_002, 2)))


def test_a_file_mostly_of_copies_is_read_as_the_model_reads_it() -> None:
    rows = [{"uniq_id": f"{number**2 % 97}"} for number in range(1000)]
    wrong = [{"uniq_id": "a", "quantity": "0"}] * 9
    second_day = [{"date_time": f"{TUESDAY}T00:00:00"}] * 20
    body = csv_file(*rows[:500], *wrong, *rows[500:], *second_day)
    check_against_the_model(body, MONDAY, TUESDAY, 1000, 3000)


MEMORY = """
import sys
from datetime import date
from etl_assets.order_log.reading import OrderLog
from etl_assets.order_log.seen_rows import SeenRows

def peak():
    # Not ru_maxrss, which begins with what the parent had.
    status = dict(line.split(":") for line in open("/proc/self/status"))
    return int(status["VmHWM"].split()[0]) >> 10

header, *rows = sys.stdin.buffer.read().splitlines(keepends=True)
chunk = b"".join(rows) * ((1 << 20) // sum(map(len, rows)))
early = 0

def chunks():
    global early
    yield header
    for number in range(200):
        yield chunk
        if number == 40:
            early = peak()

log = OrderLog(chunks(), date(2024, 2, 26), date(2024, 2, 26), contradicted=SeenRows())
kept = sum(len(piece.orders) for piece in log.pieces())
print(kept, peak() - early)
"""
"""Reads 200 MiB of the same rows; prints orders, and the MiB that the last 160 have added."""


@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[1:]], ids=["with ids", "without"])
def test_memory_does_not_grow_with_a_file_of_copies(columns: tuple[str, ...]) -> None:
    body = csv_file(*({"uniq_id": f"{number}"} for number in range(50)), columns=columns)
    run = subprocess.run(
        [sys.executable, "-c", MEMORY], input=body, stdout=subprocess.PIPE, check=True
    )
    kept, grown = map(int, run.stdout.split())
    assert kept == 50
    assert grown < 60
