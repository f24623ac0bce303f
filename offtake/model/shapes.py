"""What a scenario file may hold at each path, read off the schema: kinds, units, bounds."""

import datetime as dt
import operator
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from offtake.model.problems import Path
from offtake.model.scenario import Part, Scenario

NOTES = ("source", "confidence", "date", "note")
"""Keys that say where a table's numbers come from; any table may have them."""
SECTIONS = tuple(
    name
    for name, info in Scenario.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, Part)
)
"""Tables of rules, whose classes do not keep the notes."""
PLAIN_ONLY = ("format", "months")
"""Numbers that say how to read and run, and need no source."""
QUANTITIES = ("usd", "mw", "kw", "kwh", "h100e", "million", "share", "user", "per")
TIMES = ("hour", "hours", "day", "days", "month", "months", "year")
UNIT_WORDS = frozenset((*QUANTITIES, *TIMES))
PARAMETER = ""
"""Name of a number in a table of parameters: its key names it."""
LONG_KINDS = ("number", "whole", "date")
CEILING = 1e6
"""Bounds from here on only keep out what cannot be meant."""
PURE = ("share", "ratio", "1")
"""What the unit of a pure number may be called."""
SPECIAL_UNITS = {"at_least": ("mw", "usd", "usd_per_year")}
"""Units of keys whose unit depends on another key."""
UNITS_IN_WORDS = {
    "usd": "US dollars",
    "mw": "megawatts",
    "mw_per_year": "megawatts a year",
    "months": "months",
    "days": "days",
    "million": "millions",
    "h100e": "H100-equivalents",
    "h100e_per_year": "H100-equivalents a year",
    "usd_per_year": "US dollars a year",
}
EXAMPLES = {"usd": "1_000_000_000", "mw": "100", "months": "24", "million": "10", "h100e": "10_000"}

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
}

type Kind = Literal["number", "whole", "text", "date", "switch", "setting"]
"""A setting is a value of whatever kind its protocol wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A single value."""

    kind: Kind
    name: str
    choices: tuple[str, ...] = ()
    bounds: tuple[tuple[str, float], ...] = ()
    """Pairs such as ("ge", 0)."""
    plain_only: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it is a number, whole or not."""
        return self.kind in ("number", "whole")

    def allows(self, number: float) -> bool:
        """Whether a number is within the bounds."""
        return all(COMPARISONS[mark](number, bound) for mark, bound in self.bounds)

    @property
    def units(self) -> tuple[str, ...]:
        """What its unit may be called; the first is how we call it."""
        units = units_of(self.name)
        if units is PURE and ("le", 1.0) not in self.bounds:
            return ("ratio", *(u for u in PURE if u != "ratio"))
        return units


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """An array of values of one kind."""

    of: Leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A table whose keys are names given by the author."""

    of: "Shape"

    def below(self, key: str) -> "Shape":
        """Return what may stand under a key; a parameter has the unit that ends its own name."""
        if isinstance(self.of, Leaf) and self.of.name == PARAMETER:
            return replace(self.of, name=key)
        return self.of


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key of a table."""

    shape: "Shape"
    required: bool
    description: str
    default: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with given keys."""

    entries: Mapping[str, Entry]
    is_section: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that may stand in it."""
        return tuple(self.entries)


type Shape = Leaf | Array | Named | Table


class Notes(Part):
    """Where the numbers of a table come from."""

    source: str | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None


class LongForm(Notes):
    """A value with what is known about it."""

    value: Any
    """The value itself."""
    unit: str | None = None
    """As the key's name ends."""
    low: float | None = None
    """Least value that is plausible."""
    high: float | None = None
    """Greatest value that is plausible."""


@cache
def file_shape() -> Table:
    """Return the shape of a whole scenario file."""
    return _table(Scenario)


def shape_at(path: Path) -> Shape | None:
    """Return what may stand at a path, if anything may."""
    shape: Shape = file_shape()
    for part in path:
        match shape:
            case Named():
                shape = shape.below(str(part))
            case Array() if isinstance(part, int):
                shape = shape.of
            case _:
                entry = keys_of(shape).get(str(part))
                if entry is None:
                    return None
                shape = entry.shape
    return shape


def keys_of(shape: Shape | None) -> Mapping[str, Entry]:
    """Return the keys of a table; of a value, those of its long form."""
    match shape:
        case Table():
            return shape.entries
        case Leaf(plain_only=False) | Array() if has_long_form(shape):
            return long_form().entries
    return {}


