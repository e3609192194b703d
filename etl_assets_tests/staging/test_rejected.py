"""The rows that are rejected, and the values that only just are not."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from etl_assets_tests.properties.oracle import ReasonKind
from etl_assets_tests.staging.reading import WHOLE_NUMBERS, lines, parsed, reasons
from etl_assets_tests.support.files import COLUMNS, MONDAY, ORDER, SUNDAY, TUESDAY, csv_file


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
