"""The tables of the manual that hold measurements, from the lines that the benchmarks left in `measured/`."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

type Line = dict[str, Any]

MEASURED = Path(__file__).parent / "measured"
"""One file a benchmark, as `make bench` left it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Which measurements make a table, and what of each stands in its columns."""

    measurement: str
    columns: dict[str, Callable[[Line], str]]

    def rows(self, lines: Iterable[Line]) -> Iterator[list[str]]:
        """Yield the head of the table and a row for each line."""
        yield list(self.columns)
        for line in lines:
            yield [read(line) for read in self.columns.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A measurement whose values stand one below the other."""

    measurement: str
    names: dict[str, Callable[[Line], str]]

    def rows(self, lines: Iterable[Line]) -> Iterator[list[str]]:
        """Yield a row for each value of every line."""
        yield ["what", "value"]
        for line in lines:
            for name, read in self.names.items():
                yield [name, read(line)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """A measurement that holds a mapping of shares, the largest first."""

    measurement: str
    key: str
    head: tuple[str, str]

    def rows(self, lines: Iterable[Line]) -> Iterator[list[str]]:
        """Yield a row for each share."""
        yield list(self.head)
        for line in lines:
            for name, share in sorted(line[self.key].items(), key=lambda item: -item[1]):
                yield [name.replace("_", " "), f"{share:.1%}"]


def figure(value: float | bool | None) -> str:
    """Return a number with three significant digits, a verdict, or a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


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


def percent(key: str) -> Callable[[Line], str]:
    """Return what reads a column of shares."""
    return lambda line: f"{line[key]:.3%}" if abs(line[key]) < 0.001 else f"{line[key]:.1%}"


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
    if line.get("covers") is not None:
        return f"covers {figure(line['covers'])}"
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


def ranged(key: str) -> Callable[[Line], str]:
    """Return what reads a column of a median with its range; a share, which has no unit, in percent."""

    def read(line: Line) -> str:
        show = figure if unit(line["what"]) else whole_percent
        middle, low, high = (show(line[key][end]) for end in ("median", "low", "high"))
        return f"{middle} ({low} to {high})"

    return read


def unit(what: str) -> bool:
    """Return whether a name says what its number counts."""
    return "compute from" not in what


def whole_percent(value: float) -> str:
    """Return a share in whole percent."""
    return f"{value:.0%}"


def signed(key: str) -> Callable[[Line], str]:
    """Return what reads a column of some small numbers, to two places."""
    return lambda line: ", ".join(f"{value:.2f}" for value in line[key])


def strictness(key: str) -> Callable[[Line], str]:
    """Return what reads a column of a test's strictness, empty where nothing was compared."""
    return lambda line: f"{line[key]:.1g}" if line["compared"] else "-"


def marked(key: str) -> Callable[[Line], str]:
    """Return what reads a column of an effect with its interval; in bold where it excludes zero."""

    def read(line: Line) -> str:
        found = line[key]
        if found["mean"] is None or found["mean"] == found["low"] == found["high"] == 0:
            return "-"
        text = f"{figure(found['mean'])} ({figure(found['low'])} to {figure(found['high'])})"
        return f"**{text}**" if found["low"] * found["high"] > 0 else text

    return read


MEASURES: dict[str, tuple[str, float]] = {
    "focal_dependence": ("points", 100),
    "concentration": ("", 1),
    "price_new": ("USD", 1),
    "price_2026": ("USD", 1),
    "spot_2026": ("USD", 1),
    "energised_mw": ("MW", 1),
    "idle_mw": ("MW", 1),
    "dark_mw": ("MW", 1),
    "orphan_mw": ("MW", 1),
    "stranded_2026_mw": ("MW", 1),
    "cancelled_mw": ("MW", 1),
    "restricted_mw": ("MW", 1),
    "venture_mw": ("MW", 1),
    "custom_share": ("points", 100),
    "unserved": ("points", 100),
    "defaults": ("", 1),
    "cascade": ("", 1),
    "written_off_usd_bn": ("bn USD", 1),
}
"""What `what_ifs.py` measures, with the unit in which an answer says it and its factor."""


def answer(scenario: str, measure: str) -> str:
    """Return what a scenario does to a measure in words, with the 95% interval of the mean effect."""
    (line,) = [line for line in lines_of("what if") if line["scenario"] == scenario]
    return in_words(line, measure)


def in_words(line: Line, measure: str) -> str:
    """Return an effect as the rest of a sentence: which way it goes, if its interval says so."""
    unit, factor = MEASURES[measure]
    mean, low, high = (line[measure][key] * factor for key in ("mean", "low", "high"))
    unit = f" {unit}" if unit else ""
    if mean == low == high == 0:
        return "does not change at all"
    if low == high:
        return f"{'rises' if mean > 0 else 'falls'} by {figure(abs(mean))}{unit} in every run"
    if low <= 0 <= high:
        return f"does not change measurably ({figure(low)} to {figure(high)}{unit})"
    ends = sorted((abs(low), abs(high)))
    way = "rises" if mean > 0 else "falls"
    return f"{way} by {figure(abs(mean))}{unit} ({figure(ends[0])} to {figure(ends[1])})"


TABLES = (
    Table(
        measurement="headline",
        columns={
            "median (5 to 95% of runs)": column("what"),
            **{date: ranged(date) for date in ("Dec 2025", "Dec 2027", "Dec 2030")},
        },
    ),
    Table(
        measurement="what if",
        columns={
            "scenario": lambda line: f"`{line['scenario']}`",
            "dependence on Azure": marked("focal_dependence"),
            "HHI": marked("concentration"),
            "price of new contracts": marked("price_new"),
            "spot price in 2026": marked("spot_2026"),
            "energised MW": marked("energised_mw"),
            "defaults": marked("defaults"),
        },
    ),
    Table(
        measurement="what is stranded",
        columns={
            "scenario": lambda line: f"`{line['scenario']}`",
            "idle MW": marked("idle_mw"),
            "dark MW": marked("dark_mw"),
            "orphan MW": marked("orphan_mw"),
            "all three in 2026": marked("stranded_2026_mw"),
            "cancelled MW": marked("cancelled_mw"),
            "written off, bn USD": marked("written_off_usd_bn"),
        },
    ),
    Facts(
        measurement="what if nothing",
        names={
            "dependence of OpenAI on Azure, from 2026 on": column("focal_dependence"),
            "HHI of delivered compute, from 2026 on": column("concentration"),
            "price of new contracts, from 2026 on, USD per H100e-hour": column("price_new"),
            "spot price in 2026, USD per H100e-hour": column("spot_2026"),
            "energised capacity, from 2026 on, MW": column("energised_mw"),
            "idle, MW": column("idle_mw"),
            "dark, MW": column("dark_mw"),
            "orphan, MW": column("orphan_mw"),
            "cancelled in six years, MW": column("cancelled_mw"),
            "defaults": column("defaults"),
        },
    ),
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
    Facts(
        measurement="efficiency",
        names={
            "months with something to gain": column("months_with_gains"),
            "median": fine("median"),
            "mean": fine("mean"),
            "fifth percentile": fine("fifth_percentile"),
            "minimum": fine("minimum"),
            "all surplus over all optimum": fine("all_surplus_over_all_optimum"),
            "share of months below 0.9": percent("share_of_months_below_0_9"),
            "their share of all optimum": percent("their_share_of_all_optimum"),
        },
    ),
    Table(
        measurement="page part",
        columns={"part": column("part"), "ms": column("ms"), "largest": column("most_ms")},
    ),
    Facts(
        measurement="page step",
        names={
            "milliseconds, median": column("median_ms"),
            "95th percentile": column("p95_ms"),
            "share under 150 ms": percent("share_under_150_ms"),
            "of the server's processor a step": column("server_cpu_ms"),
            "of the browser's main thread a step": column("page_cpu_ms"),
            "processes that wanted one of the two cores meanwhile": column("load"),
            "steps": column("runs"),
        },
    ),
    Table(
        measurement="page memory",
        columns={
            "resets": column("resets"),
            "steps": column("steps"),
            "server, MB": column("server_mb"),
            "browser's heap, MB": column("browser_heap_mb"),
        },
    ),
    Table(
        measurement="page requests",
        columns={
            "host": column("host"),
            "requests": column("requests"),
            "paths": lambda line: ", ".join(f"`{path}`" for path in line["paths"]),
        },
    ),
    Facts(
        measurement="run time",
        names={
            "seconds a run with checks, median": column("seconds_with_check"),
            "seconds a run without, median": column("seconds_without_check"),
            "what checks add": percent("check_over_run"),
        },
    ),
    Facts(
        measurement="beside the run",
        names={
            "seconds to read the scenario": column("reading_seconds"),
            "seconds to enter the market": column("entering_seconds"),
            "seconds to make the tables": column("frames_seconds"),
            "these over a run": percent("frames_over_run"),
            "events of a run": column("events"),
            "contracts": column("contracts"),
            "sites": column("sites"),
        },
    ),
    Shares(
        measurement="profile by phase",
        key="share_of_run",
        head=("phase", "share of a run with checks"),
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
    Table(
        measurement="parent memory",
        columns={
            "runs": column("runs"),
            "parent MB": column("parent_mb"),
            "processor ms a run": lambda line: figure(line.get("cpu_ms_a_run")),
        },
    ),
    Table(
        measurement="bytes a run",
        columns={
            "level": column("level"),
            "bytes a run": column("bytes_a_run"),
        },
    ),
    Table(
        measurement="bands",
        columns={
            "runs": column("runs"),
            "months": column("months"),
            "names": column("names"),
            "seconds": column("seconds"),
            "bytes a run": column("bytes_a_run"),
        },
    ),
    Table(
        measurement="cluster",
        columns={
            "sweep": column("sweep"),
            "runs": column("runs"),
            "seconds": column("seconds"),
            "same bits": column("same_bits"),
        },
    ),
    Table(
        measurement="noise",
        columns={
            "seeds": column("seeds"),
            "replicates x base rows": lambda line: f"{line['replicates']} x {line['points']}",
            "bias of the total indices": signed("bias"),
            "deviation": signed("deviation"),
        },
    ),
)


def lines_of(measurement: str) -> list[Line]:
    """Return the lines of a measurement; raise `KeyError` if no benchmark has left any."""
    files = sorted(MEASURED.glob("*.jsonl"))
    texts = (text for file in files for text in file.read_text(encoding="utf-8").splitlines())
    found = [line for line in map(json.loads, texts) if line["measurement"] == measurement]
    if not found:
        raise KeyError(f"no line of {measurement!r} in {MEASURED.name}/; run its benchmark")
    return found


def markdown(measurement: str) -> str:
    """Return a measurement as a Markdown table, with the runs and the revision it was measured on."""
    lines = lines_of(measurement)
    head, *rows = BY_NAME[measurement].rows(lines)
    drawn = [head, ["---"] * len(head), *rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in drawn)
    count = f"{tally(lines)}\n\n" if measurement == "sign" else ""
    return f"{table}\n\n{count}{caption(lines)}"


def tally(lines: Iterable[Line]) -> str:
    """Return how many of the signs stated beforehand pass, one by one and by change."""
    stated = [line for line in lines if not line["beside"]]
    cases: dict[str, list[bool]] = {}
    for line in stated:
        cases.setdefault(line["case"], []).append(line["passes"])
    whole = [case for case, passes in cases.items() if all(passes)]
    return (
        f"Of {len(stated)} stated effects {sum(line['passes'] for line in stated)} pass. By change, "
        f"{len(whole)} of {len(cases)} pass in full: {', '.join(whole)}."
    )


def caption(lines: Iterable[Line]) -> str:
    """Return what lines were measured on."""
    runs = sorted({line["runs"] for line in lines if "runs" in line})
    made = sorted({line["revision"] for line in lines if "revision" in line})
    many = f"{' or '.join(f'{n:,}' for n in runs)} runs each, " if runs else ""
    return f"*{many}revision {', '.join(f'`{revision}`' for revision in made)}.*" if made else ""


BY_NAME = {table.measurement: table for table in TABLES}
