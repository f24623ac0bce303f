"""What the manual names in the code and in the tests is there."""

import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from offtake.cli import call

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))]
NAMES = re.compile(r"`(offtake(?:\.\w+)+)`")
TESTS = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PLACES = re.compile(r"`((?:offtake|tests|docs)/[\w./-]*\w)`")


GROUPS = ("bargainers", "clauses", "engines", "observables", "roles", "strategies")
"""Groups of entry points."""
NOT_CODE = {"offtake.NAME", *(f"offtake.{group}" for group in GROUPS)}
"""A placeholder, and the groups of entry points."""


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_name_of_the_page_is_in_the_package(page):
    for name in set(NAMES.findall(read(page))) - NOT_CODE:
        pkgutil.resolve_name(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_the_page_names_is_there(page):
    gone = [
        f"{file}::{name}"
        for file, name in TESTS.findall(read(page))
        if f"def {name}(" not in read(ROOT / file)
    ]
    assert gone == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_the_page_names_is_there(page):
    assert [place for place in PLACES.findall(read(page)) if not (ROOT / place).exists()] == []


def test_economics_names_functions_and_tests():
    page = read(ROOT / "docs/background/economics.md")
    assert len(NAMES.findall(page)) > 10
    assert len(TESTS.findall(page)) > 10


DOCUMENTS = ROOT / "docs/reference/json.md"


def test_every_key_of_a_document_is_in_the_manual(tmp_path, capsys):
    known = set(re.findall(r"`(\w+)`", read(DOCUMENTS)))
    folder = str(tmp_path / "first")
    quick = ("--seeds", "2", "--months", "8", "-q", "--workers", "1")
    asked = (
        ("run", "duopoly", *quick, "--out", folder),
        ("compare", folder, folder, "--attribute"),
        ("explain", folder, "--counterfactuals", "1", "-q"),
        ("explain", folder, "--contract", "Lab A with Cloud X 1"),
    )
    for arguments in asked:
        assert call([*arguments, "--json"]) == 0
        missing = set(keys(json.loads(capsys.readouterr().out))) - known - FREE
        assert missing == set(), arguments


FREE = {"python", "numpy", "polars", "mesa", "question", "start", "cutoff", "digest", "overrides"}
"""Keys of the manifest's own tables."""
TABLES = {"terms", "intervals"}
"""Tables whose keys are described elsewhere."""


def keys(document: object) -> Iterator[str]:
    """Yield every key of a document, at any depth."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield key
            if key not in TABLES:
                yield from keys(value)
    elif isinstance(document, list):
        for value in document:
            yield from keys(value)
