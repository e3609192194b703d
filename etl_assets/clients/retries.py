"""The only retry layer: it tries calls again while their faults are transient.

Clients raise transient faults (time-outs, resets, 408, 429, 5xx, a database that restarts) as
`Transient`. This module calls them again, with exponential back-off and jitter, for a minute in
all. Every other error is permanent and is raised at once. The libraries' own retries are switched
off, because two layers would multiply the tries.
"""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import ParamSpec, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    wait_random_exponential,
)

from etl_assets.errors import ServiceUnavailable

P = ParamSpec("P")
T = TypeVar("T")

RETRY_SECONDS = 60.0
"""How long to try a call again after its first fault: longer than any restart that we saw."""

_back_off = wait_random_exponential(multiplier=0.5, max=15)


class Transient(Exception):
    """A fault that is expected to pass; `retry_after` is the server's requested wait in seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def is_transient(status: int) -> bool:
    """Return whether an HTTP status means a fault that is expected to pass."""
    passing = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
    return status in passing or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def retry_after(header: str | None) -> float | None:
    """Return the seconds to wait from a `Retry-After` header, which has seconds or a date."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    try:
        return Retry().parse_retry_after(header) if header else None
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_for = error.retry_after if isinstance(error, Transient) else None
    return max(asked_for or 0.0, _back_off(state))


def retried(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the function, and call it again as long as it raises `Transient`.

    Raises:
        ServiceUnavailable: it still raised `Transient` after `RETRY_SECONDS`.
    """
    return retried_for(RETRY_SECONDS, function, *args, **kwargs)


def retried_for(seconds: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do the same as `retried` for the given seconds; with 0 call the function once.

    The time counts from the first fault, so a load that fails after an hour is tried again too.
    """
    first_fault: list[float] = []

    def is_time_up(state: RetryCallState) -> bool:
        first_fault.append(time.monotonic())
        return time.monotonic() - first_fault[0] + state.upcoming_sleep >= seconds

    retrying = Retrying(
        retry=retry_if_exception_type(Transient),
        stop=is_time_up,
        wait=_wait,
        reraise=True,
    )
    try:
        return retrying(function, *args, **kwargs)
    except Transient as error:
        tries = retrying.statistics.get("attempt_number", 1)
        raise ServiceUnavailable(f"{error} ({tries} tries)" if tries > 1 else str(error)) from error
