"""What participants may say, and the ten ports behind which their behaviour sits."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from offtake.model.contracts import Because
from offtake.model.dealing import Purpose
from offtake.model.view import (
    AdoptionView,
    Ask,
    BuildOption,
    CloudView,
    ForecastView,
    GovernmentView,
    InvestorView,
    LabView,
    Slot,
    WaiverView,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Part of a tender: capacity from a month on."""

    start_months: int
    h100e: float
    value: float
    """Mean use value over the lot, start price, USD per H100e-hour."""
    purpose: Purpose = "any"
    """What it is for; matters where an exclusivity binds one purpose only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tender:
    """A lab's request for proposals, covering the whole profile of its need (pro-3, pro-4)."""

    lab: str
    lots: tuple[Lot, ...]
    terminate: tuple[str, ...] = ()
    """Contracts the lab leaves against their fee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One thing a cloud offers: free capacity of a pool, or capacity it would build."""

    pool_index: int
    running: float
    """Avoidable cost, USD per H100e-hour."""
    room_h100e: np.ndarray
    """By lot."""
    capital: np.ndarray
    """What must be earned above avoidable cost, start price, shape (lots, terms, floors)."""
    option: BuildOption | None = None
    standby: np.ndarray | None = None
    """By lot, whether it is quoted to match others only, under a first refusal; none where it never is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A cloud's answer to the lots on tender."""

    cloud: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSite:
    """Open a letter of intent, or a site; where shells are let, this is a bid for one."""

    option: BuildOption
    capacity_kw: int
    letter: bool
    bid_usd_per_kw_month: float | None = None
    """Most rent it would pay; the rent asked where nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnToLease:
    """Turn a letter of intent into a lease."""

    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartBuilding:
    """Begin construction."""

    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Equip:
    """Order chips for the day the site is powered, or withdraw the order."""

    site: str
    wanted: bool = True
    limit_usd_per_h100e: float | None = None
    """The most it would pay for chips that are rationed, USD per H100e; their price on the curve if it
    names none (chp-1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Give a site up."""

    site: str
    reason: str
    because: Because = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduce:
    """Give part of a site up; the rest stays."""

    site: str
    capacity_kw: int
    """What is given up."""
    reason: str
    because: Because = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defer:
    """Pay the holding cost of a letter or a lease and move its deadline (cap-5)."""

    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refit:
    """Plan an uncommitted site for the newest chips of the day it is powered (cap-7)."""

    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveNotice:
    """Leave a contract that lets its seller go, after the notice and against the fee."""

    contract: str


SitePlan = (
    OpenSite | TurnToLease | StartBuilding | Equip | Cancel | Reduce | Defer | Refit | GiveNotice
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Adopt a custom class of chips, for good (chp-2)."""

    chip_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Beliefs about one's own need."""

    growth_per_month: float
    variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fund:
    """Put equity into a lab."""

    investor: str
    lab: str
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Enact:
    """Bring a policy into force."""

    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeal:
    """End a policy."""

    policy: str


class Forecaster(Protocol):
    """Port: how a lab learns (1.5)."""

    def __call__(self, view: ForecastView) -> Forecast:
        """Return beliefs after the month."""
        ...


class Procurer(Protocol):
    """Port: what a lab asks for (pro-1 to pro-4)."""

    def __call__(self, view: LabView) -> Tender | None:
        """Return a tender, or nothing."""
        ...


class Pricer(Protocol):
    """Port: what a cloud asks in return (cst-1 to cst-6)."""

    def __call__(self, view: CloudView, ask: Ask) -> Quote:
        """Return what it offers for the lots on tender."""
        ...


class Builder(Protocol):
    """Port: what a cloud builds, leases and gives up, contracts it may leave included (cap-1 to cap-6)."""

    def __call__(self, view: CloudView) -> Iterable[SitePlan]:
        """Return plans for sites, and notices."""
        ...


class Adopter(Protocol):
    """Port: whether a cloud adopts a custom class of chips (chp-2)."""

    def __call__(self, view: AdoptionView) -> Iterable[Adopt]:
        """Return the classes it adopts now."""
        ...


class Waiver(Protocol):
    """Port of labs and clouds: what giving up a clause is worth (section 1.7)."""

    def __call__(self, view: WaiverView) -> tuple[float, ...] | None:
        """Return USD by what may take its place: the most a lab pays, the least a holder takes.

        Nothing means that the clause is not for sale.
        """
        ...


class Bidder(Protocol):
    """Port: what a cloud would pay for a shell that another has given up (cap-6)."""

    def __call__(self, view: CloudView, slot: Slot) -> float | None:
        """Return the rent it bids, USD per kW-month, or nothing."""
        ...


class Financier(Protocol):
    """Port: whether an investor joins a round (fin-6)."""

    def __call__(self, view: InvestorView) -> Fund | None:
        """Return the money offered, or nothing."""
        ...


class Regulator(Protocol):
    """Port: what a government enacts (1.11)."""

    def __call__(self, view: GovernmentView) -> Iterable[Enact | Repeal]:
        """Return the month's changes of policy."""
        ...
