"""`python -m benchmarks`: measure, and print the ratios."""

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click

from benchmarks import mart
from benchmarks.measure import Ratio
from etl_assets.cli.output import print_table

_BENCHMARKS: dict[str, Callable[..., Iterator[Ratio]]] = {"mart": mart.measure}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(_BENCHMARKS)))
@click.option("--big", is_flag=True, help="At the sizes of the targets: up to an hour.")
def main(names: tuple[str, ...], big: bool) -> None:
    """Measure what the NAMES name, or everything, and print how it compares."""
    rows: list[dict[str, object]] = []
    for name in names or _BENCHMARKS:
        with TemporaryDirectory(prefix="etl-assets-benchmarks-", dir=Path.cwd()) as folder:
            for ratio in _BENCHMARKS[name](Path(folder), big=big):
                rows.append(_row(ratio))
                click.echo(f"{ratio.what}: {ratio.ratio:.2f} × {ratio.against}", err=True)
    print_table(rows, title="Ratios of medians", columns=list(rows[0]))


def _row(ratio: Ratio) -> dict[str, object]:
    least, most = ratio.spread
    return {
        "what": ratio.what,
        "against": ratio.against,
        "ratio": f"{ratio.ratio:.2f}",
        "spread": f"{least:.2f} to {most:.2f}",
        "target": f"{ratio.target:g}",
        "milliseconds": f"{1000 * median(ratio.seconds):,.0f}",
    }


if __name__ == "__main__":
    main()
