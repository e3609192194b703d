"""The model of the mart against the real files' known figures, and each of its rules by hand."""

import csv
import hashlib
import io
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_assets_tests.files import (
    COLUMNS,
    MONDAY,
    ORDER,
    TUESDAY,
    RealFiles,
    csv_file,
    increment,
    without,
)
from etl_assets_tests.oracle import (
    MAX_LINE_BYTES,
    TABLE_COLUMNS,
    Delivery,
    Mart,
    Reading,
    Refused,
    calendar_day,
    date_id,
    mart,
    read,
)


def read_rows(*rows: dict[str, str] | str, columns: tuple[str, ...] = COLUMNS) -> Reading:
    return read_body(csv_file(*rows, columns=columns))


def read_body(body: bytes) -> Reading:
    reading = read(increment(body))
    assert reading.rows == len(reading.orders) + len(reading.rejected) + reading.copies
    return reading


def kept_lines(reading: Reading) -> list[int]:
    return [order.line for order in reading.orders]


def reasons(reading: Reading) -> list[tuple[int, date | None, str]]:
    return [(row.line, row.partition_day, row.reason_kind) for row in reading.rejected]


# --- The real files -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(real_files: RealFiles) -> Delivery:
    return real_files.report


@pytest.fixture(scope="module")
def real_days(real_files: RealFiles) -> dict[date, Delivery]:
    return real_files.days


@pytest.fixture(scope="module")
def real_mart(real_days: dict[date, Delivery]) -> Mart:
    return mart(real_days)


def test_the_real_report_is_mostly_copies(report: Delivery):
    reading = read(report)
    assert (reading.rows, len(reading.orders), len(reading.rejected)) == (22_525, 5_119, 0)
    assert reading.copies == 22_525 - 5_119
    assert sum(order.payment_amount for order in reading.orders) == 2_643_175


def test_the_real_days_give_the_known_facts(real_mart: Mart):
    assert len(real_mart.f_sales) == 6_992
    assert sum(sale.status == "refunded" for sale in real_mart.f_sales) == 92
    assert sum(sale.payment_amount for sale in real_mart.f_sales) == 3_494_480


def test_the_real_days_give_the_known_weeks(real_mart: Mart):
    assert real_mart.f_customer_retention_weekly == [
        (date(2024, 1, 29), 453, 251_710, 58, 61_640, 0, 0),
        (date(2024, 2, 5), 742, 378_215, 436, 541_275, 0, 0),
        (date(2024, 2, 12), 737, 368_400, 465, 548_155, 0, 0),
        (date(2024, 2, 19), 635, 307_385, 224, 263_895, 0, 0),
        (date(2024, 2, 26), 744, 337_320, 420, 436_485, 90, 92),
    ]


def test_the_real_days_are_loaded_without_a_gap_or_a_rejected_row(real_mart: Mart):
    assert len(real_mart.loaded_day) == len(real_mart.d_calendar) == 31
    assert sum(day.orders for day in real_mart.loaded_day) == 6_992
    assert not any(day.rejected for day in real_mart.loaded_day)
    assert all(800 <= day.rows <= 1_200 for day in real_mart.loaded_day)
    assert all(18 <= day.orders <= 523 for day in real_mart.loaded_day)


def test_a_real_day_delivered_again_changes_its_week_and_no_other(
    real_files: RealFiles, real_mart: Mart
):
    changed = mart(real_files.days | {MONDAY: real_files.monday_of_other_report})
    assert changed.f_customer_retention_weekly[:4] == real_mart.f_customer_retention_weekly[:4]
    assert changed.f_customer_retention_weekly[4] != real_mart.f_customer_retention_weekly[4]


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
    assert (reading.rows, kept_lines(reading)) == (2, [3, 6])


def test_a_line_of_blanks_is_a_row():
    assert reasons(read_rows(" ")) == [(2, None, "missing value")]


def test_a_row_over_several_lines_has_the_number_of_its_first():
    reading = read_rows({"uniq_id": "a", "first_name": '"Оль\r\nга\n\n"'}, {"uniq_id": "b"})
    assert kept_lines(reading) == [2, 6]
    assert reading.orders[0].first_name == "Оль\r\nга\n\n"


def test_quotes_are_dropped_and_doubled_ones_halved():
    assert read_rows({"item_name": '"Стул, ""дачный"""'}).orders[0].item_name == 'Стул, "дачный"'


