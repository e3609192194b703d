"""Whatever a file holds it is read as the model reads it, and within little memory."""

import subprocess
import sys
from datetime import date

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etl_assets.errors import FileRefused
from etl_assets_tests.properties import oracle
from etl_assets_tests.properties.oracle import Delivery, Order, Refused
from etl_assets_tests.staging.odd_files import bodies
from etl_assets_tests.staging.reading import assert_equal, assert_equal_counts, read_file
from etl_assets_tests.support.files import COLUMNS, MONDAY, TUESDAY, csv_file


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


def test_a_file_mostly_of_duplicates_is_read_as_the_model_reads_it() -> None:
    rows = [{"uniq_id": f"{number**2 % 97}"} for number in range(1000)]
    wrong = [{"uniq_id": "a", "quantity": "0"}] * 9
    second_day = [{"date_time": f"{TUESDAY}T00:00:00"}] * 20
    body = csv_file(*rows[:500], *wrong, *rows[500:], *second_day)
    check_against_the_model(body, MONDAY, TUESDAY, 1000, 3000)


MEMORY = """
import sys
from datetime import date
from etl_assets.staging.reading import OrderLog
from etl_assets.staging.seen_rows import SeenRows

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
loaded = sum(len(piece.orders) for piece in log.pieces())
print(loaded, peak() - early)
"""
"""Reads 200 MiB of the same rows; prints orders, and the MiB that the last 160 have added."""


@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[1:]], ids=["with ids", "without"])
def test_memory_does_not_grow_with_a_file_of_duplicates(columns: tuple[str, ...]) -> None:
    body = csv_file(*({"uniq_id": f"{number}"} for number in range(50)), columns=columns)
    run = subprocess.run(
        [sys.executable, "-c", MEMORY], input=body, stdout=subprocess.PIPE, check=True
    )
    loaded, grown = map(int, run.stdout.split())
    assert loaded == 50
    assert grown < 60
