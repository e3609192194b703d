"""Which rows were seen: the same as a dict would tell, a row at a time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from etl_assets.staging.seen_rows import Hashes, SeenRows

# Few, and multiples of a table's size, so that they want the same slots.
halves = st.sampled_from([0, 1, 2, 255, 256, 512, 2**32, 2**64 - 256, 2**64 - 1])
rows = st.tuples(halves, halves, st.integers(0, 2))


def columns(batch: list[tuple[int, int, int]]) -> list[Hashes]:
    return [np.array([row[place] for row in batch], np.uint64) for place in range(3)]


@given(st.lists(st.lists(rows, max_size=40), max_size=10))
def test_a_key_is_new_once_and_other_where_its_contents_are_not_the_first(
    batches: list[list[tuple[int, int, int]]],
) -> None:
    seen = SeenRows()
    first_contents: dict[tuple[int, int], int] = {}
    for batch in batches:
        first, second, contents = columns(batch)
        there = [(max(row[0], 1), row[1]) in first_contents for row in batch]
        assert seen.has(first, second).tolist() == there
        is_new, is_other = seen.add(first, second, contents)
        for (one, two, content), new, other in zip(
            batch, is_new.tolist(), is_other.tolist(), strict=True
        ):
            key = (max(one, 1), two)
            assert new == (key not in first_contents)
            assert other == (first_contents.setdefault(key, content) != content)
        assert len(seen) == len(first_contents)


def test_it_grows() -> None:
    seen = SeenRows()
    random = np.random.default_rng(7)
    first, second, contents = random.integers(1, 2**64, (3, 100_000), dtype=np.uint64)
    for start in range(0, 100_000, 999):
        part = slice(start, start + 999)
        is_new, is_other = seen.add(first[part], second[part], contents[part])
        assert is_new.all()
        assert not is_other.any()
    assert len(seen) == 100_000
    assert seen.has(first, second).all()
    assert not seen.has(second, first).any()
    is_new, is_other = seen.add(first, second, contents + np.uint64(1))
    assert (is_new.any(), is_other.all()) == (False, True)
