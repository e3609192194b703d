"""The one retry layer: what is transient, and for how long it is tried again.

Transient faults (timeouts, resets, 408, 429, 5xx, a database that restarts) are raised as
`Transient` by the code that meets them and tried again here, with exponential back-off and jitter,
for a minute in all. Everything else is permanent and goes up at once. The clients' own retries are
switched off: two layers would multiply.
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
"""How long a call is tried again, from its first fault: longer than any restart that was seen."""

_back_off = wait_random_exponential(multiplier=0.5, max=15)


class Transient(Exception):
    """A fault that is expected to pass; `retry_after` is the wait the server asked for, in s."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def is_transient(status: int) -> bool:
    """Return whether an HTTP status tells of a fault that is expected to pass."""
    passing = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
    return status in passing or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def retry_after(header: str | None) -> float | None:
    """Return the seconds to wait that a header `Retry-After` asks for, in seconds or by date."""
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
    """Call the function until it returns, for as long as it raises `Transient`.

    Raises:
        ServiceUnavailable: it still raised `Transient` when the time was up.
    """
    return retried_for(RETRY_SECONDS, function, *args, **kwargs)


def retried_for(seconds: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do what `retried` does for that many seconds; with 0 the function is called once.

    The time begins with the first fault: a load that breaks off after an hour is done again too.
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
