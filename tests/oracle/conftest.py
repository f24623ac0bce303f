"""With `ORACLE_ROWS=FILE` every comparison of a row is kept: expected, got, tolerance."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROW = re.compile(r"(?:[A-Z]\d+[a-z]*)(?:(?:, | to | and )(?:[A-Z]\d+[a-z]*))*")
"""Labels of rows at the beginning of a test's description."""
KEPT = 12
"""Comparisons of one test that are kept; what a loop adds beyond them is only counted."""


EXACT = pytest.approx


class Noted:
    """What `pytest.approx` returns, with every comparison noted."""

    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None  # an array on the left is compared as a whole, as with the original
    __array_priority__ = 100

    def __init__(self, inner: Any, notes: list[dict[str, Any]]) -> None:
        self.inner, self.notes = inner, notes

    def __eq__(self, actual: object) -> bool:
        holds = self.inner == actual
        for expected, got in _pairs(self.inner.expected, actual):
            scalar: Any = EXACT(expected, rel=self.inner.rel, abs=self.inner.abs)
            tolerance = scalar.tolerance
            note = {"expected": float(expected), "got": float(got), "tolerance": float(tolerance)}
            self.notes.append({**note, "holds": bool(abs(expected - got) <= tolerance)})
        return holds

    def __repr__(self) -> str:
        return repr(self.inner)


def _pairs(expected: Any, actual: Any) -> Iterator[tuple[float, float]]:
    if isinstance(expected, dict):
        yield from ((expected[key], actual[key]) for key in expected if key in actual)
    elif hasattr(expected, "__len__"):
        yield from zip(expected, actual, strict=False)
    else:
        yield expected, actual


@pytest.fixture(autouse=True)
def noted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep what a test compares, if asked to."""
    path = os.environ.get("ORACLE_ROWS")
    said = " ".join((request.function.__doc__ or "").partition("\n\n")[0].split())
    row = ROW.match(said)
    if path is None or row is None:
        yield
        return
    notes: list[dict[str, Any]] = []
    with monkeypatch.context() as patch:
        patch.setattr(pytest, "approx", lambda *given, **how: Noted(EXACT(*given, **how), notes))
        yield
    line = {"row": row.group(), "test": request.node.name, "what": said[row.end() :].lstrip(",: ")}
    with Path(path).open("a") as file:
        file.write(json.dumps({**line, "compared": len(notes), "first": notes[:KEPT]}) + "\n")
