"""Measuring things side by side, and what came of it: figures, each with its target."""

import statistics
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """What a figure is to be: at most, or at least, so much."""

    limit: float
    is_most: bool

    def is_met_by(self, value: float) -> bool:
        """Return whether a figure is as it should be."""
        return value <= self.limit if self.is_most else value >= self.limit


def at_most(limit: float) -> Target:
    """Return the target of a figure that is the better the smaller it is."""
    return Target(limit, is_most=True)


def at_least(limit: float) -> Target:
    """Return the target of a figure that is the better the larger it is."""
    return Target(limit, is_most=False)


@dataclass(frozen=True)
class Figure:
    """What was measured, in each round.

    Attributes:
        what: what was measured.
        against: what it was measured against, if it is a ratio.
        target: what it is to be.
        unit: × of a ratio, else s, ms or GB.
        value: what counts: a median.
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
        """Whether it is as it should be."""
        return self.target.is_met_by(self.value)


def absolute(what: str, target: Target, unit: str, rounds: Sequence[float]) -> Figure:
    """Return a figure that stands for itself: the median of the rounds, in their unit."""
    return Figure(what, "", target, unit, statistics.median(rounds), rounds)


@dataclass(frozen=True)
class Pair:
    """The seconds that two things took, in each round."""

    measured: Sequence[float]
    baseline: Sequence[float]

    def ratio(self, what: str, against: str, target: Target) -> Figure:
        """Return the ratio of the medians; a round's is that of its own two."""
        value = statistics.median(self.measured) / statistics.median(self.baseline)
        of_rounds = zip(self.measured, self.baseline, strict=True)
        return Figure(what, against, target, "×", value, [one / other for one, other in of_rounds])


def in_turn(*measured: Callable[[int], float], rounds: int = 5) -> list[list[float]]:
    """Measure several things in turn, A B A B, after a round that warms them up.

    Args:
        measured: each does it once, and returns the seconds that count; it gets the number of the
            round, 0 for the one that does not count.
        rounds: how often.

    Returns:
        The seconds of each thing.
    """
    taken = [[each(number) for each in measured] for number in range(rounds + 1)][1:]
    return [list(seconds) for seconds in zip(*taken, strict=True)]


def side_by_side(
    measured: Callable[[int], float], baseline: Callable[[int], float], *, rounds: int = 5
) -> Pair:
    """Measure two things as `in_turn` does."""
    return Pair(*in_turn(measured, baseline, rounds=rounds))


@contextmanager
def stopwatch() -> Generator[Callable[[], float]]:
    """Give a function that returns the seconds since the block began, or that it took."""
    began = time.perf_counter()
    ended: float | None = None
    yield lambda: (ended or time.perf_counter()) - began
    ended = time.perf_counter()
