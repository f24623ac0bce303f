"""What the manual names in the code and in the tests is there."""

import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))]
NAMES = re.compile(r"`(offtake(?:\.\w+)+)`")
TESTS = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PLACES = re.compile(r"`((?:offtake|tests|docs)/[\w./-]*\w)`")


GROUPS = ("clauses", "engines", "observables", "roles", "strategies")
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
