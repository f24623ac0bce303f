"""What a study costs: efficiency on two cores, overhead a run beside other runners, memory, bytes, bands.

Every measurement is a process of its own, so that its processor time is that of the whole tree, start-up
included. Runners take turns within a repetition; medians are over repetitions.
"""

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import mesa
from _models import KEY, MARKET, MONTHS, scenario_with, value
from _runs import BASELINE, options, say

import offtake as ot
from offtake.experiments.studies.bands import bands
from offtake.experiments.studies.parts import Design, Outcome, Range, Record
from offtake.model.market import Market
from offtake.model.reading import read

CHURN = 0.02, 0.08
WORKERS = 2
BAND_RUNS = 10_000
MB = 1e6
KB_PER_MB = 1000
NEEDED = {"joblib": "joblib", "EMA Workbench": "ema_workbench"}


def main() -> None:
    """Print all measurements, or make one of them in this process."""
    if len(sys.argv) > 1 and sys.argv[1] == "--alone":
        print(json.dumps(ALONE[sys.argv[2]](int(sys.argv[3]))))
        return
    given = options(
        "Measure what a study costs.", runs=200, repeats=3, most=100_000, bands=BAND_RUNS
    )
    say_overhead(given.runs, given.repeats)
    say_memory(given.most)
    say_bytes(given.room)
    say_bands(given.bands)


def alone(what: str, runs: int) -> dict[str, float]:
    """Measure something in a process of its own."""
    command = [sys.executable, __file__, "--alone", what, str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{what}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


# Runners, on the same market


def say_overhead(runs: int, repeats: int) -> None:
    """Print what each runner adds to the processor time of a run, and how well it uses two cores."""
    there = [name for name in RUNNERS if find_spec(NEEDED.get(name, "mesa"))]
    told: dict[str, list[dict[str, float]]] = {name: [] for name in there}
    for _ in range(repeats):
        for name in there:
            told[name].append(alone(name, runs))
    bare = median(each["cpu_s"] for each in told[BARE]) / runs
    apart = [each["wall_s"] for each in told[APART]]
    for name in there:
        cpu, wall = (median(each[key] for each in told[name]) for key in ("cpu_s", "wall_s"))
        ratios = [a / each["wall_s"] for a, each in zip(apart, told[name], strict=True)]
        say(
            "runner",
            [read(MARKET)],
            runs=runs,
            months=MONTHS,
            runner=name,
            cpu_ms_a_run=cpu / runs * 1000,
            overhead_ms_a_run=(cpu / runs - bare) * 1000,
            wall_s=wall,
            efficiency=None if name == BARE else median(ratios),
            parent_mb=median(each["parent_mb"] for each in told[name]),
            repeats=repeats,
        )
    for name in NEEDED.keys() - set(there):
        say("runner that is not installed", [], runs=0, runner=name)


def measured(act: Callable[[int], object]) -> Callable[[int], dict[str, float]]:
    """Return what measures an action: its time, processor time of its tree, and peak memory here."""

    def run(runs: int) -> dict[str, float]:
        began, before = time.perf_counter(), _cpu()
        act(runs)
        wall, cpu = time.perf_counter() - began, _cpu() - before
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KB_PER_MB
        return {"wall_s": wall, "cpu_s": cpu, "parent_mb": most}

    return run


def _cpu() -> float:
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(who)[:2]) for who in both)


def points(runs: int) -> list[tuple[float, int]]:
    """Return a churn and a seed for each run."""
    low, high = CHURN
    return [(low + (high - low) * i / runs, i) for i in range(runs)]


def bare(runs: int) -> None:
    """Make runs in a loop: what they cost if nothing is added."""
    for churn, seed in points(runs):
        value(churn, seed)


