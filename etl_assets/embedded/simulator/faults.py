"""Makes calls fail on request, and records all calls.

It is an ASGI layer around the API: the API's own code knows nothing of the faults.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Fault:
    """A fault of the calls of a path.

    Attributes:
        path: the path of the calls that fail: `/get_report`, or a pattern such as
            `*/user_order_log.csv`.
        status: the status to answer instead of calling the API; None returns the API's answer.
        body: the body for `status`.
        headers: the headers for `status`, such as `Retry-After`.
        reset: reset the connection instead of answering, or after `cut_after` bytes.
        delay: seconds to wait before anything else.
        drip: seconds to wait after each byte of the body.
        cut_after: end the connection after this many bytes of the body.
        times: how many calls fail; None for all until the fault is removed.
        method: the method of the calls that fail; None for any.
    """

    path: str
    status: int | None = None
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    reset: bool = False
    delay: float = 0.0
    drip: float = 0.0
    cut_after: int | None = None
    times: int | None = 1
    method: str | None = None


@dataclass(frozen=True)
class Call:
    """A call that arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    at: datetime


class Faults:
    """The faults of the next calls; safe to change while calls are answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault) -> None:
        """Add a fault, after the earlier faults of the same path."""
        with self._lock:
            self._pending.append((fault, fault.times))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._pending.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault of this call, if any, and count the call."""
        with self._lock:
            for position, (fault, left) in enumerate(self._pending):
                if fault.method not in {None, method} or not fnmatchcase(path, fault.path):
                    continue
                if left == 1:
                    del self._pending[position]
                elif left is not None:
                    self._pending[position] = (fault, left - 1)
                return fault
        return None


class Misbehaving:
    """The API with its faults. Each call is appended to `calls` before it is handled."""

    def __init__(
        self,
        api: ASGIApp,
        faults: Faults,
        calls: list[Call],
        transport: Callable[[Scope], asyncio.Transport],
    ) -> None:
        self._api = api
        self._faults = faults
        self._calls = calls
        self._transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call, with its fault if it has one."""
        request = Request(scope)
        path = request.url.path
        query = dict(request.query_params)
        self._calls.append(Call(request.method, path, query, datetime.now(UTC)))
        fault = self._faults.take(request.method, path)
        if fault is None:
            await self._api(scope, receive, send)
            return
        await asyncio.sleep(fault.delay)
        transport = self._transport(scope) if fault.reset else None
        if transport and fault.cut_after is None:
            await _reset(transport)
            return
        answer: ASGIApp = self._api
        if fault.status is not None:
            answer = Response(fault.body, fault.status, dict(fault.headers))
        await answer(scope, receive, _damaging(send, fault, transport))


def _damaging(send: Send, fault: Fault, transport: asyncio.Transport | None) -> Send:
    """Return a `send` that delays or cuts the body of the answer, which must be one piece.

    With `transport` the connection is reset where the body is cut.
    """

    async def damaged(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        body: bytes = message.get("body", b"")[: fault.cut_after]
        pieces = [body[i : i + 1] for i in range(len(body))] if fault.drip else [body]
        for piece in pieces:
            await send({"type": message["type"], "body": piece, "more_body": True})
            await asyncio.sleep(fault.drip)
        if transport:
            await _reset(transport)
        # An answer that never completes makes the server close the connection.
        if fault.cut_after is None:
            await send({"type": message["type"], "body": b""})

    return damaged


async def _reset(transport: asyncio.Transport) -> None:
    """End the connection with a TCP reset, as a failing load balancer does."""
    connection: socket.socket = transport.get_extra_info("socket")
    linger_for_no_time = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
    transport.abort()
    await asyncio.sleep(0)  # so that uvicorn sees the reset before it notices the missing answer
