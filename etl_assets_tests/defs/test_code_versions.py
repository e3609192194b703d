"""What an asset's code version depends on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from etl_assets.defs import code_versions
from etl_assets.defs.code_versions import code_version

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file of a package whose SQL lies in its folder `sql`."""
    monkeypatch.setattr(code_versions, "_PACKAGE", tmp_path)
    monkeypatch.setattr(code_versions, "package_file", tmp_path.joinpath)

    def write_file(name: str, text: str) -> None:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    write_file("mart/load.py", "x = 1\n")
    write_file("sql/mart/d_item.sql", "SELECT 1\n")
    return write_file


def version() -> str:
    return code_version(modules=["mart"], statements=["mart/d_item.sql"])


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("mart/load.py", "x = 2\n"),
        ("mart/other.py", "y = 1\n"),
        ("sql/mart/d_item.sql", "SELECT 2\n"),
    ],
)
def test_another_module_or_statement_is_another_version(file: str, text: str, write: Write) -> None:
    before = version()
    write(file, text)
    assert version() != before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("mart/load.py", "# Why.\nx = 1\n"),
        ("sql/mart/d_item.sql", "-- Why.\nSELECT 1\n"),
        ("sql/mart/d_city.sql", "SELECT 1\n"),
    ],
)
def test_a_comment_or_a_file_of_another_asset_changes_nothing(
    file: str, text: str, write: Write
) -> None:
    before = version()
    write(file, text)
    assert version() == before
