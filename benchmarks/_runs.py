"""What the benchmarks share: making many runs in two processes, and one JSON line a measurement."""

import argparse
import json
import math
import multiprocessing
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

import offtake
from offtake.model.contracts import Stage
from offtake.model.events import Advanced, Cancelled, Energised, Opened, Parted, Transferred
from offtake.model.market import Market
from offtake.model.reading import Reading

BASELINE = "stargate-2025"
SURE = 0.975
"""Upper end of a two-sided 95 percent interval."""

type Numbers = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run and what is to be read from it."""

    reading: Reading
    seed: int
    read: Callable[[Market], Numbers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean of runs with its 95 percent interval (Student's t)."""

    mean: float
    low: float
    high: float
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMonth:
    """What stood in a stage during a month, and what of it was given up then, MW."""

    month: int
    stage: Stage
    stood_mw: float
    cancelled_mw: float


def each_seed(reading: Reading, seeds: int, read: Callable[[Market], Numbers]) -> list[Job]:
    """Return the runs of a scenario under the seeds 1, 2, 3 and so on."""
    return [Job(reading=reading, seed=seed, read=read) for seed in range(1, seeds + 1)]


def run_all(
    jobs: Iterable[Job], workers: int, act: Callable[[Job], Numbers] | None = None
) -> list[Numbers]:
    """Make all runs and return what was read from each, in the order of the jobs."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context) as pool:
        return list(pool.map(act or play, jobs))


def play(job: Job) -> Numbers:
    """Make one run; one that fails gives no numbers."""
    try:
        return job.read(played(job.reading, job.seed))
    except Exception as error:
        say("failed run", [job.reading], runs=1, seed=job.seed, error=repr(error))
        return {}


def played(reading: Reading, seed: int, *, check: bool = False) -> Market:
    """Return a market that has run to its end."""
    market = Market(reading.scenario, rng=seed, check=check)
    for _ in range(reading.scenario.months):
        market.step()
    return market


def series(market: Market, name: str) -> np.ndarray:
    """Return an observable by month and participant."""
    return np.array(market.recorder.values[name])


def dependence(market: Market) -> np.ndarray:
    """Return dependence by month, lab and cloud."""
    shape = (-1, len(market.setup.labs), len(market.setup.clouds))
    return series(market, "dependence").reshape(shape)


def stage_months(market: Market) -> Iterable[StageMonth]:
    """Yield what stood in each stage of the pipeline and what was cancelled of it, month by month."""
    stages: dict[str, Stage] = {}
    kw: dict[str, int] = {}
    begun: dict[str, Stage] = {}
    stood = dict.fromkeys(Stage, 0.0)
    lost = dict.fromkeys(Stage, 0.0)
    month = 0

    def move(name: str, after: Stage) -> None:
        mw = kw[name] / 1000
        before = stages.get(name)
        if before is not None:
            stood[before] -= mw
            if after is Stage.CANCELLED:
                lost[before] += mw
        stood[after] += mw
        stages[name] = after

    for time, event in market.books.journal:
        while time >= month + 1:
            yield from _closed(month, stood, lost)
            month += 1
        match event:
            case Opened() | Advanced():
                kw[event.site.name] = event.site.capacity_kw
                move(event.site.name, event.site.stage)
            case Parted():
                kw[event.site] -= event.capacity_kw
                kw[event.part] = event.capacity_kw
                stages[event.part] = stages[event.site]
                if event.site in begun:
                    begun[event.part] = begun[event.site]
            case Energised():
                move(event.site, Stage.ENERGISED)
            case Cancelled():
                begun[event.site] = stages[event.site]
                move(event.site, Stage.CANCELLED)
            case Transferred():
                move(event.site, begun[event.site])


def _closed(
    month: int, stood: dict[Stage, float], lost: dict[Stage, float]
) -> Iterable[StageMonth]:
    for stage, cancelled in lost.items():
        if stage < Stage.ENERGISED:
            yield StageMonth(
                month=month,
                stage=stage,
                stood_mw=stood[stage] + cancelled,
                cancelled_mw=cancelled,
            )
        lost[stage] = 0.0


def ratio(part: float, whole: float) -> float:
    """Return a ratio; NaN where there is nothing to divide by."""
    return part / whole if whole else math.nan


def estimate(values: Iterable[float]) -> Estimate:
    """Return the mean of the finite values with its interval."""
    given = np.array([v for v in values if math.isfinite(v)])
    if len(given) < 2:
        return Estimate(mean=math.nan, low=math.nan, high=math.nan, runs=len(given))
    mean = float(given.mean())
    reach = float(student.ppf(SURE, len(given) - 1) * given.std(ddof=1) / math.sqrt(len(given)))
    return Estimate(mean=mean, low=mean - reach, high=mean + reach, runs=len(given))


def median(values: Iterable[float]) -> float:
    """Return the median of the finite values."""
    given = [v for v in values if math.isfinite(v)]
    return float(np.median(given)) if given else math.nan


def say(measurement: str, readings: Iterable[Reading], *, runs: int, **values: Any) -> None:
    """Print one measurement as one line of JSON, with what it was measured on."""
    line = {
        "measurement": measurement,
        **{key: _plain(value) for key, value in values.items()},
        "runs": runs,
        "version": offtake.__version__,
        "revision": revision(),
        "scenarios": [f"{r.scenario.name} {r.digest}" for r in readings],
    }
    print(json.dumps(line), flush=True)


@cache
def revision() -> str:
    """Return the commit that is measured, with a plus where files have changed since."""
    where = Path(__file__).parent
    ask = ("git", "describe", "--always", "--dirty=+", "--exclude=*")
    return subprocess.run(ask, cwd=where, capture_output=True, text=True).stdout.strip()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value


def options(what: str, **counts: int) -> argparse.Namespace:
    """Read counts from the command line, each with its default."""
    parser = argparse.ArgumentParser(description=what)
    for name, default in counts.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    return parser.parse_args()
