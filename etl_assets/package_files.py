"""Files of the package that are not Python: SQL statements and Dagster's configuration.

In a checkout they are in its root, where developers expect them; in a wheel, in the package's
folder `data`.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def package_file(name: str) -> Path:
    """Return the path of a file or folder, given its path from the checkout's root."""
    in_wheel = _PACKAGE / "data" / name
    return in_wheel if in_wheel.exists() else _PACKAGE.parent / name
