"""What is wrong with a database, said for people: which faults pass, and what to do about each.

What is said is the server's message, never its details, which quote rows.
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

_RUNS = "Check that it runs, and its log"
_HELD = "Another session holds what this one needs: pg_stat_activity shows which"
_FREE_CONNECTIONS = "End sessions that nobody uses, or have max_connections raised"

_PASSING = {
    "08": _RUNS,
    "25P03": "Have idle_in_transaction_session_timeout raised for this user",
    "25P04": "Have transaction_timeout raised for this user",
    "40001": _HELD,
    "40P01": _HELD,
    "53200": "Have it given more memory, or max_locks_per_transaction raised if it asks for that",
    "53300": _FREE_CONNECTIONS,
    "55P03": f"{_HELD}; or have lock_timeout raised for this user",
    "57014": f"{_HELD}; or have statement_timeout raised for this user",
    "57P01": _RUNS,
    "57P02": _RUNS,
    "57P03": _RUNS,
    "57P05": "Have idle_session_timeout raised for this user",
}
"""Faults that pass, by SQLSTATE or its class, and what to do about one that goes on."""

# A connection pool gives each of its own errors 08P01, that of a wrong password too.
_PASSING_AT_START = {state: remedy for state, remedy in _PASSING.items() if state != "08"}

_LASTING = {
    "25006": "It is a standby, or default_transaction_read_only is on: give {setting} the primary's"
    " address, or have that switched off",
    "53100": "The disk of its server is full: have space freed or added there, then run it again",
    "53400": "Have that limit of its server raised, then run it again",
    "58": "Its server can't use its files: see its log",
    "XX": "That is a fault of its server: see its log",
}
"""Faults that trying again at once won't change, likewise, and what to do about them."""


def database_fault(error: "psycopg.Error", name: str, setting: str) -> EtlError | Transient:
    """Return what is wrong with a database that is called `name` and found by `setting`."""
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
    """Return the server's primary message, or the client library's own in one line."""
    if (error.sqlstate or "").startswith(_WRONG_VALUE):
        # Those messages quote the value.
        return type(error).__name__
    return error.diag.message_primary or " ".join(str(error).split())


def not_opened(
    error: "psycopg.OperationalError", why: "Why", name: str, setting: str
) -> EtlError | Transient:
    """Return what is wrong with a database whose connection could not be made.

    What a server itself answers is taken to last, unless its SQLSTATE is known to pass: a password
    that is tried again and again gets its user locked.
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
            return Transient(f"{name} has no connection free: {message}. {_FREE_CONNECTIONS}")
        case Start.ANSWERED if not (why.is_pooler_busy or _of_state(why.state, _PASSING_AT_START)):
            return EtlError(f"{name} can't be opened: {message}. Check {setting}")
        case Start.REFUSED_HERE:
            return EtlError(f"{name} can't be opened: {message}. Check {setting}")
        case _:
            return Transient(
                f"{name} could not be reached: {message}. Check that it runs, and {setting}"
            )


def _of_state(state: str | None, remedies: Mapping[str, str]) -> str | None:
    """Return the remedy for a SQLSTATE, or None where there is none."""
    return next((remedies[known] for known in remedies if (state or "").startswith(known)), None)
