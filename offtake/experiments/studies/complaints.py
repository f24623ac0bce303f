"""What the tables of a study file object to, said as messages about scenarios are."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from offtake.model.mistakes import expectation, one_of
from offtake.model.problems import Issue, Path, dotted, joined, meant, nearest, quoted_key, shown
from offtake.model.scenario import Part
from offtake.model.shapes import Leaf, Table, entries_of, example


def part_of[P: Part](kind: type[P], given: Any, path: Path, issues: list[Issue]) -> P | None:
    """Read one table of the file, or add to the issues what is wrong with it."""
    if not isinstance(given, dict):
        message = f"`{dotted(path)}` is {shown(given)}; expected a table"
        issues.append(Issue(code="E013", path=path, message=message))
        return None
    try:
        return kind.model_validate(_as_tuples(given))
    except ValidationError as error:
        issues.extend(_explained(error, path, Table(entries=entries_of(kind))))
        return None


def _as_tuples(given: dict[str, Any]) -> dict[str, Any]:
    """Return a table whose arrays are what a frozen part holds."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}


def _explained(error: ValidationError, path: Path, table: Table) -> Iterator[Issue]:
    errors = error.errors(include_url=False)
    missing = [str(e["loc"][-1]) for e in errors if e["type"] == "missing"]
    for each in errors:
        if each["type"] == "extra_forbidden":
            key = str(each["loc"][-1])
            near = nearest(key, missing)
            if near:
                missing.remove(near)
            yield unknown_key((*path, key), table.keys)
        elif each["type"] != "missing":
            yield _wrong_value((*path, *each["loc"]), each, table)
    for key in missing:
        yield lacks(path, key, example(table.entries[key].shape, key))


def unknown_key(path: Path, keys: tuple[str, ...]) -> Issue:
    """Say that a key of the file is unknown, and which was probably meant."""
    key = str(path[-1])
    where = f"in `{dotted(path[:-1])}`" if len(path) > 1 else "at the top of the file"
    help_ = meant(key, keys) or f"allowed here: {', '.join(sorted(keys))}"
    message = f"unknown key `{quoted_key(key)}` {where}"
    return Issue(code="E010", path=path, message=message, help=help_, at="key")


def lacks(path: Path, key: str, instance: str) -> Issue:
    """Say that a table lacks a key, and how it might look."""
    subject = f"`{dotted(path)}`" if path else "the study"
    message = f"{subject} lacks the required key `{key}`"
    return Issue(code="E011", path=path, message=message, help=f"add e.g. `{instance}`", at="table")


def _wrong_value(path: Path, error: Mapping[str, Any], table: Table) -> Issue:
    key = next((str(part) for part in error["loc"] if str(part) in table.entries), "")
    shape = table.entries[key].shape if key else None
    given = error["input"]
    if isinstance(shape, Leaf) and shape.choices and isinstance(given, str):
        return one_of(path, given, shape.choices)
    message = f"`{dotted(path)}` is {shown(given)}; expected {expectation(shape, error)}"
    return Issue(code="E013", path=path, message=message)


def none_of(path: Path, given: str, names: tuple[str, ...], what: str) -> Issue:
    """Say that a text names nothing of a kind, with the nearest name that does."""
    near = meant(given, names, "'")
    known = f"(known: {joined(list(names)[:8], 'and')}{' ...' if len(names) > 8 else ''})"
    message = f"`{dotted(path)}` is {shown(given)}, but there is no such {what}"
    return Issue(
        code="E020", path=path, message=message, help=f"{near}  {known}" if near else known
    )