def test_a_quoted_value_is_the_same_text():
    assert read_rows({}, {"item_name": '"Яблоко"'}).copies == 1


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lines_may_end_either_way_and_the_last_one_not_at_all(ending: str):
    body = csv_file({"uniq_id": "a"}, {"uniq_id": "b"}).decode().replace("\r\n", ending)
    assert read_body(body.encode()) == read_body(body.removesuffix(ending).encode())
    assert kept_lines(read_body(body.encode())) == [2, 3]


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
    assert read_rows() == Reading([], [], 0, 0, {}, {})


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
    assert kept_lines(read_rows(whole + surplus)) == [2]


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
    assert (reading.rows, reading.copies) == (2, 1)
    assert (reading.rows_by_day, reading.copies_by_day) == ({}, {})


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
    assert kept_lines(reading) == [3, 4]
    assert reasons(reading) == [
        (2, date(2024, 2, 25), "other day"),
        (5, date(2024, 2, 28), "other day"),
    ]
    assert reading.rows_by_day == {date(2024, 2, number): 1 for number in (25, 26, 27, 28)}


# --- Copies and conflicts -------------------------------------------------------------------------


def test_of_copies_the_first_stays():
    reading = read_rows({"id": "1"}, {"id": "2"}, {"id": "3", "uniq_id": "b"}, {"id": "4"})
    assert (kept_lines(reading), reading.copies) == ([2, 4], 2)
    assert (reading.rows_by_day, reading.copies_by_day) == ({MONDAY: 4}, {MONDAY: 2})


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
def test_rows_of_equal_values_are_copies_however_written(
    column: str, text: str, columns: tuple[str, ...]
):
    reading = read_rows({}, {column: text}, columns=columns)
    assert (kept_lines(reading), reading.copies, reading.rejected) == ([2], 1, [])


def test_a_bad_rows_copies_are_copies():
    reading = read_rows({"quantity": "0"}, {"quantity": "0", "id": "2"}, {"quantity": "00"})
    assert reasons(reading) == [(2, MONDAY, "not above zero"), (4, MONDAY, "not above zero")]
    assert reading.copies == 1


def test_a_row_cut_short_and_one_with_the_values_empty_are_copies():
    assert read_rows("1,a,2024-02-26", "2,a,2024-02-26,,,,,,,,,,").copies == 1


@pytest.mark.parametrize("long_first", [True, False])
def test_a_row_with_too_many_fields_is_no_copy_of_a_good_one(long_first: bool):
    whole = ",".join(ORDER.values())
    rows = [whole + ",x", whole] if long_first else [whole, whole + ",x"]
    reading = read_rows(*rows, whole + ",y")
    assert (len(reading.orders), len(reading.rejected), reading.copies) == (1, 1, 1)


@pytest.mark.parametrize(
    ("column", "text"),
    [("payment_amount", "101"), ("city_id", "1"), ("date_time", "2024-02-26T00:00:01")],
)
def test_every_version_of_a_key_with_other_contents_is_rejected(column: str, text: str):
    reading = read_rows({}, {"uniq_id": "b"}, {column: text}, {})
    assert kept_lines(reading) == [3]
    assert reasons(reading) == [(2, MONDAY, "conflict"), (4, MONDAY, "conflict")]
    assert reading.copies == 1


def test_a_refund_has_a_key_of_its_own():
    assert kept_lines(read_rows({}, {"status": "refunded"})) == [2, 3]


def test_a_bad_version_does_not_conflict_with_a_good_one():
    reading = read_rows({}, {"payment_amount": "0"})
    assert kept_lines(reading) == [2]
    assert reasons(reading) == [(3, MONDAY, "not above zero")]


def test_the_same_key_on_another_day_is_another_order():
    body = csv_file({}, {"date_time": "2024-02-27", "payment_amount": "5"})
    assert kept_lines(read(Delivery(body, MONDAY, TUESDAY))) == [2, 3]


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


# --- The mart -------------------------------------------------------------------------------------


def test_no_loaded_day_is_an_empty_mart():
    assert mart({}) == Mart([], [], [], [], [], [], [], [])


def test_every_table_names_its_columns():
    tables = vars(mart({MONDAY: increment(csv_file({}))}))
    assert {name: len(rows[0]) for name, rows in tables.items()} == {
        name: len(columns) for name, columns in TABLE_COLUMNS.items()
    }


