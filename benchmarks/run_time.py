"""How long a run of the baseline takes, and where the time goes.

Runs with and without checks take turns in one process, so a slow moment of the machine hits both.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from _runs import BASELINE, options, played, say

from offtake.model import market as running
from offtake.model.market import Market
from offtake.model.month import Phase
from offtake.model.reading import Reading, read

SEED = 1
PROFILED = 3
"""Runs whose phases are timed."""


def main() -> None:
    """Print the time of a run, its profile by phase and the time of its tables."""
    runs: int = options("Time a run of the baseline.", runs=10).runs
    reading = read(BASELINE)
    played(reading, SEED)  # the first run fills caches
    checked, unchecked = [], []
    for _ in range(runs):
        checked.append(seconds(lambda: played(reading, SEED, check=True)))
        unchecked.append(seconds(lambda: played(reading, SEED)))
    say(
        "run time",
        [reading],
        runs=runs,
        months=reading.scenario.months,
        seconds_with_check=median(checked),
        seconds_without_check=median(unchecked),
        least_seconds_with_check=min(checked),
        check_over_run=median(c / u for c, u in zip(checked, unchecked, strict=True)) - 1,
    )
    say_tables(reading)
    say_profile(reading)


def say_tables(reading: Reading) -> None:
    """Print what reading, entering and tabulating take beside the run."""
    market = played(reading, SEED)
    say(
        "beside the run",
        [reading],
        runs=PROFILED,
        reading_seconds=least(lambda: read(BASELINE)),
        entering_seconds=least(lambda: Market(reading.scenario, rng=SEED)),
        frames_seconds=least(market.frames),
        frames_over_run=least(market.frames) / least(lambda: played(reading, SEED)),
        events=len(market.books.journal),
        contracts=market.books.contracts.size,
        sites=len(market.books.sites),
    )


def say_profile(reading: Reading) -> None:
    """Print the share of each phase in a run with checks."""
    spent = dict.fromkeys((phase.name for phase in running.PHASES), 0.0)
    phases = running.PHASES
    running.PHASES = tuple(timed(phase, spent) for phase in phases)
    try:
        whole = sum(seconds(lambda: played(reading, SEED, check=True)) for _ in range(PROFILED))
    finally:
        running.PHASES = phases
    shares = {name: took / whole for name, took in spent.items()}
    shares["calendar and entering"] = 1 - sum(shares.values())
    say("profile by phase", [reading], runs=PROFILED, share_of_run=shares)


def timed(phase: Phase, spent: dict[str, float]) -> Phase:
    """Return the phase with a clock around it."""

    def run(market: Market) -> None:
        began = time.perf_counter()
        phase.run(market)
        spent[phase.name] += time.perf_counter() - began

    return replace(phase, run=run)


def seconds(act: Callable[[], object]) -> float:
    """Return how long something takes, after the memory of earlier runs is freed."""
    gc.collect()
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def least(act: Callable[[], object]) -> float:
    """Return the shortest of a few times."""
    return min(seconds(act) for _ in range(PROFILED))


if __name__ == "__main__":
    main()
