"""`python -m benchmarks`: measure, print the figures, and put them into benchmarks/README.md."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks import backfill, imports, increment, mart, staging
from benchmarks.measure import Figure
from benchmarks.table import keep, show

_BENCHMARKS: dict[str, Callable[..., Iterator[Figure]]] = {
    "staging": staging.measure,
    "mart": mart.measure,
    "imports": imports.measure,
    "increment": increment.measure,
    "backfill": backfill.measure,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(_BENCHMARKS)))
@click.option("--big", is_flag=True, help="At the sizes of the targets: up to an hour.")
def main(names: tuple[str, ...], big: bool) -> None:
    """Run the benchmarks with the given NAMES, or all of them, and print the figures."""
    for name in names or _BENCHMARKS:
        click.echo(f"{name} …", err=True)
        with TemporaryDirectory(prefix="etl-assets-benchmarks-", dir=Path.cwd()) as folder:
            figures = list(_BENCHMARKS[name](Path(folder), big=big))
        show(name, figures)
        keep(name, figures, names=list(_BENCHMARKS))


if __name__ == "__main__":
    main()
