"""The retry layer: it tries transient faults again for a while, and no others."""

import time

import pytest

from etl_assets.clients.retries import Transient, retried, retried_for, retry_after
from etl_assets.errors import EtlError, ServiceUnavailable


class Faulty:
    """Fails a number of times, then returns its argument; records the times of its calls."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.calls: list[float] = []

    def __call__(self, value: int) -> int:
        self.calls.append(time.monotonic())
        if self.faults:
            raise self.faults.pop(0)
        return value


def test_a_transient_fault_is_tried_again() -> None:
    function = Faulty(Transient("a"), Transient("b"))
    assert retried(function, 7) == 7
    assert len(function.calls) == 3


@pytest.mark.parametrize("error", [EtlError("no"), ValueError("no"), KeyboardInterrupt()])
def test_any_other_error_is_raised_at_once(error: Exception) -> None:
    function = Faulty(error)
    with pytest.raises(type(error)) as raised:
        retried(function, 7)
    assert raised.value is error
    assert len(function.calls) == 1


def test_after_the_time_the_error_has_the_last_fault_and_the_number_of_tries() -> None:
    function = Faulty(*[Transient(f"fault {number}") for number in range(1000)])
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable) as raised:
        retried_for(1.0, function, 7)
    assert time.monotonic() - began < 10
    tries = len(function.calls)
    assert tries > 1
    assert str(raised.value) == f"fault {tries - 1} ({tries} tries)"


def test_with_no_time_there_is_one_try() -> None:
    function = Faulty(Transient("a"))
    with pytest.raises(ServiceUnavailable) as raised:
        retried_for(0, function, 7)
    assert (str(raised.value), len(function.calls)) == ("a", 1)


def test_the_wait_that_a_server_requests_is_respected() -> None:
    function = Faulty(Transient("a", retry_after=0.6))
    assert retried_for(5, function, 7) == 7
    first, second = function.calls
    assert second - first >= 0.6


def test_a_requested_wait_longer_than_the_time_is_an_error_at_once() -> None:
    function = Faulty(Transient("a", retry_after=3600))
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        retried_for(5, function, 7)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("soon", None),
        ("9" * 5000, None),
        ("", None),
        (None, None),
    ],
)
def test_the_seconds_of_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds
