"""Where each key and value of a TOML text stands; read only when something is wrong."""

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field

from offtake.model.problems import Path

BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
SPACES = re.compile(r"[ \t]*")
BARE = re.compile(r"[A-Za-z0-9_-]+")
LITERAL = re.compile(r"[^,\]}#\n]+")
STRING = re.compile(
    r'"""(?:\\.|[^\\])*?""""{0,2}'
    r"|'''.*?''''{0,2}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of text on one line; line and column count from 1."""

    line: int
    column: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Spans by path: of keys, of values, and of the names in table headers."""

    keys: dict[Path, Span] = field(default_factory=dict)
    values: dict[Path, Span] = field(default_factory=dict)
    tables: dict[Path, Span] = field(default_factory=dict)
    repeated: list[tuple[Path, Span, Span]] = field(default_factory=list)
    """Paths given twice: their first and their second span."""


def find_positions(text: str) -> Positions:
    """Find every key and value of a TOML text; what follows a syntax error is left out."""
    finder = _Finder(text)
    with suppress(_NotTomlError, RecursionError):  # the places before an error are wanted too
        finder.read_document()
    return finder.found


class _NotTomlError(Exception):
    """The text is no TOML from here on."""


class _Finder:
    """Walks through a TOML text that `tomllib` has read, or would read up to an error."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found = Positions()
        self.array_lengths: dict[Path, int] = {}
        self.line_starts = [0, *(m.end() for m in re.finditer("\n", text))]

    def read_document(self) -> None:
        table: Path = ()
        self.skip(BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.read_header()
            else:
                self.read_pair(table)
            self.skip(BLANK)

    def read_header(self) -> Path:
        array = self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        parts = self.read_key()
        self.expect("]]" if array else "]")
        path: Path = ()
        for number, (name, start, end) in enumerate(parts, start=1):
            path += (name,)
            self.found.keys.setdefault(path, self.span(start, end))
            if array and number == len(parts):
                self.array_lengths[path] = self.array_lengths.get(path, 0) + 1
            if path in self.array_lengths:
                path += (self.array_lengths[path] - 1,)
        self.note(self.found.tables, path, self.span(parts[0][1], parts[-1][2]))
        return path

    def read_pair(self, table: Path) -> None:
        path = table
        parts = self.read_key()
        for name, start, end in parts[:-1]:
            path += (name,)
            self.found.keys.setdefault(path, self.span(start, end))
        name, start, end = parts[-1]
        path += (name,)
        self.note(self.found.keys, path, self.span(start, end))
        self.expect("=")
        self.skip(SPACES)
        self.read_value(path)

    def read_key(self) -> list[tuple[str, int, int]]:
        """Read a dotted key; return its parts with where they start and end."""
        parts = []
        while True:
            self.skip(SPACES)
            start = self.at
            match = STRING.match(self.text, start) or BARE.match(self.text, start)
            if not match:
                raise _NotTomlError
            self.at = match.end()
            parts.append((_unquoted(match[0]), start, self.at))
            self.skip(SPACES)
            if self.peek() != ".":
                return parts
            self.at += 1

    def read_value(self, path: Path) -> None:
        start = self.at
        match self.peek():
            case "[":
                self.read_array(path)
            case "{":
                self.read_inline_table(path)
            case '"' | "'":
                self.take(STRING)
            case _:
                self.at = start + len(self.take(LITERAL).rstrip())
        self.found.values.setdefault(path, self.span(start, self.at))

    def read_array(self, path: Path) -> None:
        self.at += 1
        count = 0
        self.skip(BLANK)
        while self.peek() != "]":
            self.read_value((*path, count))
            count += 1
            self.skip(BLANK)
            if self.peek() != "]":
                self.expect(",")
            self.skip(BLANK)
        self.at += 1

    def read_inline_table(self, path: Path) -> None:
        self.at += 1
        self.skip(BLANK)
        while self.peek() != "}":
            self.read_pair(path)
            self.skip(BLANK)
            if self.peek() != "}":
                self.expect(",")
            self.skip(BLANK)
        self.at += 1

    def note(self, spans: dict[Path, Span], path: Path, span: Span) -> None:
        """Keep the first span of a path; a second one is a repetition."""
        first = spans.get(path) or self.found.values.get(path)
        if spans is self.found.keys and path in self.found.tables:
            first = self.found.tables[path]
        if first:
            self.found.repeated.append((path, first, span))
        else:
            spans[path] = span

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def expect(self, mark: str) -> None:
        if not self.text.startswith(mark, self.at):
            raise _NotTomlError
        self.at += len(mark)

    def skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if not match:
            raise _NotTomlError
        self.at = match.end()
        return match[0]

    def span(self, start: int, end: int) -> Span:
        line = bisect_right(self.line_starts, start)
        first = self.line_starts[line - 1]
        stop = self.line_starts[line] - 1 if line < len(self.line_starts) else len(self.text)
        return Span(line=line, column=start - first + 1, length=max(1, min(end, stop) - start))


def _unquoted(token: str) -> str:
    """Return the name that a part of a key stands for."""
    if token[0] not in "\"'":
        return token
    if "\\" not in token or token[0] == "'":
        return token[1:-1]
    try:
        return tomllib.loads(f"name = {token}")["name"]
    except tomllib.TOMLDecodeError:
        raise _NotTomlError from None
