"""Run a scenario once, or under many seeds, in this process or in several."""

import multiprocessing
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from offtake.experiments.results import (
    TABLES,
    TRACED,
    Ensemble,
    Failure,
    Frames,
    Result,
    describe,
)
from offtake.experiments.workers import Stop, Stopped, follow_parent, signals_held
from offtake.model.invariants import InvariantViolation
from offtake.model.market import Market
from offtake.model.reading import digest as digest_of
from offtake.model.reading import read
from offtake.model.scenario import Scenario

SECONDS_BETWEEN_LOOKS = 0.2

type Tick = Callable[[float, int], None]
type Source = str | Path | Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which runs to make of a scenario."""

    scenario: Scenario
    digest: str
    seeds: tuple[int, ...]
    months: int
    check: bool = True
    overrides: tuple[str, ...] = ()
    trace: bool = False
    market: Callable[..., Market] = Market

    def begin(self, seed: int) -> Market:
        """Return the market of one run before its first month."""
        traced = {"trace": True} if self.trace else {}
        return self.market(self.scenario, rng=seed, check=self.check, **traced)


def run(
    scenario: Source,
    *,
    seed: int = 1,
    seeds: int | Iterable[int] | None = None,
    months: int | None = None,
    overrides: Iterable[str] = (),
    check: bool = True,
    trace: bool = False,
) -> Result:
    """Run a scenario and return its tables.

    Parameters
    ----------
    scenario
        Name of an embedded scenario, a TOML file, or a `Scenario`.
    seed
        Seed of the one run, where `seeds` is not given.
    seeds
        A number of runs, with the seeds 1, 2, 3 and so on, or the seeds themselves.
    months
        Months to run, at most and by default those of the scenario.
    overrides
        Changes to the scenario, each `path=value`.
    check
        Whether the invariants are checked each month.
    trace
        Whether every offer of every negotiation is kept, as the table `negotiations`.
    """
    chosen = (seed,) if seeds is None else seeds
    asked = plan(
        scenario, seeds=chosen, months=months, overrides=overrides, check=check, trace=trace
    )
    return _result(asked, {number: simulate(asked, number) for number in asked.seeds})


def plan(
    source: Source,
    *,
    seeds: int | Iterable[int],
    months: int | None = None,
    overrides: Iterable[str] = (),
    check: bool = True,
    trace: bool = False,
) -> Plan:
    """Read a scenario and say which runs to make of it."""
    changes = tuple(overrides)
    scenario, digest = _given(source, changes)
    return Plan(
        scenario=scenario,
        digest=digest,
        seeds=_seeds(seeds),
        months=_months(scenario, months),
        check=check,
        overrides=changes,
        trace=trace,
    )


def _given(source: Source, overrides: tuple[str, ...]) -> tuple[Scenario, str]:
    if not isinstance(source, Scenario):
        reading = read(source, overrides=overrides)
        return reading.scenario, reading.digest
    if overrides:
        raise ValueError("overrides change a named scenario or a file, not a Scenario object")
    return source, digest_of(source)


def _seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    chosen = tuple(range(1, seeds + 1)) if isinstance(seeds, int) else tuple(sorted(set(seeds)))
    if not chosen:
        raise ValueError("no seeds were given; one run needs one seed")
    if chosen[0] < 0:
        raise ValueError(f"a seed is a whole number from 0 on, not {chosen[0]}")
    return chosen


def _months(scenario: Scenario, months: int | None) -> int:
    if months is None:
        return scenario.months
    if not 1 <= months <= scenario.months:
        raise ValueError(
            f"{scenario.name} can run 1 to {scenario.months} months, not {months}; "
            f'for a longer horizon change the scenario: "months={months}" as an override'
        )
    return months


def _never() -> bool:
    return False


def _silent(share: float, finished: int) -> None:
    pass


def simulate(
    plan: Plan, seed: int, *, stop: Stop = _never, month_done: Callable[[], object] = _never
) -> Frames:
    """Make one run and return its tables."""
    market = plan.begin(seed)
    _advance(market, plan.months, stop, month_done)
    return market.frames()


def _advance(market: Market, months: int, stop: Stop, month_done: Callable[[], object]) -> None:
    for _ in range(months):
        if stop():
            raise Stopped
        market.step()
        month_done()


def simulate_many(
    plan: Plan, *, workers: int = 1, stop: Stop = _never, tick: Tick = _silent
) -> Ensemble:
    """Make every run of a plan; a run that fails does not stop the others."""
    workers = min(workers, len(plan.seeds))
    outcomes = _in_turn(plan, stop, tick) if workers <= 1 else _side_by_side(plan, workers, stop)
    done: dict[int, Frames | Failure] = {}
    with suppress(Stopped):
        for seed, outcome in outcomes:
            done[seed] = outcome
            tick(len(done) / len(plan.seeds), len(done))
    return _ensemble(plan, done)


def _in_turn(plan: Plan, stop: Stop, tick: Tick) -> Iterator[tuple[int, Frames | Failure]]:
    months, months_wanted = 0, plan.months * len(plan.seeds)
    for number, seed in enumerate(plan.seeds):

        def month_done(finished: int = number) -> None:
            nonlocal months
            months += 1
            tick(months / months_wanted, finished)

        yield seed, _attempt(plan, seed, stop, month_done)


def _attempt(
    plan: Plan, seed: int, stop: Stop, month_done: Callable[[], object] = _never
) -> Frames | Failure:
    """Make one run; where it fails, return what is known about the failure."""
    market = None
    try:
        market = plan.begin(seed)
        _advance(market, plan.months, stop, month_done)
        return market.frames()
    except Stopped:
        raise
    except InvariantViolation as error:
        return _failure(seed, "invariant", error, _evidence(market))
    except MemoryError as error:
        return _failure(seed, "memory", error)
    except Exception as error:
        return _failure(seed, "error", error)


def _failure(seed: int, kind: str, error: Exception, evidence: Frames | None = None) -> Failure:
    return Failure(
        seed=seed,
        kind=kind,
        message=f"{type(error).__name__}: {error}".rstrip(": "),
        trace=traceback.format_exc(),
        evidence=evidence,
    )


def _evidence(market: Market | None) -> Frames | None:
    """Return the tables of a market that broke a rule, if they can still be read."""
    if market is None:
        return None
    with suppress(Exception):  # whatever else is broken must not hide the violation
        return market.frames()
    return None


# --- several processes ----------------------------------------------------------------------------

_stop_flag: Any = None  # in a worker: set by the parent when somebody asks to stop


def _side_by_side(plan: Plan, workers: int, stop: Stop) -> Iterator[tuple[int, Frames | Failure]]:
    """Run seeds in a pool; a seed whose worker died gets one more attempt, alone."""
    left = set(plan.seeds)
    for seed, outcome in _pooled(plan, plan.seeds, workers, stop):
        left.discard(seed)
        yield seed, outcome
    for seed in sorted(left):
        if stop():
            raise Stopped
        again = dict(_pooled(plan, (seed,), 1, stop))
        yield seed, again.get(seed) or _killed(seed)


def _killed(seed: int) -> Failure:
    message = "its process was ended from outside, twice; perhaps memory ran out"
    return Failure(seed=seed, kind="killed", message=message)


def _pooled(
    plan: Plan, seeds: tuple[int, ...], workers: int, stop: Stop
) -> Iterator[tuple[int, Frames | Failure]]:
    context = multiprocessing.get_context("spawn")  # Polars hangs in a forked process
    flag = context.RawValue("b", 0)
    pool = ProcessPoolExecutor(workers, context, initializer=_begin_work, initargs=(flag,))
    try:
        pending: dict[Future[Frames | Failure], int] = {}
        with signals_held(), suppress(BrokenProcessPool):  # a worker may die while others start
            for seed in seeds:
                pending[pool.submit(_work, plan, seed)] = seed
        yield from _collected(pending, stop, flag)
    finally:
        flag.value = 1
        pool.shutdown(cancel_futures=True)


def _collected(
    pending: dict[Future[Frames | Failure], int], stop: Stop, flag: Any
) -> Iterator[tuple[int, Frames | Failure]]:
    """Yield outcomes as they come, looking now and then whether somebody asked to stop."""
    waiting = set(pending)
    while waiting:
        ready, waiting = wait(waiting, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
        for future in sorted(ready, key=lambda each: pending[each]):
            with suppress(BrokenProcessPool):
                yield pending[future], future.result()
        if stop():
            raise Stopped


def _work(plan: Plan, seed: int) -> Frames | Failure:
    return _attempt(plan, seed, lambda: bool(_stop_flag.value))


def _begin_work(flag: Any) -> None:
    global _stop_flag
    _stop_flag = flag
    follow_parent()


# --- from runs to tables --------------------------------------------------------------------------


def _ensemble(plan: Plan, done: dict[int, Frames | Failure]) -> Ensemble:
    finished = {seed: it for seed, it in done.items() if not isinstance(it, Failure)}
    failures = tuple(it for _, it in sorted(done.items()) if isinstance(it, Failure))
    return Ensemble(
        result=_result(plan, finished, failures) if finished else None,
        wanted=plan.seeds,
        failures=failures,
        stopped=len(done) < len(plan.seeds),
    )


def _result(plan: Plan, runs: dict[int, Frames], failures: tuple[Failure, ...] = ()) -> Result:
    seeds = tuple(sorted(runs))
    tables = (*TABLES, TRACED) if plan.trace else TABLES
    frames = {name: pl.concat([runs[seed][name] for seed in seeds]) for name in tables}
    manifest = describe(
        plan.scenario,
        digest=plan.digest,
        seeds=seeds,
        months=plan.months,
        check=plan.check,
        overrides=plan.overrides,
        failures=failures,
    )
    return Result(scenario=plan.scenario, manifest=manifest, **frames)
