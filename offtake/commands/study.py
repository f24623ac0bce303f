"""offtake study: thousands of runs of a question, resumable, with verdicts."""

import datetime as dt
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from offtake.commands.codes import Code
from offtake.commands.interrupts import Interrupts
from offtake.commands.run import available_cores
from offtake.commands.terminal import (
    SECONDS_BETWEEN_LINES,
    Terminal,
    complain,
    duration,
    emit,
    emit_json,
    json_option,
    next_step,
    say,
    voice_options,
)

if TYPE_CHECKING:
    from offtake.experiments.studies.forecast import Forecast
    from offtake.experiments.studies.plan import Plan
    from offtake.experiments.studies.sweep import Progress

SHARD = re.compile(r"(\d+)/(\d+)\Z")
BYTES_PER_MB = 1_000_000
SHOWN = 10
SECONDS_BETWEEN_UPDATES = 0.2
STOPPED_BY_SIGNAL = (Code.INTERRUPTED, Code.TERMINATED)


@click.group(
    help="""Plan, run and read studies of thousands of runs.

\b
  offtake study plan entry.toml
  offtake study run entry.toml --workers 8
  offtake study report results/entry-7f3a91c2
"""
)
def command() -> None:
    """Group what is done with studies."""


class ShardNumber(click.ParamType[tuple[int, int]]):
    """One of N equal parts of the work, such as 3/64."""

    name = "I/N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Read I/N."""
        found = SHARD.match(str(value))
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            self.fail(f"{value!r} is no shard; the third of 64 is 3/64, the last 64/64", param, ctx)
        return int(found[1]), int(found[2])


file_argument = click.argument("file", type=click.Path(path_type=Path))
folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes [cores]."
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder [results/NAME-HASH]."
)


@command.command(help="Say what the study FILE would cost: runs, time, room. Writes nothing.")
@file_argument
@out_option
@workers_option
@json_option
@voice_options
@click.pass_obj
def plan(
    terminal: Terminal, file: Path, out: Path | None, workers: int | None, as_json: bool
) -> int:
    """Lay out the runs, and make a few of them in memory."""
    from offtake.experiments.studies.forecast import forecast
    from offtake.experiments.studies.opening import default_folder
    from offtake.experiments.studies.plan import plan_of
    from offtake.experiments.studies.reading import read_study

    asked = read_study(file)
    laid_out = plan_of(asked)
    folder, workers = out or default_folder(file.stem, laid_out), workers or available_cores()
    with Interrupts() as interrupts:
        found = forecast(asked, laid_out, folder, stop=interrupts.requested)
    if as_json:
        emit_json(_forecast_document(laid_out, found, folder, workers))
    else:
        emit("\n".join(_forecast_text(laid_out, found, folder, workers)))
        next_step(f"offtake study run {file}")
    return Code.FINDINGS if found.failed else Code.DONE


def _forecast_document(
    laid_out: "Plan", found: "Forecast", folder: Path, workers: int
) -> dict[str, Any]:
    return {
        "schema": "offtake.study-plan/1",
        "runs": found.runs,
        "futures": laid_out.futures,
        "levers": laid_out.combinations,
        "replicates": laid_out.replicates,
        "seed": laid_out.root,
        "level": laid_out.level,
        "done": found.done,
        "folder": str(folder),
        "pilot": found.pilot,
        "pilot_failed": found.failed,
        "seconds_a_run": found.seconds_a_run,
        "seconds": found.seconds(workers),
        "bytes": found.bytes,
        "workers": workers,
    }


