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
        """Return the server's messages, the errors among them translated."""
        translated, at = b"", 0
        while at + 5 <= len(data):
            (length,) = struct.unpack_from("!I", data, at + 1)
            message = data[at : at + 1 + length]
            translated += _translated(message) if message[:1] == b"E" else message
            at += 1 + length
        return translated + data[at:]


def _translated(error: bytes) -> bytes:
    severity, text = (word.encode() for word in _RUSSIAN)
    words = {b"S": severity, b"M": text}
    fields = error[5:].rstrip(b"\0").split(b"\0")
    body = b"\0".join(field[:1] + words.get(field[:1], field[1:]) for field in fields) + b"\0\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


@contextmanager
def in_russian(url: str) -> Generator[Severing]:
    """Yield the server in Russian; its `connections` count the tries."""
    with _Translating(url) as server:
        yield server
