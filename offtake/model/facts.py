"""Numbers as a file states them: the long form taken apart, and a source found for each."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from offtake.model.documents import Document
from offtake.model.mistakes import explain, odd_values
from offtake.model.problems import Issue, Path, dotted, joined, shown
from offtake.model.shapes import (
    NOTES,
    Array,
    Leaf,
    LongForm,
    Named,
    Notes,
    Shape,
    Table,
    file_shape,
    has_long_form,
)

WHAT_IF = "what-if"
LISTED_NUMBERS = 4

type Value = float | int | dt.date | tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A number of a scenario, with what is known about it."""

    path: str
    value: Value
    unit: str | None
    low: float | None = None
    high: float | None = None
    date: dt.date | None = None
    source: str
    confidence: str | None = None
    note: str | None = None


@dataclass(slots=True, kw_only=True)
class Layer:
    """One file, or one `--set`, with its long forms taken apart."""

    document: Document
    plain: dict[str, Any] = field(default_factory=dict)
    facts: dict[Path, Fact] = field(default_factory=dict)
    notes: dict[Path, Notes] = field(default_factory=dict)
    """What each table, and each long form, says of its source."""
    spoiled: set[Path] = field(default_factory=set)
    """Long forms that cannot be read; the schema need not complain again."""
    issues: list[Issue] = field(default_factory=list)


def take_apart(document: Document) -> Layer:
    """Return the plain values of a document and the facts among them."""
    layer = Layer(document=document)
    layer.issues += odd_values(document.data)
    layer.plain = _plain(document.data, file_shape(), (), layer)
    return layer


def _plain(value: Any, shape: Shape, path: Path, layer: Layer) -> Any:
    match shape:
        case Table() if isinstance(value, dict):
            return _plain_table(value, shape, path, layer)
        case Named() if isinstance(value, dict):
            return {k: _plain(v, shape.below(k), (*path, k), layer) for k, v in value.items()}
        case Leaf() | Array() if isinstance(value, dict) and has_long_form(shape):
            return _from_long_form(value, shape, path, layer)
        case Leaf() | Array():
            value = _converted(value, shape)
            if _is_fact(value, shape) and not isinstance(value, dt.date):
                layer.facts[path] = _fact(path, value, shape, LongForm(value=None))
    return value


def _plain_table(value: dict[str, Any], shape: Table, path: Path, layer: Layer) -> dict[str, Any]:
    noted = {key: value[key] for key in NOTES if key in value}
    if noted:
        try:
            layer.notes[path] = Notes.model_validate(noted)
        except ValidationError as error:
            if shape.is_section:  # the schema sees to the notes of other tables
                layer.issues += _explained(error, path)
    return {
        key: _plain(inner, shape.entries[key].shape, (*path, key), layer)
        if key in shape.entries
        else inner
        for key, inner in value.items()
        if not (shape.is_section and key in NOTES)
    }


def _from_long_form(value: dict[str, Any], shape: Leaf | Array, path: Path, layer: Layer) -> Any:
    layer.document.long_forms.add(path)
    try:
        form = LongForm.model_validate(value)
    except ValidationError as error:
        layer.issues += _explained(error, path)
        layer.spoiled.add(path)
        return value
    plain = _converted(form.value, shape)
    layer.notes[path] = form
    layer.issues += _unit_issues(path, form, shape)
    if _is_fact(plain, shape):
        layer.facts[path] = _fact(path, plain, shape, form)
        layer.issues += _range_issues(path, plain, form)
    return plain


def _explained(error: ValidationError, path: Path) -> Iterator[Issue]:
    errors = [{**e, "loc": (*path, *e["loc"])} for e in error.errors(include_url=False)]
    return explain(errors, lambda _: None)


def _converted(value: Any, shape: Leaf | Array) -> Any:
    return tuple(value) if isinstance(shape, Array) and isinstance(value, list) else value


def _is_fact(value: Any, shape: Leaf | Array) -> bool:
    """Whether a value is a number, some numbers, or a day."""
    if isinstance(shape, Array):
        return isinstance(value, tuple) and all(_is_fact(v, shape.of) for v in value)
    if not has_long_form(shape) or isinstance(value, bool | dt.datetime):
        return False
    return isinstance(value, int | float if shape.is_number else dt.date)