def test_a_day_takes_only_its_own_rows():
    body = csv_file({}, {"date_time": "2024-02-27", "item_id": "4"})
    loaded = mart({TUESDAY: Delivery(body, MONDAY, TUESDAY)})
    assert loaded.d_item == [(4, "Яблоко", TUESDAY, 3)]
    assert loaded.loaded_day == [(TUESDAY, 1, 1, 0)]


def test_a_day_is_not_loaded_from_a_delivery_of_other_days():
    with pytest.raises(ValueError, match="2024-02-27 cannot be loaded"):
        mart({TUESDAY: increment(csv_file({}))})


def test_a_refused_file_is_no_load():
    with pytest.raises(Refused):
        mart({MONDAY: increment(b"")})


def test_members_have_the_attributes_of_their_latest_order():
    monday = csv_file(
        {"uniq_id": "a", "item_name": "Яблоко"},
        {"uniq_id": "b", "item_name": "Груша", "last_name": "Белова"},
        {"uniq_id": "c", "item_id": "4", "customer_id": "8"},
    )
    tuesday = csv_file({"date_time": "2024-02-27", "city_id": "1", "city_name": "Ростов"})
    loaded = mart({TUESDAY: increment(tuesday, TUESDAY), MONDAY: increment(monday)})
    assert loaded.d_item == [(3, "Яблоко", TUESDAY, 2), (4, "Яблоко", MONDAY, 4)]
    assert loaded.d_city == [(0, "Москва", MONDAY, 4), (1, "Ростов", TUESDAY, 2)]
    assert loaded.d_customer == [
        (7, "Ольга", "Орлова", 1, TUESDAY, 2),
        (8, "Ольга", "Орлова", 0, MONDAY, 4),
    ]
    monday_alone = mart({MONDAY: increment(monday)})
    assert monday_alone.d_item[0] == (3, "Груша", MONDAY, 3)
    assert monday_alone.d_customer[0] == (7, "Ольга", "Белова", 0, MONDAY, 3)


def test_rejected_rows_make_no_members():
    loaded = mart({MONDAY: increment(csv_file({"quantity": "0"}))})
    assert (loaded.d_item, loaded.f_sales, loaded.f_customer_retention) == ([], [], [])
    assert loaded.loaded_day == [(MONDAY, 1, 0, 1)]


def test_facts_are_negative_when_refunded():
    body = csv_file({"uniq_id": "b"}, {"uniq_id": "a", "status": "refunded"})
    assert mart({MONDAY: increment(body)}).f_sales == [
        (1_708_905_600, 3, 7, 0, -2, Decimal("-100.00"), "a", "refunded"),
        (1_708_905_600, 3, 7, 0, 2, Decimal("100.00"), "b", "shipped"),
    ]


def test_retention_counts_rows_whatever_their_status_and_customers_once():
    body = csv_file(
        {"uniq_id": "a", "customer_id": "1", "payment_amount": "10"},
        {"uniq_id": "b", "customer_id": "2", "payment_amount": "30.50", "status": "refunded"},
        {"uniq_id": "c", "customer_id": "3", "payment_amount": "100"},
        {"uniq_id": "d", "customer_id": "3", "payment_amount": "40", "status": "refunded"},
        {"uniq_id": "d", "customer_id": "3", "payment_amount": "40"},
        {"uniq_id": "e", "customer_id": "3", "payment_amount": "1", "status": "refunded"},
    )
    week = (MONDAY, 2, Decimal("-20.50"), 1, Decimal("99.00"), 2, 3)
    loaded = mart({MONDAY: increment(body)})
    assert loaded.f_customer_retention_weekly == [week]
    assert loaded.f_customer_retention == [("weekly", *week)]


def test_a_week_runs_from_monday_to_sunday_and_needs_facts():
    days = {
        day: increment(csv_file({"date_time": str(day)}), day)
        for day in (MONDAY - timedelta(days=1), MONDAY, MONDAY + timedelta(days=6))
    }
    next_monday = MONDAY + timedelta(days=7)
    days[next_monday] = increment(csv_file(), next_monday)
    assert mart(days).f_customer_retention_weekly == [
        (date(2024, 2, 19), 1, 100, 0, 0, 0, 0),
        (MONDAY, 0, 0, 1, 200, 0, 0),
    ]


