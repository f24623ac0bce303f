"""Every code block of the README and the manual runs.

A page is a story: its blocks run in order in one empty folder and share their names.

- `python` blocks run as they stand.
- `console` blocks run each line after a `$`; what follows is the expected output, `...` standing
  for anything. Without expected output only the exit code counts: zero, unless `$ echo $?` is next.
- `toml` and `text` blocks that begin with `# file.name` are written to that file.
"""

import dataclasses
import doctest
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from tests.outside import FRUGAL, install

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
BIN = Path(sys.executable).parent
EVALUATED = ("python", "console", "toml", "text")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of a console block and what the page says it prints."""

    line: str
    expected: str


def commands(block: str) -> Iterator[Command]:
    """Yield the commands of a console block."""
    for part in f"\n{block}".split("\n$ ")[1:]:
        line, _, expected = part.partition("\n")
        while line.endswith("\\"):
            more, _, expected = expected.partition("\n")
            line = line[:-1] + more.lstrip("> ")
        yield Command(line=line, expected=expected.rstrip())


def run(line: str) -> subprocess.CompletedProcess[str]:
    """Run one line of a page in the current folder; of `make`, only that the target exists.

    The environment that `source` activates is the one this test runs in. `pip install` puts the
    package of the folder into `site`, from where later lines import it.
    """
    words = shlex.split(line)
    if words[:2] == ["pip", "install"]:
        install(Path(), Path("site"))
        words = ["test", "-d", "site"]
    if words[0] == "source":
        words = ["test", "-f", str(ROOT / words[1])]
    if words[0] == "make":
        words[1:1] = ["--dry-run", "--directory", str(ROOT)]
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path("site").absolute()),
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    return subprocess.run(
        words,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )


def matches(expected: str, printed: str) -> bool:
    """Tell whether the output is what the page shows."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return not expected or doctest.OutputChecker().check_output(expected, printed, flags)


def evaluate_console(example: Example) -> None:
    """Run a console block and compare its output with the page."""
    status, unread = 0, ""
    for command in commands(example.parsed):
        if command.line == "echo $?":
            assert int(command.expected) == status, f"{unread}: exit code {status}"
            status = 0
            continue
        assert status == 0, f"$ {unread}\nended with exit code {status}"
        done = run(command.line)
        status, unread = done.returncode, f"{command.line}\n{done.stdout}"
        assert matches(command.expected, done.stdout), f"$ {unread}"
    assert status == 0, f"$ {unread}\nended with exit code {status}"


def evaluate_file(example: Example) -> None:
    """Write a block that begins with `# file.name` to that file."""
    first = example.parsed.partition("\n")[0].split()
    if len(first) == 2 and first[0] == "#" and "." in first[1]:
        Path(first[1]).write_text(example.parsed, encoding="utf-8")


def parsed(page: Path) -> Document:
    """Return a page with its code blocks as examples."""
    return Document.parse(
        str(page),
        PythonCodeBlockParser(),
        CodeBlockParser("console", evaluate_console),
        CodeBlockParser("toml", evaluate_file),
        CodeBlockParser("text", evaluate_file),
    )


def languages(page: Path) -> list[str]:
    """Return the language of each fenced block of a page."""
    fences = re.findall(r"^ *```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return fences[::2]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_the_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for example in parsed(page).examples():
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_escapes_by_its_language(page):
    assert set(languages(page)) <= set(EVALUATED)


def test_a_page_that_shows_other_output_is_caught(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo one\ntwo\n```\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="one"):
        next(iter(parsed(page).examples())).evaluate()


def test_a_command_that_fails_unannounced_is_caught(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ false\n```\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="exit code 1"):
        next(iter(parsed(page).examples())).evaluate()


def test_a_command_that_fails_as_announced_passes(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ false\n$ echo $?\n1\n```\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    next(iter(parsed(page).examples())).evaluate()


def test_the_package_of_the_manual_is_the_one_of_the_tests():
    page = (ROOT / "docs/how-to/add-a-package.md").read_text(encoding="utf-8")
    for file in ("pyproject.toml", "offtake_frugal.py"):
        assert f"# {file}\n{(FRUGAL / file).read_text(encoding='utf-8')}```" in page
