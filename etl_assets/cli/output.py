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


def say(text: str) -> None:
    """Say how far things are, on standard error."""
    _console(stderr=True).print(text, soft_wrap=True)


@contextmanager
def progress(what: str) -> Generator[Step]:
    """Show that something goes on; on a terminal also for how long, and its step."""
    console = _console(stderr=True)
    if not console.is_terminal:
        say(f"{what} …")
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
    from rich.table import Table

    console = _console()
    headers = [column.replace("_", " ") for column in columns]
    values = [[row[column] for row in rows] for column in columns]
    widths, gap = _layout(headers, values, console.width)
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        # The box puts a blank between two columns itself.
        padding=(0, gap - 1, 0, 0),
        header_style="bold",
    )
    for header, of_column, width in zip(headers, values, widths, strict=True):
        is_number = any(isinstance(value, int | float | Decimal) for value in of_column)
        justify = "right" if is_number else "left"
        table.add_column(header, width=width, justify=justify, overflow="fold")
    for row in zip(*values, strict=True):
        table.add_row(*map(_text, row))
    console.print(title, style="bold")
    # Where it can't fit the terminal breaks lines; rich would break numbers.
    console.width = max(console.width, sum(widths) + gap * (len(widths) - 1))
    console.print(table)


def _layout(
    headers: Sequence[str], values: Sequence[Sequence[object]], room: int
) -> tuple[list[int], int]:
    """Return the columns' widths and the gap between them, as they fit into the room if they can.

    Rich's own way of making columns narrower cuts numbers.
    """
    pairs = list(zip(headers, values, strict=True))
    whole = [max(len(header), *(len(_text(v)) for v in column)) for header, column in pairs]
    wide_gap = 2
    if sum(whole) + wide_gap * (len(whole) - 1) <= room:
        return whole, wide_gap
    least = [max(map(len, header.split())) for header in headers]
    for i, column in enumerate(values):
        for value in column:
            is_text = isinstance(value, str)
            unbroken = [word[:_LONG_WORD] for word in value.split()] if is_text else [_text(value)]
            least[i] = max(least[i], *map(len, unbroken), 0)
    gap = wide_gap if sum(least) + wide_gap * (len(least) - 1) <= room else 1
    spare = max(0, room - sum(least) - gap * (len(least) - 1))
    # What is left goes to the texts, the longest first.
    texts = [i for i, column in enumerate(values) if isinstance(column[0], str)]
    for i in sorted(texts, key=lambda i: whole[i], reverse=True):
        more = min(spare, whole[i] - least[i])
        least[i] += more
        spare -= more
    return least, gap


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