def _fact(path: Path, value: Value, shape: Leaf | Array, form: LongForm) -> Fact:
    leaf = shape.of if isinstance(shape, Array) else shape
    return Fact(
        path=dotted(path),
        value=value,
        unit=(form.unit or leaf.units[0]) if leaf.is_number else None,
        low=form.low,
        high=form.high,
        date=form.date,
        source=form.source or "",
        confidence=form.confidence,
        note=form.note,
    )


def _unit_issues(path: Path, form: LongForm, shape: Leaf | Array) -> Iterator[Issue]:
    leaf = shape.of if isinstance(shape, Array) else shape
    if form.unit is None:
        return
    allowed = leaf.units if leaf.is_number else ("date",)
    unit = re.sub(r"[\s_-]+", "_", form.unit.strip().lower().replace("/", "_per_"))
    if unit in allowed:
        return
    message = f'`{dotted(path)}` is given in {shown(form.unit)}; its key says "{allowed[0]}"'
    right = f'write `unit = "{allowed[0]}"` and the value to match, or leave the unit out'
    yield Issue(code="E032", path=(*path, "unit"), message=message, help=right)


def _range_issues(path: Path, value: Value, form: LongForm) -> Iterator[Issue]:
    low, high = form.low, form.high
    if isinstance(value, dt.date):
        return
    values = value if isinstance(value, tuple) else (value,)
    if low is not None and high is not None and low > high:
        message = f"`{dotted(path)}` has low = {low:g} above high = {high:g}"
        yield Issue(code="E033", path=(*path, "low"), message=message, help="exchange the two")
    elif any(v < low for v in values if low is not None):
        message = f"`{dotted(path)}` is {_figures(values)}, below its own low = {low:g}"
        yield Issue(code="E033", path=path, message=message, also=(*path, "low"))
    elif any(v > high for v in values if high is not None):
        message = f"`{dotted(path)}` is {_figures(values)}, above its own high = {high:g}"
        yield Issue(code="E033", path=path, message=message, also=(*path, "high"))


def _figures(values: tuple[float, ...]) -> str:
    return joined([f"{v:g}" for v in values], "and")


def resolve_sources(layer: Layer, base: dict[Path, Fact] | None) -> dict[Path, Fact]:
    """Give each number its source: its own, its table's, the file's, or that of the base.

    In a file that extends a base, a number that stays as it was keeps what the base says of it,
    and a changed one without a source is a question: its source is "what-if".
    """
    resolved, unsourced = {}, []
    for path, fact in layer.facts.items():
        fact = _with_notes(fact, path, layer)
        if not fact.source and base is not None:
            old = base.get(path)
            fact = old if old and old.value == fact.value else replace(fact, source=WHAT_IF)
        if not fact.source and not isinstance(fact.value, dt.date):
            unsourced.append(path)
        resolved[path] = fact
    layer.issues += _unsourced(unsourced)
    return resolved


def _with_notes(fact: Fact, path: Path, layer: Layer) -> Fact:
    """Take what the number does not say from its table, then from the file."""
    for end in range(len(path) - 1, -1, -1):
        notes = layer.notes.get(path[:end])
        if notes is None:
            continue
        fact = replace(
            fact,
            source=fact.source or notes.source or "",
            confidence=fact.confidence or notes.confidence,
            date=fact.date or notes.date,
        )
    return fact


def _unsourced(paths: list[Path]) -> Iterator[Issue]:
    """Report numbers without a source, once a table."""
    tables: dict[Path, list[Path]] = {}
    for path in paths:
        is_rule = len(path) < 3  # a section and its key; others have a name between
        tables.setdefault(path[:1] if is_rule else path[:2], []).append(path)
    for table, members in tables.items():
        names = [f"`{dotted(p[len(table) :])}`" for p in members]
        if len(names) > LISTED_NUMBERS:
            names = [*names[:LISTED_NUMBERS], f"{len(names) - LISTED_NUMBERS} others"]
        have = "has a number" if len(members) == 1 else "has numbers"
        yield Issue(
            code="E030",
            path=members[0] if len(members) == 1 else table,
            message=f"`{dotted(table)}` {have} without a source: {joined(names, 'and')}",
            help='add `source = "KEY"`, a key of sources.toml; a guess says `source = "judgement"`',
            at="key" if len(members) == 1 else "table",
        )


def stated(layer: Layer, key: str) -> Iterator[tuple[Path, Any]]:
    """Yield where a layer states a source or a date, and which."""
    for path, notes in layer.notes.items():
        value = getattr(notes, key)
        if value is not None:
            yield (*path, key), value
