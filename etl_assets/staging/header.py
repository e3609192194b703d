"""The header of a file: which of its columns are which."""

import csv

from etl_assets.errors import FileRefused
from etl_assets.source.feeds import KNOWN_COLUMNS, NEEDED_COLUMNS
from etl_assets.staging.csv_texts import SURPLUS, require_csv

_NAMES = frozenset({"id", *KNOWN_COLUMNS})


def columns_of(header: bytes) -> dict[str, str]:
    """Return the file's columns: what they are called in here, and what the file calls them.

    Unknown ones go by their place, so that none is mistaken for one that we add.

    Raises:
        FileRefused: it is no header of an order log.
    """
    require_csv(header)
    try:
        titles = next(csv.reader([header.decode()], strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise FileRefused("its header is not UTF-8 or not CSV") from None
    missing = [name for name in NEEDED_COLUMNS if name not in titles]
    if missing:
        # What it has instead is not said: without a header that would be names of people.
        raise FileRefused(f"the header lacks {', '.join(missing)}")
    twice = [name for name in _NAMES if titles.count(name) > 1]
    if twice:
        raise FileRefused(f"the header has {', '.join(twice)} more than once")
    return {
        title if title in _NAMES else f"column_{place}": title
        if title and titles.count(title) == 1 and title != SURPLUS
        else f"{title}_{place}"
        for place, title in enumerate(titles, 1)
    }


def unknown_columns(columns: dict[str, str]) -> tuple[str, ...]:
    """Return those that are ignored, as the file calls them."""
    return tuple(shown for name, shown in columns.items() if name not in _NAMES)
