"""Obligations with dates, parties and amounts: contracts, sites, loans and tranches. Frozen data."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from offtake.model.cents import split
from offtake.model.clauses import Assignability, Prepayment, Ramp, TakeOrPay, Termination
from offtake.model.dealing import CrossDefault, MostFavoured, Purpose
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.standing import Clause
from offtake.model.terms import (
    FIXED,
    DelayDamages,
    Indexation,
    LongStop,
    MakeUp,
    SellerTermination,
)

PARTS = 1_000_000
"""Parts in which shares of a syndicate are counted."""
PURPOSES: tuple[Purpose, ...] = ("any", "inference", "training")
"""What the compute of a contract may be used for, by number in the books."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pool:
    """Capacity of one cloud in one region with one generation of chips."""

    cloud: str
    region: str
    chip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A seller's promise of capacity to a buyer for a term.

    Prices are USD per H100e-hour of the pool's vintage; `start` and `end` are months, half open.
    """

    name: str
    buyer: str
    pool: Pool
    capacity_kw: int
    h100e_per_mw: float
    price_usd_per_h100e_hour: float
    signed: float
    start: float
    end: float
    take_or_pay: TakeOrPay
    prepayment: Prepayment = field(default_factory=lambda: Prepayment(amount_cents=0))
    ramp: Ramp = field(default_factory=lambda: Ramp(months=0))
    termination: Termination = field(default_factory=lambda: Termination(fee_months=600.0))
    clauses: tuple[Clause, ...] = ()
    """Standing clauses that run while it does."""
    make_up: MakeUp | None = None
    indexation: Indexation = FIXED
    seller_termination: SellerTermination | None = None
    delay_damages: DelayDamages | None = None
    long_stop: LongStop | None = None
    assignability: Assignability = field(default_factory=Assignability)
    affiliate: bool = False
    purpose: Purpose = "any"
    """What an exclusivity of a third party leaves it to be used for."""
    breaches: tuple[str, ...] = ()
    """Agreements whose exclusivity it breaks against damages."""
    most_favoured: MostFavoured | None = None
    cross_default: CrossDefault | None = None
    ceiling: float | None = None
    """Buyer's recorded valuation of the contract, in units of its price (I6)."""
    floor: float | None = None
    """Seller's recorded reservation price (I6)."""
    limits: tuple[float, float] | None = None
    """Bounds that the outside options set to the price (bar-1, I7)."""
    slack: float = 0.0
    """What clearing in increments may miss those bounds by, USD per H100e-hour."""

    @property
    def seller(self) -> str:
        """The cloud that sells."""
        return self.pool.cloud

    @property
    def h100e(self) -> float:
        """Full capacity in H100-equivalents."""
        return self.capacity_kw * self.h100e_per_mw / 1000

    @property
    def months(self) -> float:
        """Length of the term."""
        return self.end - self.start

    def runs_in(self, time: float) -> bool:
        """Whether the contract delivers at `time`; a contract from a to b delivers on [a, b)."""
        return self.start <= time < self.end

    def runs_in_month(self, month: int) -> bool:
        """Whether the contract delivers at some time in a month."""
        return self.start // 1 <= month < -(-self.end // 1)

    def value_usd(self) -> float:
        """Return the nominal value: price at signature times capacity times hours of the whole term."""
        return self.price_usd_per_h100e_hour * self.h100e * HOURS_PER_MONTH * self.months


class Stage(IntEnum):
    """Stages of a site (cap-1); `POWERED` stands ready and waits for chips."""

    LOI = 0
    LEASED = 1
    BUILDING = 2
    POWERED = 3
    ENERGISED = 4
    CANCELLED = 5


OPEN = (Stage.LOI, Stage.LEASED, Stage.BUILDING, Stage.POWERED)
"""Stages of the pipeline: what may still be given up."""
BEGUN = (Stage.BUILDING, Stage.POWERED)
"""Stages at which a shell has been begun: what stands stays when the tenant goes."""

Because = Literal["demand", "price", "deadline", "default", "other"]
"""Why a site is given up: nobody is expected to want it, or too little is paid; its deadline; a default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One block of capacity on its way from letter of intent to energised."""

    name: str
    pool: Pool
    capacity_kw: int
    stage: Stage
    opened: float
    own_kw: int = 0
    """Part kept for the cloud's own products once it is energised."""
    promised: float
    """Month in which it is promised to be energised."""
    landlord: str | None
    rent_usd_per_kw_month: float
    construction_at: float = float("inf")
    """When the construction clock rings; known to nobody but the calendar."""
    grid_at: float = float("inf")
    deadline: float = float("inf")
    """When a letter of intent lapses, or by when construction on a lease must have started."""
    deferred: int = 0
    """How often its deadline was moved (cap-5)."""
    drawn_as: str = ""
    """Name under which its clocks are drawn; its own where it is empty."""
    equipped: bool = False
    """Whether chips are ordered for the day it is powered."""
    energised_at: float = float("inf")
    first_promise: float = float("inf")

    @property
    def known_as(self) -> str:
        """Name that does not change when its cloud, or the one that opened it, is called otherwise."""
        return self.drawn_as or self.name


