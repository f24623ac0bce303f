"""offtake compare: scenarios or results held against the first of them, seed by seed."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offtake.commands.interrupts import Interrupts
from offtake.commands.run import MOST_MONTHS, MOST_SEEDS, RunFailed, available_cores, planned
from offtake.commands.terminal import (
    Choice,
    ScenarioName,
    Terminal,
    emit,
    emit_json,
    json_option,
    next_step,
    progress,
    say,
    voice_options,
)

if TYPE_CHECKING:
    from offtake.experiments.attribution import Attribution, Method, Target
    from offtake.experiments.comparison import Comparison
    from offtake.experiments.results import Result
    from offtake.model.scenario import Scenario

SEEDS = 20
MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@click.command(
    help="""Compare scenarios or results folders with the first, seed by seed.

\b
  offtake compare stargate-2025 no-softbank --seeds 20
  offtake compare results/base results/what-if --month 2027-12
  offtake compare duopoly my.toml --attribute dependence/LAB/CLOUD
"""
)
@click.argument("sources", nargs=-1, required=True, type=ScenarioName(), metavar="A B [C ...]")
@click.option(
    "--seeds", type=click.IntRange(1, MOST_SEEDS), metavar="N", help="Run seeds 1 to N [20]."
)
@click.option(
    "--months", type=click.IntRange(1, MOST_MONTHS), metavar="N", help="Run N months only."
)
@click.option("--month", metavar="YYYY-MM", help="Month to compare [the last].")
@click.option("--all", "everything", is_flag=True, help="Show every observable that differs.")
@click.option(
    "--attribute",
    is_flag=False,
    flag_value="auto",
    metavar="[OBS[/NAME]]",
    help="Split a change by input.",
)
@click.option(
    "--method",
    type=Choice(["auto", "shapley", "sequential"]),
    default="auto",
    help="How to split.",
)
@click.option("--allow-unlike", is_flag=True, help="Other versions and horizons too.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Write table and chart."
)
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes [cores].")
@json_option
@voice_options
@click.pass_obj
def command(
    terminal: Terminal,
    sources: tuple[str, ...],
    seeds: int | None,
    months: int | None,
    month: str | None,
    everything: bool,
    attribute: str | None,
    method: "Method",
    allow_unlike: bool,
    out: Path | None,
    workers: int | None,
    as_json: bool,
) -> int:
    """Gather the results, pair them, and tell what is different."""
    from offtake.experiments.comparison import compare, document
    from offtake.experiments.comparison_text import text

    if len(sources) < 2:
        raise click.UsageError("a comparison needs two or more scenarios or results folders")
    results = gathered(terminal, sources, seeds, months, workers)
    base, others = results[0], results[1:]
    at = None if month is None else month_index(base, month)
    found = [compare(base, other, month=at, allow_unlike=allow_unlike) for other in others]
    splits = _attributed(terminal, base, others, at, attribute, method, workers)
    if out is not None:
        _write(found, out)
    if as_json:
        told = document(found, versions=base.manifest["versions"])
        emit_json(told | {"attributions": [each.as_dict() for each in splits]} if splits else told)
        return 0
    emit(text(found, everything=everything))
    for each in splits:
        emit("\n" + each.text())
    if out is None and not splits:
        next_step("add --attribute to split a change by changed input, --out FOLDER for the chart")
    return 0


def gathered(
    terminal: Terminal,
    sources: tuple[str, ...],
    seeds: int | None,
    months: int | None,
    workers: int | None,
) -> "list[Result]":
    """Open what is a results folder, and run the rest under the same seeds and months."""
    from offtake.experiments.results import MANIFEST, Result

    opened = {
        source: Result.open(source) for source in sources if (Path(source) / MANIFEST).is_file()
    }
    known = next(iter(opened.values()), None)
    chosen: int | tuple[int, ...] = seeds or (SEEDS if known is None else known.seeds)
    horizon = months or (None if known is None else known.manifest["months"])
    for source in dict.fromkeys(sources):
        if source not in opened:
            opened[source] = _run(terminal, source, chosen, horizon, workers)
    return [opened[source] for source in sources]


def _run(
    terminal: Terminal,
    source: str,
    seeds: int | tuple[int, ...],
    months: int | None,
    workers: int | None,
) -> "Result":
    from offtake.experiments.run import simulate_many

    if Path(source).is_dir():
        raise click.UsageError(f"{source} is a folder without results of `offtake run --out`")
    with Interrupts() as interrupts:
        asked = planned(source, seeds, months, (), check=True)
        with progress(terminal, len(asked.seeds)) as tick:
            ensemble = simulate_many(
                asked,
                workers=workers or available_cores(),
                stop=interrupts.requested,
                tick=tick,
            )
    if interrupts.code is not None:
        raise click.Abort
    for failure in ensemble.failures:
        say(f"{source}, seed {failure.seed} failed and is left out: {failure.message}")
    if ensemble.result is None:
        raise RunFailed(f"no run of {source} finished")
    return ensemble.result


def month_index(result: "Result", month: str) -> int:
    """Return the number of a month, counted from 0, as YYYY-MM names it."""
    match = MONTH.fullmatch(month)
    start = result.scenario.start
    at = -1
    if match is not None:
        at = (int(match[1]) - start.year) * 12 + int(match[2]) - start.month
    if not 0 <= at < result.manifest["months"]:
        last = start.month - 1 + result.manifest["months"] - 1
        end = f"{start.year + last // 12}-{last % 12 + 1:02}"
        raise click.BadParameter(
            f"{month!r} is no month of the results; they run from {start:%Y-%m} to {end}",
            param_hint="--month",
        )
    return at


def _write(found: "list[Comparison]", folder: Path) -> None:
    """Write the table and a chart for each comparison."""
    import polars as pl

    from offtake.experiments.charts import save
    from offtake.experiments.charts.difference import difference

    folder.mkdir(parents=True, exist_ok=True)
    table = pl.concat([each.frame() for each in found])
    table.write_csv(folder / "differences.csv")
    for number, each in enumerate(found, start=1):
        stem = "differences" if len(found) == 1 else f"differences-{number}"
        save(difference(each), folder, stem, title=f"{each.other} against {each.base}")
    say(f"written  {folder}")


def _attributed(
    terminal: Terminal,
    base: "Result",
    others: "list[Result]",
    at: int | None,
    asked: str | None,
    method: "Method",
    workers: int | None,
) -> "list[Attribution]":
    """Split the change of one observable by changed input, for each other scenario."""
    if asked is None:
        return []
    target = _target(base, asked)
    return [_split(terminal, base, other, at, target, method, workers) for other in others]


def _target(base: "Result", asked: str) -> "Target":
    """Return what OBSERVABLE/NAME/OTHER names; by default the focal lab's first supplier."""
    from offtake.experiments.summary import first_supplier, focal

    if asked == "auto":
        lab = focal(base.scenario)
        return "dependence", lab, first_supplier(base, lab)
    observable, name, other = [*asked.split("/"), "", ""][:3]
    rows = base.trajectories.filter(observable=observable)
    if rows.is_empty():
        raise click.BadParameter(
            f"{observable!r} is no observable; `offtake observables` lists them",
            param_hint="--attribute",
        )
    if rows.filter(name=name, other=other).is_empty():
        known = rows.select("name", "other").unique().sort("name", "other").head(6).rows()
        some = ", ".join("/".join([observable, *filter(None, key)]) for key in known)
        raise click.BadParameter(
            f"{asked!r} names nobody; for example {some}", param_hint="--attribute"
        )
    return observable, name, other


