"""The documents name what exists: links, files, `make` targets, commands and their options."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_assets.cli import main
from etl_assets_tests.support.processes import ROOT

DOCUMENTS = {
    str(path.relative_to(ROOT)): path
    for pattern in ("*.md", "[a-z]*/**/*.md")
    for path in sorted(ROOT.glob(pattern))
}
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))

_FENCE = re.compile(r"^```\w*\n(.*?)^```", re.M | re.S)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FILE = re.compile(r"(?:[\w.-]+/)+(?:[\w-]+\.(?:md|py|sql|toml|txt|yaml|yml))?")
_COMMAND = re.compile(r"\betl-assets ([a-z][a-z-]*)([^|&;>#]*)")


@pytest.fixture(params=DOCUMENTS)
def document(request: pytest.FixtureRequest) -> Path:
    return DOCUMENTS[request.param]


def spans(document: Path) -> list[str]:
    return _SPAN.findall(_FENCE.sub("", document.read_text()))


def commands(document: Path) -> Iterator[str]:
    """Give what a reader would type, comments left out."""
    yield from spans(document)
    for block in _FENCE.findall(document.read_text()):
        yield from (line.partition(" #")[0].strip() for line in block.splitlines())


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", document.read_text()), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_document_is_looked_at() -> None:
    assert {"README.md", "docs/architecture.md", "benchmarks/README.md"} <= DOCUMENTS.keys()


def test_links_lead_somewhere(document: Path) -> None:
    broken: list[str] = []
    for link in _LINK.findall(_FENCE.sub("", document.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_files_that_are_named_exist(document: Path) -> None:
    places = (ROOT, ROOT / "etl_assets", document.parent)
    named = [span for span in spans(document) if _FILE.fullmatch(span)]
    # A name in capitals stands for any.
    named = [path for path in named if not Path(path).stem.isupper()]
    assert not [path for path in named if not any((place / path).exists() for place in places)]


def test_make_targets_that_are_named_exist(document: Path) -> None:
    typed = [command.split()[1:] for command in commands(document) if command.startswith("make ")]
    assert {target for targets in typed for target in targets} <= TARGETS


def test_commands_and_options_that_are_named_exist(document: Path) -> None:
    unknown: list[str] = []
    for typed in commands(document):
        for name, arguments in _COMMAND.findall(typed):
            command = main.commands.get(name)
            params = command.params if command else []
            options = {option for param in params for option in param.opts} | {"--help"}
            if not command or not set(re.findall(r"--[a-z-]+", arguments)) <= options:
                unknown.append(typed)
    assert not unknown
