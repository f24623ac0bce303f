"""Scenario files: read, extended, overridden, checked; every problem is reported at once."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path as File
from typing import Any, get_args

from pydantic import ValidationError

from offtake.model import checks
from offtake.model.chains import (
    EXTENDS,
    at_file,
    documents_of,
    library_folder,
    names,
    parsed_path,
    paths_in,
)
from offtake.model.documents import Document
from offtake.model.facts import Fact, Layer, resolve_sources, stated, take_apart
from offtake.model.mistakes import explain
from offtake.model.problems import (
    MOST_PROBLEMS,
    Issue,
    Path,
    Problem,
    ScenarioError,
    dotted,
    listed,
    meant,
    nearest,
    quoted_key,
    shown,
    toml_text,
)
from offtake.model.scenario import SLUG, Part, Scenario
from offtake.model.shapes import NOTES, Named, editor_schema, file_shape
from offtake.model.showing import PARAMETER_COLUMNS, default_facts, scenario_text, toml_value
from offtake.model.sources import ALWAYS_ALLOWED, SOURCES_FILE, Source, read_sources

__all__ = [
    "PARAMETER_COLUMNS",
    "Fact",
    "Reading",
    "Source",
    "check",
    "load_scenario",
    "names",
    "parameter_rows",
    "read",
    "schema",
    "show",
    "skeleton",
]

OWN_KEYS = ("format", "name", "question")
"""Keys that a file states for itself, even if it extends another."""
REMOVE = "remove"
DIGEST_BYTES = 16
SCHEMA_FILE = "offtake-scenario.schema.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A scenario that was read and found good, with where its numbers come from."""

    scenario: Scenario
    facts: tuple[Fact, ...]
    digest: str
    """Of everything that can change a run; not of notes, sources, comments or the order of keys."""
    files: tuple[File, ...]
    """The file, the one it extends, and so on."""
    sources: dict[str, Source]


@dataclass(slots=True, kw_only=True)
class _Draft:
    """Layers being laid over each other, with where each path was last stated."""

    plain: dict[str, Any] = field(default_factory=dict)
    facts: dict[Path, Fact] = field(default_factory=dict)
    origin: dict[Path, Document] = field(default_factory=dict)
    spoiled: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    root: Document


def read(
    source: str | File, *, overrides: Sequence[str] = (), library: File | None = None
) -> Reading:
    """Read a scenario by its embedded name or from a TOML file.

    Parameters
    ----------
    source
        The name of an embedded scenario, or the path of a file.
    overrides
        Texts such as ``labs.NAME.cash_usd=1e9``, laid over the file in their order.
    library
        Folder of the embedded scenarios, if not the one of this package.

    Raises
    ------
    ScenarioError
        With everything that is wrong, each with its line.
    """
    chain, sets = documents_of(source, overrides, library or library_folder())
    known, problems, _ = read_sources(d.file for d in chain if d.file)
    draft = _Draft(root=chain[-1], problems=problems)
    for document in (*reversed(chain), *sets):
        _lay_over(draft, take_apart(document), known)
    scenario = _validated(draft)
    _raise_problems(draft, [*chain, *sets])
    assert scenario is not None, "without a problem there is a scenario"
    return Reading(
        scenario=scenario,
        facts=tuple(draft.facts.values()),
        digest=digest(scenario),
        files=tuple(d.file for d in chain if d.file),
        sources=known,
    )


def load_scenario(source: str | File, *, overrides: Sequence[str] = ()) -> Scenario:
    """Read a scenario by its embedded name or from a TOML file."""
    return read(source, overrides=overrides).scenario


def check(source: str | File, *, overrides: Sequence[str] = ()) -> list[Problem]:
    """Return everything that is wrong with a scenario; nothing if it may be run."""
    try:
        read(source, overrides=overrides)
    except ScenarioError as error:
        return list(error.problems)
    return []


def schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files, for editors."""
    return editor_schema()


def skeleton(name: str, base: str, *, library: File | None = None) -> str:
    """Return the text of a new scenario that extends another."""
    if not SLUG.match(name):
        message = f"{shown(name)} is no usable name"
        help_ = "names are made of a-z, 0-9 and inner hyphens"
        raise ScenarioError([at_file("E014", name, message, help_)])
    lab, given = next(iter(read(base, library=library).scenario.labs.items()))
    return f"""\
#:schema ./{SCHEMA_FILE}
format = 1
name = "{name}"
question = "What if ...?"
extends = {toml_text(base)}

