"""One run of a study: from parameters to a row, and what of its months is kept."""

import json
import math
import traceback
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from offtake.experiments.studies import dials
from offtake.experiments.studies.naming import SCENARIO, month_of
from offtake.experiments.studies.parts import Outcome
from offtake.experiments.studies.store import OK, Store, series_of
from offtake.experiments.workers import Stop, Stopped
from offtake.model import checks
from offtake.model.invariants import InvariantViolation
from offtake.model.scenario import Scenario

FAILED, DIED, TIMEOUT, MEMORY = "failed", "died", "timeout", "memory"
KEPT_EVENTS = ("event", "month", "kind", "actor", "target", "capacity_kw", "usd_cents", "cause")
TRAJECTORIES = ("trajectories",)
TICKS: pl.Schema = pl.Schema(
    {"run": pl.UInt32, "month": pl.UInt16, "series": pl.UInt16, "value": pl.Float32}
)

type Frames = dict[str, pl.DataFrame]


class BadPoint(ValueError):  # noqa: N818 - read as a sentence
    """Parameters that together make no scenario."""


class _Failed(Exception):  # noqa: N818
    """A run did not finish; the cause says why."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.origin = origin


@dataclass(slots=True)
class Made:
    """What came of one run."""

    row: dict[str, Any]
    frames: Frames = field(default_factory=dict)
    trace: str = ""


@dataclass(frozen=True)
class Bench:
    """Everything a worker needs to make runs of a study."""

    store: Store
    market: Callable[..., Any]

    @cached_property
    def bases(self) -> dict[str, dict[str, Any]]:
        """Plain data of the scenarios."""
        return {name: _scenario(self.store.folder, name) for name in self.manifest["scenarios"]}

    @cached_property
    def series(self) -> pl.DataFrame:
        """Numbers of the series that months are kept of."""
        return series_of(self.store).select("series", "observable", "name", "other")

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """Tables of a run that something is read from or kept of: others are not made."""
        return ("trajectories", "events") if self.manifest["level"] == "events" else TRAJECTORIES

    @cached_property
    def observables(self) -> frozenset[str]:
        """Observables that an outcome is read from, or that months are kept of."""
        asked = (each.observable for each in self.store.outcomes.values())
        return frozenset([*asked, *self.manifest["columns"]])

    @property
    def manifest(self) -> dict[str, Any]:
        """The study's manifest."""
        return self.store.manifest

    def make(self, planned: Mapping[str, Any], stop: Stop) -> Made:
        """Make one run; whatever goes wrong in it becomes its row."""
        row = {"run": planned["run"], "run_id": planned["run_id"]}
        try:
            scenario, frames = self._simulated(planned, stop)
            with _from("extraction"):
                outcomes = self._outcomes(frames["trajectories"], scenario)
                kept = self._kept(planned["run"], frames)
        except _Failed as failed:
            cause = failed.__cause__
            assert cause is not None, "a failure has a cause"
            status = MEMORY if isinstance(cause, MemoryError) else FAILED
            told = {"status": status, "origin": failed.origin, "error": last_line(cause)}
            return Made({**row, **told}, trace="".join(traceback.format_exception(cause)))
        return Made({**row, "status": OK, **outcomes}, kept)

    def _simulated(self, planned: Mapping[str, Any], stop: Stop) -> tuple[Scenario, Frames]:
        with _from("scenario"):
            scenario = self.scenario(planned)
        with _from("instantiation"):
            market = self.market(scenario, rng=planned["seed"], check=True)
        with _from("run"):
            for _ in range(self.manifest["months"]):
                if stop():
                    raise Stopped
                market.step()
        with _from("extraction"):
            return scenario, market.frames(self.tables, observables=self.observables)

    def scenario(self, planned: Mapping[str, Any]) -> Scenario:
        """Return the scenario of a run."""
        name = planned.get(SCENARIO) or self.manifest["scenarios"][0]
        data = self.bases[name]
        for key, path in self.manifest["paths"].items():
            data = dials.changed(data, tuple(path), dials.scenario_value(tuple(path), planned[key]))
        scenario = Scenario.model_validate(data)
        problems = [*checks.check_terms(scenario), *checks.check_capacity(scenario)]
        if problems:
            raise BadPoint(problems[0].message)
        return scenario

    def _outcomes(self, rows: pl.DataFrame, scenario: Scenario) -> dict[str, float | None]:
        return {name: read(each, rows, scenario) for name, each in self.store.outcomes.items()}

    def _kept(self, run: int, frames: Frames) -> Frames:
        level, kept = self.manifest["level"], {}
        if level != "summary":
            kept["ticks"] = self._ticks(run, frames["trajectories"])
        if level == "events":
            events = frames["events"].select(KEPT_EVENTS)
            number = pl.lit(run, dtype=pl.UInt32).alias("run")
            kept["events"] = events.select(number, pl.all())
        return kept

    def _ticks(self, run: int, rows: pl.DataFrame) -> pl.DataFrame:
        found = rows.join(self.series, on=["observable", "name", "other"])
        ticks = found.select(pl.lit(run).alias("run"), "month", "series", "value").cast(TICKS)
        return ticks.sort("series", "month")


def _scenario(folder: Path, name: str) -> dict[str, Any]:
    text = (folder / "scenarios" / f"{name}.json").read_text("utf-8")
    return Scenario.model_validate(json.loads(text), strict=False).model_dump()


@contextmanager
def _from(origin: str) -> Any:
    """Say from which step of a run an exception comes."""
    try:
        yield
    except Stopped:
        raise
    except InvariantViolation as error:
        raise _Failed("invariant") from error
    except Exception as error:
        raise _Failed(origin) from error


def last_line(error: BaseException) -> str:
    """Return what a failed run is known by: the kind and first line of its exception.

    Examples
    --------
    >>> last_line(ValueError("a price below zero"))
    'ValueError: a price below zero'
    """
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def read(outcome: Outcome, rows: pl.DataFrame, scenario: Scenario) -> float | None:
    """Read an outcome from the months of a run; nothing where it has no value."""
    asked = rows["observable"] == outcome.observable
    for column, wanted in (("name", outcome.of), ("other", outcome.on)):
        if wanted not in (None, "*"):
            asked &= rows[column] == wanted
    month, value = rows["month"].filter(asked), rows["value"].filter(asked)
    if outcome.over is None:
        last = month.max()
        if outcome.at not in (None, "end"):
            last = month_of(outcome.at or "", scenario)
        return _sum(value.filter(month == last).to_list() if last is not None else [])
    by_month: dict[int, list[float | None]] = {}
    for each, number in zip(month.to_list(), value.to_list(), strict=True):
        by_month.setdefault(each, []).append(number)
    months = [_sum(by_month[each]) for each in sorted(by_month)]
    return _over(outcome.over, [value for value in months if value is not None])


def _sum(values: list[float | None]) -> float | None:
    """Return the sum of a month's values; nothing where one of them is missing."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return math.fsum(known) if values and len(known) == len(values) else None


def _over(how: str, values: list[float]) -> float | None:
    if not values:
        return None
    match how:
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "sum":
            return math.fsum(values)
    return math.fsum(values) / len(values)