def _split(
    terminal: Terminal,
    base: "Result",
    other: "Result",
    at: int | None,
    target: "Target",
    method: "Method",
    workers: int | None,
) -> "Attribution":
    from offtake.experiments.attribution import attribute, plan
    from offtake.experiments.inputs import inputs
    from offtake.experiments.run import plan as plan_runs
    from offtake.experiments.run import simulate_many

    how = plan(inputs(base.scenario, other.scenario), method)
    months = min(base.manifest["months"], other.manifest["months"])
    month = months - 1 if at is None else at
    seeds = sorted(set(base.seeds) & set(other.seeds))
    if not terminal.quiet and how.hybrids:
        say(f"attribution: {how.hybrids} scenarios between the two x {len(seeds)} seeds")
    known = {id(base.scenario): base, id(other.scenario): other}

    def evaluate(scenario: "Scenario") -> dict[int, float]:
        result = known.get(id(scenario))
        if result is None:
            asked = plan_runs(scenario, seeds=seeds, months=month + 1, check=False)
            with Interrupts() as interrupts, progress(terminal, len(seeds)) as tick:
                made = simulate_many(
                    asked,
                    workers=workers or available_cores(),
                    stop=interrupts.requested,
                    tick=tick,
                )
            if interrupts.code is not None:
                raise click.Abort
            if made.result is None:
                raise RunFailed("no run of a scenario between the two finished")
            result = made.result
        observable, name, of = target
        rows = result.trajectories.filter(
            observable=observable, name=name, other=of, month=month
        ).drop_nulls("value")
        return {s: v for s, v in rows.select("seed", "value").iter_rows() if s in seeds}

    unit = base.trajectories.filter(observable=target[0])["unit"][0]
    return attribute(
        base.scenario, other.scenario, how, target=target, unit=unit, evaluate=evaluate
    )
