"""A file as a whole: its header, its lines, and what refuses it.

Here and in the modules beside it each rule is written out once by hand, and checked with the model.
"""

import hashlib
from datetime import datetime
from decimal import Decimal

import pytest

from etl_assets.source.feeds import ORDER_COLUMNS
from etl_assets.staging.csv_pieces import MAX_LINE_BYTES
from etl_assets_tests.properties import oracle
from etl_assets_tests.staging.reading import lines, parsed, read_file, reasons, refused
from etl_assets_tests.support.files import COLUMNS, MONDAY, ORDER, csv_file, without


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


def test_a_byte_order_mark_further_on_is_part_of_the_text() -> None:
    columns = ("city_name", *without("city_name"))
    body = csv_file({"city_name": "\ufeffМосква"}, {"uniq_id": "b"}, columns=columns)
    file = parsed(body)
    assert file.orders["city_name"].to_list() == ["\ufeffМосква", "Москва"]
    assert lines(file) == [2, 3]


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
