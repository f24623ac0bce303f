"""Events: something that is now true, and why. A closed union; only events change the books."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from offtake.model.contracts import Because, Contract, Loan, Site, Tranche
from offtake.model.standing import Clause
from offtake.model.terms import Deficiency

if TYPE_CHECKING:
    import numpy as np


class Posting(NamedTuple):
    """Money that moves from payer to payee."""

    payer: str
    payee: str
    cents: int
    label: str
    reference: str = ""


class Claim(NamedTuple):
    """A change of what the issuer owes the holder, or of the holder's share in the issuer, at cost."""

    holder: str
    issuer: str
    kind: str
    cents: int
    reference: str = ""


class Purchase(NamedTuple):
    """Compute that a lab buys of a cloud for a month; prices in USD per H100e-hour."""

    lab: str
    pool: int
    """Index of the pool."""
    h100e: float
    pays: float
    receives: float
    """Price of the cloud; a market maker keeps the difference."""


class Sublease(NamedTuple):
    """Compute that a lab lets to another for a month, under its contract with a cloud."""

    lab: str
    lessor: str
    contract: str
    h100e: float
    pays: float
    receives: float
    """Price of the lessor; a market maker keeps the difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event has: the thing it follows from."""

    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered(Event):
    """A participant or an external account enters with deposits."""

    name: str
    kind: str
    deposits_cents: int
    assets_cents: int = 0
    """What it could sell, after the haircut; not on the books of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted(Event):
    """Money moves and claims change, in one balanced entry."""

    postings: tuple[Posting, ...]
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Event):
    """A site is opened: a letter of intent, a lease, a building plot, or one that stands already."""

    site: Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced(Event):
    """A site changes: its stage, its promise, its clocks or its order for chips."""

    site: Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Energised(Event):
    """A site delivers from now on."""

    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotted(Event):
    """The month's orders for a class of chips were made to fit what its suppliers allot (chp-1)."""

    chip_class: str
    markup: float
    """Price over the price on the class's curve, from now on."""
    h100e: float
    """What is shipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped(Event):
    """Chips for a part of a powered site have come and are paid."""

    site: str
    capacity_kw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Released(Event):
    """A custom class of chips can be adopted from now on: what it waited for has come."""

    chip_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted(Event):
    """A cloud has adopted a custom class of chips, for good (chp-2)."""

    name: str
    chip_class: str
    ready: float
    """Month from which it can fit them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ported(Event):
    """How much of the labs' software runs on each class of chips after the month."""

    shares: "np.ndarray"
    """By lab and class, GPUs first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Event):
    """A site is given up; its shell returns to the landlord, with what has been built of it."""

    site: str
    because: Because = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred(Event):
    """The deadline of a letter or a lease moves, and the promise with it (cap-5)."""

    site: str
    months: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted(Event):
    """Part of a site becomes a site of its own, on the same clocks, so that it can be given up."""

    site: str
    part: str
    drawn_as: str
    capacity_kw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred(Event):
    """Another cloud takes over what was given up: only the tenant and its terms change (cap-6)."""

    site: str
    to: str
    rent_usd_per_kw_month: float
    chip: str
    """What the new tenant plans to fit."""
    own_kw: int
    deadline: float = float("inf")
    """By when construction must have started, where it has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellsCleared(Event):
    """The call auction of a region's shells has cleared."""

    region: str
    rent_usd_per_kw_month: float
    capacity_kw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellsOffered(Event):
    """A landlord has more shells to let."""

    landlord: str
    capacity_kw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved(Event):
    """Capacity kept for the owner's own products."""

    pool_index: int
    capacity_kw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed(Event):
    """A signed-ready offer is notified to the holder of a first refusal; its capacity is in escrow."""

    contract: Contract
    holder: str
    closes: float
    match: Contract | None
    """What the holder signs at the close of the window if it has chosen to match."""
    sites: tuple[Site, ...] = ()
    """Sites that are opened if the offer goes ahead."""
    match_sites: tuple[Site, ...] = ()
    """Sites that are opened if the holder matches."""

    @property
    def in_escrow(self) -> tuple[Contract, ...]:
        """What capacity is kept for."""
        return (self.contract,) if self.match is None else (self.contract, self.match)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Event):
    """A pair is still talking; the capacity of what it will sign is in escrow until then."""

    contract: Contract
    until: float
    sites: tuple[Site, ...] = ()
    """Sites that are opened with the signature."""

    @property
    def in_escrow(self) -> tuple[Contract, ...]:
        """What capacity is kept for."""
        return (self.contract,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(Event):
    """A noticed offer, or one still talked about, does not go ahead; the escrow is released."""

    contract: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed(Event):
    """A contract is in force between its parties."""

    contract: Contract
    offer: str = ""
    """Noticed offer that it comes from; its escrow is released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped(Event):
    """A contract's capacity in force changes: start, ramp step."""

    contract: str
    capacity_kw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered(Event):
    """A contract's price follows down to that of a like contract."""

    contract: str
    price_usd_per_h100e_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Event):
    """A contract has run its term."""

    contract: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned(Event):
    """A contract has another buyer from now on, with all that is left of its term."""

    contract: str
    lab: str
    """The new buyer."""
    holder: str
    """The buyer until now."""
    affiliate: bool
    """Whether the new buyer and the cloud belong together."""
    paid_cents: int
    """What the new buyer pays the old one; negative where the old one pays."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Objected(Event):
    """A cloud does not consent to a new buyer of a contract."""

    contract: str
    name: str
    """The cloud."""
    lab: str
    """Who would have taken the contract over."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminated(Event):
    """A contract ends before its term."""

    contract: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeGiven(Event):
    """A party ends a contract before its term; until then it goes on."""

    contract: str
    by: str
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Banked(Event):
    """The bank of compute that was paid for and not used has changed."""

    contract: str
    deficiencies: tuple[Deficiency, ...]
    """What can still be drawn, oldest first."""
    drawn_hours: int
    """H100e-hours that the month has drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repriced(Event):
    """The price of a contract is revised, or the level of its index is taken down for the first time."""

    contract: str
    price_usd_per_h100e_hour: float
    index_level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagesDue(Event):
    """The seller owes damages for what it has delivered late; the money moves with the month's bills."""

    contract: str
    damages_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed(Event):
    """A clause above single contracts is in force."""

    clause: Clause


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapsed(Event):
    """A clause above single contracts has ended."""

    clause: Clause


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived(Event):
    """A holder has given a clause up before its time, for money or a share of revenue, or both."""

    clause: Clause
    instead: Clause | None
    """Clause that takes its place."""
    paid_cents: int
    """Paid by the lab at once, in the posting of the same cause; negative where the holder pays."""
    revenue_share: float
    """Share of its revenue that the lab pays from now on, to the end of the clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised(Event):
    """An investor has promised a tranche."""

    tranche: Tranche


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Event):
    """A tranche has been paid, reduced or has lapsed."""

    tranche: str
    paid_cents: int
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrowed(Event):
    """A loan is drawn; the money moves in the posting of the same cause."""

    loan: Loan


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited(Event):
    """A venture is announced and not formed."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Formed(Event):
    """A venture has been formed, or it is now known that it never will be."""

    name: str
    formed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Event):
    """The shares of a participant are listed from now on."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Called(Event):
    """A guarantor pays for its debtor."""

    guarantee: str
    name: str
    """The guarantor."""
    holder: str
    """The debtor."""
    paid_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vested(Event):
    """A lab has earned equity of a cloud by what it has bought."""

    warrant: str
    lab: str
    holder: str
    """The cloud."""
    steps: int
    """Parts earned so far."""
    paid_cents: int
    """Value of what is earned now, when it was granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended(Event):
    """A loan has other terms from now on."""

    loan: Loan