Amortisation = Literal["level", "straight"]
"""How a loan is repaid: in level payments, or in equal parts of principal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """Project debt, repaid in level payments or in equal parts, with a balloon or without (fin-3)."""

    name: str
    lender: str
    borrower: str
    principal_cents: int
    rate_per_year: float
    start: float
    months: int
    site: str = ""
    """Site whose chips it pays for; empty for none."""
    insurer: str = ""
    """Government that bears a part of the lender's loss."""
    cover: float = 0.0
    """That part."""
    lessee: str | None = None
    """Cloud whose lease pays for it, where the borrower is a vehicle of its site."""
    amortisation: Amortisation = "level"
    interest_only_months: int = 0
    balloon_cents: int = 0
    """Part of the principal that is due in one sum at the end."""

    @property
    def cloud(self) -> str:
        """The party whose cash flow it is lent against."""
        return self.lessee or self.borrower

    @property
    def repaying_months(self) -> int:
        """Months over which principal is repaid."""
        return max(self.months - self.interest_only_months, 1)

    def interest_cents(self, owed: int) -> int:
        """Return a month's interest on what is owed."""
        return round(owed * self.rate_per_year / 12)

    def repayment_cents(self, owed: int, time: float) -> int:
        """Return what is due of the principal at the end of a month; all that is left at the end.

        Examples
        --------
        >>> loan = Loan(name="x", lender="l", borrower="b", principal_cents=1_200, rate_per_year=0.0,
        ...             start=0, months=12, amortisation="straight", interest_only_months=2,
        ...             balloon_cents=200)
        >>> [loan.repayment_cents(1_200, month) for month in (1, 2, 3)], loan.repayment_cents(300, 12)
        ([0, 0, 100], 300)
        """
        if time >= self.start + self.months:
            return owed
        if self.interest_only_months and time <= self.start + self.interest_only_months:
            return 0
        if self.amortisation == "straight":
            wanted = -(-(self.principal_cents - self.balloon_cents) // self.repaying_months)
        else:
            wanted = max(self.payment_cents() - self.interest_cents(owed), 0)
        return min(wanted, max(owed - self.balloon_cents, 0))

    def payment_cents(self) -> int:
        """Return the level monthly payment once principal is repaid.

        Examples
        --------
        >>> loan = Loan(name="x", lender="l", borrower="b", principal_cents=345_807_98,
        ...             rate_per_year=0.12, start=0, months=60)
        >>> loan.payment_cents()
        769231
        """
        rate, months = self.rate_per_year / 12, self.repaying_months
        if rate == 0:  # the formula below is 0 / 0
            return round((self.principal_cents - self.balloon_cents) / months)
        discount = (1 + rate) ** -months
        return round((self.principal_cents - self.balloon_cents * discount) * rate / (1 - discount))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tranche:
    """A dated, conditional promise of equity (fin-1)."""

    name: str
    investor: str
    issuer: str
    due: float
    amount_cents: int
    reduced_cents: int
    condition: str
    at_least: float
    policy: str | None
    probability: float
    condition_name: str
    venture: str | None = None
    """Cloud whose energised MW the condition counts; the issuer where it is not given."""
    waits_months: float = 0.0
    """Months after its date for which it waits for its condition."""
    syndicate: tuple[tuple[str, float], ...] = ()
    """Other investors and their parts; the rest is the investor's own."""
    underwritten: bool = False
    """Whether the investor pays what members of the syndicate cannot."""
    compute_share: float = 0.0
    """Part that the issuer spends at once on prepaid compute of `compute_from`."""
    compute_from: str | None = None

    def parts_cents(self, amount: int) -> dict[str, int]:
        """Return how investors share an amount of it, cents: the lead has what the syndicate leaves.

        Examples
        --------
        >>> tranche = Tranche(name="x", investor="a", issuer="l", due=0, amount_cents=100, reduced_cents=0,
        ...                   condition="none", at_least=0, policy=None, probability=1,
        ...                   condition_name="x", syndicate=(("b", 0.25),))
        >>> tranche.parts_cents(100)
        {'a': 75, 'b': 25}
        """
        members = {name: round(share * PARTS) for name, share in self.syndicate}
        weights = {self.investor: PARTS - sum(members.values())} | members
        return dict(zip(weights, split(amount, list(weights.values())), strict=True))
