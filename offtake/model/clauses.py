"""Clauses: what a contract obliges, permits or forbids. One frozen class each, pure methods."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from offtake.model.cents import cents
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.standing import Clause, ClauseView, Due


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOrPay:
    """The buyer pays for a share of what is delivered, used or not (Masten and Crocker 1985).

    Notes
    -----
    Month's bill ``p H max(u, phi q)`` with `q` what was *delivered*, so a late site is never billed
    (section 1.7; row B14).
    """

    floor: float

    def bill_cents(self, price: float, used_h100e: float, delivered_h100e: float) -> int:
        """Return the month's bill for capacity at a price in USD per H100e-hour.

        Examples
        --------
        >>> TakeOrPay(floor=0.8).bill_cents(2.0, 500, 1000), TakeOrPay(floor=0.8).bill_cents(2.0, 900, 1000)
        (116880000, 131490000)
        """
        return cents(price * HOURS_PER_MONTH * max(used_h100e, self.floor * delivered_h100e))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepayment:
    """Cash at signature against later bills, an unsecured claim on the seller until drawn down."""

    amount_cents: int

    def draw_cents(self, bill_cents: int, left_cents: int, months_left: int) -> int:
        """Return what this month's bill draws: pro rata over the months left, never over the bill."""
        share = -(-left_cents // max(months_left, 1))
        return min(bill_cents, left_cents, share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """Capacity steps up evenly, month by month, to its full amount."""

    months: int

    def steps_kw(self, full_kw: int) -> tuple[int, ...]:
        """Return the capacity in force from each month of the ramp on; the last step is full.

        Examples
        --------
        >>> Ramp(months=3).steps_kw(100)
        (33, 66, 100)
        """
        n = max(self.months, 1)
        return tuple(full_kw * (k + 1) // n for k in range(n))


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """The buyer may leave early against a fee in months of the take-or-pay bill (row B15)."""

    fee_months: float

    def fee_cents(self, monthly_obligation_cents: int, months_left: float) -> int:
        """Return the fee for leaving now, never more than what is still owed."""
        return round(monthly_obligation_cents * min(self.fee_months, max(months_left, 0.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignability:
    """The buyer may let what it does not use, or pass the whole contract on (section 1.7).

    Without it, compute that is committed and not used stands dark.
    """

    allowed: bool = False
    """Whether the compute may be let, and the contract passed on, at all."""
    consent: bool = True
    """Whether the cloud may object to a new buyer."""

    @classmethod
    def named(cls, word: str) -> "Assignability":
        """Return the clause of a word of the scenario.

        Examples
        --------
        >>> Assignability.named("free")
        Assignability(allowed=True, consent=False)
        """
        return cls(allowed=word != "none", consent=word != "free")


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueShare(Clause):
    """The lab pays the cloud a share of its revenue."""

    label: ClassVar[str] = "revenue share"
    lab: str
    cloud: str
    share: float
    until: float = math.inf

    def owes(self, month: ClauseView) -> Iterable[Due]:
        """Return the share of the month's revenue."""
        yield Due(self.lab, self.cloud, cents(self.share * month.revenue_usd))
