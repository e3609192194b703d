"""The start-up time: how long the imports of the command line and the code location take."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measure import Figure, at_most, side_by_side, stopwatch

_ENVIRONMENT = os.environ | {"ETL_START_DATE": "2024-01-01", "PYTHONWARNINGS": "ignore"}
_CODE_LOCATION = "from etl_assets.definitions import defs; defs()"


def measure(folder: Path, *, big: bool) -> Iterator[Figure]:
    """Compare the command line and the code location with the libraries that they import."""
    rounds = 20 if big else 10
    command = Path(sys.executable).with_name("etl-assets")
    pair = side_by_side(
        _running(folder, str(command), "--help"), _importing(folder, "click"), rounds=2 * rounds
    )
    yield pair.ratio("`etl-assets --help`", "`import click`", at_most(2))
    pair = side_by_side(
        _running(folder, sys.executable, "-c", _CODE_LOCATION),
        _importing(folder, "dagster"),
        rounds=rounds,
    )
    yield pair.ratio("loading the code location", "`import dagster`", at_most(1.3))


def _importing(folder: Path, module: str) -> Callable[[int], float]:
    return _running(folder, sys.executable, "-c", f"import {module}")


def _running(folder: Path, *command: str) -> Callable[[int], float]:
    def run(_number: int) -> float:
        with stopwatch() as seconds:
            subprocess.run(
                command, cwd=folder, env=_ENVIRONMENT, check=True, stdout=subprocess.DEVNULL
            )
        return seconds()

    return run
