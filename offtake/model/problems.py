"""What is wrong with a scenario, said so that its author can mend it: codes, places, rendering."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any, Literal

type Path = tuple[str | int, ...]

CODES: Mapping[str, str] = {
    "E001": "the file cannot be read",
    "E002": "this is not TOML",
    "E003": "a limit that protects the reader is passed",
    "E010": "unknown key",
    "E011": "a required key is missing",
    "E012": "not one of the allowed values",
    "E013": "a value of the wrong kind or out of range",
    "E014": "a name that may not be used",
    "E020": "a reference to something that is not there",
    "E021": "the same thing twice",
    "E022": "dates that contradict each other or the cut-off",
    "E023": "terms that cannot hold",
    "E024": "capacity that is sold twice or does not exist",
    "E030": "a number without a source",
    "E031": "an unknown source",
    "E032": "a unit that disagrees with the key's name",
    "E033": "a value outside its own range",
    "E040": "a base scenario that cannot be used",
    "E041": "nothing to remove at this path",
}
"""One line for each code of a problem."""

SHOWN = 20
MOST_PROBLEMS = 1_000
"""After so many, the search for more ends."""
MOST_COMPARED = 200
NEAR = 0.6
WIDEST_LINE = 100
LONGEST_VALUE = 60
NAMES_LISTED = 8
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")
UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
"""Control characters, invisible characters and those that reverse the direction of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a problem stands; line and column count from 1, in characters."""

    file: str
    line: int = 1
    column: int = 1
    length: int = 1
    text: str = ""

    def __str__(self) -> str:
        if self.file.startswith("--set"):
            return f"{self.file}, column {self.column}"
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A problem whose place is still a path into the scenario."""

    code: str
    path: Path
    message: str
    help: str | None = None
    at: Literal["key", "value", "table"] = "value"
    also: Path | None = None
    """Another path that takes part, shown too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, with its place and what to do."""

    code: str
    place: Place
    message: str
    path: str = ""
    help: str | None = None
    also: Place | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the problem as plain data, for `--json`."""
        place = self.place
        return {
            "code": self.code,
            "meaning": CODES[self.code],
            "file": place.file,
            "line": place.line,
            "column": place.column,
            "length": place.length,
            "path": self.path,
            "message": self.message,
            "help": self.help,
            "also": str(self.also) if self.also else None,
        }

    def __str__(self) -> str:
        gutter = max(len(str(p.line)) for p in (self.place, self.also) if p)
        lines = [f"error[{self.code}]: {self.message}", *_snippet("-->", self.place, gutter)]
        if self.also:
            lines += _snippet(":::", self.also, gutter)
        if self.help:
            lines.append(f"{' ' * gutter} = help: {self.help}")
        return "\n".join(lines)


class ScenarioError(ValueError):
    """A scenario that cannot be used; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(render(self.problems))


def render(problems: Sequence[Problem]) -> str:
    """Return the text a person reads: at most twenty problems, then how many more."""
    blocks = [str(p) for p in problems[:SHOWN]]
    if len(problems) > SHOWN:
        blocks.append(f"and {len(problems) - SHOWN} more")
    count = f"{len(problems)} error{'' if len(problems) == 1 else 's'}"
    if len(problems) >= MOST_PROBLEMS:
        count += " or more"
    files = joined(list(dict.fromkeys(p.place.file for p in problems)), "and")
    return "\n\n".join([*blocks, f"{count} in {files}; nothing was run."])


def _snippet(arrow: str, place: Place, gutter: int) -> Iterator[str]:
    """Yield the place, its line and a line of carets under what is meant."""
    margin = " " * gutter
    yield f"{margin} {arrow} {place}"
    if not place.text:
        return
    text, column = _window(printable(place.text.replace("\t", " ")), place.column)
    length = max(1, min(place.length, len(text) - column + 1))
    yield f"{margin} |"
    yield f"{place.line:>{gutter}} | {text}".rstrip()
    yield f"{margin} | {' ' * (column - 1)}{'^' * length}"


def _window(text: str, column: int) -> tuple[str, int]:
    """Cut a long line to what stands around the column."""
    if len(text) <= WIDEST_LINE:
        return text, column
    first = max(0, min(column - WIDEST_LINE // 2, len(text) - WIDEST_LINE))
    return text[first : first + WIDEST_LINE], column - first


def printable(text: str) -> str:
    """Replace characters that a terminal would obey or hide."""
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def character(char: str) -> str:
    """Name a character by its code point."""
    return f"U+{ord(char):04X} {unicodedata.name(char, 'control character')}"


def foreign(text: str) -> str:
    """Say which characters of a name are not plain ASCII, for names that only look right."""
    found = [character(c) for c in dict.fromkeys(text) if not c.isascii() or c < " "]
    return f" (it contains {joined(found, 'and')})" if found else ""


def dotted(path: Iterable[str | int]) -> str:
    """Write a path as TOML does, quoting what must be quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + quoted_key(part)
    return text


def quoted_key(part: str) -> str:
    """Write one part of a key, in quotes where it needs them."""
    return part if BARE_KEY.match(part) else toml_text(part)


def toml_text(text: str) -> str:
    """Write a text as a TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("\n", "\\n").replace("\t", "\\t")
    return '"' + UNPRINTABLE.sub(lambda m: f"\\u{ord(m[0]):04X}", escaped) + '"'


def shown(value: object) -> str:
    """Write a value as it may stand in a message."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, str):
        text = toml_text(value)
    elif isinstance(value, dict):
        text = "a table"
    elif isinstance(value, list | tuple):
        text = "an array"
    elif isinstance(value, int) and value.bit_length() > LONGEST_VALUE * 4:
        text = "a number of too many digits"
    else:
        text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def joined(words: Sequence[str], last: str) -> str:
    """Join words with commas and a last `and` or `or`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the word that was probably meant."""
    by_fold = {w.casefold(): w for w in words}
    fold = word.casefold()[:LONGEST_VALUE]
    if len(by_fold) > MOST_COMPARED:
        by_fold = {w: by_fold[w] for w in sorted(by_fold, key=lambda w: (w[:2] != fold[:2], w))}
    found = get_close_matches(fold, islice(by_fold, MOST_COMPARED), n=1, cutoff=NEAR)
    return by_fold[found[0]] if found else None


def meant(word: str, words: Iterable[str], mark: str = "`") -> str | None:
    """Return the question `did you mean ...?`, if some word is near."""
    near = nearest(word, words)
    return f"did you mean {mark}{near}{mark}?" if near else None


def listed(names: Iterable[str]) -> str:
    """List what is defined, not more than a few."""
    names = sorted(set(names))
    text = ", ".join(names[:NAMES_LISTED]) or "none"
    return text + (f" and {len(names) - NAMES_LISTED} more" if len(names) > NAMES_LISTED else "")
