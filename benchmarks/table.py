"""The table of the figures: printed, and written into this folder's README."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.measure import Figure, Target
from etl_assets.cli.output import print_table

_README = Path(__file__).with_name("README.md")
_BEGIN = "<!-- make bench and make bench-big write this table -->\n"
_END = "<!-- up to here -->\n"
_COLUMNS = ("benchmark", "what", "against", "measured", "spread", "target", "met")


def show(name: str, figures: Sequence[Figure]) -> None:
    """Print the figures of a benchmark."""
    print_table([_row(name, figure) for figure in figures], title=name, columns=_COLUMNS[1:])


def keep(name: str, figures: Sequence[Figure], *, names: Sequence[str]) -> None:
    """Replace the figures of a benchmark in the table.

    The figures of the other benchmarks stay. `names` are all benchmarks, in the table's order.
    """
    before, _, rest = _README.read_text().partition(_BEGIN)
    table, _, after = rest.partition(_END)
    of_others = [
        line
        for line in table.splitlines()
        if line.startswith(tuple(f"| {other} |" for other in names if other != name))
    ]
    lines = [*of_others, *(_line(_row(name, figure).values()) for figure in figures)]
    lines.sort(key=lambda line: names.index(line.split(" | ")[0].removeprefix("| ")))
    head = [_line(_COLUMNS), "|---" * len(_COLUMNS) + "|"]
    _README.write_text(before + _BEGIN + "\n".join([*head, *lines, ""]) + _END + after)


def _row(name: str, figure: Figure) -> dict[str, str]:
    least, most = min(figure.rounds), max(figure.rounds)
    return {
        "benchmark": name,
        "what": figure.what,
        "against": figure.against,
        "measured": f"{_number(figure.value)} {figure.unit}",
        "spread": f"{_number(least)} to {_number(most)}",
        "target": _target(figure.target, figure.unit),
        "met": "yes" if figure.is_met else "**no**",
    }


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _target(target: Target, unit: str) -> str:
    return f"at {'most' if target.is_most else 'least'} {target.limit:g} {unit}"


def _number(value: float) -> str:
    few, some = 10, 100
    digits = 2 if value < few else 1 if value < some else 0
    return f"{value:,.{digits}f}"
