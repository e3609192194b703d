"""Measures things side by side and returns figures, each with its target."""

import statistics
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """The largest or the smallest value that a figure should have."""

    limit: float
    is_most: bool

    def is_met_by(self, value: float) -> bool:
        """Return whether a figure reaches the target."""
        return value <= self.limit if self.is_most else value >= self.limit


def at_most(limit: float) -> Target:
    """Return the target of a figure for which less is better."""
    return Target(limit, is_most=True)


def at_least(limit: float) -> Target:
    """Return the target of a figure for which more is better."""
    return Target(limit, is_most=False)


@dataclass(frozen=True)
class Figure:
    """A measured figure.

    Attributes:
        what: what was measured.
        against: what it was compared with, if it is a ratio.
        target: its target.
        unit: × for a ratio, else s, ms or GB.
        value: the median, which is compared with the target.
        rounds: the figure of each round.
    """

    what: str
    against: str
    target: Target
    unit: str
    value: float
    rounds: Sequence[float]

    @property
    def is_met(self) -> bool:
        """Whether it reaches its target."""
        return self.target.is_met_by(self.value)


def absolute(what: str, target: Target, unit: str, rounds: Sequence[float]) -> Figure:
    """Return a figure that is no ratio: the median of the rounds, in their unit."""
    return Figure(what, "", target, unit, statistics.median(rounds), rounds)


@dataclass(frozen=True)
class Pair:
    """The seconds that two things took in each round."""

    measured: Sequence[float]
    baseline: Sequence[float]

    def ratio(self, what: str, against: str, target: Target) -> Figure:
        """Return the ratio of the medians, and of each round's two values."""
        value = statistics.median(self.measured) / statistics.median(self.baseline)
        of_rounds = zip(self.measured, self.baseline, strict=True)
        return Figure(what, against, target, "×", value, [one / other for one, other in of_rounds])


def in_turn(*measured: Callable[[int], float], rounds: int = 5) -> list[list[float]]:
    """Measure several things in turn (A B A B), after one round to warm up.

    Args:
        measured: functions that do a thing once and return its seconds. Their argument is the
            number of the round; round 0 is not counted.
        rounds: how many rounds to count.

    Returns:
        The seconds of each thing.
    """
    taken = [[each(number) for each in measured] for number in range(rounds + 1)][1:]
    return [list(seconds) for seconds in zip(*taken, strict=True)]


def side_by_side(
    measured: Callable[[int], float], baseline: Callable[[int], float], *, rounds: int = 5
) -> Pair:
    """Measure two things with `in_turn`."""
    return Pair(*in_turn(measured, baseline, rounds=rounds))


@contextmanager
def stopwatch() -> Generator[Callable[[], float]]:
    """Yield a function that returns the seconds since the block began, or that it took."""
    began = time.perf_counter()
    ended: float | None = None
    yield lambda: (ended or time.perf_counter()) - began
    ended = time.perf_counter()
