"""The code version of each asset: a hash of the statements and modules that make its rows.

Dagster's UI marks what was materialized by another version, so after an update it shows which
assets to materialize again. Lines of comments do not count.
"""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from etl_assets.package_files import package_file

_PACKAGE = Path(__file__).parents[1]


def code_version(*, modules: Iterable[str], statements: Iterable[str]) -> str:
    """Return the version of what the modules and statements compute.

    Args:
        modules: paths in the package, such as `mart/load.py`; a folder stands for all its modules.
        statements: paths in `sql/`, such as `mart/f_sales.sql`; a folder stands for all its files.
    """
    digest = sha256()
    for path in (_PACKAGE / module for module in modules):
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(_without_comments(file, "#"))
    for path in (package_file("sql") / statement for statement in statements):
        for file in sorted(path.rglob("*.sql")) if path.is_dir() else [path]:
            digest.update(_without_comments(file, "--"))
    return digest.hexdigest()[:12]


def _without_comments(file: Path, mark: str) -> bytes:
    lines = file.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(mark)).encode()