def has_long_form(shape: Shape) -> bool:
    """Whether a value may be written as a table with its unit, range and source."""
    if isinstance(shape, Array):
        return has_long_form(shape.of)
    return isinstance(shape, Leaf) and not shape.plain_only and shape.kind in LONG_KINDS


@cache
def long_form() -> Table:
    """Return the keys of a long form."""
    value = Entry(shape=Named(of=Table(entries={})), required=True, description="", default=None)
    rest = entries_of(LongForm, skip=("value",))
    return Table(entries={"value": value, **rest})


def entry_at(path: Path) -> Entry | None:
    """Return the key at a path, with its meaning, if it is a key of the schema."""
    return keys_of(shape_at(path[:-1])).get(str(path[-1])) if path else None


@cache
def units_of(name: str) -> tuple[str, ...]:
    """Return the unit that ends a key's name, or the names of a pure number.

    Examples
    --------
    >>> units_of("shell_usd_per_kw"), units_of("damping")[0]
    (('usd_per_kw',), 'share')
    """
    if name in SPECIAL_UNITS:
        return SPECIAL_UNITS[name]
    words = name.split("_")
    for first in range(len(words)):
        if UNIT_WORDS.issuperset(words[first:]):
            unit = "_".join(words[first:])
            bare = unit.removeprefix("share_")  # a share a year may be called per_year
            return PURE if unit == "share" else tuple(dict.fromkeys((bare, unit)))
    return PURE


@cache
def known_units() -> tuple[str, ...]:
    """Return every unit that some key of the schema ends with."""
    return tuple(sorted({unit for leaf in _numbers(file_shape()) for unit in leaf.units}))


def _numbers(shape: Shape) -> Iterator[Leaf]:
    match shape:
        case Leaf():
            if shape.is_number:
                yield shape
        case Array() | Named():
            yield from _numbers(shape.of)
        case Table():
            for entry in shape.entries.values():
                yield from _numbers(entry.shape)


def _table(model: type[Part]) -> Table:
    entries = entries_of(model)
    is_section = "source" not in entries
    if is_section:
        entries |= entries_of(Notes)
    return Table(entries=entries, is_section=is_section)


def entries_of(model: type[Part], skip: tuple[str, ...] = ()) -> dict[str, Entry]:
    """Return the keys of a part of a file."""
    return {
        info.alias or name: Entry(
            shape=shape_of(name, info.annotation, tuple(info.metadata)),
            required=info.is_required(),
            description=info.description or "",
            default=None if info.is_required() else info.get_default(call_default_factory=True),
        )
        for name, info in model.model_fields.items()
        if name not in skip
    }