def _forecast_text(
    laid_out: "Plan", found: "Forecast", folder: Path, workers: int
) -> Iterator[str]:
    yield (
        f"{found.runs:,} runs = {laid_out.futures:,} futures x {laid_out.combinations:,} levers "
        f"x {laid_out.replicates:,} replicates.  Seed {laid_out.root}."
    )
    pilot = f"Pilot of {found.pilot}: {_milliseconds(found.seconds_a_run)} a run"
    yield (
        f"{pilot} (slowest {_milliseconds(found.slowest_seconds)}), {found.failed} failed."
        + (f"  {found.message}" if found.message else "")
    )
    yield (
        f"About {duration(found.seconds(workers))} on {workers} workers; "
        f"{max(found.bytes / BYTES_PER_MB, 0.1):,.1f} MB at level {laid_out.level}.  "
        f"{found.done:,} of {found.runs:,} are already in {folder}."
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


@command.command(help="Run the study FILE; the same command goes on where it was stopped.")
@file_argument
@out_option
@workers_option
@click.option(
    "--engine",
    default="processes",
    metavar="NAME",
    help="Who makes runs: processes, ray, futures, or another package's [processes].",
)
@click.option(
    "--address",
    metavar="WHERE",
    help="Cluster of ray, such as ray://head:10001; MODULE:NAME of an executor for futures.",
)
@click.option("--shard", type=ShardNumber(), help="Make one of N parts; several machines share.")
@click.option("--fresh", is_flag=True, help="Start over in a new folder.")
@click.option("--keep-going", is_flag=True, help="Go on when the first runs fail alike.")
@click.option("--retry", is_flag=True, help="Make failed runs again.")
@click.option(
    "--max-seconds", type=click.FloatRange(min=0.1), metavar="S", help="Give up longer runs."
)
@click.option("--max-mb", type=click.FloatRange(min=1), metavar="MB", help="Give up larger runs.")
@json_option
@voice_options
@click.pass_obj
def run(
    terminal: Terminal,
    file: Path,
    out: Path | None,
    workers: int | None,
    engine: str,
    address: str | None,
    shard: tuple[int, int] | None,
    fresh: bool,
    keep_going: bool,
    retry: bool,
    max_seconds: float | None,
    max_mb: float | None,
    as_json: bool,
) -> int:
    """Make the runs that are missing."""
    from offtake.experiments.results import free_folder
    from offtake.experiments.studies.opening import default_folder
    from offtake.experiments.studies.study import Study

    study = Study.from_toml(file)
    folder = out or default_folder(file.stem, study.plan())
    if fresh:
        folder = free_folder(folder.parent, folder.name)
    told: list[Progress] = []
    with Interrupts() as interrupts, _watched(terminal) as watch:
        study.run(
            folder,
            engine=engine,
            workers=workers or available_cores(),
            address=address,
            shard=shard,
            keep_going=keep_going,
            retry=retry,
            seconds_a_run=max_seconds,
            mb_a_run=max_mb,
            stop=interrupts.requested,
            watch=watch,
            told=told.append,
        )
    return _ended(terminal, told[0], folder, interrupts, as_json)


def _ended(
    terminal: Terminal, progress: "Progress", folder: Path, interrupts: Interrupts, as_json: bool
) -> int:
    for damage in progress.damage:
        say(f"mended   {damage.part}: {damage.what}")
    if as_json:
        emit_json(_progress_document(progress, folder))
    elif interrupts.code is None:
        say(_line(progress))
        say(f"results  {folder}")
    if interrupts.code is not None:
        count = f"{progress.done:,} of {progress.wanted:,} runs are kept in {folder}"
        say(f"stopped: nothing is lost; {count}. Run the same command to go on")
        return interrupts.code
    if progress.failed:
        complain(f"{progress.failed:,} runs failed", terminal=terminal)
        say(f"         see: offtake study status {folder}")
    else:
        next_step(f"offtake study report {folder}")
    return _code(progress)


def _code(progress: "Progress") -> Code:
    if progress.origins["invariant"]:
        return Code.MODEL
    return Code.FINDINGS if progress.failed else Code.DONE


def _progress_document(progress: "Progress", folder: Path) -> dict[str, Any]:
    return {
        "schema": "offtake.study-run/1",
        "folder": str(folder),
        "wanted": progress.wanted,
        "done": progress.done,
        "made": progress.made,
        "statuses": dict(progress.statuses),
        "stopped": progress.stopped,
        "damaged_parts": [damage.part for damage in progress.damage],
    }


def _line(progress: "Progress") -> str:
    """Return how far a sweep is, on one line."""
    from offtake.experiments.studies.aggregate import spread
    from offtake.experiments.summary import number

    share = progress.done / max(progress.wanted, 1)
    words = [f"{progress.done:,}/{progress.wanted:,} runs", f"{share:.0%}"]
    if progress.failed:
        words.append(f"{progress.failed:,} failed")
    if progress.made:
        words.append(f"{progress.rate():.1f}/s")
    left = progress.seconds_left()
    if left:
        words.append(f"{duration(left)} left")
    early = spread(progress.values)
    if early is not None:
        shown = f"{number(early.median)} [{number(early.low)}-{number(early.high)}]"
        words.append(f"{progress.outcome} = {shown}{' so far' if share < 1 else ''}")
    return "  ".join(words)


@contextmanager
def _watched(terminal: Terminal) -> Iterator[Callable[["Progress"], None]]:
    """Show progress: one line that changes on a terminal, else a line every few seconds."""
    if terminal.quiet:
        yield lambda _: None
        return
    changing, last = sys.stderr.isatty(), time.monotonic()

    def watch(progress: "Progress") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < (SECONDS_BETWEEN_UPDATES if changing else SECONDS_BETWEEN_LINES):
            return
        last = now
        line = _line(progress)
        if changing:
            wide = shutil.get_terminal_size().columns - 1
            click.echo(f"\r{line[:wide]:<{wide}}", err=True, nl=False)
        else:
            say(line)

    yield watch
    if changing:
        say("")


@command.command(help="Count what is done in DIR, with failures by message and the slowest runs.")
@folder_argument
@json_option
def status(folder: Path, as_json: bool) -> int:
    """Say how far a study is."""
    from offtake.experiments.studies.condition import condition_of
    from offtake.experiments.studies.study import Study

    found = condition_of(Study.open(folder))
    if as_json:
        emit_json(found)
    else:
        emit("\n".join(_status_text(found)))
    if found["damage"]:
        return Code.DAMAGED
    return Code.FINDINGS if found["failures"] else Code.DONE


def _status_text(found: dict[str, Any]) -> Iterator[str]:
    yield found["title"]
    counts = "  ".join(f"{count:,} {name}" for name, count in found["statuses"].items())
    yield f"{found['done']:,} of {found['wanted']:,} runs are done.  {counts}".rstrip()
    for failure in found["failures"][:SHOWN]:
        yield f"  {failure['count']:,} x {failure['status']}: {failure['error']}"
        yield f"      runs {failure['runs']}; repeat: {failure['repeat']}"
    if found["slowest"]:
        slow = ", ".join(f"run {each['run']} {each['seconds']:.1f} s" for each in found["slowest"])
        yield f"slowest: {slow}"
    yield from (f"damaged: {each['part']}: {each['what']}" for each in found["damage"])


@command.command(help="Make one run of DIR again, here, and show what comes of it.")
@folder_argument
@click.option("--run", "number", type=click.IntRange(min=0), metavar="N", required=True)
@json_option
@voice_options
@click.pass_obj
def rerun(terminal: Terminal, folder: Path, number: int, as_json: bool) -> int:
    """Repeat a run in the foreground; a failure shows its traceback."""
    from offtake.experiments.studies.condition import again
    from offtake.experiments.studies.study import Study

    planned, made, agrees = again(Study.open(folder), number)
    row = {key: value for key, value in made.row.items() if key != "run_id"}
    if as_json:
        given = {key: value for key, value in planned.items() if key != "run_id"}
        emit_json({"schema": "offtake.study-rerun/1", **given, **row, "agrees": agrees})
    else:
        emit(
            "\n".join(
                f"{key}: {value}" for key, value in {**planned, **row}.items() if key != "run_id"
            )
        )
    if made.trace:
        say(made.trace.rstrip())
    if agrees is False:
        complain(
            "the stored run says something else; see `offtake study verify`", terminal=terminal
        )
        return Code.DAMAGED
    return Code.FINDINGS if made.trace else Code.DONE


@command.command(help="Judge the claims of DIR, and show outcomes, bands and sensitivities.")
@folder_argument
@json_option
def report(folder: Path, as_json: bool) -> int:
    """Tell what a study found so far."""
    from offtake.experiments.studies.report import document, text
    from offtake.experiments.studies.study import Study

    found = document(Study.open(folder))
    if as_json:
        emit_json(found)
    else:
        emit(text(found))
    return Code.FINDINGS if found["failures"] else Code.DONE


@command.command(help="Check every part of DIR, and make a few runs again to compare their bits.")
@folder_argument
@click.option("--runs", type=click.IntRange(min=0), default=5, metavar="N", help="Runs again [5].")
@json_option
@voice_options
@click.pass_obj
def verify(terminal: Terminal, folder: Path, runs: int, as_json: bool) -> int:
    """Say whether what stands in the folder is what was written."""
    from offtake.experiments.studies.condition import verified
    from offtake.experiments.studies.study import Study

    found = verified(Study.open(folder), runs)
    if as_json:
        emit_json(found)
    else:
        for each in found["damage"]:
            complain(f"{each['part']}: {each['what']}", terminal=terminal)
        again = f"{found['compared']} runs made again, {len(found['differ'])} differ"
        emit(f"{found['parts']} parts checked, {len(found['damage'])} damaged; {again}")
        if not found["same_code"]:
            say("this offtake is not the one the study was made with: its runs may differ")
        if found["differ"] and not found["same_versions"]:
            say("the versions of offtake, Python or packages differ from those of the study")
    return Code.DAMAGED if found["damage"] or found["differ"] else Code.DONE


@command.command(help="Make a few large files of the many small ones in DIR; nothing else changes.")
@folder_argument
@json_option
@voice_options
@click.pass_obj
def compact(terminal: Terminal, folder: Path, as_json: bool) -> None:
    """Merge the parts of a study's folder."""
    from offtake.experiments.studies.study import Study

    found = Study.open(folder).compact()
    if as_json:
        emit_json(
            {"schema": "offtake.study-compact/1", "before": found.before, "after": found.after}
        )
    else:
        emit(f"{found.before:,} parts became {found.after:,}")


@command.command(help="Describe DIR for archives and other programs.")
@folder_argument
@click.option("--ro-crate", is_flag=True, required=True, help="Write RO-Crate metadata into DIR.")
def export(folder: Path, ro_crate: bool) -> None:
    """Write the description of a study's folder."""
    from offtake.experiments.studies.crate import write_crate
    from offtake.experiments.studies.study import Study

    study = Study.open(folder)
    where = write_crate(study.store, study.title, dt.datetime.now(tz=dt.UTC).date())
    say(f"wrote    {where}")
