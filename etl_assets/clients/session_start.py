"""Why a session with a database could not be opened, told without reading words in a language.

libpq gives its caller a text, in the server's language, and no SQLSTATE. So the session is opened
once more while libpq traces the messages that are exchanged, where the SQLSTATE stands.
"""

import os
import re
import sys
import time
from enum import Enum, auto
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import NamedTuple

import psycopg
from psycopg.pq import ConnStatus, PGconn, Ping, PollingStatus, Trace
from psycopg.pq.abc import PGconn as AnyPGconn

_POOLER_STATE = "08P01"
_POOLER_LIMIT = re.compile(
    r"\b(server_login_retry|client_login_timeout|query_wait_timeout|max_client_conn"
    r"|max_db_connections|max_user_connections)\b"
)
"""Settings of PgBouncer, whose errors have one SQLSTATE: these tell of one that passes."""

_CANNOT_CONNECT_NOW = "57P03"
_ERROR = re.compile(r'\tErrorResponse\t.* C "(?P<state>\w{5})" M "(?P<message>.*)')
_SEVERITY_OF_A_SERVER = re.compile(r"\b[^\W\d_]+:  \S")
"""How a server's own message begins in every language; libpq's own have one space."""


class Start(Enum):
    """How far a session came."""

    ANSWERED = auto()
    """The server refused it, with a SQLSTATE."""

    WELL = auto()
    """It can be opened: whatever was wrong has passed."""

    UNREACHED = auto()
    """No server answered."""

    NO_TLS = auto()
    """There is no encryption that both sides accept."""

    REFUSED_HERE = auto()
    """The server would, but the address, or what it lacks, forbids it."""


class Why(NamedTuple):
    """Why a session could not be opened; the SQLSTATE where the server answered with one."""

    start: Start
    state: str | None = None
    is_pooler_busy: bool = False


def why_not_opened(conninfo: str, error: psycopg.OperationalError, seconds: float) -> Why:
    """Return why the connection of `conninfo` could not be made, asking again for `seconds`.

    Elsewhere than on Linux libpq can't trace: there every answer of a server that is not about to
    start is taken for one that lasts.
    """
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return Why(Start.UNREACHED)
    if sys.platform != "linux":
        return _without_trace(conninfo, error)
    status, needs_password, lines = _traced(conninfo, seconds)
    if status == PollingStatus.OK:
        return Why(Start.WELL)
    if error_response := next(filter(None, map(_ERROR.search, lines)), None):
        state, message = error_response.group("state", "message")
        is_busy = state == _POOLER_STATE and _POOLER_LIMIT.search(message) is not None
        return Why(Start.ANSWERED, state, is_pooler_busy=is_busy)
    messages = [line.split("\t")[2] for line in lines if line.count("\t") > 1]
    if "SSLResponse" in messages and "StartupMessage" not in messages:
        return Why(Start.NO_TLS)
    ping = PGconn.ping(conninfo.encode())
    is_refused_here = needs_password or ping == Ping.NO_ATTEMPT or (messages and ping == Ping.OK)
    return Why(Start.REFUSED_HERE if is_refused_here else Start.UNREACHED)


def _without_trace(conninfo: str, error: psycopg.OperationalError) -> Why:
    match PGconn.ping(conninfo.encode()):
        case Ping.REJECT:
            return Why(Start.ANSWERED, _CANNOT_CONNECT_NOW)
        case Ping.OK if _SEVERITY_OF_A_SERVER.search(str(error)):
            return Why(Start.ANSWERED, "")
        case Ping.NO_ATTEMPT:
            return Why(Start.REFUSED_HERE)
        case _:
            return Why(Start.UNREACHED)


def _traced(conninfo: str, seconds: float) -> tuple[PollingStatus, bool, list[str]]:
    """Open a session; return how it ended, whether it lacked a password, and what was exchanged."""
    # In memory alone: a password can be in it.
    with open(os.memfd_create("trace"), "rb") as trace:
        connection = PGconn.connect_start(conninfo.encode())
        try:
            connection.trace(trace.fileno())
            connection.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
            status = _polled(connection, time.monotonic() + seconds)
            needs_password = connection.needs_password
            connection.untrace()
        finally:
            connection.finish()
        trace.seek(0)
        return status, needs_password, trace.read().decode(errors="replace").splitlines()


def _polled(connection: AnyPGconn, deadline: float) -> PollingStatus:
    """Open the connection that was started, until the deadline at the latest."""
    while connection.status != ConnStatus.BAD:
        status = PollingStatus(connection.connect_poll())
        if status in {PollingStatus.OK, PollingStatus.FAILED}:
            return status
        left = deadline - time.monotonic()
        with DefaultSelector() as selector:
            is_reading = status == PollingStatus.READING
            selector.register(connection.socket, EVENT_READ if is_reading else EVENT_WRITE)
            if left <= 0 or not selector.select(left):
                break
    return PollingStatus.FAILED
