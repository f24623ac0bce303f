"""What packages offer through entry points: roles, strategies, clauses and protocols."""

import functools
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from offtake.model.standing import Clause


@functools.cache
def role(name: str) -> Any:
    """Return the class of participants that plays a role of the scenario."""
    found = entry_points(group="offtake.roles", name=name)
    if not found:
        raise LookupError(f"no installed package offers the role {name!r} (offtake.roles)")
    return next(iter(found)).load()


@functools.cache
def strategies_from_elsewhere(port: str) -> dict[str, Any]:
    """Return strategies of other packages for a port, by name (group ``offtake.strategies``)."""
    loaded = {point.name: point.load() for point in entry_points(group="offtake.strategies")}
    return {name: item for name, item in loaded.items() if getattr(item, "port", None) == port}


@functools.cache
def clauses_from_elsewhere() -> dict[str, type[Clause]]:
    """Return clauses of other packages by name (group ``offtake.clauses``).

    Raises
    ------
    TypeError
        If what a package offers is not a clause.
    """
    return {point.name: _clause(point) for point in entry_points(group="offtake.clauses")}


def _clause(point: EntryPoint) -> type[Clause]:
    found = point.load()
    if not (isinstance(found, type) and issubclass(found, Clause)):
        raise TypeError(
            f"{point.value} is offered as the clause {point.name!r} (offtake.clauses), but is not one; "
            "a clause is a frozen dataclass that extends offtake.model.standing.Clause"
        )
    return found


@functools.cache
def bargainers_from_elsewhere() -> dict[str, Any]:
    """Return protocols of other packages by name (group ``offtake.bargainers``)."""
    return {point.name: point.load() for point in entry_points(group="offtake.bargainers")}
