"""Clauses that shape who may deal with whom, and what a deal with others does. One frozen class each."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from offtake.model.cents import cents
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.standing import Clause

Purpose = Literal["any", "inference", "training"]
"""What compute may be used for."""
Scope = Literal["all", "training", "inference", "region"]
"""What an exclusivity binds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyExclusivity(Clause):
    """The lab signs compute only with the holder while the clause runs (Aghion and Bolton 1987).

    Notes
    -----
    With a breach price the lab may sign with a third party against liquidated damages, and does so iff
    it gains more than them (section 1.7; row B12).
    """

    lab: str
    holder: str
    until: float
    since: float = -math.inf
    scope: Scope = "all"
    region: str | None = None
    """Region that the clause binds if its scope is one."""
    breach_usd_per_h100e_hour: float | None = None
    """Liquidated damages, a start price for each hour signed with others; none where it is never broken."""
    agreement: str = ""
    """Agreement or contract that it is a clause of."""

    def covers(
        self,
        buyer: str,
        seller: str,
        time: float,
        purpose: Purpose | None = None,
        region: str | None = None,
    ) -> bool:
        """Whether a contract of `buyer` with `seller` signed at `time` falls under the clause.

        Without purpose and region: whether every contract of the pair does. Compute that may be used
        for anything falls under a clause on any purpose.
        """
        if buyer != self.lab or seller == self.holder or not self.since <= time < self.until:
            return False
        match self.scope:
            case "all":
                return True
            case "region":
                return region is not None and region == self.region
            case _:
                return purpose in ("any", self.scope)

    def forbids(
        self,
        buyer: str,
        seller: str,
        time: float,
        purpose: Purpose | None = None,
        region: str | None = None,
    ) -> bool:
        """Whether a contract of `buyer` with `seller` signed at `time` would break the clause."""
        unbreakable = self.breach_usd_per_h100e_hour is None
        return unbreakable and self.covers(buyer, seller, time, purpose, region)

    def damages_cents(self, h100e: float, months: float) -> int:
        """Return what is due to the holder when a contract is signed with a third party.

        `months` are those of the term, later ones weighed by the believed fall of prices.

        Examples
        --------
        >>> clause = SupplyExclusivity(lab="l", holder="c", until=9, breach_usd_per_h100e_hour=0.5)
        >>> clause.damages_cents(1000.0, 12.0)
        438300000
        """
        return cents((self.breach_usd_per_h100e_hour or 0.0) * HOURS_PER_MONTH * h100e * months)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRefusal(Clause):
    """The holder may match a third party's signed-ready offer within a window (row B13).

    References
    ----------
    Bikhchandani, Lippman and Reade 2005; Choi 2009.
    """

    lab: str
    holder: str
    since: float
    until: float
    window_days: int
    agreement: str = ""
    """Agreement or contract that it is a clause of."""

    def applies(self, buyer: str, seller: str, time: float) -> bool:
        """Whether an offer of `seller` to `buyer` at `time` must be notified to the holder."""
        return buyer == self.lab and seller != self.holder and self.since <= time < self.until

    def closes(self, time: float) -> float:
        """Return when the window of a notice given at `time` closes."""
        return time + self.window_days * 24 / HOURS_PER_MONTH


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionExclusivity(Clause):
    """The lab's service is sold through the holder's channel only, which limits its reach (dem-2).

    It is paired with a revenue share: the holder pays for what it keeps from others by selling it (section
    1.7).
    """

    lab: str
    holder: str
    reach: float
    """Share of the channel-weighted market that the lab may sell to."""
    until: float
    since: float = -math.inf
    agreement: str = ""
    """Agreement or contract that it is a clause of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MostFavoured:
    """The price follows down to the lowest price of a like contract signed later (section 1.7).

    References
    ----------
    Cooper 1986 (a promise to itself not to cut prices); Salop 1986.
    """

    def follows(
        self,
        price: float,
        months: float,
        h100e: float,
        of_price: float,
        of_months: float,
        of: float,
    ) -> bool:
        """Whether a contract's price falls to that of another of the seller, `of_price`.

        The other is alike if its term is no longer and its quantity no larger; region, class of chips and
        independence of the parties are looked up by the books.

        Examples
        --------
        >>> MostFavoured().follows(2.0, 36, 1000.0, 1.5, 24, 500.0)
        True
        >>> MostFavoured().follows(2.0, 36, 1000.0, 1.5, 60, 500.0)
        False
        """
        return of_price < price and of_months <= months and of <= h100e


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossDefault:
    """A default elsewhere lets the seller accelerate: end the contract and claim what is left of the floor.

    A default elsewhere is one of the buyer on any other obligation, or the failure of a named party
    (section 1.7). The claim ranks with all others.
    """

    names: tuple[str, ...] = ()
    """Parties whose failure counts as a default of the buyer."""

    def triggered_by(self, buyer: str, failed: Collection[str]) -> bool:
        """Whether failures let the seller accelerate."""
        return buyer in failed or any(name in failed for name in self.names)

    def damages_cents(self, monthly_obligation_cents: int, months_left: float) -> int:
        """Return what is left of the take-or-pay bill.

        Examples
        --------
        >>> CrossDefault(names=("Parent",)).damages_cents(100, 2.5)
        250
        """
        return round(monthly_obligation_cents * max(months_left, 0.0))
