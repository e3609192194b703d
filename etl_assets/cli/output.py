"""What commands print: tables and progress for people, JSON and CSV for programs.

Results go to standard output, progress and complaints to standard error.
"""

import csv
import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console


class Step(Protocol):
    """Says what is being done now."""

    def __call__(self, step: str, /) -> None:
        """Say it."""
        ...


def say(text: str) -> None:
    """Say how far things are, on standard error."""
    _stderr().print(text)


@contextmanager
def progress(what: str) -> Generator[Step]:
    """Show that something goes on; on a terminal also for how long, and its step."""
    console = _stderr()
    if not console.is_terminal:
        console.print(f"{what} …")
        yield _unseen
        return

    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda step: shown.update(task, description=f"{what} [dim]{step}[/dim]")


def print_table(rows: Sequence[Mapping[str, Any]], *, title: str, columns: Sequence[str]) -> None:
    """Print the columns of the rows as a table."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        number = any(isinstance(row[column], int | float | Decimal) for row in rows)
        table.add_column(
            column.replace("_", " "), justify="right" if number else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(_text(row[column]) for column in columns))
    if not console.is_terminal:
        # Without a terminal there is no width to fit; lines that wrap can't be read by a program.
        console.width = 10_000
    console.print(table)


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
        case Decimal():
            return f"{value:,.2f}"
        case float():
            return f"{value:.2f}"
        case _:
            return str(value)


def _json(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value)} is no JSON")


def _stderr() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)
