"""offtake scenario: list, show, check and start scenarios."""

import json
import os
from pathlib import Path
from typing import Any

import click

from offtake.commands.codes import Code
from offtake.commands.terminal import (
    ScenarioName,
    emit,
    emit_json,
    emit_table,
    json_option,
    next_step,
    say,
)

MODES_FOR_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@click.group(
    help="""List, show, check and start scenarios.

\b
  offtake scenario list
  offtake scenario new my-question --from stargate-2025
  offtake scenario check my-question.toml
"""
)
def command() -> None:
    """Group what is done with scenarios."""


@command.command("list", help="List the embedded scenarios and their questions.")
@json_option
def list_(as_json: bool) -> None:
    """Print each embedded scenario on a line."""
    from offtake.model.reading import names, read

    found = [read(name).scenario for name in sorted(names())]
    if as_json:
        rows = [
            {"name": s.name, "question": s.question, "extends": s.extends, "months": s.months}
            for s in found
        ]
        emit_json({"schema": "offtake.scenarios/1", "scenarios": rows})
    else:
        emit_table([("name", "question"), *((s.name, s.question) for s in found)])


@command.command(help="Show every value of SCENARIO, and what it changes in its base.")
@click.argument("scenario", type=ScenarioName())
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a value.")
@json_option
def show(scenario: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print a scenario as it would run."""
    from offtake.model.reading import read
    from offtake.model.reading import show as shown

    reading = read(scenario, overrides=overrides)
    if as_json:
        given = reading.scenario.model_dump(mode="json")
        emit_json({"schema": "offtake.scenario/1", "digest": reading.digest, "scenario": given})
    else:
        emit(shown(reading))


@command.command(help="Check FILE, or an embedded scenario, and report everything that is wrong.")
@click.argument("file")
@json_option
def check(file: str, as_json: bool) -> int:
    """Say whether a scenario could run; exit code 3 if it could not."""
    from offtake.model.problems import render
    from offtake.model.reading import check as problems_of

    problems = problems_of(file)
    if as_json:
        listed = [problem.as_dict() for problem in problems]
        emit_json({"schema": "offtake.problems/1", "file": file, "problems": listed})
    elif problems:
        say(render(problems))
    else:
        say(f"{file}: no problem found")
    return Code.SCENARIO if problems else Code.DONE


@command.command(help="Write NAME.toml, a scenario that extends another, and a schema for editors.")
@click.argument("name")
@click.option(
    "--from", "base", type=ScenarioName(), default="stargate-2025", help="Base [stargate-2025]."
)
def new(name: str, base: str) -> None:
    """Start a scenario of one's own in the current folder."""
    from offtake.model.reading import SCHEMA_FILE, skeleton
    from offtake.model.reading import schema as schema_of

    text = skeleton(name, base)
    path = Path(f"{name}.toml")
    _write_new(path, text)
    say(f"wrote    {path}")
    if not Path(SCHEMA_FILE).exists():
        _write_new(Path(SCHEMA_FILE), _pretty(schema_of()))
        say(f"wrote    {SCHEMA_FILE} (completion in your editor)")
    next_step(f"offtake scenario check {path}")


def _write_new(path: Path, text: str) -> None:
    """Write a file that must not exist yet."""
    try:
        opened = os.open(path, MODES_FOR_NEW, 0o666)
    except FileExistsError:
        raise click.UsageError(
            f"{path} exists and is not overwritten; choose another name."
        ) from None
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {error.strerror}.") from None
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        file.write(text)


@command.command(help="Print the JSON Schema of scenario files, for editors.")
def schema() -> None:
    """Print the schema."""
    from offtake.model.reading import schema as schema_of

    emit(_pretty(schema_of()).rstrip())


def _pretty(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
