"""The command line: which commands there are, and what the shell is told at the end."""

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click
from click.exceptions import NoSuchCommand

from offtake.commands.codes import Code, code_of
from offtake.commands.terminal import StdoutClosed, Terminal, complain, say

COMMANDS = {
    "demo": "Run the embedded baseline and draw its market shares.",
    "run": "Run a scenario under one seed or many.",
    "compare": "Hold scenarios or results against the first, seed by seed.",
    "report": "Write one HTML page on results, complete in itself.",
    "explain": "Tell why a lab depends on a cloud as it does.",
    "study": "Plan, run and read studies of thousands of runs.",
    "app": "Open the interactive page of a scenario.",
    "scenario": "List, show, check and start scenarios.",
    "schedule": "Print the phases of a month.",
    "observables": "Print what is measured, with units.",
    "completion": "Print a completion script for a shell.",
}

EXAMPLES = """\b
  offtake demo
  offtake run stargate-2025 --seeds 20 --out results/first
  offtake report results/first
"""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        return import_module(f"offtake.commands.{cmd_name}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or offer the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand:
            raise NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    help=f"Simulate the market for AI compute.\n\n{EXAMPLES}",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    no_args_is_help=True,
)
@click.version_option(package_name="offtake", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Set the colour that the surroundings ask for."""
    ctx.color = ctx.ensure_object(Terminal).colored()


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    sys.exit(call(sys.argv[1:] if args is None else args))


def call(args: Sequence[str]) -> int:
    """Run one command and return its exit code; no exception escapes."""
    terminal = Terminal()
    try:
        code = cli.main(list(args), prog_name="offtake", obj=terminal, standalone_mode=False)
        sys.stdout.flush()
        return int(code or Code.DONE)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("stopped; nothing was kept")
        return Code.INTERRUPTED
    except (StdoutClosed, BrokenPipeError):
        _point_stdout_nowhere()
        return Code.DONE
    except Exception as error:
        return _report(error, list(args), terminal)


def _point_stdout_nowhere() -> None:
    """Keep the interpreter from flushing into a closed pipe on its way out."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def _report(error: Exception, args: list[str], terminal: Terminal) -> int:
    code = code_of(error)
    if code is Code.BUG:
        _report_bug(error, args, terminal)
    elif code is Code.SCENARIO:
        say(str(error))  # rendered with its own labels, file and line
    else:
        complain(_told(error), terminal=terminal)
    if terminal.verbosity and code is not Code.SCENARIO:
        say("".join(traceback.format_exception(error)))
    return code


def _told(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "out of memory; fewer --seeds or --workers need less"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


def _report_bug(error: Exception, args: list[str], terminal: Terminal) -> None:
    summary = f"{type(error).__name__}: {error}".splitlines()[0]
    where = _crash_file(error, args)
    told = f"details in {where}" if where else "no crash file could be written; use -v"
    complain(f"a bug in offtake, sorry: {summary} ({told})", terminal=terminal)


def _crash_file(error: Exception, args: list[str]) -> Path | None:
    """Write the traceback to a file, and return its path."""
    details: dict[str, Any] = {"python": sys.version, "arguments": args}
    lines = [f"{name}: {value}" for name, value in details.items()]
    trace = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="offtake-crash-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write("\n".join([*lines, "", trace]))
    except OSError:
        return None
    return Path(file.name)
