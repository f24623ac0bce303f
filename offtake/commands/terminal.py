"""What commands share: options, messages on stderr, data on stdout, the progress line."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

SECONDS_BETWEEN_LINES = 5.0
SCENARIO_FOLDER = Path(__file__).parent.parent / "experiments" / "scenarios"

type Tick = Callable[[float, int], None]


class StdoutClosed(Exception):  # noqa: N818 - read as a sentence
    """Whoever read stdout has gone: nothing is left to say."""


@dataclass(slots=True)
class Terminal:
    """How much to say, and in what colour."""

    verbosity: int = 0
    quiet: bool = False
    color: str = "auto"

    def colored(self) -> bool | None:
        """Return whether to colour, or None to let the stream decide."""
        if self.color != "auto":
            return self.color == "always"
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return False if plain else None


class Choice(click.Choice[str]):
    """One of a few words, with the nearest offered for a misspelt one."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Say which words are allowed and which was probably meant."""
        message = super().get_invalid_choice_message(value, ctx)
        near = get_close_matches(str(value), self.choices, n=1)
        return f"{message} Did you mean {near[0]!r}?" if near else message


class ScenarioName(click.ParamType[str]):
    """The name of an embedded scenario, or a TOML file."""

    name = "scenario"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the embedded names, then files."""
        names = sorted(path.stem for path in SCENARIO_FOLDER.glob("*.toml"))
        found = [
            CompletionItem(name)
            for name in names
            if name != "sources" and name.startswith(incomplete)
        ]
        return found or [CompletionItem(incomplete, type="file")]


def _set_quiet(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.ensure_object(Terminal).quiet |= value


def _set_verbosity(ctx: click.Context, _: click.Parameter, value: int) -> None:
    ctx.ensure_object(Terminal).verbosity += value


def _set_color(ctx: click.Context, _: click.Parameter, value: str) -> None:
    terminal = ctx.ensure_object(Terminal)
    terminal.color = value
    ctx.color = terminal.colored()


def voice_options[F: Callable[..., Any]](command: F) -> F:
    """Add -q, -v and --color."""
    words = Choice(["auto", "always", "never"])
    hidden: dict[str, Any] = {"expose_value": False, "is_eager": True}
    for option in (
        click.option(
            "--color",
            type=words,
            default="auto",
            callback=_set_color,
            help="Colours [auto].",
            **hidden,
        ),
        click.option(
            "-v", "--verbose", count=True, callback=_set_verbosity, help="Say more.", **hidden
        ),
        click.option(
            "-q", "--quiet", is_flag=True, callback=_set_quiet, help="No progress.", **hidden
        ),
    ):
        command = option(command)
    return command


def json_option[F: Callable[..., Any]](command: F) -> F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(
        command
    )


def emit(text: str) -> None:
    """Write data to stdout."""
    try:
        click.echo(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise StdoutClosed from None


def emit_json(document: dict[str, Any]) -> None:
    """Write one JSON document to stdout."""
    emit(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def emit_table(rows: list[tuple[str, ...]]) -> None:
    """Write rows to stdout in columns; the first row is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        emit("  ".join(cells).rstrip())


def say(message: str) -> None:
    """Write a message to stderr."""
    click.echo(message, err=True)


def complain(message: str, *, terminal: Terminal) -> None:
    """Write an error to stderr."""
    label = click.style("error:", fg="red", bold=True)
    click.echo(f"{label} {message}", err=True, color=terminal.colored())


def next_step(command: str) -> None:
    """Name the next useful command, for people."""
    if sys.stderr.isatty():
        say(f"next     {command}")


@contextmanager
def progress(terminal: Terminal, runs: int) -> Iterator[Tick]:
    """Show how far the runs are: a bar on a terminal, else a line every few seconds."""
    if terminal.quiet:
        yield lambda share, finished: None
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bar(terminal, runs) as tick:
            yield tick
    else:
        yield _lines(runs)


def _lines(runs: int) -> Tick:
    begun = last = time.monotonic()

    def tick(share: float, finished: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < SECONDS_BETWEEN_LINES or not 0 < share < 1:
            return
        last = now
        left = (now - begun) * (1 - share) / share
        say(f"run {finished}/{runs} {share:.0%} eta {duration(left)}")

    return tick


def duration(seconds: float) -> str:
    """Return a length of time as people write it.

    Examples
    --------
    >>> duration(72)
    '1m12s'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


@contextmanager
def _bar(terminal: Terminal, runs: int) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    colored = terminal.colored()
    console = Console(stderr=True, no_color=colored is False, force_terminal=colored)
    columns = (
        TextColumn("runs"),
        BarColumn(),
        TextColumn("{task.fields[finished]}/" + str(runs)),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as shown:
        task = shown.add_task("runs", total=1.0, finished=0)
        yield lambda share, finished: shown.update(task, completed=share, finished=finished)