def apart(runs: int) -> None:
    """Make half of the runs in each of two processes that never talk: the ceiling of two cores."""
    command = [sys.executable, __file__, "--alone", BARE, str(runs // WORKERS)]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(WORKERS)]
    for process in both:
        process.wait()


def by_study(level: str) -> Callable[[int], None]:
    """Return a study of the runs, everything written and synced."""

    def act(runs: int) -> None:
        asked = study(
            uncertain={KEY: Range.model_validate({"from": CHURN[0], "to": CHURN[1]})},
            design=Design(method="lhs", points=runs, replicates=1, seed=1),
            record=Record(level=level, columns=() if level == "summary" else ("hhi_compute",)),  # pyright: ignore
        )
        with tempfile.TemporaryDirectory() as folder:
            asked.run(Path(folder) / "out", workers=WORKERS)

    return act


def study(**fields: Any) -> ot.Study:
    """Return a study of the market of the comparison."""
    given = {"title": "Cost", "scenario": (MARKET,), "months": MONTHS}
    outcomes = {"hhi": Outcome(observable="hhi_compute")}
    return ot.Study(**{**given, "outcomes": outcomes, **fields})


def by_joblib(runs: int) -> None:
    """Make the runs with joblib."""
    joblib = import_module("joblib")
    calls = (joblib.delayed(value)(churn, seed) for churn, seed in points(runs))
    joblib.Parallel(n_jobs=WORKERS)(calls)
    loky = import_module("joblib.externals.loky")
    loky.get_reusable_executor().shutdown(wait=True)  # or the time of its workers is not counted


def by_ema(runs: int) -> None:
    """Make the runs with EMA Workbench."""
    ema = import_module("ema_workbench")
    model = ema.Model("market", function=_for_ema)
    model.uncertainties = [ema.RealParameter("churn", *CHURN)]
    model.outcomes = [ema.ScalarOutcome("hhi")]
    with ema.MultiprocessingEvaluator(model, n_processes=WORKERS) as evaluator:
        evaluator.perform_experiments(scenarios=runs)


def _for_ema(churn: float) -> dict[str, float]:
    return {"hhi": value(churn, 1)}


class Collected(Market):
    """The market as `mesa.batch_run` wants it: parameters by name, a collector, one number a step."""

    def __init__(self, churn: float, rng: int = 1) -> None:
        super().__init__(scenario_with(churn), rng=rng, check=True)
        self.datacollector = mesa.DataCollector(model_reporters={"hhi": _last})

    def step(self) -> None:
        """Let a month pass and collect."""
        super().step()
        self.datacollector.collect(self)


def _last(market: Market) -> float:
    """Return the number of the last month that is over; Mesa collects before a month ends."""
    values = market.recorder.values["hhi_compute"]
    return float(values[-1][0]) if values else math.nan


def by_mesa(runs: int) -> None:
    """Make the runs with Mesa's own runner."""
    churns = [churn for churn, _ in points(runs)]
    found = mesa.batch_run(
        Collected,
        {"churn": churns},
        number_processes=WORKERS,
        rng=[1],
        max_steps=MONTHS,
        display_progress=False,
    )
    assert len(found) == runs, "a row for each run"


BARE, APART = "loop on one core", "two loops apart"
RUNNERS: dict[str, Callable[[int], Any]] = {
    BARE: bare,
    APART: apart,
    "study, summary": by_study("summary"),
    "study, ticks": by_study("ticks"),
    "mesa.batch_run": by_mesa,
    "EMA Workbench": by_ema,
    "joblib": by_joblib,
}


# Memory, bytes and bands


def idle(runs: int) -> None:
    """Make runs that cost nothing."""
    asked = study(
        months=1,
        uncertain={KEY: tuple(round(0.01 + i / 10_000, 6) for i in range(100))},
        design=Design(replicates=runs // 100, seed=1),
        record=Record(level="summary"),
    )
    with tempfile.TemporaryDirectory() as folder:
        asked.run(Path(folder) / "out", workers=WORKERS, model="_models:Idle")


def imported(_: int) -> None:
    """Do nothing: what importing and planning need."""
    study(uncertain={KEY: CHURN}).plan()


ALONE = {name: measured(act) for name, act in RUNNERS.items()}
ALONE |= {"idle": measured(idle), "imported": measured(imported)}


def say_memory(most: int) -> None:
    """Print the largest memory of the parent as runs grow, and what a run costs that costs nothing."""
    say("parent memory", [read(MARKET)], runs=0, parent_mb=alone("imported", 0)["parent_mb"])
    runs = 1000
    while runs <= most:
        told = alone("idle", runs)
        say(
            "parent memory",
            [read(MARKET)],
            runs=runs,
            parent_mb=told["parent_mb"],
            cpu_ms_a_run=told["cpu_s"] / runs * 1000,
            wall_s=told["wall_s"],
        )
        runs *= 10


def say_bytes(runs: int) -> None:
    """Print how much room a run of the baseline takes, by what is recorded."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "out"
        done = ot.Study(
            title="Room",
            scenario=(BASELINE,),
            design=Design(replicates=runs, seed=1),
            record=Record(level="events"),
            outcomes={"hhi": Outcome(observable="hhi_compute")},
        ).run(folder, workers=WORKERS)
        done.compact()
        size = _bytes([folder / "plan.parquet"])
        for level, kind in (("summary", "runs"), ("ticks", "ticks"), ("events", "events")):
            size += _bytes((folder / kind).glob("*"))
            say("bytes a run", [read(BASELINE)], runs=runs, level=level, bytes_a_run=size / runs)


def _bytes(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def say_bands(runs: int) -> None:
    """Print how long bands by month and name take over many runs."""
    reading = read(BASELINE)
    with tempfile.TemporaryDirectory() as folder:
        asked = ot.Study(
            title="Bands",
            scenario=(BASELINE,),
            design=Design(replicates=runs, seed=1),
            record=Record(level="ticks", columns=("share_compute",)),
        )
        done = asked.run(Path(folder) / "out", workers=WORKERS, model="_models:Shares")
        seconds, found = [], None
        for _ in range(3):
            began = time.perf_counter()
            found = bands(done, "share_compute")
            seconds.append(time.perf_counter() - began)
        assert found is not None, "it was made three times"
        size = _bytes((Path(folder) / "out" / "ticks").glob("*"))
        say(
            "bands",
            [reading],
            runs=runs,
            months=reading.scenario.months,
            names=found["name"].n_unique(),
            seconds=median(seconds),
            bytes_a_run=size / runs,
        )


if __name__ == "__main__":
    main()