def test_a_loaded_day_counts_its_rows_in_the_file():
    body = csv_file(
        {"id": "1"},
        {"id": "2"},
        {"uniq_id": "b", "quantity": "0"},
        {"uniq_id": "c", "date_time": "2024-02-27"},
        {"uniq_id": "d", "date_time": "?"},
    )
    assert mart({MONDAY: increment(body)}).loaded_day == [(MONDAY, 3, 1, 1)]


def test_an_empty_day_is_loaded_and_stretches_the_calendar():
    thursday = MONDAY + timedelta(days=3)
    loaded = mart({MONDAY: increment(csv_file({})), thursday: increment(csv_file(), thursday)})
    assert loaded.loaded_day == [(MONDAY, 1, 1, 0), (thursday, 0, 0, 0)]
    assert [day.date_actual.day for day in loaded.d_calendar] == [26, 27, 28, 29]


# --- The calendar ---------------------------------------------------------------------------------


def test_a_calendar_day_is_fully_described():
    assert calendar_day(date(2024, 2, 25))._asdict() == {
        "date_id": 1_708_819_200,
        "date_actual": date(2024, 2, 25),
        "epoch": 1_708_819_200,
        "day_suffix": "25th",
        "day_name": "Sunday",
        "day_of_week": 7,
        "day_of_month": 25,
        "day_of_quarter": 56,
        "day_of_year": 56,
        "week_of_month": 4,
        "week_of_year": 8,
        "week_of_year_iso": "2024-W08-7",
        "month_actual": 2,
        "month_name": "February",
        "month_name_abbreviated": "Feb",
        "quarter_actual": 1,
        "quarter_name": "First",
        "year_actual": 2024,
        "first_day_of_week": date(2024, 2, 19),
        "last_day_of_week": date(2024, 2, 25),
        "first_day_of_month": date(2024, 2, 1),
        "last_day_of_month": date(2024, 2, 29),
        "first_day_of_quarter": date(2024, 1, 1),
        "last_day_of_quarter": date(2024, 3, 31),
        "first_day_of_year": date(2024, 1, 1),
        "last_day_of_year": date(2024, 12, 31),
        "mmyyyy": "022024",
        "mmddyyyy": "02252024",
        "weekend_indr": True,
    }


def test_a_new_years_day_may_belong_to_the_old_iso_year():
    day = calendar_day(date(2023, 1, 1))
    assert (day.week_of_year, day.week_of_year_iso, day.year_actual) == (52, "2022-W52-7", 2023)
    assert (day.week_of_month, day.day_of_quarter, day.day_of_year) == (1, 1, 1)
    assert day.first_day_of_week == date(2022, 12, 26)


def test_the_last_day_of_a_leap_year_closes_its_quarter():
    day = calendar_day(date(2024, 12, 31))
    assert (day.quarter_actual, day.quarter_name, day.day_of_quarter) == (4, "Fourth", 92)
    assert (day.day_of_year, day.week_of_year_iso) == (366, "2025-W01-2")
    assert day.last_day_of_month == day.last_day_of_quarter == day.last_day_of_year
    assert (day.first_day_of_quarter, day.weekend_indr) == (date(2024, 10, 1), False)


@pytest.mark.parametrize(
    ("number", "week"), [(1, 1), (2, 1), (3, 1), (4, 2), (10, 2), (11, 3), (31, 5)]
)
def test_the_first_week_of_a_month_holds_its_1st(number: int, week: int):
    assert calendar_day(date(2024, 3, number)).week_of_month == week  # the 1st is a Friday


def test_days_have_english_ordinals():
    suffixes = [calendar_day(date(2024, 1, number)).day_suffix for number in range(1, 32)]
    assert suffixes[:4] == ["1st", "2nd", "3rd", "4th"]
    assert suffixes[9:14] == ["10th", "11th", "12th", "13th", "14th"]
    assert suffixes[19:24] == ["20th", "21st", "22nd", "23rd", "24th"]
    assert suffixes[29:] == ["30th", "31st"]


def test_saturday_and_sunday_are_the_weekend():
    week = [calendar_day(MONDAY + timedelta(days=number)) for number in range(7)]
    assert [day.weekend_indr for day in week] == [False] * 5 + [True] * 2


def test_a_date_id_is_the_epoch_second_of_midnight_utc():
    assert date_id(date(1970, 1, 2)) == 86_400
    assert date_id(date(1969, 12, 31)) == -86_400
