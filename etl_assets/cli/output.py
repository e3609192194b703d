"""What commands print: tables and progress for people, JSON and CSV for programs.

Results go to standard output, progress and complaints to standard error.
"""

import csv
import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console

_NO_LIMIT = (1_000, 1)
"""The size of what is no terminal: a line that wraps can't be searched."""

_LONG_WORD = 12
"""Longer words are broken where a terminal is narrow."""


class Step(Protocol):
    """Says what is being done now."""

    def __call__(self, step: str, /) -> None:
        """Say it."""
        ...


def print_message(text: str) -> None:
    """Say how far things are, on standard error."""
    _console(stderr=True).print(text, soft_wrap=True)


@contextmanager
def progress(what: str) -> Generator[Step]:
    """Show that something goes on; on a terminal also for how long, and its step."""
    console = _console(stderr=True)
    if not console.is_terminal:
        print_message(f"{what} …")
        yield _unseen
        return

    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda step: shown.update(task, description=f"{what} [dim]{step}[/dim]")


def print_table(rows: Sequence[Mapping[str, Any]], *, title: str, columns: Sequence[str]) -> None:
    """Print the columns of the rows as a table as wide as the terminal.

    Where that is narrow headers wrap between words and texts anywhere; numbers and days never do.
    """
    from rich import box
    from rich.measure import Measurement
    from rich.table import Table

    console = _console()
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        # The box puts a blank between two columns itself.
        padding=(0, 1, 0, 0),
        header_style="bold",
    )
    for name in columns:
        header, values = name.replace("_", " "), [row[name] for row in rows]
        is_number = any(isinstance(value, int | float | Decimal) for value in values)
        parts = [part for value in values for part in _unbroken(value)]
        table.add_column(
            header,
            justify="right" if is_number else "left",
            overflow="fold",
            min_width=max(map(len, [*header.split(), *parts])),
        )
    for row in rows:
        table.add_row(*(_text(row[name]) for name in columns))
    unlimited = console.options.update(max_width=_NO_LIMIT[0])
    if Measurement.get(console, unlimited, table).maximum > console.width:
        for column, name in zip(table.columns, columns, strict=True):
            # Rich takes from the widest columns first, numbers included, and cuts those.
            if not any(isinstance(row[name], str) for row in rows):
                column.width = column.min_width
        least = sum(column.min_width or 0 for column in table.columns)
        gaps = len(columns) - 1
        if least + 2 * gaps > console.width:
            table.padding = 0
        # Where it can't fit the terminal breaks lines; rich would break numbers.
        console.width = max(console.width, least + gaps)
    console.print(title, style="bold")
    console.print(table, crop=False)


def _unbroken(value: object) -> list[str]:
    """Return the parts of a value that are never broken between two lines."""
    if isinstance(value, str):
        return [word[:_LONG_WORD] for word in value.split()]
    return [_text(value)]


def print_json(value: object) -> None:
    """Print a value as JSON: days as in 2024-02-25, money as exact decimals in texts."""
    json.dump(value, sys.stdout, default=_json, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def print_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print the columns of the rows as CSV."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[column] for column in columns] for row in rows)


def _unseen(_step: str, /) -> None:
    pass


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}"
        case Decimal() | float():
            return f"{value:,.2f}"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}Z"
        case _:
            return str(value)


def _json(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value)} is no JSON")


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    # Texts are printed as they are: brackets in them are no markup, colons no emoji.
    return Console(
        stderr=stderr,
        width=get_terminal_size(_NO_LIMIT).columns,
        highlight=False,
        markup=False,
        emoji=False,
    )
