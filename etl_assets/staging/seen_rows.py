"""A growing set of the hashes of rows, in NumPy arrays.

A Python set takes over 100 bytes and a call for each row. A Polars join with all rows before makes
the time grow with the square of the file. No library that we know has such a set.
"""

import secrets

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

SEEDS = tuple(secrets.randbits(64) for _ in range(4))
"""Random in each process, so that no file can be crafted with rows of equal hashes."""

_FIRST_SLOTS = 1 << 8
_MAX_LOAD = 0.7
_AT_ONCE = 1 << 16


class SeenRows:
    """A set of keys (128 bits), with the contents (64 bits) that each key first had.

    A hash table with linear probing. A slot takes 24 bytes, so a row takes 34 to 69. The
    probability that any two of n different keys have the same hash is n² / 2¹²⁹: 10⁻²⁵ for 10
    million.
    """

    def __init__(self) -> None:
        self._count = 0
        self._make(_FIRST_SLOTS)

    def __len__(self) -> int:
        return self._count

    def add(self, first: Hashes, second: Hashes, contents: Hashes) -> tuple[Mask, Mask]:
        """Add rows, given by the two halves of their keys and by their contents.

        Returns two masks: the rows with a new key, and the rows with the key of an earlier row but
        other contents. The remaining rows are duplicates.
        """
        while self._count + len(first) > _MAX_LOAD * len(self._first):
            self._grow()
        is_new, is_other = self._put(_not_free(first), second, contents)
        self._count += int(np.count_nonzero(is_new))
        return is_new, is_other

    def has(self, first: Hashes, second: Hashes) -> Mask:
        """Return a mask of the keys that the set contains."""
        first = _not_free(first)
        found = np.zeros(len(first), np.bool_)
        rows = np.arange(len(first) if self._count else 0)
        slots = self._slots(first[rows])
        while rows.size:
            stored = self._first[slots]
            here = (stored == first[rows]) & (self._second[slots] == second[rows])
            found[rows[here]] = True
            elsewhere = ~here & (stored != 0)
            rows, slots = rows[elsewhere], self._next(slots[elsewhere])
        return found

    def _put(self, first: Hashes, second: Hashes, contents: Hashes) -> tuple[Mask, Mask]:
        is_new = np.zeros(len(first), np.bool_)
        is_other = np.zeros(len(first), np.bool_)
        # Backwards: of several rows with the same free slot, the last one to write gets it, and
        # that is to be the first row.
        rows = np.arange(len(first))[::-1]
        slots = self._slots(first)[::-1]
        while rows.size:
            free = np.flatnonzero(self._first[slots] == 0)
            wanted, candidates = slots[free], rows[free]
            signatures = candidates.astype(np.uint64)
            self._contents[wanted] = signatures
            chosen = self._contents[wanted] == signatures
            slot, row = wanted[chosen], candidates[chosen]
            self._first[slot] = first[row]
            self._second[slot] = second[row]
            self._contents[slot] = contents[row]
            is_new[row] = True

            left = ~is_new[rows]
            rows, slots = rows[left], slots[left]
            has_key = (self._first[slots] == first[rows]) & (self._second[slots] == second[rows])
            known, where = rows[has_key], slots[has_key]
            is_other[known] = self._contents[where] != contents[known]
            rows, slots = rows[~has_key], self._next(slots[~has_key])
        return is_new, is_other

    def _make(self, slots: int) -> None:
        # The first half is 0 where a slot is free.
        self._first, self._second, self._contents = (np.zeros(slots, np.uint64) for _ in range(3))

    def _grow(self) -> None:
        first, second, contents = self._first, self._second, self._contents
        self._make(2 * len(first))
        for start in range(0, len(first), _AT_ONCE):
            used = start + np.flatnonzero(first[start : start + _AT_ONCE])
            self._put(first[used], second[used], contents[used])

    def _slots(self, first: Hashes) -> npt.NDArray[np.int64]:
        return (first & np.uint64(len(self._first) - 1)).astype(np.int64)

    def _next(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return (slots + 1) & (len(self._first) - 1)


def _not_free(first: Hashes) -> Hashes:
    return np.maximum(first, np.uint64(1))
