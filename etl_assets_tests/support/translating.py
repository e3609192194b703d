"""A PostgreSQL server whose messages are Russian, as with lc_messages = ru_RU.

It is a proxy in front of a real server. It replaces the severity and the text of each error and
forwards the rest. (Not every build of the server has its language files.)
"""

import struct
from collections.abc import Generator
from contextlib import contextmanager

from typing_extensions import override

from etl_assets_tests.support.severing import Severing

_RUSSIAN = "ВАЖНО", "так не пойдёт"


class _Translating(Severing):
    @override
    def answer(self, data: bytes) -> bytes:
        if data[:1] != b"E" or struct.unpack("!I", data[1:5])[0] + 1 > len(data):
            return data
        length = struct.unpack("!I", data[1:5])[0]
        severity, text = (word.encode() for word in _RUSSIAN)
        fields = [
            b"S" + severity if field[:1] == b"S" else b"M" + text if field[:1] == b"M" else field
            for field in data[5 : length + 1].rstrip(b"\0").split(b"\0")
        ]
        body = b"\0".join(fields) + b"\0\0"
        return b"E" + struct.pack("!I", len(body) + 4) + body + data[length + 1 :]


@contextmanager
def in_russian(url: str) -> Generator[Severing]:
    """Yield the server in Russian; its `connections` count the tries."""
    with _Translating(url) as server:
        yield server
