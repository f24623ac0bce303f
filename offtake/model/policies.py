"""Policies: frozen data a government enacts by an event; the market asks them two pure questions."""

import math
from dataclasses import dataclass
from typing import Protocol

from offtake.model.scenario import PolicyGiven


class Policy(Protocol):
    """What a policy in force answers."""

    def counts(self, *, destination: str, parent: str) -> bool:
        """Return whether the policy limits a parent's chips in a destination."""
        ...

    def objection(self, *, destination: str, parent: str, h100e: float) -> str | None:
        """Return why a parent may not fit chips in a destination, if it may not.

        `h100e` is what would have been fitted under the rule within a year.
        """
        ...

    def yearly_h100e(self) -> float:
        """Return how much compute may be fitted a year where the policy limits chips, H100e."""
        ...

    def grid_multiplier(self, region: str) -> float:
        """Return the factor on the mean of the grid clock in a region."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportControl:
    """Chips may not go to some destinations, unless the ultimate parent is exempt (1.11)."""

    name: str
    destinations: tuple[str, ...]
    exempt_parents: tuple[str, ...]
    quota_h100e_per_year: float

    def counts(self, *, destination: str, parent: str) -> bool:
        """Return whether the control covers a parent's chips in a destination."""
        return destination in self.destinations and parent not in self.exempt_parents

    def objection(self, *, destination: str, parent: str, h100e: float) -> str | None:
        """Return the control's objection: to any chips, or to those beyond the quota."""
        if not self.counts(destination=destination, parent=parent):
            return None
        if h100e <= self.quota_h100e_per_year and self.quota_h100e_per_year > 0:
            return None
        return f"{self.name}: no more chips for {parent} in {destination}"

    def yearly_h100e(self) -> float:
        """Return the quota."""
        return self.quota_h100e_per_year

    def grid_multiplier(self, region: str) -> float:
        """Return 1: an export control leaves the grid alone."""
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitting:
    """The grid clock runs faster or slower in some regions (cap-1)."""

    name: str
    regions: tuple[str, ...]
    multiplier: float

    def counts(self, *, destination: str, parent: str) -> bool:
        """Return False: there is no quota."""
        return False

    def objection(self, *, destination: str, parent: str, h100e: float) -> str | None:
        """Return nothing: permitting forbids nobody."""
        return None

    def yearly_h100e(self) -> float:
        """Return infinity: there is no quota."""
        return math.inf

    def grid_multiplier(self, region: str) -> float:
        """Return the factor on the mean of the grid clock."""
        return self.multiplier if region in self.regions else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Words without an instrument: a mark on the charts."""

    name: str

    def counts(self, *, destination: str, parent: str) -> bool:
        """Return False: there is no quota."""
        return False

    def objection(self, *, destination: str, parent: str, h100e: float) -> str | None:
        """Return nothing."""
        return None

    def yearly_h100e(self) -> float:
        """Return infinity: there is no quota."""
        return math.inf

    def grid_multiplier(self, region: str) -> float:
        """Return 1."""
        return 1.0


def policy(name: str, given: PolicyGiven) -> Policy:
    """Return the policy of a scenario's table."""
    match given.instrument:
        case "export-control":
            return ExportControl(
                name=name,
                destinations=given.destinations,
                exempt_parents=given.exempt_parents,
                quota_h100e_per_year=given.quota_h100e_per_year,
            )
        case "permitting":
            return Permitting(name=name, regions=given.regions, multiplier=given.grid_multiplier)
        case "signal":
            return Signal(name=name)
