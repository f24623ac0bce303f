"""A TOML text from outside: limits first, then parsing, so that no file can harm the reader."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as File
from typing import Any

from offtake.model.positions import Positions, Span, find_positions
from offtake.model.problems import (
    UNPRINTABLE,
    Issue,
    Path,
    Place,
    Problem,
    ScenarioError,
    character,
    dotted,
)

LARGEST_BYTES = 2**20
LONGEST_LINE_BYTES = 64_000
DEEPEST_NESTING = 16
MOST_DOTS = 8
MOST_CHARACTERS_SHOWN = 20
BYTE_ORDER_MARK = "\ufeff"
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")

PART = r"(?:[A-Za-z0-9_-]++|\"(?:\\.|[^\"\\\n])*+\"|'[^'\n]*+')"
TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?""""{0,2}'
    r"|'''.*?''''{0,2}"
    r"|(?P<unclosed>\"\"\"|''')"
    rf"|(?P<key>{PART}(?:[ \t]*+\.[ \t]*+{PART})*+)"
    r"|#[^\n]*"
    r"|(?P<open>[\[{])|(?P<close>[\]}])",
    re.DOTALL,
)
PARTS = re.compile(PART)
WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")
TWICE = ("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate inline table key")
VALUE_HELP = "text stands in quotes; numbers look like 2_100_000_000 or 0.25; dates like 2025-01-31"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A parsed TOML text and where it came from."""

    label: str
    """What messages call it: a path, or `--set 1`."""
    text: str
    file: File | None = None
    data: dict[str, Any] = field(default_factory=dict)
    long_forms: set[Path] = field(default_factory=set)
    """Paths whose value stands in a table `{ value = ... }`."""

    @cached_property
    def positions(self) -> Positions:
        """Where everything stands in the text."""
        return find_positions(self.text)

    @cached_property
    def lines(self) -> list[str]:
        """The text by lines."""
        return self.text.split("\n")

    def place(self, path: Path, at: str) -> Place:
        """Return the place of a path: of its key, its value or its table."""
        found = self.positions
        if at == "key":
            kinds = (found.keys, found.tables, found.values)
        elif at == "table":
            kinds = (found.tables, found.keys, found.values)
        else:
            if path in self.long_forms:
                path = (*path, "value")
            kinds = (found.values, found.tables, found.keys)
        for end in range(len(path), 0, -1):
            for spans in kinds:
                if path[:end] in spans:
                    return self.place_of(spans[path[:end]])
        return self.place_of(Span(line=1, column=1, length=1))

    def place_of(self, span: Span) -> Place:
        """Return a span of this text as a place."""
        return Place(
            file=self.label,
            line=span.line,
            column=span.column,
            length=span.length,
            text=self.lines[span.line - 1],
        )

    def problem(self, issue: Issue) -> Problem:
        """Return an issue of this document with its place."""
        return Problem(
            code=issue.code,
            place=self.place(issue.path, issue.at),
            message=issue.message,
            path=dotted(issue.path),
            help=issue.help,
            also=self.place(issue.also, "key") if issue.also else None,
        )


def label_of(file: File) -> str:
    """Return what messages call a file: its path from here, if it is below."""
    with suppress(ValueError, OSError):
        return str(file.resolve().relative_to(File.cwd()))
    return str(file)


def read_document(file: File, label: str) -> Document:
    """Read a file of a limited size."""
    try:
        if not file.is_file():
            raise OSError("it is no file" if file.exists() else "there is no such file")
        with file.open("rb") as stream:
            raw = stream.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refused("E001", label, f"cannot read it: {reason[:1].lower()}{reason[1:]}") from None
    if len(raw) > LARGEST_BYTES:
        message = f"the file is larger than {LARGEST_BYTES:_} bytes, the most a scenario may have"
        raise _refused("E003", label, message, help="put rarely changed parts into a base scenario")
    return parse(_decoded(raw, label), label, file)


def parse(text: str, label: str, file: File | None = None) -> Document:
    """Return the document of a text that keeps the limits and is TOML."""
    text = text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")
    empty = Document(label=label, text=text, file=file)
    problems = list(_limits(empty))
    if problems:
        raise ScenarioError(problems)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError([_syntax_problem(empty, str(error))]) from None
    except (RecursionError, MemoryError):
        raise _refused("E003", label, "its values are nested too deeply to be read") from None
    except ValueError as error:  # an integer of more than 4,300 digits
        raise _refused("E003", label, f"a value cannot be read: {error}") from None
    return Document(label=label, text=text, file=file, data=data)


def _decoded(raw: bytes, label: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        wide = "; it looks like UTF-16" if raw.startswith(WIDE_MARKS) else ""
        message = f"byte 0x{raw[error.start]:02X} is not UTF-8{wide}"
        place = Place(file=label, line=line, column=column)
        problem = Problem(code="E001", place=place, message=message, help="save it as UTF-8")
        raise ScenarioError([problem]) from None


def _refused(code: str, label: str, message: str, help: str | None = None) -> ScenarioError:  # noqa: A002
    problem = Problem(code=code, place=Place(file=label), message=message, help=help)
    return ScenarioError([problem])


def _limits(document: Document) -> Iterator[Problem]:
    """Check what could exhaust the parser or deceive the reader."""
    text = document.text
    for number, line in enumerate(document.lines, start=1):
        if len(line) > LONGEST_LINE_BYTES or len(line.encode()) > LONGEST_LINE_BYTES:
            message = f"the line has more than {LONGEST_LINE_BYTES:_} bytes"
            place = Place(file=document.label, line=number)
            yield Problem(code="E003", place=place, message=message, help="break it into lines")
    for count, match in enumerate(UNPRINTABLE.finditer(text)):
        if count == MOST_CHARACTERS_SHOWN:
            break
        message = f"the character {character(match[0])} may not stand in this file"
        yield _limit(document, match.start(), 1, message, "delete it; it may not be visible")
    yield from _depth(document)


def _depth(document: Document) -> Iterator[Problem]:
    """Check how deep brackets nest and how many dots a key has; stop at the first."""
    depth = 0
    for token in TOKEN.finditer(document.text):
        match token.lastgroup:
            case "unclosed":
                return  # the parser will say so
            case "open":
                depth += 1
                if depth > DEEPEST_NESTING:
                    message = f"brackets are nested more than {DEEPEST_NESTING} deep"
                    yield _limit(document, token.start(), 1, message)
                    return
            case "close":
                depth = max(0, depth - 1)
            case "key" if token[0].count(".") > MOST_DOTS:
                if len(PARTS.findall(token[0])) > MOST_DOTS + 1:
                    message = f"a key has more than {MOST_DOTS} dots"
                    yield _limit(document, token.start(), len(token[0]), message)
                    return


def _limit(
    document: Document,
    start: int,
    length: int,
    message: str,
    help: str | None = None,  # noqa: A002
) -> Problem:
    line = document.text.count("\n", 0, start) + 1
    column = start - (document.text.rfind("\n", 0, start) + 1) + 1
    place = document.place_of(Span(line=line, column=column, length=length))
    return Problem(code="E003", place=place, message=message, help=help)


def _syntax_problem(document: Document, complaint: str) -> Problem:
    """Return what the parser complained about, with its place."""
    where = WHERE.search(complaint)
    message = complaint[: where.start()] if where else complaint
    if where and where[1]:
        line, column = int(where[1]), int(where[2])
    else:
        line, column = len(document.lines), len(document.lines[-1]) + 1
    if complaint.startswith(TWICE):
        problem = _twice(document)
        if problem:
            return problem
    place = document.place_of(Span(line=line, column=column, length=1))
    char = place.text[column - 1 : column]
    help_ = VALUE_HELP if message == "Invalid value" else None
    if char and not char.isascii():
        help_ = (
            f"this is {character(char)}; names without quotes are made of A-Z, a-z, 0-9, - and _"
        )
    message = f"this is not TOML: {message[:1].lower()}{message[1:]}"
    return Problem(code="E002", place=place, message=message, help=help_)


def _twice(document: Document) -> Problem | None:
    """Return the problem of a key or table that is given twice, with both places."""
    if not document.positions.repeated:
        return None
    path, first, second = document.positions.repeated[0]
    return Problem(
        code="E021",
        place=document.place_of(second),
        message=f"`{dotted(path)}` is given twice",
        path=dotted(path),
        help="keep one of the two, or give the second another name",
        also=document.place_of(first),
    )