# Write only what differs from the base. A changed number without a source is a "what-if".
# labs.{quoted_key(lab)}.cash_usd = {toml_value(given.cash_usd)}
"""


def parameter_rows(reading: Reading) -> list[tuple[Any, ...]]:
    """Return a row for each number: those stated, then rules left at their defaults."""
    facts = (*reading.facts, *default_facts(reading.scenario, reading.facts))
    return [tuple(getattr(fact, column) for column in PARAMETER_COLUMNS) for fact in facts]


def show(reading: Reading) -> str:
    """Return the whole scenario as TOML, bases and overrides worked in, defaults as comments."""
    return scenario_text(reading.scenario, reading.facts)


# Layers


def _lay_over(draft: _Draft, layer: Layer, known: dict[str, Source]) -> None:
    """Lay a file, or an override, over what it extends."""
    is_root = layer.document is draft.root
    plain = dict(layer.plain)
    removed = plain.pop(REMOVE, [])
    layer.issues += _remove(draft, removed)
    facts = resolve_sources(layer, None if is_root else draft.facts)
    layer.issues += _unknown_sources(layer, known)
    if layer.document.file:
        layer.issues += _own_keys(layer, draft, is_root=is_root)
    draft.plain = _merged(draft.plain, plain)
    draft.facts |= facts
    draft.origin |= dict.fromkeys(paths_in(layer.document.data), layer.document)
    draft.spoiled -= facts.keys()
    draft.spoiled |= layer.spoiled
    draft.problems += [layer.document.problem(issue) for issue in layer.issues]
    draft.issues += [i for i in layer.issues if i.code != "E030"]


def _merged(base: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    """Lay one table over another; where both have a table, its keys are laid over too."""
    merged = dict(base)
    for key, value in child.items():
        old = base.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _merged(old, value)
        merged[key] = value
    return merged


def _remove(draft: _Draft, removed: Any) -> Iterator[Issue]:
    """Take what a child does not want out of its base."""
    if not isinstance(removed, list) or not all(isinstance(r, str) for r in removed):
        message = f"`{REMOVE}` is {shown(removed)}; expected an array of paths in quotes"
        yield Issue(code="E013", path=(REMOVE,), message=message)
        return
    for number, text in enumerate(removed):
        path = parsed_path(text)
        table: Any = draft.plain
        for depth, part in enumerate(path, start=1):
            if not isinstance(table, dict) or part not in table:
                yield _not_removed((REMOVE, number), text, path[:depth], table)
                break
            if depth == len(path):
                table = draft.plain = _without(draft.plain, path)
                gone = [p for p in draft.facts if p[: len(path)] == path]
                for fact in gone:
                    del draft.facts[fact]
            else:
                table = table[part]
        if not path:
            message = f"{shown(text)} is no path"
            yield Issue(code="E041", path=(REMOVE, number), message=message)


def _without(table: dict[str, Any], path: Path) -> dict[str, Any]:
    key = str(path[0])
    if len(path) == 1:
        return {k: v for k, v in table.items() if k != key}
    return table | {key: _without(table[key], path[1:])}


def _not_removed(place: Path, text: str, path: Path, table: Any) -> Issue:
    siblings = table if isinstance(table, dict) else {}
    near = nearest(str(path[-1]), siblings)
    message = f"`{REMOVE}` names {shown(text)}, but the base has no `{dotted(path)}`"
    near = near and f"did you mean `{dotted((*path[:-1], near))}`?"
    help_ = near or f"the base has: {listed(siblings)}"
    return Issue(code="E041", path=place, message=message, help=help_)


def _unknown_sources(layer: Layer, known: dict[str, Source]) -> Iterator[Issue]:
    allowed = (*known, *ALWAYS_ALLOWED)
    for path, key in stated(layer, "source"):
        if key not in allowed:
            message = f"`{dotted(path)}` is {shown(key)}, but {SOURCES_FILE} has no such key"
            near = meant(key, allowed)
            help_ = near or f'add `[{quoted_key(key)}]` with a title; a guess says "judgement"'
            yield Issue(code="E031", path=path, message=message, help=help_)


def _own_keys(layer: Layer, draft: _Draft, *, is_root: bool) -> Iterator[Issue]:
    """Check that a file that extends another says what it is itself."""
    missing = [key for key in OWN_KEYS if key not in layer.plain and key in draft.plain]
    if missing and not is_root:
        yield Issue(
            code="E011",
            path=(),
            message=f"the scenario lacks {' and '.join(f'`{k}`' for k in missing)}",
            help="these are not taken from the base: a scenario says itself what it asks",
            at="table",
        )


# Validation


def _validated(draft: _Draft) -> Scenario | None:
    """Check the whole; put every issue into the draft; return the scenario if there is none."""
    scenario = None
    data = draft.plain
    _add(draft, checks.check_sizes(data))
    if any(issue.code == "E003" for issue in draft.issues):
        return None
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        errors = [e for e in error.errors(include_url=False) if not _is_spoiled(draft, e["loc"])]
        _add(draft, explain(errors, lambda path: _value_at(data, path)))
    if "format" in data and type(data["format"]) is not int:
        message = f"`format` is {shown(data['format'])}; expected 1"
        _add(draft, [Issue(code="E013", path=("format",), message=message)])
    _add(draft, checks.check_names(data))
    _add(draft, checks.check_drawn_as(data))
    _add(draft, checks.check_references(data))
    _add(draft, checks.check_protocol(data))
    parts = scenario if scenario and not draft.issues else _good_parts(draft)
    _add(draft, checks.check_terms(parts))
    if _is_good(draft, "start") and _is_good(draft, "cutoff"):
        _add(draft, checks.check_dates(parts, lambda path: draft.origin[path] is not draft.root))
        for path, date in _dates_of_facts(draft):
            _add(draft, checks.check_known(path, date, parts.cutoff))
    if _is_good(draft, "start") and not any(i.path[:1] in _POOLS for i in draft.issues):
        _add(draft, checks.check_capacity(parts))
    return scenario


_POOLS = (("sites",), ("contracts",))


def _add(draft: _Draft, issues: Sequence[Issue] | Iterator[Issue]) -> None:
    """Add issues with their places."""
    for issue in islice(issues, max(0, MOST_PROBLEMS - len(draft.problems))):
        draft.issues.append(issue)
        origin = _origin(draft, issue.path)
        problem = origin.problem(replace(issue, also=None))
        if issue.also:
            place = _origin(draft, issue.also).place(issue.also, issue.at)
            problem = replace(problem, also=place)
        draft.problems.append(problem)


def _origin(draft: _Draft, path: Path) -> Document:
    """Return the document that last said something at a path."""
    for end in range(len(path), 0, -1):
        if path[:end] in draft.origin:
            return draft.origin[path[:end]]
    return draft.root


def _is_spoiled(draft: _Draft, path: Path) -> bool:
    return any(path[:end] in draft.spoiled for end in range(1, len(path) + 1))


def _value_at(data: Any, path: Path) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _is_good(draft: _Draft, key: str) -> bool:
    """Whether a date at the top of the file can be used."""
    value = draft.plain.get(key)
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


def _good_parts(draft: _Draft) -> Scenario:
    """Return a scenario of the parts that are good by themselves."""
    spoiled = {issue.path[:2] for issue in draft.issues} | {p[:2] for p in draft.spoiled}
    fields: dict[str, Any] = {k: draft.plain.get(k) for k in ("start", "cutoff")}
    for name, info in Scenario.model_fields.items():
        part = next((a for a in get_args(info.annotation) if a is not str), None)
        if isinstance(part, type) and issubclass(part, Part):
            entries = draft.plain.get(name)
            items = entries.items() if isinstance(entries, dict) else ()
            candidates = ((k, _good_part(part, v)) for k, v in items if (name, k) not in spoiled)
            fields[name] = {k: v for k, v in candidates if v}
    return Scenario.model_construct(**fields)


def _good_part(part: type[Part], value: Any) -> Part | None:
    try:
        return part.model_validate(value)
    except ValidationError:
        return None


def _dates_of_facts(draft: _Draft) -> Iterator[tuple[Path, dt.date]]:
    """Yield every date that says since when something is known."""
    for path, document in draft.origin.items():
        if path[-1] == "date" and len(path) > 1:
            value = _value_at(document.data, path)
            if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
                yield path, value


def _raise_problems(draft: _Draft, documents: Sequence[Document]) -> None:
    if not draft.problems:
        return
    order = {document.label: number for number, document in enumerate(documents)}

    def position(problem: Problem) -> tuple[int, int, int]:
        place = problem.place
        return order.get(place.file, len(order)), place.line, place.column

    unique = {(p.code, p.place, p.message): p for p in draft.problems}
    raise ScenarioError(sorted(unique.values(), key=position))


# What comes out


def digest(scenario: Scenario) -> str:
    """Return the BLAKE2b-128 of everything that can change a run."""
    data = scenario.model_dump(mode="json", exclude={EXTENDS, "question", *NOTES})
    for name, entry in file_shape().entries.items():
        if isinstance(entry.shape, Named):
            data[name] = {
                key: {k: v for k, v in part.items() if k not in NOTES}
                for key, part in data[name].items()
            }
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()
