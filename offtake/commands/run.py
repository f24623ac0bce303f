"""offtake run: a scenario under one seed or many."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offtake.commands.codes import Code
from offtake.commands.interrupts import Interrupts
from offtake.commands.terminal import (
    ScenarioName,
    Terminal,
    complain,
    emit,
    emit_json,
    json_option,
    next_step,
    progress,
    say,
    voice_options,
)

if TYPE_CHECKING:
    from offtake.experiments.results import Ensemble, Place
    from offtake.experiments.run import Plan

MOST_SEEDS = 100_000
MOST_MONTHS = 600
EXIT_BY_KIND = {"invariant": Code.MODEL, "memory": Code.RESOURCES}


@click.command(
    help="""Run SCENARIO, an embedded name or a TOML file, and print a summary.

\b
  offtake run duopoly --months 12
  offtake run stargate-2025 --seeds 20 --out results/first
  offtake run my.toml --set labs.Aster.cash_usd=2e9 --json
"""
)
@click.argument("scenario", type=ScenarioName())
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of a single run [1].")
@click.option("--seeds", type=click.IntRange(1, MOST_SEEDS), metavar="N", help="Run seeds 1 to N.")
@click.option(
    "--months", type=click.IntRange(1, MOST_MONTHS), metavar="N", help="Stop after N months."
)
@click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a value; repeatable."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write tables into a new folder.",
)
@json_option
@click.option("--check/--no-check", default=True, help="Check invariants each month [on].")
@click.option("--trace", is_flag=True, help="Keep every offer, as negotiations.parquet.")
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes [cores, at most seeds]."
)
@voice_options
@click.pass_obj
def command(
    terminal: Terminal,
    scenario: str,
    seed: int | None,
    seeds: int | None,
    months: int | None,
    overrides: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    check: bool,
    trace: bool,
    workers: int | None,
) -> int:
    """Run a scenario, write its tables where asked, and tell its numbers."""
    if trace and out is None:
        raise click.UsageError("--trace keeps offers as a table; name its folder with --out.")
    if seed is not None and seeds is not None:
        raise click.UsageError("--seed names one run and --seeds a number of runs; give one.")
    chosen = seeds if seeds is not None else (1 if seed is None else seed,)
    with Interrupts() as interrupts, _place(out) as place:
        asked = planned(scenario, chosen, months, overrides, check, trace)
        ensemble = simulated(terminal, asked, workers, interrupts)
        kept = keep(ensemble, place)
    if interrupts.code is not None:
        return stopped(ensemble, kept, interrupts.code)
    report_failures(terminal, ensemble, scenario, kept)
    if ensemble.result is not None:
        _tell(ensemble, as_json, kept)
    return exit_code(ensemble)


def _tell(ensemble: "Ensemble", as_json: bool, kept: Path | None) -> None:
    from offtake.experiments.summary import document, text

    if as_json:
        emit_json(document(ensemble))
        return
    emit(text(ensemble))
    if kept is not None:
        say(f"results  {kept}")
    else:
        next_step("add --out FOLDER to keep the tables, --seeds 20 for ranges")


@contextmanager
def _place(out: Path | None) -> Iterator["Place | None"]:
    """Reserve the results folder before anything runs."""
    if out is None:
        yield None
        return
    from offtake.experiments.results import claim

    with claim(out) as place:
        yield place


def planned(
    scenario: str,
    seeds: int | tuple[int, ...],
    months: int | None,
    overrides: tuple[str, ...],
    check: bool,
    trace: bool = False,
) -> "Plan":
    """Read the scenario; a horizon beyond its own is wrong use of the command line."""
    from offtake.experiments.run import plan

    asked = plan(scenario, seeds=seeds, overrides=overrides, check=check, trace=trace)
    if months is None:
        return asked
    if months > asked.months:
        raise click.BadParameter(
            f"{asked.scenario.name} has {asked.months} months; "
            f"for a longer horizon use --set months={months}",
            param_hint="--months",
        )
    from dataclasses import replace

    return replace(asked, months=months)


def simulated(
    terminal: Terminal, asked: "Plan", workers: int | None, interrupts: Interrupts
) -> "Ensemble":
    """Make the runs, showing how far they are."""
    from offtake.experiments.run import simulate_many

    with progress(terminal, len(asked.seeds)) as tick:
        return simulate_many(
            asked,
            workers=workers or available_cores(),
            stop=interrupts.requested,
            tick=tick,
        )


def available_cores() -> int:
    """Return the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep(ensemble: "Ensemble", place: "Place | None") -> Path | None:
    """Write the finished runs and the evidence of broken ones; return where, if anywhere."""
    broken = [failure for failure in ensemble.failures if failure.kind == "invariant"]
    if place is None or (ensemble.result is None and not broken):
        return None
    if ensemble.result is not None:
        place.put(ensemble.result)
    for failure in broken:
        place.put_evidence(failure)
    return place.commit()


def stopped(ensemble: "Ensemble", kept: Path | None, code: Code) -> int:
    """Say what was kept of an interrupted command."""
    count = f"{len(ensemble.finished)} of {len(ensemble.wanted)} runs finished"
    if kept is not None:
        say(f"stopped: {count}; they are kept in {kept}")
    elif ensemble.finished:
        say(f"stopped: {count}; nothing was kept (--out FOLDER keeps finished runs)")
    else:
        say(f"stopped: {count}; nothing was kept")
    return code


def report_failures(
    terminal: Terminal, ensemble: "Ensemble", scenario: str, kept: Path | None
) -> None:
    """Name each run that failed, with the command that repeats it."""
    for failure in ensemble.failures:
        complain(f"seed {failure.seed} failed: {failure.message}", terminal=terminal)
        say(f"         repeat: offtake run {scenario} --seed {failure.seed} -v")
        if kept is not None and failure.kind == "invariant":
            say(f"         evidence: {kept / 'evidence' / f'seed-{failure.seed}'}")
        if terminal.verbosity and failure.trace:
            say(failure.trace)


class RunFailed(RuntimeError):  # noqa: N818 - read as a sentence
    """No run finished, and not for a reason the user can do something about."""


def exit_code(ensemble: "Ensemble") -> int:
    """Return what the shell is told about the runs."""
    for failure in ensemble.failures:
        if failure.kind in EXIT_BY_KIND:
            return EXIT_BY_KIND[failure.kind]
    if ensemble.failures and ensemble.result is None:
        first = ensemble.failures[0]
        raise RunFailed(first.message + ("\n" + first.trace if first.trace else ""))
    return Code.FINDINGS if ensemble.failures else Code.DONE
