"""The faults of a database as messages for people: which are transient, and what to do about each.

A message has the server's primary message, but never its details, which quote rows.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from etl_assets.clients.retries import Transient
from etl_assets.errors import EtlError

if TYPE_CHECKING:
    import psycopg

    from etl_assets.clients.session_start import Why

_WRONG_VALUE = "22"
_NO_CONNECTION_FREE = "53300"

_RUNS = "Check that its server runs, and the server's log"
_HELD = "Another session has a lock that this one needs: pg_stat_activity shows which"
_FREE_CONNECTIONS = "End unused sessions, or raise max_connections"

_PASSING = {
    "08": _RUNS,
    "25P03": "Raise idle_in_transaction_session_timeout for this user",
    "25P04": "Raise transaction_timeout for this user",
    "40001": _HELD,
    "40P01": _HELD,
    "53200": "Give its server more memory, or raise max_locks_per_transaction if it asks for that",
    "53300": _FREE_CONNECTIONS,
    "55P03": f"{_HELD}. Or raise lock_timeout for this user",
    "57014": f"{_HELD}. Or raise statement_timeout for this user",
    "57P01": _RUNS,
    "57P02": _RUNS,
    "57P03": _RUNS,
    "57P05": "Raise idle_session_timeout for this user",
}
"""Transient faults by SQLSTATE or its class, and what to do about one that lasts."""

# A connection pool reports all its own errors as 08P01, including a wrong password.
_PASSING_AT_START = {state: remedy for state, remedy in _PASSING.items() if state != "08"}

_LASTING = {
    "25006": "It is a standby, or default_transaction_read_only is on: set {setting} to the "
    "primary's address, or turn that setting off",
    "53100": "The disk of its server is full: free or add space, then run this again",
    "53400": "Raise that limit of its server, then run this again",
    "58": "Its server can't use its files: see the server's log",
    "XX": "This is a fault of its server: see the server's log",
}
"""Permanent faults by SQLSTATE or its class, and what to do about each."""


def database_fault(error: "psycopg.Error", name: str, setting: str) -> EtlError | Transient:
    """Return the error for a fault of the database `name`, whose address is in `setting`."""
    from psycopg import OperationalError

    if error.sqlstate is None and isinstance(error, OperationalError):
        return Transient(f"{name} broke off: {server_message(error)}. {_RUNS}")
    if remedy := _of_state(error.sqlstate, _PASSING):
        return Transient(f"{name} broke off: {server_message(error)}. {remedy}")
    message = f"{name} says: {server_message(error)} (SQLSTATE {error.sqlstate})"
    if remedy := _of_state(error.sqlstate, _LASTING):
        return EtlError(f"{message}. {remedy.format(setting=setting)}")
    return EtlError(message)


def server_message(error: "psycopg.Error") -> str:
    """Return the server's primary message, or the client library's message in one line."""
    if (error.sqlstate or "").startswith(_WRONG_VALUE):
        # These messages quote the value.
        return type(error).__name__
    return error.diag.message_primary or " ".join(str(error).split())


def not_opened(
    error: "psycopg.OperationalError", why: "Why", name: str, setting: str
) -> EtlError | Transient:
    """Return the error for a connection that could not be opened.

    An answer of the server is a permanent fault, unless its SQLSTATE is known to be transient:
    trying a wrong password again and again can lock its user.
    """
    from etl_assets.clients.session_start import Start

    message = server_message(error)
    match why.start:
        case Start.NO_TLS:
            return EtlError(
                f"TLS with {name[0].lower()}{name[1:]}'s server failed: {message}. Check the host, "
                f"sslmode and sslrootcert in {setting}"
            )
        case Start.ANSWERED if why.state == _NO_CONNECTION_FREE:
            return Transient(f"{name} has no free connection: {message}. {_FREE_CONNECTIONS}")
        case Start.ANSWERED if not (why.is_pooler_busy or _of_state(why.state, _PASSING_AT_START)):
            return EtlError(f"{name} can't be opened: {message}. Check {setting}")
        case Start.REFUSED_HERE:
            return EtlError(f"{name} can't be opened: {message}. Check {setting}")
        case _:
            return Transient(
                f"{name} could not be reached: {message}. Check that it runs, and {setting}"
            )


def _of_state(state: str | None, remedies: Mapping[str, str]) -> str | None:
    """Return the remedy for a SQLSTATE, or None if there is none."""
    return next((remedies[known] for known in remedies if (state or "").startswith(known)), None)
