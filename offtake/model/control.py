"""Who controls whom: ultimate parents, their home jurisdictions, and what foreigners own."""

import math
from collections.abc import Mapping

from offtake.model.scenario import Participant, Scenario

TABLES = ("labs", "clouds", "landlords", "investors", "lenders", "governments")


def everybody(scenario: Scenario) -> dict[str, Participant]:
    """Return all participants by name."""
    return {name: data for table in TABLES for name, data in getattr(scenario, table).items()}


def ultimate_parents(scenario: Scenario) -> dict[str, str]:
    """Return the top of the group of each participant: itself, where nobody is its parent.

    A parent may be the name of a participant, that has a parent of its own, or just that of a group.
    """
    known = everybody(scenario)
    return {name: _top(known, name) for name in known}


def _top(known: Mapping[str, Participant], name: str) -> str:
    seen: list[str] = []
    while name not in seen:
        seen.append(name)
        data = known.get(name)
        name = name if data is None or data.parent is None else data.parent
    return name


def homes(scenario: Scenario) -> dict[str, str | None]:
    """Return the jurisdiction of each participant: that of its ultimate parent, if it is known."""
    known = everybody(scenario)
    return {
        name: known[top].home if top in known and known[top].home else known[name].home
        for name, top in ultimate_parents(scenario).items()
    }


def foreign_part(
    scenario: Scenario, home: Mapping[str, str | None], cloud: str, government: str
) -> float:
    """Return the part of a cloud that is owned from outside a government's jurisdiction, in [0, 1].

    That of a venture is what its foreign owners hold. Whoever has no home is nobody's foreigner.
    """
    owners = scenario.clouds[cloud].owners
    if owners:
        return math.fsum(x for name, x in owners.items() if is_foreign(home.get(name), government))
    return float(is_foreign(home[cloud], government))


def is_foreign(home: str | None, government: str) -> bool:
    """Whether a home is known and another than a government's."""
    return home is not None and home != government
