"""What the schema objects to, said in words of the market with the nearest thing that is right."""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from offtake.model.problems import (
    UNPRINTABLE,
    Issue,
    Path,
    character,
    dotted,
    foreign,
    joined,
    listed,
    meant,
    nearest,
    quoted_key,
    shown,
)
from offtake.model.shapes import (
    NOTES,
    PURE,
    UNITS_IN_WORDS,
    Array,
    Leaf,
    Named,
    Shape,
    Table,
    entry_at,
    example,
    figure,
    file_shape,
    keys_of,
    range_text,
    shape_at,
)

SPOKEN = re.compile(r"\s*\$?\s*(-?[\d_,]*\.?\d+)\s*([a-z%]*)\s*\Z", re.IGNORECASE)
SCALES = {
    "": 1.0, "k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "b": 1e9,
    "bn": 1e9, "billion": 1e9, "t": 1e12, "tn": 1e12, "trillion": 1e12, "%": 0.01,
    "mw": 1.0, "gw": 1e3, "usd": 1.0,
}  # fmt: skip
PERCENT = 100
LIST_KEYS_UP_TO = 24

type Lookup = Callable[[Path], object]


def explain(errors: Iterable[Mapping[str, Any]], value_at: Lookup) -> Iterator[Issue]:
    """Turn what pydantic found into issues, a misspelt key being said once."""
    errors = list(errors)
    missing: dict[Path, list[str]] = {}
    for error in errors:
        if error["type"] == "missing":
            missing.setdefault(tuple(error["loc"][:-1]), []).append(str(error["loc"][-1]))
    for error in errors:
        path: Path = tuple(error["loc"])
        if error["type"] == "extra_forbidden":
            yield unknown_key(path, missing.get(path[:-1], []))
        elif error["type"] != "missing":
            yield _wrong_value(path, error)
    for path, keys in missing.items():
        if keys:
            yield _missing_keys(path, keys, value_at)


def unknown_key(path: Path, missing: list[str]) -> Issue:
    """Say that a key is unknown; take the missing key it stands for off the list."""
    key = str(path[-1])
    keys = tuple(keys_of(shape_at(path[:-1])))
    if len(path) == 1:
        keys = (*keys, "remove")
    near = nearest(key, missing)
    if near:
        missing.remove(near)
        help_ = f"did you mean `{near}`?  (it is required)"
    elif meant(key, keys):
        help_ = meant(key, keys)
    elif _tables_with(key):
        help_ = f"`{key}` belongs in {joined(_tables_with(key), 'or')}"
    else:
        own = sorted(set(keys) - set(NOTES))
        help_ = f"allowed here: {', '.join(own)}" if len(own) < LIST_KEYS_UP_TO else None
    where = f"in `{dotted(path[:-1])}`" if len(path) > 1 else "at the top of the file"
    message = f"unknown key `{quoted_key(key)}` {where}{foreign(key)}"
    return Issue(code="E010", path=path, message=message, help=help_, at="key")


def _tables_with(key: str) -> list[str]:
    """Return where a key would be right."""
    found = []
    for name, entry in file_shape().entries.items():
        inner = entry.shape.of if isinstance(entry.shape, Named) else entry.shape
        if isinstance(inner, Table) and key in inner.entries and key not in NOTES:
            found.append(f"`[{name}{'.NAME' if inner is not entry.shape else ''}]`")
    return found


def _missing_keys(path: Path, keys: list[str], value_at: Lookup) -> Issue:
    """Say which keys a table lacks, and how one of them might look."""
    plural = "s" if len(keys) > 1 else ""
    names = joined([f"`{key}`" for key in keys], "and")
    entry = entry_at((*path, keys[0]))
    shape = entry.shape if entry else None
    help_ = f"add e.g. `{example(shape, keys[0])}`" if shape else None
    if entry and entry.description and help_:
        help_ += f"  ({entry.description[0].lower()}{entry.description[1:].rstrip('.')})"
    subject = f"`{dotted(path)}`" if path else "the scenario"
    message = f"{subject} lacks the required key{plural} {names}"
    siblings = value_at(path[:-1]) if path else None
    if isinstance(shape_at(path[:-1]), Named) and isinstance(siblings, dict):
        name = str(path[-1])
        near = nearest(name, [str(s) for s in siblings if s != name])
        if near and len(keys) > 1:
            help_ = f"did you mean `{dotted((*path[:-1], near))}`?  If it is new: {help_}"
    return Issue(code="E011", path=path, message=message, help=help_, at="table")


def _wrong_value(path: Path, error: Mapping[str, Any]) -> Issue:
    """Say what was given and what was expected."""
    given, kind = error["input"], error["type"]
    shape = shape_at(path)
    if kind == "value_error" and isinstance(given, dict):  # a contract that ends before it starts
        return Issue(
            code="E022",
            path=(*path, "end"),
            message=f"`{dotted(path)}`: {error['ctx']['error']}",
            help="contracts deliver from `start` up to, not including, `end`",
        )
    if isinstance(shape, Leaf) and shape.choices and isinstance(given, str):
        return one_of(path, given, shape.choices)
    message = f"`{dotted(path)}` is {shown(given)}; expected {expectation(shape, error)}"
    return Issue(code="E013", path=path, message=message, help=_value_help(path, shape, given))


