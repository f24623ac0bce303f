"""The small language of claims: comparisons joined by `and`, and `rises with` or `falls with`."""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

NAME = r"[A-Za-z_][\w-]*(?:\.(?:[\w-]+|\"[^\"]*\"))*"
NUMBER = r"-?(?:\d[\d_]*)?\.?\d+(?:[eE][+-]?\d+)?"
COMPARISON = re.compile(
    rf"\s*(?P<left>{NAME})\s*(?P<sign>[<>]=?|[!=]=)\s*"
    rf"(?P<right>{NUMBER}|\"[^\"]*\"|true\b|false\b|{NAME})\s*\Z"
)
TREND = re.compile(rf"\s*(?P<left>{NAME})\s+(?P<way>rises|falls)\s+with\s+(?P<with>{NAME})\s*\Z")
AND = re.compile(r"\s+and\s+")
SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
NEARLY = 1e-9
"""Relative difference up to which two numbers are equal: 0.1 + 0.2 is 0.3."""


@dataclass(frozen=True, slots=True)
class Name:
    """A column of the table of runs."""

    text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two things held against each other."""

    left: Name
    sign: str
    right: Name | float | str | bool

    def holds(self, row: Mapping[str, Any]) -> bool | None:
        """Tell whether it holds in a run, or None where a value is missing.

        Examples
        --------
        >>> comparison("hhi_end > 0.25").holds({"hhi_end": 0.3})
        True
        """
        left = row[self.left.text]
        right = row[self.right.text] if isinstance(self.right, Name) else self.right
        if left is None or right is None:
            return None
        if _is_number(left) and _is_number(right) and _nearly(left, right):
            left = right
        return SIGNS[self.sign](left, right)


def _nearly(one: Any, other: Any) -> bool:
    return abs(one - other) <= NEARLY * abs(other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Trend:
    """An outcome that moves with a parameter."""

    outcome: Name
    way: Literal["rises", "falls"]
    parameter: Name


type Test = tuple[Comparison, ...] | Trend


class NotAStatement(ValueError):  # noqa: N818 - read as a sentence
    """A text that says nothing that can be read_test."""


def comparison(text: str) -> Comparison:
    """Read one comparison."""
    found = COMPARISON.match(text)
    if not found:
        raise NotAStatement(text.strip())
    return Comparison(Name(found["left"]), found["sign"], _operand(found["right"]))


def _operand(text: str) -> Name | float | str | bool:
    if text[0] == '"':
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    return float(text.replace("_", "")) if re.match(r"[-.\d]", text) else Name(text)


def condition(text: str | None) -> tuple[Comparison, ...]:
    """Read comparisons joined by `and`; nothing where there is no text."""
    return tuple(comparison(part) for part in AND.split(text.strip())) if text else ()


def read_test(text: str) -> Test:
    """Read what a claim tests.

    Examples
    --------
    >>> read_test("hhi_end rises with demand.churn_per_month").way
    'rises'
    """
    trend = TREND.match(text)
    if trend:
        way: Literal["rises", "falls"] = "rises" if trend["way"] == "rises" else "falls"
        return Trend(Name(trend["left"]), way, Name(trend["with"]))
    return condition(text)


def names_in(test: Test) -> Iterator[str]:
    """Yield the names a test uses."""
    if isinstance(test, Trend):
        yield from (test.outcome.text, test.parameter.text)
        return
    for part in test:
        yield part.left.text
        if isinstance(part.right, Name):
            yield part.right.text


def holds(parts: Iterable[Comparison], row: Mapping[str, Any]) -> bool | None:
    """Tell whether all parts hold in a run, or None where a value is missing."""
    answers = [part.holds(row) for part in parts]
    return None if None in answers else all(answers)
