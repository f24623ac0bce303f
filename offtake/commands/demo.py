"""offtake demo: the embedded baseline, from nothing to a picture."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from offtake.commands.interrupts import Interrupts
from offtake.commands.run import (
    MOST_MONTHS,
    MOST_SEEDS,
    exit_code,
    keep,
    planned,
    report_failures,
    simulated,
    stopped,
)
from offtake.commands.terminal import Terminal, emit, next_step, say, voice_options

if TYPE_CHECKING:
    from offtake.experiments.results import Ensemble, Place, Result

BASELINE = "stargate-2025"
RESULTS = Path("results")
SEEDS = 20


@click.command(
    help="""Run the embedded baseline under 20 seeds and draw its market shares.

\b
  offtake demo
  offtake demo --seeds 50 --out results/fifty
"""
)
@click.option(
    "--seeds", type=click.IntRange(1, MOST_SEEDS), metavar="N", default=SEEDS, help="Runs [20]."
)
@click.option(
    "--months", type=click.IntRange(1, MOST_MONTHS), metavar="N", help="Stop after N months."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Results folder [results/NAME].",
)
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes [cores, at most seeds]."
)
@voice_options
@click.pass_obj
def command(
    terminal: Terminal, seeds: int, months: int | None, out: Path | None, workers: int | None
) -> int:
    """Run the baseline, keep its tables and pictures, and tell its numbers."""
    from offtake.experiments.results import claim, free_folder
    from offtake.experiments.summary import text

    folder = out or free_folder(RESULTS, BASELINE)
    with Interrupts() as interrupts, claim(folder) as place:
        asked = planned(BASELINE, seeds, months, (), check=True)
        ensemble = simulated(terminal, asked, workers, interrupts)
        kept = _keep(ensemble, place)
    if interrupts.code is not None:
        return stopped(ensemble, kept, interrupts.code)
    report_failures(terminal, ensemble, BASELINE, kept)
    if ensemble.result is not None and kept is not None:
        emit(text(ensemble))
        _point_at(kept)
    return exit_code(ensemble)


def _keep(ensemble: "Ensemble", place: "Place") -> Path | None:
    """Write tables and pictures; a picture that cannot be drawn does not cost the tables."""
    if ensemble.result is None:
        return keep(ensemble, place)
    place.put(ensemble.result)
    try:
        with place.writing("a picture"):
            _draw(ensemble.result, place.path)
    finally:
        place.commit()
    return place.target


def _draw(result: "Result", folder: Path) -> None:
    from offtake.experiments.charts import dependence, overview
    from offtake.experiments.page import save
    from offtake.experiments.summary import focal

    scenario, lab = result.scenario, focal(result.scenario)
    marks = sorted((event.on, event.what) for event in scenario.events.values())
    sheets = {
        "market": overview(result.trajectories, marks, lab=lab),
        "dependence": dependence(result.trajectories, marks, lab),
    }
    for stem, chart in sheets.items():
        save(chart, folder, stem, title=f"{scenario.name}: {stem}")


def _point_at(folder: Path) -> None:
    say(f"\nresults  {folder}")
    for kind in ("html", "png", "svg"):
        say(f"         {folder / f'market.{kind}'}")
    next_step(f"offtake scenario new my-question --from {BASELINE}")