@dataclass(frozen=True, slots=True, kw_only=True)
class Breached(Event):
    """A borrower's cover has fallen below its covenant."""

    name: str
    cover: float
    """Contracted cash flow over debt service, both of the next twelve months."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cured(Event):
    """A borrower's cover is at its covenant again."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enacted(Event):
    """A policy is in force."""

    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repealed(Event):
    """A policy is no longer in force."""

    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Voided(Event):
    """A clause is void because a policy bars it; it does not come back."""

    clause: Clause
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed(Event):
    """A payment of equity waits for the review of foreign capital."""

    tranche: str
    until: float
    """Month in which the review ends."""
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened(Event):
    """Something dated in the scenario has happened."""

    event: str
    usage_factor: float = 1.0
    efficiency_factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tendered(Event):
    """A lab asks for capacity: H100e by start, months ahead."""

    lab: str
    tender: str
    lots: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Event):
    """A lot, or part of it, found no supplier, with the reason."""

    lab: str
    tender: str
    start_months: int
    h100e: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared(Event):
    """The spot auction has cleared in a region, for a class of chips (sec-1)."""

    region: str
    chip_class: str = "gpu"
    price_usd_per_h100e_hour: float
    """What buyers pay, by quantity where eligibility parts them."""
    h100e: float
    """Compute bought of clouds and of labs."""
    purchases: tuple[Purchase, ...]
    """Of clouds."""
    subleases: tuple[Sublease, ...] = ()
    """Of labs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served(Event):
    """The month's demand has been served: the state of the product market that follows."""

    users_million: "np.ndarray"
    adopters_share: float
    training_stock: "np.ndarray"
    price_usd: "np.ndarray"
    unserved: "np.ndarray"
    revenue_usd: "np.ndarray"
    load_h100e: "np.ndarray"
    training_need_h100e: "np.ndarray"
    delivered_h100e: "np.ndarray"
    """By lab and cloud, spot purchases included."""
    used_share: "np.ndarray"


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed(Event):
    """Beliefs after the month's news."""

    growth: "np.ndarray"
    variance: "np.ndarray"
    need_h100e: "np.ndarray"
    contract_price: float
    spot_price: float
    win_share: "np.ndarray"
    """By lab and cloud: expected share of the lab's next awards."""
    revenue_usd: "np.ndarray"
    """By lab: the month's revenue, to measure growth against."""
    revenue_growth: "np.ndarray"
    """By lab: believed growth of revenue, log points a month."""
    burn_usd: "np.ndarray"
    """By lab: money spent beyond what comes in, a month; negative where money is earned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renegotiated(Event):
    """A contract goes on at another price, for another quantity and another term."""

    contract: str
    price_usd_per_h100e_hour: float
    capacity_kw: int
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Restructured(Event):
    """A participant in arrears has agreed with its creditors; what it owes is rescheduled (ins-1)."""

    name: str
    owed_cents: int
    swapped_cents: int
    """Part of it that becomes equity of its creditors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold(Event):
    """A site that delivers has another owner."""

    site: str
    to: str
    seller: str
    """Whoever owned its chips: the failed cloud, or the vehicle that let them to it."""
    failed: str
    """The cloud that ran it."""
    paid_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaulted(Event):
    """A participant has failed: it signs nothing more; it is never removed."""

    name: str
    following: tuple[str, ...] = ()
    """Participants whose failure has cost it money or contracts in the year before (contagion)."""


AnyEvent = (
    Entered
    | Posted
    | Opened
    | Advanced
    | Energised
    | Allotted
    | Shipped
    | Released
    | Adopted
    | Ported
    | Cancelled
    | Deferred
    | Parted
    | Transferred
    | ShellsOffered
    | ShellsCleared
    | Reserved
    | Noticed
    | Held
    | Withdrawn
    | Signed
    | Stepped
    | Lowered
    | Ended
    | Assigned
    | Objected
    | Terminated
    | NoticeGiven
    | Banked
    | Repriced
    | DamagesDue
    | Agreed
    | Lapsed
    | Waived
    | Promised
    | Settled
    | Borrowed
    | Amended
    | Awaited
    | Formed
    | Listed
    | Called
    | Vested
    | Breached
    | Cured
    | Enacted
    | Repealed
    | Voided
    | Reviewed
    | Happened
    | Tendered
    | Refused
    | Cleared
    | Served
    | Believed
    | Renegotiated
    | Restructured
    | Sold
    | Defaulted
)