def shape_of(name: str, annotation: Any, metadata: tuple[Any, ...] = ()) -> Shape:
    """Return what may stand for a type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return shape_of(name, arguments[0], metadata + _constraints(arguments[1:]))
    if origin in (Union, types.UnionType):
        (inner,) = (a for a in arguments if a is not types.NoneType)
        return shape_of(name, inner, metadata)
    if origin is tuple:
        of = shape_of(name, arguments[0])
        if isinstance(of, Leaf):
            return Array(of=of)
    if origin is dict:
        nested = get_origin(arguments[1]) is dict
        return Named(of=shape_of(PARAMETER if nested else name, arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return _table(annotation)
    return _leaf(name, annotation, metadata)


def _constraints(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    found: tuple[Any, ...] = ()
    for argument in arguments:
        found += tuple(argument.metadata) if isinstance(argument, FieldInfo) else (argument,)
    return found


def _leaf(name: str, annotation: Any, metadata: tuple[Any, ...]) -> Leaf:
    kinds: dict[Any, Kind] = {
        float: "number",
        int: "whole",
        str: "text",
        dt.date: "date",
        bool: "switch",
        Any: "setting",
    }
    choices: tuple[str, ...] = ()
    if get_origin(annotation) is Literal:
        values = get_args(annotation)
        choices = tuple(str(v) for v in values)
        annotation = type(values[0])
    bounds = tuple(
        (mark, float(getattr(limit, mark)))
        for limit in metadata
        for mark in ("ge", "gt", "le", "lt")
        if hasattr(limit, mark)
    )
    return Leaf(
        kind=kinds[annotation],
        name=name,
        choices=choices,
        bounds=bounds,
        plain_only=name in PLAIN_ONLY or name in LongForm.model_fields,
    )


def range_text(leaf: Leaf, *, is_above: bool = False) -> str:
    """Say in words what a number may be; a very high ceiling only if the number is above it."""
    bounds = {
        mark: bound for mark, bound in leaf.bounds if is_above or abs(bound) < CEILING or not bound
    }
    words = []
    if "gt" in bounds:
        words.append(f"greater than {figure(bounds['gt'])}")
    if "ge" in bounds:
        words.append(f"at least {figure(bounds['ge'])}")
    if "lt" in bounds:
        words.append(f"less than {figure(bounds['lt'])}")
    if "le" in bounds:
        words.append(f"at most {figure(bounds['le'])}")
    if bounds.get("ge") == 0 and bounds.get("le") == 1:
        return "between 0 and 1"
    return " and ".join(words)


def figure(number: float) -> str:
    """Write a number as TOML takes it."""
    if number == int(number):
        return f"{int(number):_}"
    return repr(number)


def example(shape: Shape, name: str) -> str:
    """Return an assignment that would be accepted, as an example."""
    match shape:
        case Leaf(kind="text", choices=choices):
            value = f'"{choices[0]}"' if choices else '"..."'
        case Leaf(kind="date"):
            value = "2025-01-31"
        case Leaf(kind="switch"):
            value = "true"
        case Leaf(choices=(only, *_)):
            value = only
        case Leaf():
            tried = [EXAMPLES.get(shape.units[0], "0.5"), "0.5", "1", *(b for _, b in shape.bounds)]
            value = next(figure(float(n)) for n in tried if shape.allows(float(n)))
        case Array():
            value = "[]"
        case _:
            return f"[{name}.NAME]" if isinstance(shape, Named) else f"[{name}]"
    return f"{name} = {value}"


def editor_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file format, for completion and hover text in editors.

    A number may stand plain or in the long form; a file that extends another may leave anything
    out, so only `offtake scenario check` can tell whether something is missing.
    """
    schema = Scenario.model_json_schema()
    required = schema.pop("required")
    parts = schema["$defs"]
    for part in parts.values():
        part.pop("required", None)
        part["properties"] = {k: _for_editor(v) for k, v in part["properties"].items()}
    notes = {key: parts["Region"]["properties"][key] for key in NOTES}
    for section in SECTIONS:
        parts[section.capitalize()]["properties"] |= notes
    properties = {
        key: value if key in PLAIN_ONLY else _for_editor(value)
        for key, value in schema["properties"].items()
    }
    properties["remove"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "Paths of the base scenario to leave out, for example tranches.second.",
    }
    parts["LongForm"] = _long_form()
    schema["properties"] = properties
    schema["anyOf"] = [{"required": ["format", "name", "question", "extends"]}]
    schema["anyOf"].append({"required": required})
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


def _for_editor(node: dict[str, Any]) -> dict[str, Any]:
    """Return a property of the schema as a file may state it."""
    node = {k: v for k, v in node.items() if k != "title" and not (k == "default" and not v)}
    if "anyOf" in node:  # an optional value: TOML has no null
        (inner,) = (n for n in node.pop("anyOf") if n.get("type") != "null")
        node = inner | node
    if "$ref" in node:
        node.pop("default", None)
    below = node.get("additionalProperties")
    if isinstance(below, dict) and "$ref" not in below:
        node["additionalProperties"] = _for_editor(below)
    items = node.get("items", {}).get("type")
    if {"number", "integer"} & {node.get("type"), items} or node.get("format") == "date":
        kept = {k: node.pop(k) for k in ("description", "default") if k in node}
        return {"anyOf": [node, {"$ref": "#/$defs/LongForm"}], **kept}
    return node


def _long_form() -> dict[str, Any]:
    text, number = {"type": "string"}, {"type": "number"}
    day = {"type": "string", "format": "date"}
    units = [*known_units()]
    return {
        "type": "object",
        "description": "A value with its unit, range, date and source.",
        "additionalProperties": False,
        "required": ["value"],
        "properties": {
            "value": {"description": "The value itself."},
            "unit": {"enum": units, "description": "As the key's name ends."},
            "low": {**number, "description": "Least value that is plausible."},
            "high": {**number, "description": "Greatest value that is plausible."},
            "date": {**day, "description": "Day for which it holds."},
            "source": {**text, "description": "A key of sources.toml, or judgement."},
            "confidence": {"enum": ["high", "medium", "low"]},
            "note": text,
        },
    }
