"""Turns JSON lines of the benchmarks, from standard input, into the tables of the validation page."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

type Line = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Which measurements make a table, and what of each stands in its columns."""

    measurement: str
    columns: dict[str, Callable[[Line], str]]


def figure(value: float | bool | None) -> str:
    """Return a number with three significant digits, a verdict, or a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def column(key: str) -> Callable[[Line], str]:
    """Return what reads a column that holds one value."""

    def read(line: Line) -> str:
        value = line[key]
        return value if isinstance(value, str) else figure(value)

    return read


def between(low: str, high: str) -> Callable[[Line], str]:
    """Return what reads a column that holds two ends."""
    return lambda line: f"{figure(line[low])} to {figure(line[high])}"


def fine(key: str) -> Callable[[Line], str]:
    """Return what reads a column of shares that lie close to one."""
    return lambda line: f"{line[key]:.4f}"


def effect(key: str) -> Callable[[Line], str]:
    """Return what reads a column that holds an effect with its interval."""

    def read(line: Line) -> str:
        given = line[key]
        if given["mean"] == given["low"] == given["high"] == 0:
            return "-"
        return f"{figure(given['mean'])} ({figure(given['low'])} to {figure(given['high'])})"

    return read


def band(line: Line) -> str:
    """Return the band of a pattern in words."""
    low, high = line["band"]
    if low is None and high is None:
        return "-"
    if high is None:
        return f"from {figure(low)}"
    return f"to {figure(high)}" if low is None else f"{figure(low)} to {figure(high)}"


def verdict(line: Line) -> str:
    """Return whether a sign passes; in brackets where it was not stated beforehand."""
    passes = figure(line["passes"])
    return f"({passes.strip('*')})" if line["beside"] else passes


def series(key: str) -> Callable[[Line], str]:
    """Return what reads a column that holds some numbers, to six digits."""
    return lambda line: ", ".join(f"{value:.6g}" for value in line[key]) or "-"


def strictness(key: str) -> Callable[[Line], str]:
    """Return what reads a column of a test's strictness, empty where nothing was compared."""
    return lambda line: f"{line[key]:.1g}" if line["compared"] else "-"


def marked(key: str) -> Callable[[Line], str]:
    """Return what reads a column of an effect with its interval; in bold where it excludes zero."""

    def read(line: Line) -> str:
        found = line[key]
        if found["mean"] is None:
            return "-"
        text = f"{figure(found['mean'])} ({figure(found['low'])} to {figure(found['high'])})"
        return f"**{text}**" if found["low"] * found["high"] > 0 else text

    return read


TABLES = (
    Table(
        measurement="clause",
        columns={
            "clause": column("clause"),
            "against": column("against"),
            "price of new contracts": marked("price_new"),
            "price OpenAI pays": marked("price_paid"),
            "dependence on Azure": marked("focal_dependence"),
            "HHI": marked("concentration"),
            "dark MW": marked("dark_mw"),
            "idle MW": marked("idle_mw"),
        },
    ),
    Table(
        measurement="oracle",
        columns={
            "row": column("row"),
            "what": column("what"),
            "expected": series("expected"),
            "got": series("got"),
            "tolerance": strictness("tolerance"),
            "largest miss": strictness("largest_miss"),
            "compared": column("compared"),
            "holds": column("holds"),
        },
    ),
    Table(
        measurement="sign",
        columns={
            "change": column("case"),
            "measure": lambda line: f"`{line['measure']}`",
            "sign": column("expected"),
            "before": column("before"),
            "after": column("after"),
            "effect": column("effect"),
            "95% interval": between("low", "high"),
            "pairs": column("runs"),
            "passes": verdict,
        },
    ),
    Table(
        measurement="pattern",
        columns={
            "id": column("key"),
            "value": column("what"),
            "median": column("median"),
            "5 to 95%": between("p05", "p95"),
            "band": band,
            "runs inside": column("share_of_runs_inside"),
            "holds": column("holds"),
        },
    ),
    Table(
        measurement="protocol",
        columns={
            "protocol": lambda line: f"`{line['protocol']}`",
            "median": fine("median"),
            "5%": fine("fifth_percentile"),
            "minimum": fine("minimum"),
            "all surplus": fine("all_surplus_over_all_optimum"),
            "price": column("price"),
            "effect on price": effect("price_effect"),
            "dependence": column("dependence"),
            "effect on dependence": effect("dependence_effect"),
            "refusals": column("refusals"),
            "of these walked away": column("walked_away"),
            "contracts": column("contracts"),
        },
    ),
    Table(
        measurement="half the price step",
        columns={
            "outcome": lambda line: f"`{line['outcome']}`",
            "level": column("level"),
            "effect of half the step": column("mean"),
            "95% interval": between("low", "high"),
            "deviation between seeds": column("deviation_between_seeds"),
            "pairs": column("runs"),
        },
    ),
)


def main() -> None:
    """Print a table for each kind of measurement that came in."""
    lines = [json.loads(text) for text in sys.stdin if text.strip()]
    for table in TABLES:
        chosen = [line for line in lines if line["measurement"] == table.measurement]
        if chosen:
            print("\n".join(rows(table, chosen)), end="\n\n")


def rows(table: Table, lines: Iterable[Line]) -> Iterable[str]:
    """Yield the rows of a Markdown table."""
    yield f"| {' | '.join(table.columns)} |"
    yield "| " + " | ".join("---" for _ in table.columns) + " |"
    for line in lines:
        yield f"| {' | '.join(read(line) for read in table.columns.values())} |"


if __name__ == "__main__":
    main()
