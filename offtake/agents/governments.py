"""Governments: what they enact, by their published schedule or not at all."""

from collections.abc import Iterator
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


class Government(Participant):
    """Enacts dated policies."""

    defaults: ClassVar = {"regulator": FollowSchedule()}
