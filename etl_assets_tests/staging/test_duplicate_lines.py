"""Lines left out before they are taken apart: only duplicates, each counted to its day."""

from collections import Counter
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etl_assets.staging.csv_pieces import CsvPiece
from etl_assets.staging.duplicate_lines import LineDuplicates, NewLines
from etl_assets_tests.support.files import MONDAY

# Few, so that most come again; each has a day of its own, and one has none that can be read.
contents = st.integers(0, 6)
pieces = st.lists(st.lists(contents, min_size=1, max_size=12), max_size=6)


def day_of(content: int) -> date | None:
    return MONDAY + timedelta(days=content) if content else None


def left_out(
    duplicates: LineDuplicates, piece: CsvPiece, lines: CsvPiece | NewLines
) -> tuple[list[int], Counter[date | None]]:
    """Return the numbers of the lines that stay, and how many are left out of each day."""
    if isinstance(lines, CsvPiece):
        assert lines is piece
        count = piece.data.count(b"\n")
        return list(range(piece.line, piece.line + count)), Counter()
    stay = [int(line.split(b",")[1]) for line in lines.data.splitlines()]
    days = pl.Series([day_of(content) for content in stay], dtype=pl.Date)
    numbers: list[int] = lines.numbers.to_list()
    of_piece = piece.data.splitlines()
    assert stay == [int(of_piece[number - piece.line].split(b",")[1]) for number in numbers]
    return numbers, duplicates.count(lines, days)


@settings(deadline=None)
@given(pieces, st.sampled_from([1, 4, 1 << 10]), st.booleans())
@example([[1, 1, 2, 1], [2, 1]], 1, False)
@example([[1], [2, 1], [1, 2]], 1, True)
def test_only_duplicates_of_earlier_lines_are_left_out_and_counted_to_their_days(
    pieces: list[list[int]], slots: int, dropped_ahead: bool
) -> None:
    duplicates = LineDuplicates(slots)
    number = 2
    seen: set[int] = set()
    csv_pieces: list[CsvPiece] = []
    for piece in pieces:
        data = "".join(f"{place},{content},x\r\n" for place, content in enumerate(piece))
        csv_pieces.append(CsvPiece(data.encode(), number))
        number += len(piece)
    dropped = map(duplicates.drop, csv_pieces)
    if dropped_ahead:
        dropped = iter(list(dropped))
    for piece, csv_piece, lines in zip(pieces, csv_pieces, dropped, strict=True):
        stay, by_day = left_out(duplicates, csv_piece, lines)
        expected: dict[date | None, int] = {}
        for place, content in enumerate(piece, csv_piece.line):
            if place not in stay:
                assert content in seen
                expected[day_of(content)] = expected.get(day_of(content), 0) + 1
            seen.add(content)
        assert by_day == expected


def test_all_duplicates_are_left_out_while_there_is_room() -> None:
    duplicates = LineDuplicates()
    data = b"".join(b"%d,%d,x\n" % (number, number % 100) for number in range(1000))
    for first_line, stay in ((2, list(range(2, 102))), (1002, [])):
        piece = CsvPiece(data, first_line)
        assert left_out(duplicates, piece, duplicates.drop(piece))[0] == stay


def test_what_does_not_pay_is_given_up() -> None:
    duplicates = LineDuplicates()
    dropped = [
        duplicates.drop(CsvPiece(b"".join(b"%d,%d,x\n" % (n, n) for n in range(at, at + 9)), 2))
        for at in range(0, 90, 9)
    ]
    assert [isinstance(lines, NewLines) for lines in dropped] == [True] * 4 + [False] * 6


@pytest.mark.parametrize("last_id", [b"2", b"22"], ids=repr)
@pytest.mark.parametrize(
    "line",
    [b"x,1", b"", b",1", b'1,"1"', b"1,\r1", b"1,1\r\r", b"1,\xff"],
    ids=repr,
)
def test_a_piece_is_read_as_it_is_where_a_line_is_no_row_for_sure(
    line: bytes, last_id: bytes
) -> None:
    piece = CsvPiece(b"1,1\r\n" + line + b"\r\n" + last_id + b",1\r\n", 2)
    assert LineDuplicates().drop(piece) is piece


def test_a_line_is_no_duplicate_for_being_equal_where_other_ids_end() -> None:
    piece = CsvPiece(b"100,1\n1,2,1\n300,1\n", 2)
    assert LineDuplicates().drop(piece) is piece
