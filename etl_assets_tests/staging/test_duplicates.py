"""Of duplicates the first stays; of versions that contradict each other none."""

import pytest

from etl_assets_tests.staging.reading import lines, parsed, reasons
from etl_assets_tests.support.files import COLUMNS, MONDAY, TUESDAY, csv_file, without


def test_rows_equal_in_all_but_id_are_duplicates_and_the_first_stays() -> None:
    file = parsed(csv_file({"id": "1"}, {"id": "2", "uniq_id": "b"}, {"id": "3"}, {"id": "4"}))
    assert lines(file) == [2, 3]
    assert file.counts.row(0) == (MONDAY, 4, 2, 0, 2)


def test_rows_that_differ_in_unknown_columns_alone_are_duplicates() -> None:
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
def test_rows_that_say_the_same_in_other_words_are_duplicates(column: str, text: str) -> None:
    assert lines(parsed(csv_file({}, {column: text}))) == [2]


def test_rows_of_2022_that_say_the_same_in_other_words_are_duplicates() -> None:
    columns = without("uniq_id", "status")
    assert lines(parsed(csv_file({}, {"quantity": "02"}, columns=columns))) == [2]


def test_the_duplicates_of_a_rejected_row_are_duplicates() -> None:
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
