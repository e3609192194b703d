"""What commands print: tables and progress for people, JSON and CSV for programs.

Results go to standard output. Progress and errors go to standard error.
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
"""The size used where the output is not a terminal. Wrapped lines are hard to search."""

_LONG_WORD = 12
"""The length up to which a word is never broken, even on a narrow terminal."""


class Step(Protocol):
    """Shows the step that is running now."""

    def __call__(self, step: str, /) -> None:
        """Show the step."""
        ...


def print_message(text: str) -> None:
    """Print a message for people on standard error."""
    _console(stderr=True).print(text, soft_wrap=True)


@contextmanager
def progress(what: str) -> Generator[Step]:
    """Show that work is going on. On a terminal, also show the seconds and the step."""
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
    """Print the columns of the rows as a table that fits the terminal.

    On a narrow terminal, headers wrap between words and texts wrap anywhere. Numbers and days are
    never broken.
    """
    from rich import box
    from rich.measure import Measurement
    from rich.table import Table

    console = _console()
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        # The box already puts a blank between two columns.
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
            # Rich narrows the widest columns first, and would cut numbers.
            if not any(isinstance(row[name], str) for row in rows):
                column.width = column.min_width
        least = sum(column.min_width or 0 for column in table.columns)
        gaps = len(columns) - 1
        if least + 2 * gaps > console.width:
            table.padding = 0
        # If the table can't fit, let the terminal wrap the lines: rich would break numbers.
        console.width = max(console.width, least + gaps)
    console.print(title, style="bold")
    console.print(table, crop=False)


def _unbroken(value: object) -> list[str]:
    """Return the parts of a value that are never broken between two lines."""
    if isinstance(value, str):
        return [word[:_LONG_WORD] for word in value.split()]
    return [_text(value)]


def print_json(value: object) -> None:
    """Print a value as JSON. A day is a text such as "2024-02-25", an amount such as "9.50"."""
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
    raise TypeError(f"{type(value)} can't be written as JSON")


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    # Print texts unchanged: brackets are not markup, and colons are not emoji.
    return Console(
        stderr=stderr,
        width=get_terminal_size(_NO_LIMIT).columns,
        highlight=False,
        markup=False,
        emoji=False,
    )
