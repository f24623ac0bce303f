"""Dials: which keys of a scenario a study changes, checked against the scenario's own schema."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from offtake.model.mistakes import explain, unknown_key, unknown_name
from offtake.model.problems import Issue, Path, dotted, shown
from offtake.model.scenario import Scenario
from offtake.model.shapes import Array, Leaf, Named, Shape, Table, shape_at

type Plain = dict[str, Any]

UNTOUCHED = ("format", "name", "question", "extends", "remove")
SET_ONLY = ("months", "start")
"""Keys that all runs of a study have in common."""
ELSEWHERE = (
    "say `scenario`, `months` and `until` at the top of the study, a longer horizon in [set]"
)
AT_TOP = "at the top of the file"


def stated(
    given: Mapping[str, Any], base: Plain, table: str, issues: list[Issue]
) -> dict[Path, Any]:
    """Return what a table of the study says, by path of the scenario's key."""
    return dict(_stated(given, (), base, table, issues))


def _stated(
    given: Mapping[str, Any], path: Path, base: Any, table: str, issues: list[Issue]
) -> Iterator[tuple[Path, Any]]:
    for key, value in given.items():
        here = (*path, key)
        shape, below = shape_at(here), base.get(key) if isinstance(base, dict) else None
        problem = _problem(here, shape, value, base, table)
        if problem:
            issues.append(_moved(problem, here, (table, *here)))
        elif isinstance(shape, Leaf | Array):
            yield here, value
        elif isinstance(value, dict):
            yield from _stated(value, here, below, table, issues)


def _problem(path: Path, shape: Shape | None, value: Any, base: Any, table: str) -> Issue | None:
    """Return what is wrong with a key itself; its value is looked at later."""
    if path[0] in UNTOUCHED or (table != "set" and path[0] in SET_ONLY):
        message = f"`{dotted(path)}` says what the scenario is, not how its market works"
        return Issue(code="E010", path=path, message=message, help=ELSEWHERE, at="key")
    if shape is None:
        return _unknown_key(path, table)
    siblings = base if isinstance(base, dict) else {}
    is_name = isinstance(shape_at(path[:-1]), Named) and isinstance(shape, Table)
    if is_name and path[-1] not in siblings:
        issue = unknown_name(path, str(path[-1]), (str(path[0]),), map(str, siblings))
        return replace(issue, message=issue.message.replace("but `[", "but the scenario's `["))
    if isinstance(shape, Table | Named) and not isinstance(value, dict):
        message = f"`{dotted(path)}` is {shown(value)}; expected its keys"
        return Issue(code="E013", path=path, message=message)
    return None


def _unknown_key(path: Path, table: str) -> Issue:
    """Say that scenarios have no such key, in words of the study file."""
    issue = unknown_key(path, [])
    message = issue.message.replace(AT_TOP, f"in `[{table}]`; its keys are those of scenarios")
    return replace(issue, message=message)


def _moved(issue: Issue, path: Path, place: Path) -> Issue:
    """Return an issue of the scenario at its place in the study file."""
    rest = issue.path[len(path) :] if issue.path[: len(path)] == path else ()
    return Issue(
        code=issue.code,
        path=(*place, *rest),
        message=issue.message,
        help=issue.help,
        at=issue.at,
    )


def value_problems(base: Plain, path: Path, value: Any, place: Path) -> Iterator[Issue]:
    """Yield what the scenario's schema says against a value, placed where the study states it."""
    data = changed(base, path, value)
    try:
        Scenario.model_validate(data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        for issue in explain(errors, lambda where: _value_at(data, where)):
            yield _moved(issue, path, place)


def changed(base: Plain, path: Path, value: Any) -> Plain:
    """Return a scenario's plain data with one value changed; the base stays as it is."""
    key = str(path[0])
    if len(path) == 1:
        return {**base, key: native(value)}
    return {**base, key: changed(base.get(key) or {}, path[1:], value)}


def native(value: Any) -> Any:
    """Return a value of a file as the schema takes it."""
    return tuple(value) if isinstance(value, list) else value


def plain_value(path: Path, value: Any) -> Any:
    """Return a value as parameters keep it: numbers as floats, dates as text."""
    shape = shape_at(path)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(shape, Leaf) and shape.kind == "number":
        return float(value)
    return list(value) if isinstance(value, tuple) else value


def scenario_value(path: Path, value: Any) -> Any:
    """Return a value of the parameters as the scenario takes it."""
    shape = shape_at(path)
    if isinstance(shape, Leaf) and shape.kind == "date" and isinstance(value, str):
        return dt.date.fromisoformat(value)
    if isinstance(shape, Leaf) and shape.kind == "whole" and isinstance(value, float):
        return int(value)
    return native(value)


def _value_at(data: Any, path: Path) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data
