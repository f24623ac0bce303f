"""Governments: what they enact, by their published schedule, not at all, or as the market turns out."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import ClassVar

from offtake.agents.participant import Participant
from offtake.model.proposals import Enact, Repeal
from offtake.model.view import GovernmentView


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowSchedule:
    """Enact and repeal on the dates of the scenario; the calendar sees to both (default)."""

    port: ClassVar[str] = "regulator"

    def __call__(self, view: GovernmentView) -> Iterator[Enact | Repeal]:
        """Return nothing: dated policies need no decision in the month."""
        return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class LaissezFaire:
    """Repeal whatever is in force (the benchmark without policy)."""

    port: ClassVar[str] = "regulator"

    def __call__(self, view: GovernmentView) -> Iterator[Enact | Repeal]:
        """Return the repeal of every policy of one's own that is in force."""
        return (Repeal(policy=name) for name in sorted(view.in_force))


def drafts(view: GovernmentView, instruments: Collection[str]) -> list[str]:
    """Return a government's drafts of some instruments by name; what is dated follows its dates."""
    return [
        name
        for name, (since, _) in sorted(view.scheduled.items())
        if since == math.inf and view.instruments.get(name) in instruments
    ]


def switched(
    view: GovernmentView, names: Collection[str], signal: float, on: float, off: float
) -> Iterator[Enact | Repeal]:
    """Yield what brings policies into force above one level of a signal, and ends them below another."""
    for name in names:
        if signal > on and name not in view.in_force:
            yield Enact(policy=name)
        elif signal < off and name in view.in_force:
            yield Repeal(policy=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AntitrustHazard:
    """Enact drafts of antitrust with a hazard that rises with concentration above a level (1.11).

    The hazard a year is ``per_year (HHI - above)``. A case once won is not undone.
    """

    port: ClassVar[str] = "regulator"
    above: float = 0.18
    """Index from which a market counts as highly concentrated (merger guidelines of 2023)."""
    per_year: float = 5.0
    """Hazard a year for each unit of the index above: 0.5 at 0.28."""

    def __call__(self, view: GovernmentView) -> Iterator[Enact | Repeal]:
        """Return the enactment of every draft, where the month's draw falls below the hazard."""
        hazard = self.per_year * max(view.hhi - self.above, 0.0) / 12
        if view.draw < -math.expm1(-hazard):
            for name in drafts(view, ("antitrust",)):
                if name not in view.in_force:
                    yield Enact(policy=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSecurity:
    """Enact drafts that bind foreign capital while too much at home is owned from abroad (1.11)."""

    port: ClassVar[str] = "regulator"
    above: float = 0.25
    """Foreign-owned part of capacity at home above which they are enacted."""
    below: float = 0.15
    """Part below which they are repealed."""

    def __call__(self, view: GovernmentView) -> Iterator[Enact | Repeal]:
        """Return what the foreign share calls for."""
        names = drafts(view, ("capital-screening", "national-preference"))
        return switched(view, names, view.foreign_share, self.above, self.below)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelieveScarcity:
    """Enact drafts of faster permits while compute is scarce (1.11)."""

    port: ClassVar[str] = "regulator"
    above: float = 0.10
    """Share of need that is not met above which they are enacted."""
    below: float = 0.02
    """Share below which they are repealed."""

    def __call__(self, view: GovernmentView) -> Iterator[Enact | Repeal]:
        """Return what scarcity calls for."""
        return switched(view, drafts(view, ("permitting",)), view.scarcity, self.above, self.below)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactToMarket:
    """Follow all three reaction functions: concentration, foreign share, scarcity."""

    port: ClassVar[str] = "regulator"
    antitrust: AntitrustHazard = AntitrustHazard()
    security: GuardSecurity = GuardSecurity()
    permits: RelieveScarcity = RelieveScarcity()

    def __call__(self, view: GovernmentView) -> Iterator[Enact | Repeal]:
        """Return what each of them calls for."""
        for rule in (self.antitrust, self.security, self.permits):
            yield from rule(view)


class Government(Participant):
    """Enacts policies."""

    defaults: ClassVar = {"regulator": FollowSchedule()}
