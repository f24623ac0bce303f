"""Clauses that scenarios name: those of the model and of other packages, each with its own numbers."""

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

from offtake.model.mistakes import one_of
from offtake.model.plugins import clauses_from_elsewhere
from offtake.model.problems import Issue, Path, dotted, joined, meant
from offtake.model.standing import Clause

OURS = "offtake.model.clauses"
"""Where the clauses of the model stand."""
PARTIES = ("lab", "cloud")
"""Fields of every clause that its agreement or contract fills in."""


def named_clause(name: str, lab: str, cloud: str, given: Mapping[str, float]) -> Clause:
    """Return a clause of a scenario between a lab and a cloud."""
    return made(known_clauses()[name], lab, cloud, given)


def made(kind: Callable[..., Clause], lab: str, cloud: str, given: Mapping[str, float]) -> Clause:
    """Return a clause of a kind."""
    return kind(**{"lab": lab, "cloud": cloud, **given})


def known_clauses() -> dict[str, type[Clause]]:
    """Return every clause that a scenario may name."""
    return _here() | clauses_from_elsewhere()


@functools.cache
def _here() -> dict[str, type[Clause]]:
    """Return the model's clauses between a lab and a cloud whose other terms are numbers."""
    module = import_module(OURS)  # at need only: reading a scenario loads no array library
    found = {n: c for n, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, Clause)}
    return {
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower(): member
        for name, member in found.items()
        if set(PARTIES) <= {f.name for f in _fields(member)}
    }


def _fields(kind: type[Clause]) -> tuple[dataclasses.Field, ...]:
    return dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()


def numbers_of(kind: type[Clause]) -> dict[str, bool]:
    """Return the numbers a clause takes by name, and whether each must be given."""
    unset = dataclasses.MISSING
    return {
        f.name: f.default is unset and f.default_factory is unset
        for f in _fields(kind)
        if f.name not in PARTIES
    }


def check_clauses(
    path: Path, lab: str, cloud: str, given: Mapping[str, Mapping[str, float]]
) -> Iterator[Issue]:
    """Find clauses that nobody offers, and numbers that they do not take."""
    known = known_clauses()
    for name, numbers in given.items():
        if name not in known:
            yield _unknown((*path, name), name, known)
            continue
        wrong = list(_wrong_numbers((*path, name), numbers, numbers_of(known[name])))
        yield from wrong or _refused((*path, name), known[name], lab, cloud, numbers)


def _unknown(path: Path, name: str, known: Mapping[str, type[Clause]]) -> Issue:
    issue = one_of(path, name, sorted(known))
    message = f"`{dotted(path)}` names a clause that no installed package offers"
    help_ = issue.help or f"known clauses: {', '.join(sorted(known))}"
    return dataclasses.replace(issue, message=message, help=help_, at="table")


def _wrong_numbers(
    path: Path, numbers: Mapping[str, float], takes: Mapping[str, bool]
) -> Iterator[Issue]:
    for key in numbers:
        if key not in takes:
            yield Issue(
                code="E010",
                path=(*path, key),
                message=f"unknown key `{key}` in `{dotted(path)}`",
                help=meant(key, takes) or f"allowed here: {', '.join(takes) or 'nothing'}",
                at="key",
            )
    missing = [f"`{key}`" for key, must in takes.items() if must and key not in numbers]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        message = f"`{dotted(path)}` lacks the required key{plural} {joined(missing, 'and')}"
        yield Issue(code="E011", path=path, message=message, at="table")


def _refused(
    path: Path, kind: type[Clause], lab: str, cloud: str, numbers: Mapping[str, float]
) -> Iterator[Issue]:
    """Pass on what the clause itself says about its numbers."""
    try:
        made(kind, lab, cloud, numbers)
    except ValueError as error:
        yield Issue(code="E013", path=path, message=f"`{dotted(path)}`: {error}", at="table")
