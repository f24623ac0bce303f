"""Policies: frozen data a government enacts by an event; the market asks them two pure questions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from offtake.model.scenario import PolicyGiven


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Chips on their way to a site, as a policy sees them."""

    destination: str
    """Region."""
    parent: str
    """Ultimate parent of the cloud."""
    chip: str
    """Generation."""
    chip_class: str


COMMON = ""
"""Quota of the classes of chips that have none of their own."""


class Policy(Protocol):
    """What a policy in force answers."""

    def counts(self, shipment: Shipment) -> bool:
        """Return whether the policy limits a shipment."""
        ...

    def objection(self, shipment: Shipment, h100e: float) -> str | None:
        """Return why a shipment may not be fitted, if it may not.

        `h100e` is what would have been fitted under the same quota within a year.
        """
        ...

    def quota_of(self, chip_class: str) -> str:
        """Return under which quota a class of chips falls: its own, or the common one."""
        ...

    def yearly_h100e(self, quota: str) -> float:
        """Return how much compute may be fitted a year under a quota, H100e."""
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
    classes: tuple[str, ...] = ()
    """Classes it covers; empty for all."""
    chips: tuple[str, ...] = ()
    """Generations it covers; empty for all."""
    quotas_h100e_per_year: Mapping[str, float] = field(default_factory=dict)
    """Quotas of their own, by class."""

    def counts(self, shipment: Shipment) -> bool:
        """Return whether the control covers a shipment."""
        return (
            shipment.destination in self.destinations
            and shipment.parent not in self.exempt_parents
            and (not self.classes or shipment.chip_class in self.classes)
            and (not self.chips or shipment.chip in self.chips)
        )

    def objection(self, shipment: Shipment, h100e: float) -> str | None:
        """Return the control's objection: to any chips, or to those beyond the quota."""
        if not self.counts(shipment):
            return None
        quota = self.yearly_h100e(self.quota_of(shipment.chip_class))
        if h100e <= quota and quota > 0:
            return None
        return f"{self.name}: no more chips for {shipment.parent} in {shipment.destination}"

    def quota_of(self, chip_class: str) -> str:
        """Return the class's own quota, if it has one."""
        return chip_class if chip_class in self.quotas_h100e_per_year else COMMON

    def yearly_h100e(self, quota: str) -> float:
        """Return the quota."""
        return self.quotas_h100e_per_year.get(quota, self.quota_h100e_per_year)

    def grid_multiplier(self, region: str) -> float:
        """Return 1: an export control leaves the grid alone."""
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitting:
    """The grid clock runs faster or slower in some regions (cap-1)."""

    name: str
    regions: tuple[str, ...]
    multiplier: float

    def counts(self, shipment: Shipment) -> bool:
        """Return False: there is no quota."""
        return False

    def objection(self, shipment: Shipment, h100e: float) -> str | None:
        """Return nothing: permitting forbids nobody."""
        return None

    def quota_of(self, chip_class: str) -> str:
        """Return the common quota, which is none."""
        return COMMON

    def yearly_h100e(self, quota: str) -> float:
        """Return infinity: there is no quota."""
        return math.inf

    def grid_multiplier(self, region: str) -> float:
        """Return the factor on the mean of the grid clock."""
        return self.multiplier if region in self.regions else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Words without an instrument: a mark on the charts."""

    name: str

    def counts(self, shipment: Shipment) -> bool:
        """Return False: there is no quota."""
        return False

    def objection(self, shipment: Shipment, h100e: float) -> str | None:
        """Return nothing."""
        return None

    def quota_of(self, chip_class: str) -> str:
        """Return the common quota, which is none."""
        return COMMON

    def yearly_h100e(self, quota: str) -> float:
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
                classes=given.classes,
                chips=given.chips,
                quotas_h100e_per_year=given.quota_by_class_h100e_per_year,
            )
        case "permitting":
            return Permitting(name=name, regions=given.regions, multiplier=given.grid_multiplier)
        case "signal":
            return Signal(name=name)
