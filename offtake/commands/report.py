"""offtake report: one page on results, complete in itself."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offtake.commands.run import available_cores
from offtake.commands.terminal import Terminal, emit, emit_json, json_option, say, voice_options

if TYPE_CHECKING:
    from offtake.experiments.reporting.report import Options

BYTES_PER_MB = 1_000_000
SCHEMA = "offtake.report/1"


@click.command(
    help="""Write one HTML page on the results in FOLDER, against others if given.

The page needs no network and no script; it can be mailed and printed.

\b
  offtake report results/first
  offtake report results/base results/what-if --out what-if.html
  offtake report results/first --no-replays --open
"""
)
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER [OTHER ...]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Page [FOLDER.html].",
)
@click.option("--scenario", metavar="FILE", help="The scenario, if it is not embedded.")
@click.option(
    "--replays/--no-replays", default=True, help="Make runs again to explain and measure [on]."
)
@click.option(
    "--events", type=click.IntRange(0, 100), default=6, metavar="N", help="Events measured [6]."
)
@click.option(
    "--screen", type=click.IntRange(0, 100), default=4, metavar="N", help="Assumptions run [4]."
)
@click.option("--open", "show", is_flag=True, help="Open the page when it is there.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes [cores].")
@json_option
@voice_options
@click.pass_obj
def command(
    terminal: Terminal,
    folders: tuple[Path, ...],
    out: Path | None,
    scenario: str | None,
    replays: bool,
    events: int,
    screen: int,
    show: bool,
    workers: int | None,
    as_json: bool,
) -> int:
    """Read the results, draw, replay and write."""
    from offtake.experiments.page import write
    from offtake.experiments.reporting.report import Options

    options = Options(
        scenario=scenario,
        replays=replays,
        events=events,
        screened=screen,
        workers=workers or available_cores(),
        say=(lambda _: None) if terminal.quiet else say,
    )
    page = _page(folders, options).encode()
    path = out or folders[0].with_name(f"{folders[0].resolve().name}.html")
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, page)
    if as_json:
        emit_json({"schema": SCHEMA, "path": str(path), "bytes": len(page)})
    else:
        emit(f"{path}  ({len(page) / BYTES_PER_MB:.1f} MB, works offline)")
    if show:
        click.launch(str(path))
    return 0


def _page(folders: tuple[Path, ...], options: "Options") -> str:
    """Return the page of results, or of a study."""
    from offtake.experiments.reporting.report import report
    from offtake.experiments.results import Result

    studies = [folder for folder in folders if _is_study(folder)]
    if not studies:
        return report([Result.open(folder) for folder in folders], options)
    if len(folders) > 1:
        raise click.UsageError(
            f"{studies[0]} is the folder of a study, which has a page of its own; name it alone"
        )
    from offtake.experiments.reporting.study_page import study_report
    from offtake.experiments.studies.study import Study

    return study_report(Study.open(studies[0]))


def _is_study(folder: Path) -> bool:
    """Whether a folder is a study's: its manifest says so."""
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and str(manifest.get("schema")).startswith("offtake.study")
