"""Cutting a CSV file into pieces of whole records that fit into memory, as its bytes arrive.

This module knows only that a line ends with a line feed, and that a line feed between quotes is
part of a field.
"""

import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from etl_assets.errors import FileRefused

MAX_LINE_BYTES = 1 << 20

MAX_RECORD_BYTES = 1 << 24
"""A record is longer than a line only where quoted fields contain line feeds."""

PIECE_BYTES = 1 << 24
"""The approximate size of a piece. The first pieces are an eighth of it."""

MAX_CELLS = 1 << 21
"""The approximate number of fields in a piece: many short fields need more memory than bytes."""

_BLOCK_BYTES = 1 << 18
"""How much is counted at once: with a whole piece, allocating memory took most of the time."""


@dataclass(frozen=True)
class CsvPiece:
    """Some records of a file, and the number of the line on which the first begins."""

    data: bytes
    line: int


class CsvPieces:
    """The header of a file, then the rest in pieces. Each is read once, in this order.

    A piece ends at a line feed with an even number of quotes before it. In well-formed CSV that is
    the end of a record. If every piece is well-formed, the file is.
    """

    def __init__(self, chunks: Iterator[bytes], *, piece_bytes: int = PIECE_BYTES) -> None:
        """Take the file's bytes, in chunks of up to `MAX_LINE_BYTES`."""
        self._digest = hashlib.sha256()
        self._chunks = self._measured(chunks)
        self._piece_bytes = piece_bytes
        self._rest = b""

    @property
    def sha256(self) -> str:
        """The SHA-256 (hex) of all bytes read so far, a byte order mark included."""
        return self._digest.hexdigest()

    def header(self) -> bytes:
        """Return the first line without its line feed and byte order mark.

        Raises:
            FileRefused: the file is empty, or the line is longer than `MAX_LINE_BYTES`.
        """
        start: list[bytes] = []
        for chunk in self._chunks:
            start.append(chunk)
            if b"\n" in chunk:
                break
        if not start:
            raise FileRefused("the file is empty: not even a header")
        header, _, self._rest = b"".join(start).partition(b"\n")
        return header.removeprefix(codecs.BOM_UTF8)

    def pieces(self, columns: int) -> Iterator[CsvPiece]:
        """Yield what follows the header.

        Args:
            columns: the number of columns of a line.

        Raises:
            FileRefused: a line is longer than `MAX_LINE_BYTES`, or a record longer than
                `MAX_RECORD_BYTES`. The rest of the file is not read then.
        """
        max_lines = max(1, MAX_CELLS // columns)
        line = 2
        for data in self._cut():
            for part, lines in _split(data, max_lines):
                yield CsvPiece(part, line)
                line += lines

    def _cut(self) -> Iterator[bytes]:
        parts = [self._rest]
        size = len(self._rest)
        # The first pieces are small, so that work begins while the next ones arrive. Never 0.
        piece_bytes = 1 + self._piece_bytes // 8
        for chunk in self._chunks:
            size += len(chunk)
            if size < piece_bytes:
                parts.append(chunk)
                continue
            line_end = chunk.rfind(b"\n") + 1
            data = b"".join([*parts, chunk[:line_end]])
            end = _last_record_end(data)
            parts = [data[end:], chunk[line_end:]]
            size -= end
            if size > MAX_RECORD_BYTES:
                raise FileRefused(
                    f"a record is over {MAX_RECORD_BYTES} bytes long: a quote is not closed"
                )
            if end:
                piece_bytes = min(2 * piece_bytes, self._piece_bytes)
                # Usually all of the data, which makes no copy.
                yield data[:end]
        if size:
            yield b"".join(parts)

    def _measured(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the chunks, and refuse a line that is too long: it spans several chunks."""
        length, last_byte = 0, b""
        for chunk in chunks:
            self._digest.update(chunk)
            line_end = chunk.find(b"\n")
            end = len(chunk) if line_end < 0 else line_end
            last_byte = chunk[end - 1 : end] or last_byte
            if length + end - (last_byte == b"\r") > MAX_LINE_BYTES:
                raise FileRefused(f"a line is over {MAX_LINE_BYTES} bytes long")
            length = length + end if line_end < 0 else len(chunk) - chunk.rfind(b"\n") - 1
            last_byte = chunk[-1:]
            yield chunk


def _last_record_end(data: bytes) -> int:
    """Return where the last whole record of the data ends, or 0 where none does."""
    end = data.rfind(b"\n") + 1
    # Most files have no quotes, and looking for one is much faster than counting.
    quotes = data.count(b'"', 0, end) if b'"' in data else 0
    while quotes % 2:
        quote = data.rfind(b'"', 0, end)
        end = data.rfind(b"\n", 0, quote) + 1
        quotes -= data.count(b'"', end, quote + 1)
    return end


def _split(data: bytes, max_lines: int) -> Iterator[tuple[bytes, int]]:
    """Split a piece with too many lines at ends of records; yield the parts and their lines."""
    every_byte = np.frombuffer(data, np.uint8)
    blocks = np.array_split(every_byte, 1 + len(data) // _BLOCK_BYTES)
    lines = sum(int(np.count_nonzero(block == ord("\n"))) for block in blocks)
    if lines > max_lines:
        start, done = 0, 0
        line_ends = np.flatnonzero(every_byte == ord("\n")) + 1
        for line_end in line_ends[max_lines - 1 :: max_lines].tolist():
            if end := _last_record_end(data[start:line_end]):
                part = data[start : start + end]
                yield part, (lines_of_part := part.count(b"\n"))
                start += end
                done += lines_of_part
        data, lines = data[start:], lines - done
    if data:
        yield data, lines
