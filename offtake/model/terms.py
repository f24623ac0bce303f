"""Terms of payment and delivery beyond price and floor. One frozen class each, pure methods."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from offtake.model.cents import cents
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.pricing import annuity, stepped_annuity

PriceIndex = Literal["none", "contract-price", "chip"]
"""What a price may follow: nothing, the public index of contract prices, or the newest chips' price."""
MONTHS_PER_YEAR = 12


class Deficiency(NamedTuple):
    """Compute of one month that was paid for and not used."""

    hours: int
    """H100e-hours."""
    until: int
    """Number of the last month in which it can be drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeUp:
    """Compute paid for under take-or-pay and not used is used later without further payment.

    Notes
    -----
    A month's deficiency ``phi q - u`` is banked; use above the floor draws on it, oldest first, within
    what is delivered; what is not drawn in `months` months, or by the end of the contract, is forfeited
    (section 1.7). The bank is kept in whole H100e-hours, so no more is ever drawn than was paid for.

    References
    ----------
    Masten and Crocker 1985, on the make-up clauses of take-or-pay contracts for natural gas.
    """

    months: int

    def after(
        self, bank: tuple[Deficiency, ...], month: int, *, floor_hours: float, used_hours: float
    ) -> tuple[tuple[Deficiency, ...], int]:
        """Return the bank at the end of a month, and the H100e-hours that the month has drawn.

        Examples
        --------
        >>> bank, drawn = MakeUp(months=2).after((), 1, floor_hours=800.0, used_hours=500.0)
        >>> bank, drawn
        ((Deficiency(hours=300, until=3),), 0)
        >>> MakeUp(months=2).after(bank, 2, floor_hours=800.0, used_hours=900.0)
        ((Deficiency(hours=200, until=3),), 100)
        """
        over = max(whole_hours(used_hours - floor_hours), 0)
        kept, drawn = [], 0
        for deficiency in bank:
            part = min(deficiency.hours, over - drawn)
            drawn += part
            if deficiency.hours > part and deficiency.until > month:
                kept.append(deficiency._replace(hours=deficiency.hours - part))
        short = whole_hours(floor_hours - used_hours)
        if short > 0 and self.months > 0:
            kept.append(Deficiency(hours=short, until=month + self.months))
        return tuple(kept), drawn


def whole_hours(hours: float) -> int:
    """Return whole hours; a rounding error below a thousandth of one does not cost the last."""
    return math.floor(hours + 1e-3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexation:
    """The price is revised once a year: an escalator, an index, both, within a floor and a cap.

    Notes
    -----
    On each anniversary ``p <- p clip((1 + escalator) I / I', 1 + least, 1 + most)`` with `I` the index now
    and `I'` a year before; where nothing binds, ``p(t) = p0 (1 + escalator)^years I(t) / I(start)``
    (section 1.7). A change that a bound cuts is not made up for later.

    References
    ----------
    Joskow 1988, *Price adjustment in long-term contracts: the case of coal*, on base prices, escalators
    and market price clauses.
    """

    escalator_per_year: float = 0.0
    index: PriceIndex = "none"
    least_per_year: float = -1.0
    most_per_year: float = math.inf

    @property
    def moves(self) -> bool:
        """Whether the price can change at all."""
        return self != FIXED

    def change(self, ratio: float) -> float:
        """Return the factor on the price at a revision, for a ratio of the index to a year before.

        Examples
        --------
        >>> capped = Indexation(escalator_per_year=0.03, index="chip", least_per_year=-0.10)
        >>> round(capped.change(0.95), 6), capped.change(0.5)
        (0.9785, 0.9)
        """
        change = (1 + self.escalator_per_year) * ratio
        return min(max(change, 1 + self.least_per_year), 1 + self.most_per_year)

    def believed_change(self, decline_per_month: float) -> float:
        """Return the factor expected at each revision when indices fall with the believed decline."""
        fall = 0.0 if self.index == "none" else decline_per_month * MONTHS_PER_YEAR
        return self.change(math.exp(-fall))

    def annuity(
        self,
        rate_per_month: float,
        decline_per_month: float,
        months: float,
        until_revision: float = MONTHS_PER_YEAR,
    ) -> float:
        """Return the believed present value of a price that is 1 a month today, over some months."""
        change = self.believed_change(decline_per_month)
        return stepped_annuity(rate_per_month, change, months, until_revision)

    def first_price(self, rate_per_month: float, decline_per_month: float, months: float) -> float:
        """Return the price at the start that is worth a fixed price of 1 over the term.

        Examples
        --------
        >>> rising = Indexation(escalator_per_year=0.10)
        >>> round(rising.first_price(0.01, 0.02, 24), 6), rising.first_price(0.01, 0.02, 12)
        (0.955093, 1.0)
        """
        level = float(annuity(rate_per_month, months))
        return level / self.annuity(rate_per_month, decline_per_month, months)


FIXED = Indexation()
"""A price that stays what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerTermination:
    """The seller may leave after a notice, against a fee that falls over the term.

    Notes
    -----
    The fee is `fee_months` of the full bill at the start of the term and falls in proportion to what is
    left of it. It is paid with the notice, during which the contract goes on (section 1.7, both ways; row
    B15 read for the seller: it leaves iff the fee is below what it gains, which is efficient breach).
    """

    fee_months: float
    notice_months: int

    def fee_cents(self, full_month_cents: int, months_left: float, term_months: float) -> int:
        """Return the fee for a notice given now, for the bill of a month's full use.

        Examples
        --------
        >>> way_out = SellerTermination(fee_months=12.0, notice_months=6)
        >>> way_out.fee_cents(100_00, 36, 36), way_out.fee_cents(100_00, 9, 36)
        (120000, 30000)
        """
        share = min(max(months_left / term_months, 0.0), 1.0)
        return round(full_month_cents * self.fee_months * share)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayDamages:
    """Capacity in force that is not delivered earns the buyer a credit, day by day after a cure period.

    Notes
    -----
    Liquidated damages for delay as in construction and project finance (section 1.7): each day's credit is
    a share of what the compute missing on that day would have cost, and all credits together are capped at
    a share of the contract's nominal value. They are in place of, never on top of, a bill: what is not
    delivered is not billed.
    """

    cure_days: float
    share: float
    """Of what the missing compute would have cost."""
    cap_share: float
    """Of the contract's nominal value."""

    @property
    def cure_months(self) -> float:
        """Length of the cure period, months."""
        return self.cure_days * 24 / HOURS_PER_MONTH

    def due_cents(
        self, price: float, missing_h100e_months: float, credited_cents: int, value_cents: int
    ) -> int:
        """Return the credit for compute that was missing, given what has been credited before.

        Examples
        --------
        >>> clause = DelayDamages(cure_days=30, share=0.5, cap_share=0.1)
        >>> clause.due_cents(2.0, 1000, 0, 10**10), clause.due_cents(2.0, 1000, 95 * 10**7, 10**10)
        (73050000, 50000000)
        """
        credit = cents(self.share * price * HOURS_PER_MONTH * missing_h100e_months)
        room = math.floor(self.cap_share * value_cents) - credited_cents
        return max(min(credit, room), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LongStop:
    """Where too little is delivered for too long, the buyer may walk away free (section 1.7).

    It pays no fee and gets back what it has prepaid and not drawn.
    """

    months: float
    delivered_share: float

    def lets_go(self, months_since_start: float, delivered_kw: int, in_force_kw: int) -> bool:
        """Whether the buyer may walk away.

        Examples
        --------
        >>> clause = LongStop(months=6, delivered_share=0.5)
        >>> clause.lets_go(6, 49, 100), clause.lets_go(6, 50, 100), clause.lets_go(5.9, 0, 100)
        (True, False, False)
        """
        late = months_since_start >= self.months
        return late and delivered_kw < self.delivered_share * in_force_kw
