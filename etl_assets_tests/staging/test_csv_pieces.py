"""Cutting a file into pieces: where they end, and what is refused before it is all read."""

import hashlib
from collections.abc import Iterator
from itertools import accumulate, repeat

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl_assets.errors import FileRefused
from etl_assets.staging.csv_pieces import MAX_CELLS, MAX_LINE_BYTES, MAX_RECORD_BYTES, CsvPieces

fields = st.one_of(
    st.sampled_from([b"", b"a", b"\xd0\xae"]),
    st.lists(st.sampled_from([b"\n", b"\r\n", b'""', b",", b"b"]), max_size=4).map(
        lambda parts: b'"' + b"".join(parts) + b'"'
    ),
)
records = st.lists(fields, min_size=1, max_size=3).map(b",".join)


def chunks(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


sizes = st.tuples(
    st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, MAX_CELLS // 2, MAX_CELLS])
)


@given(st.lists(records), st.sampled_from([b"\n", b"\r\n"]), st.booleans(), sizes)
@example([b'"\n\n"', b"a"], b"\n", True, (1, 1, MAX_CELLS))
@example([b'"\n\n"', b"a", b"b"], b"\n", True, (30, 30, MAX_CELLS))
def test_pieces_end_where_records_do(
    rows: list[bytes], end: bytes, ends: bool, sizes: tuple[int, int, int]
) -> None:
    chunk_bytes, piece_bytes, columns = sizes
    body = b"\xef\xbb\xbfheader\n" + end.join([*rows, b""] if ends else rows)
    csv = CsvPieces(chunks(body, chunk_bytes), piece_bytes=piece_bytes)
    assert csv.header() == b"header"
    pieces = list(csv.pieces(columns))
    assert b"".join(piece.data for piece in pieces) == body.partition(b"\n")[2]
    assert csv.sha256 == hashlib.sha256(body).hexdigest()
    ends_of_records = set(accumulate(len(row + end) for row in rows))
    ends_of_pieces = list(accumulate(len(piece.data) for piece in pieces))
    assert set(ends_of_pieces[:-1]) <= ends_of_records
    lines_before = accumulate((piece.data.count(b"\n") for piece in pieces), initial=2)
    assert [piece.line for piece in pieces] == list(lines_before)[:-1]


def test_pieces_grow_until_they_are_about_as_large_as_wanted() -> None:
    csv = CsvPieces(chunks(b"header\n" + b"0123456789\n" * 1000, 100), piece_bytes=1600)
    csv.header()
    sizes = [len(piece.data) for piece in csv.pieces(1)]
    assert sum(sizes) == 11_000
    wanted = [201, 402, 804] + [1600] * 5
    assert all(-11 <= got - size <= 110 for got, size in zip(sizes[:-1], wanted, strict=True))


@pytest.mark.parametrize("columns", [13, 5000])
def test_a_piece_of_short_lines_or_of_many_columns_has_fewer_lines(columns: int) -> None:
    csv = CsvPieces(chunks(b"header\n" + b"\n" * 500_000, MAX_LINE_BYTES))
    csv.header()
    lines = [piece.data.count(b"\n") for piece in csv.pieces(columns)]
    assert sum(lines) == 500_000
    assert max(lines) <= MAX_CELLS // columns


class Endless:
    """A file without end, of the same chunk over and over."""

    def __init__(self, chunk: bytes) -> None:
        self.chunk = chunk
        self.bytes_read = 0

    def __iter__(self) -> Iterator[bytes]:
        yield b"header\n"
        for chunk in repeat(self.chunk):
            self.bytes_read += len(chunk)
            yield chunk


@pytest.mark.parametrize(
    ("file", "limit", "why"),
    [
        (Endless(b"x" * 65536), MAX_LINE_BYTES, "a line is over 1048576 bytes long"),
        (
            Endless(b'"' + b"x\n" * 65536 + b'"'),
            MAX_RECORD_BYTES,
            "a record is over 16777216 bytes long: a quote is not closed",
        ),
    ],
    ids=["line", "record"],
)
def test_what_has_no_end_is_refused_soon(file: Endless, limit: int, why: str) -> None:
    csv = CsvPieces(iter(file))
    csv.header()
    with pytest.raises(FileRefused, match=why):
        list(csv.pieces(1))
    assert limit < file.bytes_read <= limit + len(file.chunk) + (8 << 20)


@pytest.mark.parametrize("chunk_bytes", [1000, MAX_LINE_BYTES])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_may_be_exactly_1_mib_long(chunk_bytes: int, end: bytes) -> None:
    for too_long in (0, 1):
        body = b"header\n" + b"x" * (MAX_LINE_BYTES + too_long) + end + b"y"
        csv = CsvPieces(chunks(body, chunk_bytes))
        csv.header()
        if too_long:
            with pytest.raises(FileRefused):
                list(csv.pieces(1))
        else:
            assert len(list(csv.pieces(1))) == 1
