"""What two scenarios differ in: changed inputs, and scenarios that have only some of the changes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from offtake.model import checks
from offtake.model.problems import dotted, quoted_key
from offtake.model.scenario import Scenario
from offtake.model.shapes import NOTES

OWN = ("format", "name", "question", "extends", "cutoff", *NOTES)
"""Keys that say what a scenario is, not what happens in it."""
DEPTH = 2
"""Parts of a path that make one input: a table and a name, such as `contracts.first`."""
MOST_SHOWN = 40

type Path = tuple[str, ...]
type Data = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that differs; None where it is not given."""

    path: Path
    before: Any
    after: Any

    @property
    def key(self) -> str:
        """The path as a scenario file writes it."""
        return dotted(self.path)

    def as_dict(self) -> dict[str, Any]:
        """Return the change as JSON has it."""
        return {"path": self.key, "before": self.before, "after": self.after}

    def text(self) -> str:
        """Return the change in words."""
        if self.before is None:
            return f"{self.key} added{_valued(self.after)}"
        if self.after is None:
            return f"{self.key} removed"
        return f"{self.key}: {_brief(self.before)} to {_brief(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Changes that go together: those of one entry of a scenario, or of several that need each other."""

    paths: tuple[Path, ...]
    changes: tuple[Change, ...]

    @property
    def name(self) -> str:
        """The paths as a scenario file writes them."""
        return " + ".join(dotted(path) for path in self.paths)


class CannotSeparate(ValueError):  # noqa: N818 - read as a sentence
    """No valid scenario has only some of the changes."""


def differences(base: Scenario, other: Scenario) -> list[Change]:
    """Return every value that two scenarios differ in, in the order of the scenario file's keys.

    An entry that only one of them has is one change.
    """
    return list(_differences(_data(base), _data(other), ()))


def _data(scenario: Scenario) -> Data:
    data = json.loads(scenario.model_dump_json(by_alias=True))
    return {key: value for key, value in data.items() if key not in OWN}


def _differences(before: Any, after: Any, path: Path) -> Iterable[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            if key not in NOTES:
                yield from _differences(before.get(key), after.get(key), (*path, key))
    elif before != after:
        yield Change(path=path, before=before, after=after)


def inputs(base: Scenario, other: Scenario) -> list[Input]:
    """Return the changes of two scenarios as inputs that can be changed one by one.

    Inputs of which no scenario can have one without the other (a class of chips and the chips of this
    class) are joined.

    Raises
    ------
    CannotSeparate
        If even all changes at once make no valid scenario.
    """
    groups: dict[Path, list[Change]] = {}
    for change in differences(base, other):
        groups.setdefault(change.path[:DEPTH], []).append(change)
    alone = [Input(paths=(path,), changes=tuple(some)) for path, some in groups.items()]
    if alone and _problem(base, other, alone):
        raise CannotSeparate(
            f"the changes do not make {other.name}: {_problem(base, other, alone)}"
        )
    return _joined(base, other, alone)


def _joined(base: Scenario, other: Scenario, some: list[Input]) -> list[Input]:
    """Join inputs until each can be changed, and left out, by itself."""
    for each in some:
        rest = [one for one in some if one is not each]
        if _problem(base, other, [each]) is None and _problem(base, other, rest) is None:
            continue
        partner = _partner(base, other, each, rest)
        both = Input(paths=(*each.paths, *partner.paths), changes=(*each.changes, *partner.changes))
        return _joined(base, other, [one for one in rest if one is not partner] + [both])
    return some


def _partner(base: Scenario, other: Scenario, each: Input, rest: list[Input]) -> Input:
    """Return the input that another needs: with it both are valid; else the first."""
    for one in rest:
        left = [two for two in rest if two is not one]
        if _problem(base, other, [each, one]) is None and _problem(base, other, left) is None:
            return one
    return rest[0]


def _problem(base: Scenario, other: Scenario, taken: Iterable[Input]) -> str | None:
    """Return what is wrong with a scenario that has some of the changes; None for nothing."""
    try:
        hybrid(base, other, taken)
    except CannotSeparate as error:
        return str(error)
    return None


def hybrid(base: Scenario, other: Scenario, taken: Iterable[Input]) -> Scenario:
    """Return the base with some inputs as the other scenario has them.

    Raises
    ------
    CannotSeparate
        If that is no valid scenario, with the first reason.
    """
    data = json.loads(base.model_dump_json(by_alias=True))
    given = json.loads(other.model_dump_json(by_alias=True))
    for each in taken:
        for path in each.paths:
            data = _put(data, given, path)
    try:
        scenario = Scenario.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise CannotSeparate(error.errors(include_url=False)[0]["msg"]) from None
    plain = scenario.model_dump(by_alias=True)
    issues = (
        *checks.check_names(plain),
        *checks.check_references(plain),
        *checks.check_protocol(plain),
        *checks.check_terms(scenario),
        *checks.check_dates(scenario, lambda _: True),
        *checks.check_capacity(scenario),
    )
    if issues:
        raise CannotSeparate(issues[0].message)
    return scenario


def _put(data: Data, given: Mapping[str, Any], path: Path) -> Data:
    """Return data with what is given at a path, or without it where nothing is."""
    key, rest = path[0], path[1:]
    if not rest:
        kept = {k: v for k, v in data.items() if k != key}
        return kept | ({key: given[key]} if key in given else {})
    below, other = data.get(key), given.get(key)
    table = below if isinstance(below, dict) else {}
    source = other if isinstance(other, dict) else {}
    return data | {key: _put(table, source, rest)}


def changes_text(changes: list[Change]) -> list[str]:
    """Return the changes in words, one a line; what is beyond a screen is counted."""
    lines = [change.text() for change in changes[:MOST_SHOWN]]
    left = len(changes) - len(lines)
    return [*lines, f"and {left} more"] if left else lines


def _valued(value: Any) -> str:
    return "" if isinstance(value, dict) else f": {_brief(value)}"


def _brief(value: Any) -> str:
    """Return a value in few characters."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return "{" + ", ".join(quoted_key(str(key)) for key in value) + "}"
    return str(value)
