"""How the model reads a file: each rule by hand, and the known figures of the real report."""

import csv
import hashlib
import io
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_assets_tests.properties.oracle import MAX_LINE_BYTES, Delivery, Reading, Refused, read
from etl_assets_tests.support.files import (
    COLUMNS,
    MONDAY,
    ORDER,
    TUESDAY,
    RealFiles,
    csv_file,
    increment,
    without,
)


def read_rows(*rows: dict[str, str] | str, columns: tuple[str, ...] = COLUMNS) -> Reading:
    return read_body(csv_file(*rows, columns=columns))


def read_body(body: bytes) -> Reading:
    reading = read(increment(body))
    assert reading.rows == len(reading.orders) + len(reading.rejected) + reading.duplicates
    return reading


def loaded_lines(reading: Reading) -> list[int]:
    return [order.line for order in reading.orders]


def reasons(reading: Reading) -> list[tuple[int, date | None, str]]:
    return [(row.line, row.partition_day, row.reason_kind) for row in reading.rejected]


@pytest.fixture(scope="module")
def report(real_files: RealFiles) -> Delivery:
    return real_files.report


def test_the_real_report_is_mostly_duplicates(report: Delivery):
    reading = read(report)
    assert (reading.rows, len(reading.orders), len(reading.rejected)) == (22_525, 5_119, 0)
    assert reading.duplicates == 22_525 - 5_119
    assert sum(order.payment_amount for order in reading.orders) == 2_643_175


# --- Records and lines ----------------------------------------------------------------------------


