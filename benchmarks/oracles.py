"""What the oracle tests expect and what the model gives, one line a row and test.

Runs ``tests/oracle`` with every comparison noted. A row with nothing to compare in numbers is a test of
equality, of an order or of an error; that it passed is all there is to say.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from _runs import revision

ROOT = Path(__file__).parents[1]
SHOWN = 5
"""Comparisons of a row that are shown; all of them decide whether it holds."""


def main() -> None:
    """Print one JSON line for each row and test."""
    with TemporaryDirectory() as folder:
        notes = Path(folder) / "rows.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", "tests/oracle"]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "ORACLE_ROWS": str(notes)}, capture_output=True
        )
        tests = [json.loads(line) for line in notes.read_text().splitlines()]
    for line in grouped(tests, passed=done.returncode == 0):
        print(json.dumps(line))


def grouped(tests: list[dict[str, Any]], *, passed: bool) -> Iterator[dict[str, Any]]:
    """Yield a line for each test function, its parameters taken together, in order of rows."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for test in tests:
        groups.setdefault((test["row"], test["test"].partition("[")[0]), []).append(test)
    for (row, name), cases in sorted(
        groups.items(), key=lambda item: (natural(item[0][0]), item[0])
    ):
        compared = [note for case in cases for note in distinct(case["first"])]
        yield {
            "measurement": "oracle",
            "row": row,
            "test": name,
            "what": cases[0]["what"],
            "expected": [note["expected"] for note in compared[:SHOWN]],
            "got": [note["got"] for note in compared[:SHOWN]],
            "tolerance": max((note["tolerance"] for note in compared), default=0.0),
            "largest_miss": max((abs(n["expected"] - n["got"]) for n in compared), default=0.0),
            "compared": sum(case["compared"] for case in cases),
            "holds": passed and all(note["holds"] for note in compared),
            "revision": revision(),
        }


def distinct(notes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return comparisons without those of a value that was compared more strictly already."""
    kept: list[dict[str, Any]] = []
    for note in sorted(notes, key=lambda note: note["tolerance"]):
        if all(note["got"] != other["got"] for other in kept):
            kept.append(note)
    return [note for note in notes if note in kept]


def natural(row: str) -> tuple[str, int]:
    """Return what sorts A2 before A10."""
    letter, number = re.match(r"([A-Z]+)(\d+)", row).groups()  # type: ignore[union-attr]
    return letter, int(number)


if __name__ == "__main__":
    main()
