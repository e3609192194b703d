"""Files that come with the package and are no Python.

In a checkout they lie beside it, where people look for them, in a wheel inside it.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """Return the path of a shipped file or folder, by its name in the checkout's root."""
    beside = _PACKAGE.parent / name
    # In a wheel nothing of ours lies beside the package, but something of others may.
    inside = _PACKAGE / name
    return inside if inside.exists() else beside
