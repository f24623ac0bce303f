"""Policies: frozen data a government enacts by an event; the market asks them two pure questions."""

from dataclasses import dataclass
from typing import Protocol

from offtake.model.scenario import PolicyGiven


class Policy(Protocol):
    """What a policy in force answers."""

    def objection(self, *, destination: str, parent: str) -> str | None:
        """Return why chips of a parent may not be installed in a destination, if they may not."""
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

    def objection(self, *, destination: str, parent: str) -> str | None:
        """Return the control's objection to chips of a parent in a destination."""
        if destination not in self.destinations or parent in self.exempt_parents:
            return None
        if self.quota_h100e_per_year > 0:
            return None  # the quota is met where chips are fitted
        return f"{self.name}: no chips for {parent} in {destination}"

    def grid_multiplier(self, region: str) -> float:
        """Return 1: an export control leaves the grid alone."""
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitting:
    """The grid clock runs faster or slower in some regions (cap-1)."""

    name: str
    regions: tuple[str, ...]
    multiplier: float

    def objection(self, *, destination: str, parent: str) -> str | None:
        """Return nothing: permitting forbids nobody."""
        return None

    def grid_multiplier(self, region: str) -> float:
        """Return the factor on the mean of the grid clock."""
        return self.multiplier if region in self.regions else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Words without an instrument: a mark on the charts."""

    name: str

    def objection(self, *, destination: str, parent: str) -> str | None:
        """Return nothing."""
        return None

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
