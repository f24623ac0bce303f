"""Fill the manual's marks, so that it cannot drift.

`<!-- generated: NAME -->` becomes what the code says, `<!-- measured: NAME -->` a table of what the
benchmarks left, and `<!-- effect: SCENARIO MEASURE -->` within a sentence what a what-if does to a measure.
MkDocs calls `on_page_markdown` for every page. A mark whose name is unknown stops the build.
"""

import html
import inspect
import re
import runpy
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args

import click

import offtake
from offtake.cli import cli
from offtake.model.month import PHASES
from offtake.model.observables import TABLE
from offtake.model.reading import PARAMETER_COLUMNS, Source, parameter_rows, read
from offtake.model.scenario import Scenario
from offtake.model.shapes import (
    NOTES,
    SECTIONS,
    Array,
    Entry,
    Leaf,
    Named,
    Shape,
    Table,
    file_shape,
    range_text,
)

MARK = re.compile(r"^<!-- (generated|measured): ([a-z -]+) -->$", re.MULTILINE)
EFFECT = re.compile(r"<!-- effect: ([a-z-]+) ([a-z0-9_]+) -->")
KINDS = {"number": "number", "whole": "whole number", "switch": "true or false"}


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace every mark of a page by what it names."""
    markdown = EFFECT.sub(lambda mark: tables()["answer"](mark[1], mark[2]), markdown)
    return MARK.sub(lambda mark: filled(mark[1], mark[2]), markdown)


def filled(kind: str, name: str) -> str:
    """Return what a mark stands for."""
    return GENERATORS[name]() if kind == "generated" else measured(name)


def measured(name: str) -> str:
    """Return the table of a measurement."""
    return tables()["markdown"](name)


@cache
def tables() -> dict[str, Any]:
    """Return what `benchmarks/_tables.py` defines."""
    return runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "_tables.py"))


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: object) -> str:
    """Return a value as the text of one table cell."""
    return "" if value is None else str(value).replace("|", "&#124;").replace("\n", " ")


def code(text: str) -> str:
    """Return text as code that may hold the sign that divides cells."""
    return f"<code>{html.escape(text)}</code>"


def command_line() -> str:
    """Return every command with its arguments and options."""
    return "\n\n".join(
        commands(cli, click.Context(cli, info_name="offtake", **cli.context_settings))
    )


def commands(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield a section for a command and for each command below it."""
    yield section(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from commands(below, click.Context(below, context, info_name=name))


def section(command: click.Command, context: click.Context) -> str:
    """Return the heading, usage, help and options of one command."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    records = (p.get_help_record(context) for p in command.get_params(context))
    options = [(code(r[0]), r[1]) for r in records if r is not None]
    parts = [f"## {context.command_path}", f"```text\n{usage}\n```", help_text(command)]
    return "\n\n".join([*parts, table(["option", "meaning"], options)])


def help_text(command: click.Command) -> str:
    """Return the help of a command without Click's layout marks."""
    return re.sub(r"\n[ \t]+", "\n", (command.help or "").replace("\b\n", "")).strip()


def scenario_keys() -> str:
    """Return every key that a scenario file may hold, table by table."""
    top = file_shape()
    parts = [f"## The top of the file\n\n{key_table(top)}"]
    for name, entry in top.entries.items():
        shape, title = entry.shape, name
        if isinstance(shape, Named):
            shape, title = shape.of, f"{name}.NAME"
        if isinstance(shape, Table):
            parts.append(f"## `[{title}]`\n\n{about(name)}\n\n{key_table(shape)}")
    return "\n\n".join(parts)


def about(name: str) -> str:
    """Return what a table of the scenario is about."""
    annotation = Scenario.model_fields[name].annotation
    part = (get_args(annotation) or (annotation,))[-1]
    return inspect.getdoc(part) or ""


def key_table(part: Table) -> str:
    """Return the keys of one table of the file, those of its sources apart."""
    rows = [
        (f"`{key}`", kind(entry.shape), unit(entry.shape), limits(entry.shape), *told(entry))
        for key, entry in part.entries.items()
        if key not in NOTES and values_of(entry.shape) is not None
    ]
    return table(["key", "type", "unit", "range", "default", "meaning"], rows)


def values_of(shape: Shape) -> Leaf | None:
    """Return what a key or its items are, if they are values and not tables."""
    if isinstance(shape, Array | Named):
        return values_of(shape.of)
    return shape if isinstance(shape, Leaf) else None


def kind(shape: Shape) -> str:
    """Return the type of a key in words."""
    match shape:
        case Array(of=leaf):
            return f"list: {kind(leaf)}"
        case Named(of=below):
            return f"by name: {kind(below)}"
        case Leaf(choices=choices) if choices:
            return " or ".join(f"`{choice}`" for choice in choices)
        case Leaf(kind=name):
            return KINDS.get(name, name)
    return "table"


def unit(shape: Shape) -> str:
    """Return the unit of a number."""
    leaf = values_of(shape)
    if leaf is None or leaf.choices or not leaf.is_number:
        return ""
    return leaf.units[0]


def limits(shape: Shape) -> str:
    """Return the range of a number in words."""
    leaf = values_of(shape)
    return range_text(leaf) if leaf is not None else ""


def told(entry: Entry) -> tuple[str, str]:
    """Return the default of a key and its meaning."""
    return "required" if entry.required else written(entry.default), entry.description


def written(default: object) -> str:
    """Return a default as it is written in a file."""
    if default is None or default in ("", (), {}):
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def parameters() -> str:
    """Return every number of the baseline with its range and source."""
    return table(PARAMETER_COLUMNS, parameter_rows(read("stargate-2025")))


def rules(section: str) -> str:
    """Return the numbers of one table of rules: default, baseline and its range."""
    shape = file_shape().entries[section].shape
    assert isinstance(shape, Table), "a section is a table"
    reading = read("stargate-2025")
    given = getattr(reading.scenario, section)
    facts = {fact.path: fact for fact in reading.facts}
    rows = []
    for key, entry in shape.entries.items():
        if key not in NOTES and values_of(entry.shape) is not None:
            fact = facts.get(f"{section}.{key}")
            known = (fact.low, fact.high) if fact else (None, None)
            rows.append((f"`{key}`", written(entry.default), written(getattr(given, key)), *known))
    return table(["key", "default", "baseline", "low", "high"], rows)


def observables() -> str:
    """Return every observable."""
    return table(["name", "unit", "meaning"], ((f"`{o.name}`", o.unit, o.meaning) for o in TABLE))


def schedule() -> str:
    """Return the phases of a month."""
    rows = ((n, f"`{phase.name}`", phase.what, phase.writes) for n, phase in enumerate(PHASES, 1))
    return table(["phase", "name", "what happens", "writes"], rows)


def python_api() -> str:
    """Return a directive of mkdocstrings for every public name."""
    things = (getattr(offtake, name) for name in offtake.__all__ if not name.startswith("_"))
    return "\n\n".join(f"::: {thing.__module__}.{thing.__qualname__}" for thing in things)


def sources() -> str:
    """Return every source of the embedded scenarios."""
    rows = ((f"`{key}`", link(s), s.published, s.licence, s.note) for key, s in known_sources())
    return table(["key", "title", "published", "licence", "note"], rows)


def known_sources() -> Iterable[tuple[str, Source]]:
    """Return the sources that the baseline may name, by key."""
    return sorted(read("stargate-2025").sources.items())


def link(source: Source) -> str:
    """Return the title of a source, linked to its address if it has one."""
    return f"[{source.title}]({source.url})" if source.url else source.title


GENERATORS: dict[str, Callable[[], str]] = {
    "command-line": command_line,
    "observables": observables,
    "parameters": parameters,
    "python-api": python_api,
    **{f"rules-{section}": partial(rules, section) for section in SECTIONS},
    "scenario-keys": scenario_keys,
    "schedule": schedule,
    "sources": sources,
}