def test_a_row_becomes_an_order_of_typed_values():
    assert read_rows({}).orders == [
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


@pytest.mark.parametrize("line", ["", ",", "," * 20, '""', ',"",'])
def test_lines_without_a_value_are_no_rows_but_count_as_lines(line: str):
    reading = read_rows(line, {"uniq_id": "a"}, line, line, {"uniq_id": "b"}, line)
    assert (reading.rows, loaded_lines(reading)) == (2, [3, 6])


def test_a_line_of_blanks_is_a_row():
    assert reasons(read_rows(" ")) == [(2, None, "missing value")]


def test_a_row_over_several_lines_has_the_number_of_its_first():
    reading = read_rows({"uniq_id": "a", "first_name": '"Оль\r\nга\n\n"'}, {"uniq_id": "b"})
    assert loaded_lines(reading) == [2, 6]
    assert reading.orders[0].first_name == "Оль\r\nга\n\n"


def test_quotes_are_dropped_and_doubled_ones_halved():
    assert read_rows({"item_name": '"Стул, ""дачный"""'}).orders[0].item_name == 'Стул, "дачный"'


def test_a_quoted_value_is_the_same_text():
    assert read_rows({}, {"item_name": '"Яблоко"'}).duplicates == 1


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lines_may_end_either_way_and_the_last_one_not_at_all(ending: str):
    body = csv_file({"uniq_id": "a"}, {"uniq_id": "b"}).decode().replace("\r\n", ending)
    assert read_body(body.encode()) == read_body(body.removesuffix(ending).encode())
    assert loaded_lines(read_body(body.encode())) == [2, 3]


def test_a_file_cut_within_its_last_line_end_is_whole():
    body = csv_file({})
    assert read_body(body.removesuffix(b"\n")) == read_body(body)


def test_a_carriage_return_within_quotes_is_a_character():
    reading = read_rows({"item_name": '"Яб\rлоко"'}, {"uniq_id": "b", "quantity": '"2\r"'})
    assert reading.orders[0].item_name == "Яб\rлоко"
    assert reasons(reading) == [(3, MONDAY, "unparsable value")]


def test_a_byte_order_mark_is_dropped():
    body = csv_file({}, columns=without("id", "uniq_id"))
    assert read_body(b"\xef\xbb\xbf" + body) == read_body(body)


@given(
    st.lists(
        st.tuples(st.text(min_size=1), st.text(min_size=1)).map(
            lambda names: tuple(name.replace("\0", " ") for name in names)
        )
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read_back(names: list[tuple[str, str]], ending: str):
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    expected: list[tuple[int, str, str]] = []
    for number, (first_name, last_name) in enumerate(names):
        expected.append((buffer.getvalue().count("\n") + 1, first_name, last_name))
        row = ORDER | {"uniq_id": str(number), "first_name": first_name, "last_name": last_name}
        writer.writerow(row.values())
    orders = read_body(buffer.getvalue().encode()).orders
    assert [(order.line, order.first_name, order.last_name) for order in orders] == expected


# --- The header, and what refuses a file ----------------------------------------------------------


def test_a_header_alone_is_an_empty_day():
    assert read_rows() == Reading([], [], 0, 0, {}, {}, is_of_one_day=True)


def test_columns_are_matched_by_name_in_any_order():
    assert read_rows({}, columns=COLUMNS[::-1]) == read_rows({})


def test_unknown_columns_are_ignored_even_twice():
    row = {"colour": "red"}
    wider = ("colour", *COLUMNS, "colour", "")
    assert read_rows(row, {"colour": "blue"}, columns=wider) == read_rows({}, {})


@pytest.mark.parametrize("column", ["id", "status"])
def test_an_optional_column_may_be_missing(column: str):
    assert read_rows({}, columns=without(column)) == read_rows({})


@pytest.mark.parametrize("column", without("id", "uniq_id", "status"))
def test_a_needed_column_may_not_be_missing(column: str):
    with pytest.raises(Refused, match=f"lacks the column {column}"):
        read_rows({}, columns=without(column))


@pytest.mark.parametrize("column", COLUMNS)
def test_a_known_column_may_not_come_twice(column: str):
    with pytest.raises(Refused, match=f"column {column} twice"):
        read_rows({}, columns=(*COLUMNS, column))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "zero bytes"),
        (b"\xef\xbb\xbf", "lacks the column"),
        (b"\n" + csv_file({}), "first line is blank"),
        (b"\r\n\r\n", "lacks the column"),
        (csv_file({}) + b"\xff", "not UTF-8"),
        (csv_file({"item_name": "x" * MAX_LINE_BYTES}), "line 2 is longer"),
        (csv_file({}, {"item_name": '"Стул'}, {}), "line 3 has a quote"),
        (csv_file({"item_name": '"Стул"дачный'}), "line 2 has a quote"),
        (csv_file({"item_name": 'Стул "дачный"'}), "line 2 has a quote"),
        (csv_file({"item_name": "Яб\rлоко"}), "line 2 .* carriage return on its own"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(body: bytes, reason: str):
    with pytest.raises(Refused, match=reason):
        read_body(body)


def test_a_line_of_just_under_1_mib_is_read():
    room = MAX_LINE_BYTES - len(csv_file({"item_name": ""}).splitlines()[1])
    assert len(read_rows({"item_name": "x" * room}).orders) == 1
    with pytest.raises(Refused, match="line 2 is longer"):
        read_rows({"item_name": "x" * (room + 1)})


# --- Values ---------------------------------------------------------------------------------------


def test_a_missing_status_column_means_shipped():
    assert read_rows({}, columns=without("status")).orders[0].status == "shipped"


def test_a_refund_is_kept_with_positive_values_and_counted_negative():
    order = read_rows({"status": "refunded"}).orders[0]
    assert (order.quantity, order.quantity_signed) == (2, -2)
    assert (order.payment_amount, order.payment_amount_signed) == (100, -100)


@pytest.mark.parametrize("column", without("id", "date_time"))
def test_an_empty_value_rejects_its_row(column: str):
    assert reasons(read_rows({column: ""})) == [(2, MONDAY, "missing value")]
    assert reasons(read_rows({column: '""'})) == [(2, MONDAY, "missing value")]


def test_an_empty_id_is_nothing():
    assert read_rows({"id": ""}) == read_rows({})


def test_a_row_with_too_few_fields_has_missing_values():
    assert reasons(read_rows("1,a,2024-02-26,0")) == [(2, MONDAY, "missing value")]


@pytest.mark.parametrize("surplus", [",x", ",,x", ", ", ',"x",'])
def test_a_row_with_a_value_too_many_is_rejected(surplus: str):
    whole = ",".join(ORDER.values())
    assert reasons(read_rows(whole + surplus)) == [(2, MONDAY, "too many fields")]


@pytest.mark.parametrize("surplus", [",", ",,", ',"",'])
def test_commas_at_the_end_of_a_row_are_no_values(surplus: str):
    whole = ",".join(ORDER.values())
    assert loaded_lines(read_rows(whole + surplus)) == [2]


@pytest.mark.parametrize(
    "column", ["uniq_id", "city_name", "first_name", "last_name", "item_name", "status"]
)
def test_a_nul_character_rejects_its_row(column: str):
    assert reasons(read_rows({column: "x\0"})) == [(2, MONDAY, "unparsable value")]


@pytest.mark.parametrize("text", [" ", "x", "NULL", "\N{NO-BREAK SPACE}", "A" * 1000])
def test_any_other_text_is_a_text(text: str):
    assert read_rows({"item_name": text}).orders[0].item_name == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-0", 0),
        ("-5", -5),
        ("007", 7),
        ("0" * 5_000 + "7", 7),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_a_whole_number_is_an_id(text: str, number: int):
    assert read_rows({"customer_id": text}).orders[0].customer_id == number


@pytest.mark.parametrize("column", ["city_id", "customer_id", "item_id", "quantity"])
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("9223372036854775808", "out of range"),
        ("-9223372036854775809", "out of range"),
        ("9" * 5_000, "out of range"),
        ("1.0", "unparsable value"),
        ("1e3", "unparsable value"),
        ("+1", "unparsable value"),
        (" 1", "unparsable value"),
        ("1\n", "unparsable value"),
        ("1_000", "unparsable value"),
        ("٣", "unparsable value"),
        ("--1", "unparsable value"),
        ("NaN", "unparsable value"),
    ],
)
def test_anything_else_is_no_whole_number(column: str, text: str, kind: str):
    assert reasons(read_rows({column: f'"{text}"'})) == [(2, MONDAY, kind)]


@pytest.mark.parametrize("text", ["0", "-0", "-1"])
def test_a_quantity_not_above_zero_is_rejected(text: str):
    assert reasons(read_rows({"quantity": text})) == [(2, MONDAY, "not above zero")]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("400", "400"),
        ("400.5", "400.5"),
        ("100.000", "100"),
        ("000100.10", "100.1"),
        ("0.01", "0.01"),
        ("999999999999.99", "999999999999.99"),
        ("0" * 5_000 + "1." + "0" * 5_000, "1"),
    ],
)
def test_an_amount_of_whole_cents_is_kept(text: str, amount: str):
    assert read_rows({"payment_amount": text}).orders[0].payment_amount == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0", "not above zero"),
        ("0.00", "not above zero"),
        ("-5", "not above zero"),
        ("12.345", "out of range"),
        ("0.001", "out of range"),
        ("1000000000000", "out of range"),
        ("NaN", "unparsable value"),
        ("Infinity", "unparsable value"),
        ("1e3", "unparsable value"),
        (".5", "unparsable value"),
        ("5.", "unparsable value"),
        ("+5", "unparsable value"),
        ('"1,5"', "unparsable value"),
        ("5 ", "unparsable value"),
        ("٣", "unparsable value"),
    ],
)
def test_any_other_amount_rejects_its_row(text: str, kind: str):
    assert reasons(read_rows({"payment_amount": text})) == [(2, MONDAY, kind)]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-26", datetime(2024, 2, 26)),
        ("2024-02-26T00:00:00", datetime(2024, 2, 26)),
        ("2024-02-26 23:59:59", datetime(2024, 2, 26, 23, 59, 59)),
        ("2024-02-26T01:02:03.5", datetime(2024, 2, 26, 1, 2, 3, 500_000)),
        ("2024-02-26 01:02:03.000004", datetime(2024, 2, 26, 1, 2, 3, 4)),
    ],
)
def test_a_day_or_a_moment_of_it_is_read(text: str, moment: datetime):
    assert read_rows({"date_time": text}).orders[0].date_time == moment


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "missing value"),
        ("2024-02-30", "unparsable value"),
        ("2023-02-29T00:00:00", "unparsable value"),
        ("0000-02-26", "unparsable value"),
        ("12024-02-26", "unparsable value"),
        ("2024-2-26", "unparsable value"),
        ("20240226", "unparsable value"),
        ("26.02.2024", "unparsable value"),
        ("2024-02-26T", "unparsable value"),
        ("2024-02-26T00:00", "unparsable value"),
        ("2024-02-26T24:00:00", "unparsable value"),
        ("2024-02-26T00:00:60", "unparsable value"),
        ("2024-02-26t00:00:00", "unparsable value"),
        ("2024-02-26  00:00:00", "unparsable value"),
        ("2024-02-26T00:00:00.", "unparsable value"),
        ("2024-02-26T00:00:00.0000000", "unparsable value"),
        ("2024-02-26T00:00:00Z", "unparsable value"),
        ("2024-02-26T00:00:00+03:00", "unparsable value"),
        (" 2024-02-26", "unparsable value"),
        ("２０２４-02-26", "unparsable value"),
    ],
)
def test_a_row_without_a_readable_day_is_of_no_day(text: str, kind: str):
    reading = read_rows({"date_time": text}, {"date_time": text})
    assert reasons(reading) == [(2, None, kind)]
    assert (reading.rows, reading.duplicates) == (2, 1)
    assert (reading.rows_by_day, reading.duplicates_by_day) == ({}, {})