def one_of(path: Path, given: str, choices: Iterable[str]) -> Issue:
    """Say that a text is none of the allowed ones."""
    choices = list(choices)
    allowed = joined([f"'{choice}'" for choice in choices], "or")
    return Issue(
        code="E012",
        path=path,
        message=f"`{dotted(path)}` is {shown(given).replace('"', "'")}; expected {allowed}",
        help=meant(given, choices, "'"),
    )


def expectation(shape: Shape | None, error: Mapping[str, Any]) -> str:
    """Say what kind of value belongs there."""
    match shape:
        case Leaf(kind="text", choices=()):
            return "a text in quotes"
        case Leaf(choices=(_, *_)):
            return joined(shape.choices, "or")
        case Leaf(kind="date"):
            return "a date"
        case Leaf(kind="switch"):
            return "true or false"
        case Leaf():
            noun = "a whole number" if shape.kind == "whole" else "a number"
            is_above = error["type"] in ("less_than", "less_than_equal")
            return f"{noun} {range_text(shape, is_above=is_above)}".rstrip()
        case Array():
            return "an array"
        case Named() | Table():
            return "a table"
    message = str(error["msg"])
    return message[:1].lower() + message[1:]


def _value_help(path: Path, shape: Shape | None, given: object) -> str | None:
    match shape:
        case Leaf() if shape.is_number:
            return _number_help(shape, given)
        case Leaf(kind="date"):
            return _date_help(given)
        case Leaf(kind="switch"):
            return "write true or false without quotes"
        case Leaf(kind="text"):
            return f'write it in quotes: {dotted(path[-1:])} = "..."'
        case Array():
            return f"write {dotted(path[-1:])} = [{shown(given)}]"
        case Named() if isinstance(given, list):
            name = dotted(path)
            return f"write `[{name}.NAME]` for each, with its name in the header, not `[[{name}]]`"
        case Named() | Table():
            return f"write its keys below `[{dotted(path)}]`"
    return None


def _number_help(leaf: Leaf, given: object) -> str | None:
    unit = UNITS_IN_WORDS.get(leaf.units[0])
    plain = f"a plain number of {unit}" if unit else "a plain number"
    if isinstance(given, str):
        number = spoken_number(given, leaf.units[0])
        instance = figure(number) if number is not None else example(leaf, "").split(" = ")[1]
        return f"write {plain}, e.g. {instance}"
    if isinstance(given, bool) or not isinstance(given, int | float):
        return f"write {plain}"
    if ("le", 1.0) in leaf.bounds and 1 < given <= PERCENT:
        return f"shares are fractions: {given} % is {given / PERCENT:g}"
    if leaf.kind == "whole" and isinstance(given, float) and given == int(given):
        return f"write {int(given)} without a decimal point"
    return None


def spoken_number(text: str, unit: str = "") -> float | None:
    """Read a number as people write it.

    Examples
    --------
    >>> spoken_number("2.1bn"), spoken_number("40 %", "share"), spoken_number("1.2 GW")
    (2100000000.0, 0.4, 1200.0)
    """
    match = SPOKEN.match(text)
    if not match or match[2].lower() not in SCALES:
        return None
    number = float(match[1].replace(",", "").replace("_", ""))
    scale = SCALES[match[2].lower()]
    if match[2] == "%" and not ({unit} & {*PURE} or unit.startswith("per_")):
        return None
    if unit == "million" and scale != 1:
        scale /= SCALES["million"]
    return round(number * scale, 9)


def _date_help(given: object) -> str:
    if isinstance(given, dt.datetime):
        return f"write the day alone: {given.date()}"
    if isinstance(given, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", given):
        with suppress(ValueError):
            return f"write it without quotes: {dt.date.fromisoformat(given)}"
        return "there is no such day; write year-month-day"
    return "write year-month-day without quotes, e.g. 2025-01-31"


def odd_values(data: object, path: Path = ()) -> Iterator[Issue]:
    """Find values that TOML and the schema allow, but that cannot be meant."""
    if isinstance(data, dict):
        for key, value in data.items():
            if UNPRINTABLE.search(key):
                yield _odd_text((*path, key), key, "key")
            yield from odd_values(value, (*path, key))
    elif isinstance(data, list | tuple):
        for number, value in enumerate(data):
            yield from odd_values(value, (*path, number))
    elif isinstance(data, str) and UNPRINTABLE.search(data):
        yield _odd_text(path, data, "value")
    elif isinstance(data, float) and data == 0 and str(data).startswith("-"):
        message = f"`{dotted(path)}` is -0.0; expected a number without a sign"
        yield Issue(code="E013", path=path, message=message, help="write 0.0")


def _odd_text(path: Path, text: str, at: Any) -> Issue:
    found = UNPRINTABLE.findall(text)[0]
    message = f"`{dotted(path)}` contains {character(found)}, which may not stand in this file"
    return Issue(code="E003", path=path, message=message, help="delete it", at=at)


def unknown_name(path: Path, name: str, tables: Iterable[str], names: Iterable[str]) -> Issue:
    """Say that a name refers to nothing, with the nearest name and those that are defined."""
    names = list(names)
    headers = joined([f"`[{table}]`" for table in tables], "or")
    message = f"`{dotted(path)}` names '{name}', but {headers} has no such name{foreign(name)}"
    help_ = f"(defined: {listed(names)})"
    near = meant(name, names, "'")
    return Issue(
        code="E020",
        path=path,
        message=message,
        help=f"{near}  {help_}" if near else help_.strip("()"),
    )
