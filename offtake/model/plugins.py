"""Roles and strategies that packages offer through entry points; ours use the same door for roles."""

import functools
from importlib.metadata import entry_points
from typing import Any


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