@pytest.mark.parametrize("text", ["cancelled", "Shipped", "shipped ", "refund"])
def test_an_unknown_status_rejects_its_row(text: str):
    assert reasons(read_rows({"status": text})) == [(2, MONDAY, "unknown status")]


def test_the_first_fault_by_column_is_the_reason():
    assert reasons(read_rows({"quantity": "0", "city_id": "x", "status": ""})) == [
        (2, MONDAY, "unparsable value")
    ]
    assert reasons(read_rows({"quantity": "0", "date_time": "2024-02-27"})) == [
        (2, TUESDAY, "not above zero")
    ]


def test_a_day_outside_the_range_is_rejected_under_its_own_day():
    body = csv_file(
        {"uniq_id": "a", "date_time": "2024-02-25"},
        {"uniq_id": "b", "date_time": "2024-02-26"},
        {"uniq_id": "c", "date_time": "2024-02-27"},
        {"uniq_id": "d", "date_time": "2024-02-28"},
    )
    reading = read(Delivery(body, MONDAY, TUESDAY))
    assert loaded_lines(reading) == [3, 4]
    assert reasons(reading) == [
        (2, date(2024, 2, 25), "other day"),
        (5, date(2024, 2, 28), "other day"),
    ]
    assert reading.rows_by_day == {date(2024, 2, number): 1 for number in (25, 26, 27, 28)}


