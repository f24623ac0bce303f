"""offtake explain: why a lab depends on a cloud as it does, from the journal of one run."""

from pathlib import Path

import click

from offtake.commands.compare import month_index
from offtake.commands.terminal import (
    Terminal,
    emit,
    emit_json,
    json_option,
    next_step,
    say,
    voice_options,
)

MOST_REMOVED = 20


@click.command(
    help="""Explain a lab's dependence on a cloud in the results of FOLDER.

\b
  offtake explain results/first --lab "Lab A" --cloud "Cloud X"
  offtake explain results/first --month 2027-06 --without 2350
  offtake explain results/first --contract "Lab A with Cloud X 1"
"""
)
@click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="FOLDER"
)
@click.option("--lab", metavar="LAB", help="Whose dependence [the focal lab].")
@click.option("--cloud", metavar="CLOUD", help="On whom [its first supplier].")
@click.option("--from", "since", metavar="YYYY-MM", help="Explain the change from here [start].")
@click.option("--month", metavar="YYYY-MM", help="Up to here [end].")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Run [the median one].")
@click.option("--contract", metavar="NAME", help="Explain one contract instead.")
@click.option(
    "--without",
    type=click.IntRange(min=0),
    multiple=True,
    metavar="EVENT",
    help="Leave out this event; repeatable.",
)
@click.option(
    "--counterfactuals",
    type=click.IntRange(0, MOST_REMOVED),
    default=3,
    metavar="N",
    help="Events left out [3].",
)
@json_option
@voice_options
@click.pass_obj
def command(
    terminal: Terminal,
    folder: Path,
    lab: str | None,
    cloud: str | None,
    since: str | None,
    month: str | None,
    seed: int | None,
    contract: str | None,
    without: tuple[int, ...],
    counterfactuals: int,
    as_json: bool,
) -> int:
    """Replay the run, and tell the chain of causes."""
    from offtake.experiments.explaining.explanation import explain
    from offtake.experiments.explaining.wording import text
    from offtake.experiments.results import Result
    from offtake.experiments.summary import first_supplier, focal

    result = Result.open(folder)
    if contract is not None:
        why = result.why(contract, seed=seed)
        emit_json({"schema": "offtake.why/1"} | why.as_dict()) if as_json else emit(why.text())
        return 0
    lab = lab or focal(result.scenario)
    found = explain(
        result,
        lab,
        cloud or first_supplier(result, lab),
        month=None if month is None else month_index(result, month),
        since=0 if since is None else month_index(result, since),
        seed=seed,
        counterfactuals=counterfactuals,
        without=without,
        say=(lambda _: None) if terminal.quiet else say,
    )
    emit_json(found.as_dict()) if as_json else emit(text(found))
    if found.deals and not as_json:
        next_step(f'offtake explain {folder} --contract "{found.deals[0].contract}"')
    return 0
