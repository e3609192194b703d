"""Measuring two things side by side, and telling how one compares with the other."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """How one thing compares with another that was measured beside it.

    Attributes:
        what: what was measured.
        against: what it was measured against.
        target: the ratio that is aimed at, at most.
        seconds: of each round.
        baseline: the other thing's seconds, of the same rounds.
    """

    what: str
    against: str
    target: float
    seconds: list[float]
    baseline: list[float]

    @property
    def ratio(self) -> float:
        """The ratio of the medians."""
        return statistics.median(self.seconds) / statistics.median(self.baseline)

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the greatest ratio of a round."""
        ratios = [one / other for one, other in zip(self.seconds, self.baseline, strict=True)]
        return min(ratios), max(ratios)


def side_by_side(
    what: str,
    against: str,
    target: float,
    measured: Callable[[int], float],
    baseline: Callable[[int], float],
    *,
    rounds: int = 5,
) -> Ratio:
    """Measure both in turn, A B A B, after a round that warms them up.

    Args:
        what: what is measured.
        against: what it is measured against.
        target: the ratio that is aimed at.
        measured: does it once, and returns the seconds that count; gets the number of the round.
        baseline: likewise.
        rounds: how often.
    """
    pairs = [(measured(number), baseline(number)) for number in range(rounds + 1)][1:]
    return Ratio(what, against, target, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Give a function that returns the seconds since the block began, or that it took."""
    began = time.perf_counter()
    ended: float | None = None
    yield lambda: (ended or time.perf_counter()) - began
    ended = time.perf_counter()