# --- Duplicates and conflicts ---------------------------------------------------------------------


def test_of_duplicates_the_first_stays():
    reading = read_rows({"id": "1"}, {"id": "2"}, {"id": "3", "uniq_id": "b"}, {"id": "4"})
    assert (loaded_lines(reading), reading.duplicates) == ([2, 4], 2)
    assert (reading.rows_by_day, reading.duplicates_by_day) == ({MONDAY: 4}, {MONDAY: 2})


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("payment_amount", "100.00"),
        ("quantity", "02"),
        ("date_time", "2024-02-26"),
        ("date_time", "2024-02-26 00:00:00.000"),
    ],
)
@pytest.mark.parametrize("columns", [COLUMNS, without("uniq_id")])
def test_rows_of_equal_values_are_duplicates_however_written(
    column: str, text: str, columns: tuple[str, ...]
):
    reading = read_rows({}, {column: text}, columns=columns)
    assert (loaded_lines(reading), reading.duplicates, reading.rejected) == ([2], 1, [])


def test_a_bad_rows_duplicates_are_duplicates():
    reading = read_rows({"quantity": "0"}, {"quantity": "0", "id": "2"}, {"quantity": "00"})
    assert reasons(reading) == [(2, MONDAY, "not above zero"), (4, MONDAY, "not above zero")]
    assert reading.duplicates == 1


def test_a_row_cut_short_and_one_with_the_values_empty_are_duplicates():
    assert read_rows("1,a,2024-02-26", "2,a,2024-02-26,,,,,,,,,,").duplicates == 1


@pytest.mark.parametrize("long_first", [True, False])
def test_a_row_with_too_many_fields_is_no_duplicate_of_a_good_one(long_first: bool):
    whole = ",".join(ORDER.values())
    rows = [whole + ",x", whole] if long_first else [whole, whole + ",x"]
    reading = read_rows(*rows, whole + ",y")
    assert (len(reading.orders), len(reading.rejected), reading.duplicates) == (1, 1, 1)


@pytest.mark.parametrize(
    ("column", "text"),
    [("payment_amount", "101"), ("city_id", "1"), ("date_time", "2024-02-26T00:00:01")],
)
def test_every_version_of_a_key_with_other_contents_is_rejected(column: str, text: str):
    reading = read_rows({}, {"uniq_id": "b"}, {column: text}, {})
    assert loaded_lines(reading) == [3]
    assert reasons(reading) == [(2, MONDAY, "conflict"), (4, MONDAY, "conflict")]
    assert reading.duplicates == 1


def test_a_refund_has_a_key_of_its_own():
    assert loaded_lines(read_rows({}, {"status": "refunded"})) == [2, 3]


def test_a_bad_version_does_not_conflict_with_a_good_one():
    reading = read_rows({}, {"payment_amount": "0"})
    assert loaded_lines(reading) == [2]
    assert reasons(reading) == [(3, MONDAY, "not above zero")]


def test_the_same_key_on_another_day_is_another_order():
    body = csv_file({}, {"date_time": "2024-02-27", "payment_amount": "5"})
    assert loaded_lines(read(Delivery(body, MONDAY, TUESDAY))) == [2, 3]


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def test_without_uniq_id_it_is_the_md5_of_the_row_without_id():
    contents = "2024-02-26T00:00:00,0,Москва,7,Ольга,Орлова,3,Яблоко,2,100"
    of_2022 = without("uniq_id", "status")
    assert read_rows({}, columns=of_2022).orders[0].uniq_id == md5(contents)
    assert read_rows({}, columns=of_2022[::-1]).orders[0].uniq_id == md5(contents)
    assert read_rows({}, columns=(*of_2022, "colour")).orders[0].uniq_id == md5(contents)
    with_status = read_rows({}, columns=without("uniq_id"))
    assert with_status.orders[0].uniq_id == md5(f"{contents},shipped")
