"""Studies for tests, and what their folders hold."""

import hashlib
from pathlib import Path
from typing import Any

import offtake as ot
from offtake.experiments.studies.parts import Design, Outcome, Range, Record

X = tuple(f"demand.{name}_growth_per_month" for name in ("usage", "willingness", "efficiency"))
STUBS = "tests.studies.stubs"
VALUE = {"value": Outcome(observable="efficiency")}


def study(**fields: Any) -> ot.Study:
    """Return a small study of a formula with ten points between 0 and 1."""
    given: dict[str, Any] = {
        "title": "A test",
        "scenario": ("duopoly",),
        "months": 2,
        "uncertain": {X[0]: tuple(i / 10 for i in range(11))},
        "design": Design(replicates=4, seed=3),
        "record": Record(level="ticks", columns=("efficiency",)),
        "outcomes": VALUE,
    }
    return ot.Study(**{**given, **fields})


def between(low: float, high: float, names: tuple[str, ...] = X) -> dict[str, Range]:
    return {name: Range.model_validate({"from": low, "to": high}) for name in names}


def digest(folder: Path | None) -> str:
    """Return the hash of everything that a study's runs say, in the order of the runs."""
    assert folder is not None, "a study that was run has a folder"
    done = ot.Study.open(folder)
    rows = done.runs().sort("run").collect()
    ticks = done.ticks().sort("run", "observable", "name", "other", "month").collect()
    text = rows.write_ndjson() + ticks.write_ndjson()
    return hashlib.sha256(text.encode()).hexdigest()


def part(folder: Path | None, kind: str = "runs", number: int = 0) -> Path:
    assert folder is not None, "a study that was run has a folder"
    return sorted((folder / kind).glob("*.parquet"))[number]


def statuses(done: ot.Study) -> dict[str, int]:
    counted = done.runs().group_by("status").len().collect()
    return dict(counted.iter_rows())
