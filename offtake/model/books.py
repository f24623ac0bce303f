"""The books: money, capacity and obligations, with the journal of how they came to be so.

`Books.apply` is the only thing that changes anything. Questions about the present are properties and
methods without effect; what they return is copied or read only.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, assert_never

import numpy as np

from offtake.model.cents import allocate
from offtake.model.contracts import (
    BEGUN,
    PURPOSES,
    Because,
    Contract,
    Loan,
    Pool,
    Site,
    Stage,
    Tranche,
)
from offtake.model.dealing import (
    DistributionExclusivity,
    FirstRefusal,
    Purpose,
    SupplyExclusivity,
)
from offtake.model.events import (
    Adopted,
    Advanced,
    Agreed,
    Allotted,
    Amended,
    AnyEvent,
    Assigned,
    Awaited,
    Banked,
    Believed,
    Borrowed,
    Breached,
    Called,
    Cancelled,
    Claim,
    Cleared,
    Cured,
    DamagesDue,
    Defaulted,
    Deferred,
    Enacted,
    Ended,
    Energised,
    Entered,
    Formed,
    Happened,
    Held,
    Lapsed,
    Listed,
    Lowered,
    Noticed,
    NoticeGiven,
    Objected,
    Opened,
    Parted,
    Ported,
    Posted,
    Posting,
    Promised,
    Refused,
    Released,
    Renegotiated,
    Repealed,
    Repriced,
    Reserved,
    Restructured,
    Reviewed,
    Served,
    Settled,
    ShellsCleared,
    ShellsOffered,
    Shipped,
    Signed,
    Sold,
    Stepped,
    Tendered,
    Terminated,
    Transferred,
    Vested,
    Voided,
    Waived,
    Withdrawn,
)
from offtake.model.standing import Clause
from offtake.model.terms import Deficiency

EXTERNAL = ("Customers", "Suppliers")
"""Accounts of the rest of the world: where revenue comes from and costs go; they may be overdrawn."""

CAPITAL = frozenset({"shell", "chips"})
"""Labels of postings that create fixed capital of the payer."""


PURCHASES = frozenset({"compute", "spot", "prepayment"})
"""Labels of payments for compute."""


class Contracts:
    """Contracts as columns: one row each, in order of signature; running totals, never rescanned."""

    def __init__(self, room: int = 256) -> None:
        self.size = 0
        self.facts: list[Contract] = []
        self.state: list[str] = []
        self.row: dict[str, int] = {}
        self.kw = np.zeros(room, dtype=np.int64)
        self.delivered_kw = np.zeros(room, dtype=np.int64)
        self.kw_months = np.zeros(room)
        self.delivered_kw_months = np.zeros(room)
        self.pool = np.zeros(room, dtype=np.int64)
        self.lab = np.zeros(room, dtype=np.int64)
        self.price = np.zeros(room)
        self.floor = np.zeros(room)
        self.theta = np.zeros(room)
        self.start = np.zeros(room)
        self.end = np.zeros(room)
        self.live = np.zeros(room, dtype=bool)
        self.full_kw = np.zeros(room, dtype=np.int64)
        self.purpose = np.zeros(room, dtype=np.int64)
        self.ramp = np.ones(room, dtype=np.int64)
        self.prepaid_cents: dict[str, int] = {}
        self.banked: dict[str, tuple[Deficiency, ...]] = {}
        self.index_level: dict[str, float] = {}
        self.damages_cents: dict[str, int] = {}
        self.under_notice: dict[str, float] = {}
        self.makes_up = np.zeros(room, dtype=bool)
        self.moves = np.zeros(room, dtype=bool)
        self.seller_may_leave = np.zeros(room, dtype=bool)
        self.penalised = False
        self.late_from = np.zeros(room)
        self.late_kw_months = np.zeros(room)

    def add(self, contract: Contract, lab: int, pool: int, state: str) -> int:
        """Add one row."""
        if self.size == len(self.kw):
            for name, column in vars(self).items():
                if isinstance(column, np.ndarray):
                    setattr(self, name, np.concatenate([column, np.zeros_like(column)]))
        row = self.size
        self.size += 1
        self.facts.append(contract)
        self.state.append(state)
        self.row[contract.name] = row
        self.lab[row], self.pool[row] = lab, pool
        self.price[row] = contract.price_usd_per_h100e_hour
        self.floor[row] = contract.take_or_pay.floor
        self.theta[row] = contract.h100e_per_mw / 1000
        self.start[row], self.end[row] = contract.start, contract.end
        self.purpose[row] = PURPOSES.index(contract.purpose)
        self.full_kw[row], self.ramp[row] = contract.capacity_kw, max(contract.ramp.months, 1)
        self._add_terms(row, contract)
        return row

    def _add_terms(self, row: int, contract: Contract) -> None:
        self.makes_up[row] = contract.make_up is not None
        self.moves[row] = contract.indexation.moves
        self.seller_may_leave[row] = contract.seller_termination is not None
        damages = contract.delay_damages
        self.penalised |= damages is not None
        self.late_from[row] = np.inf if damages is None else contract.start + damages.cure_months

    def accrue(self, since: float, until: float) -> None:
        """Count what is delivered, in force, and missing after its cure period, from one time to another."""
        n, elapsed = self.size, until - since
        self.delivered_kw_months[:n] += self.delivered_kw[:n] * elapsed
        self.kw_months[:n] += self.kw[:n] * elapsed
        if self.penalised:
            late = np.maximum(until - np.maximum(since, self.late_from[:n]), 0.0)
            self.late_kw_months[:n] += (self.kw[:n] - self.delivered_kw[:n]) * late

    def committed_kw(self, month: int) -> np.ndarray:
        """Return what each contract commits in a month, whole kilowatts, from its own dates."""
        n = self.size
        first = np.floor(self.start[:n]).astype(np.int64)
        steps = np.minimum(month - first + 1, self.ramp[:n])
        runs = (first <= month) & (month < np.ceil(self.end[:n]))
        return np.where(runs, self.full_kw[:n] * steps // self.ramp[:n], 0)


class GivenUp(NamedTuple):
    """What a site was when its tenant gave it up."""

    stage: Stage
    since: float


class TakenOver(NamedTuple):
    """A takeover: the site as it was handed over, from whom, when, and how long it stood empty."""

    site: Site
    seller: str
    at: float
    vacant_months: float


class Books:
    """Everything that is true of a market, and the journal of events that made it so.

    Parameters
    ----------
    labs, clouds
        Names in the order that all arrays by lab and by cloud follow.
    pools
        Every pool there can be, sorted; arrays by pool follow this order.
    theta
        H100e per MW of each pool.
    priority
        Index of the lab with first call on each pool, -1 for none.
    horizon
        Months that the profiles of promised and committed capacity cover.
    """

    def __init__(
        self,
        *,
        labs: Sequence[str],
        clouds: Sequence[str],
        pools: Sequence[Pool],
        theta: np.ndarray,
        priority: np.ndarray,
        horizon: int,
    ) -> None:
        self.labs, self.clouds, self.pools = tuple(labs), tuple(clouds), tuple(pools)
        self.theta, self.priority, self.horizon = theta, priority, horizon
        self.lab_index = {name: i for i, name in enumerate(self.labs)}
        self.cloud_index = {name: i for i, name in enumerate(self.clouds)}
        self.pool_index = {pool: i for i, pool in enumerate(self.pools)}
        self.pool_cloud = np.array([self.cloud_index[p.cloud] for p in self.pools], dtype=np.int64)
        self.journal: list[tuple[float, AnyEvent]] = []
        self.time = 0.0
        self.kinds: dict[str, str] = {}
        self.deposits: dict[str, int] = {}
        self.claims: dict[tuple[str, str, str, str], int] = {}
        self.capital: dict[str, int] = {}
        self.assets: dict[str, int] = {}
        self.failed: set[str] = set()
        self.cascade: dict[str, tuple[str, ...]] = {}
        """By participant that has failed, whose failures it followed."""
        self.hit: dict[str, dict[str, float]] = {}
        """By participant, whose failures have cost it money or contracts, and when last."""
        self.lost_cents: dict[str, int] = {}
        """By participant, what of its claims was written off, recoveries counted."""
        self.restructured: dict[str, int] = {}
        """By participant, how often it was restructured."""
        self.sites: dict[str, Site] = {}
        self.shells_kw: dict[str, int] = {}
        self.energisations: list[tuple[float, Site]] = []
        self.given_up: dict[str, GivenUp] = {}
        self.rents: dict[str, tuple[float, float]] = {}
        self.given_up_kw: dict[tuple[str, Stage, Because], int] = {}
        self.takeovers: list[TakenOver] = []
        self.created_kw = 0
        self.cancelled_kw = 0
        self.energised_kw = np.zeros(len(self.pools), dtype=np.int64)
        self.own_kw = np.zeros(len(self.pools), dtype=np.int64)
        self.promised_kw = np.zeros((len(self.pools), horizon), dtype=np.int64)
        self.committed_kw = np.zeros((len(self.pools), horizon), dtype=np.int64)
        self.markup: dict[str, float] = {}
        self.chips_kw: dict[str, int] = {}
        self.shipped_kw: dict[str, int] = {}
        self.released: set[str] = set()
        self.adopted: dict[tuple[str, str], float] = {}
        self.ported: np.ndarray | None = None
        self.contracts = Contracts()
        self.notices: dict[str, Noticed | Held] = {}
        """Offers that wait, for a holder of first refusal or for talks to end; their capacity is kept."""
        self.clauses: list[Clause] = []
        self.clauses_of_contracts: dict[str, tuple[Clause, ...]] = {}
        self.waived: list[Clause] = []
        self.tranches: dict[str, Tranche] = {}
        self.paid: set[str] = set()
        self.loans: dict[str, Loan] = {}
        self.unformed: set[str] = set()
        """Ventures that are announced only: they sign, build and are paid nothing."""
        self.called_in_cents: dict[tuple[str, str], int] = {}
        """By owner and venture, what the owner has paid in on calls."""
        self.listed: set[str] = set()
        self.called_cents: dict[str, int] = {}
        """By guarantee, what it has been called for so far."""
        self.vested: dict[str, int] = {}
        """By warrant, the parts that have been earned."""
        self.purchased_cents: dict[tuple[str, str], int] = {}
        """By payer and payee, what was paid for compute so far, prepayments included."""
        self.breached_since: dict[str, float] = {}
        """Since when borrowers have been in breach of their covenant."""
        self.policies: set[str] = set()
        self.enacted: dict[str, float] = {}
        """Month from which each policy in force has been so."""
        self.reviewed: set[str] = set()
        """Tranches whose review has begun: when it ends they are paid."""
        self.usage_factor = 1.0
        self.efficiency_factor = 1.0
        self.spot: dict[tuple[str, str], Cleared] = {}
        """By region and class of chips."""
        self.served: Served | None = None
        self.believed: Believed | None = None
        self.postings: list[Posting] = []
        self.covered_h100e = np.zeros((len(self.labs), horizon))
        self.arrears_since: dict[str, float] = {}
        self.last_round: dict[str, float] = {}

    def apply(self, event: AnyEvent, time: float) -> int:
        """Make an event true at a time; return its number in the journal."""
        self._accrue(time)
        match event:
            case Posted():
                self._post(event.postings, event.claims)
            case Entered():
                self._enter(event)
            case Opened():
                self._open(event.site)
            case Advanced():
                self._advance(event.site)
            case Energised():
                self._energise(event.site, time)
            case Allotted():
                self.markup[event.chip_class] = event.markup
            case Shipped():
                self._ship(event.site, event.capacity_kw)
            case Released():
                self.released.add(event.chip_class)
            case Adopted():
                self.adopted.setdefault((event.name, event.chip_class), event.ready)
            case Ported():
                self.ported = event.shares
            case Cancelled():
                self._cancel(event, time)
            case Deferred():
                self._defer(event)
            case Parted():
                self._part(event)
            case Transferred():
                self._transfer(event, time)
            case ShellsCleared():
                self.rents[event.region] = (time, event.rent_usd_per_kw_month)
            case ShellsOffered():
                self.shells_kw[event.landlord] = (
                    self.shells_kw.get(event.landlord, 0) + event.capacity_kw
                )
            case Reserved():
                self.own_kw[event.pool_index] += event.capacity_kw
            case Noticed() | Held():
                self.notices[event.contract.name] = event
                self._escrow(event, 1)
            case Withdrawn():
                self._escrow(self.notices.pop(event.contract), -1)
            case Signed():
                self._sign(event)
            case Stepped():
                self._step(event.contract, event.capacity_kw)
            case Lowered():
                row = self.contracts.row[event.contract]
                self.contracts.price[row] = event.price_usd_per_h100e_hour
            case Ended() | Terminated():
                self._end(event.contract, time, type(event).__name__.lower())
                self._note_contagion(event)
            case NoticeGiven():
                self._give_notice(event.contract, event.end)
            case Banked():
                self._bank(event)
            case Repriced():
                self.contracts.price[self.contracts.row[event.contract]] = (
                    event.price_usd_per_h100e_hour
                )
                self.contracts.index_level[event.contract] = event.index_level
            case DamagesDue():
                self._owe_damages(event)
            case Assigned():
                self._assign(event)
            case Agreed():
                self.clauses.append(event.clause)
            case Lapsed():
                self.clauses.remove(event.clause)
            case Waived():
                self.clauses.remove(event.clause)
                self.waived.append(event.clause)
            case Promised():
                self.tranches[event.tranche.name] = event.tranche
            case Settled():
                del self.tranches[event.tranche]
                if event.outcome == "paid":
                    self.paid.add(event.tranche)
            case Borrowed() | Amended():
                self.loans[event.loan.name] = event.loan
            case Awaited():
                self.unformed.add(event.name)
            case Formed():
                if event.formed:
                    self.unformed.discard(event.name)
            case Listed():
                self.listed.add(event.name)
            case Called():
                called = self.called_cents
                called[event.guarantee] = called.get(event.guarantee, 0) + event.paid_cents
            case Vested():
                self.vested[event.warrant] = event.steps
            case Breached():
                self.breached_since[event.name] = time
            case Cured():
                self.breached_since.pop(event.name, None)
            case Enacted():
                self.policies.add(event.policy)
                self.enacted[event.policy] = time
            case Repealed():
                self.policies.discard(event.policy)
                self.enacted.pop(event.policy, None)
            case Voided():
                self._void(event.clause)
            case Reviewed():
                self.reviewed.add(event.tranche)
            case Happened():
                self.usage_factor *= event.usage_factor
                self.efficiency_factor *= event.efficiency_factor
            case Cleared():
                self.spot[event.region, event.chip_class] = event
            case Served():
                self.served = event
                self._close_month()
            case Believed():
                self.believed = event
            case Renegotiated():
                self._renegotiate(event)
            case Restructured():
                self.restructured[event.name] = self.restructured.get(event.name, 0) + 1
            case Sold():
                self._sell(event)
            case Defaulted():
                self.failed.add(event.name)
                self.cascade[event.name] = event.following
            case Tendered() | Refused() | Objected():
                pass  # said, and kept in the journal; nothing changes
            case _:
                assert_never(event)
        self.journal.append((time, event))
        return len(self.journal) - 1

    def replay(self) -> "Books":
        """Return fresh books on which the whole journal has been applied again."""
        fresh = Books(
            labs=self.labs,
            clouds=self.clouds,
            pools=self.pools,
            theta=self.theta,
            priority=self.priority,
            horizon=self.horizon,
        )
        for time, event in self.journal:
            fresh.apply(event, time)
        return fresh

    def digest(self) -> str:
        """Return a fingerprint of everything that is true now: whole numbers, and the order of events."""
        c = self.contracts
        parts = [
            repr(sorted(self.deposits.items())),
            repr(sorted(self.claims.items())),
            repr(sorted((n, int(s.stage), s.capacity_kw) for n, s in self.sites.items())),
            repr((sorted(self.chips_kw.items()), sorted(self.shipped_kw.items()))),
            repr((sorted(self.adopted.items()), sorted(self.markup.items()))),
            repr([(f.name, k) for f, k in zip(c.facts, c.state, strict=True)]),
            repr(sorted(c.banked.items())),
            repr(sorted(c.damages_cents.items())),
            repr(self.clauses),
            repr([type(event).__name__ for _, event in self.journal]),
        ]
        arrays = (
            self.energised_kw,
            self.own_kw,
            self.promised_kw,
            self.committed_kw,
            c.kw[: c.size],
            c.price[: c.size],
        )
        found = hashlib.blake2b("\n".join(parts).encode(), digest_size=16)
        for array in arrays:
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    # Questions about the present

    def held(self, holder: str, kind: str | None = None) -> int:
        """Return what others owe `holder`, in cents."""
        return sum(
            c for (h, _, k, _), c in self.claims.items() if h == holder and kind in (None, k)
        )

    def owed(self, issuer: str, kind: str | None = None) -> int:
        """Return what `issuer` owes others, in cents."""
        return sum(
            c for (_, i, k, _), c in self.claims.items() if i == issuer and kind in (None, k)
        )

    def free_kw(self) -> np.ndarray:
        """Return promised less own and committed capacity, by pool and month, whole kilowatts."""
        return self.promised_kw - self.own_kw[:, None] - self.committed_kw

    def active_rows(self) -> np.ndarray:
        """Return the rows of contracts in force."""
        return np.flatnonzero(self.contracts.live[: self.contracts.size])

    def held_contracts(self) -> list[Contract]:
        """Return what will be signed when talks end."""
        return [n.contract for n in self.notices.values() if isinstance(n, Held)]

    def held_sites(self) -> list[Site]:
        """Return the sites that will be opened when talks end."""
        talks = [n for n in self.notices.values() if isinstance(n, Held)]
        return [site for talk in talks for site in talk.sites]

    def shells_left_kw(self, landlord: str) -> int:
        """Return the shells of a landlord that are neither let nor kept while somebody talks."""
        kept = sum(s.capacity_kw for s in self.held_sites() if s.landlord == landlord)
        return max(self.shells_kw.get(landlord, 0) - kept, 0)

    def standing(self, time: float) -> Iterator[Clause]:
        """Yield the standing clauses in force: of agreements, and of contracts that have not ended."""
        yield from self.clauses
        for name, clauses in self.clauses_of_contracts.items():
            if time < self.contracts.end[self.contracts.row[name]]:
                yield from clauses

    def forbids(
        self,
        buyer: str,
        seller: str,
        time: float,
        purpose: Purpose | None = None,
        region: str | None = None,
    ) -> Clause | None:
        """Return the clause that a contract would break, if any.

        Without purpose and region: that every contract of the pair would break.
        """
        for clause in self.standing(time):
            if isinstance(clause, SupplyExclusivity):
                if clause.forbids(buyer, seller, time, purpose, region):
                    return clause
            elif clause.forbids(buyer, seller, time):
                return clause
        return None

    def breakable(
        self, buyer: str, seller: str, time: float, purpose: Purpose, region: str
    ) -> tuple[SupplyExclusivity, ...]:
        """Return the exclusivities that a contract breaks against damages."""
        return tuple(
            clause
            for clause in self.exclusivities(time)
            if clause.breach_usd_per_h100e_hour is not None
            and clause.covers(buyer, seller, time, purpose, region)
        )

    def exclusivities(self, time: float) -> list[SupplyExclusivity]:
        """Return the exclusivities on supply that labs have agreed to."""
        return [c for c in self.standing(time) if isinstance(c, SupplyExclusivity)]

    def _void(self, clause: Clause) -> None:
        """Take a clause out for good, of an agreement or of a contract."""
        if clause in self.clauses:
            self.clauses.remove(clause)
            self.waived.append(clause)
        for name, clauses in self.clauses_of_contracts.items():
            self.clauses_of_contracts[name] = tuple(c for c in clauses if c != clause)

    def reach(self) -> np.ndarray:
        """Return by lab the share of the market that its channels leave it (dem-2)."""
        reach = np.ones(len(self.labs))
        for clause in self.clauses:
            if isinstance(clause, DistributionExclusivity):
                reach[self.lab_index[clause.lab]] *= clause.reach
        return reach

    def first_refusal(self, buyer: str, seller: str, time: float) -> FirstRefusal | None:
        """Return the first refusal that an offer of the pair must be notified to, if any."""
        for clause in self.standing(time):
            if isinstance(clause, FirstRefusal) and clause.applies(buyer, seller, time):
                return clause
        return None

    # Changes, one per event

    def _accrue(self, time: float) -> None:
        if time > self.time:
            self.contracts.accrue(self.time, time)
            self.time = time

    def _enter(self, event: Entered) -> None:
        self.kinds[event.name] = event.kind
        self.deposits[event.name] = event.deposits_cents
        self.capital[event.name] = 0
        self.assets[event.name] = event.assets_cents

    def _post(self, postings: Sequence[Posting], claims: Sequence[Claim]) -> None:
        for posting in postings:
            self.deposits[posting.payer] -= posting.cents
            self.deposits[posting.payee] += posting.cents
            if posting.label in CAPITAL:
                self.capital[posting.payer] += posting.cents
            elif posting.label == "asset sale":
                self.assets[posting.payee] -= posting.cents
            elif posting.label == "site sale":
                self.capital[posting.payer] += posting.cents
                self.capital[posting.payee] -= posting.cents
            elif posting.label == "recovery":
                self._lose(posting.payee, posting.payer, -posting.cents)
            elif posting.label in PURCHASES:
                pair = (posting.payer, posting.payee)
                self.purchased_cents[pair] = self.purchased_cents.get(pair, 0) + posting.cents
            elif posting.label == "capital call":
                pair = (posting.payer, posting.payee)
                self.called_in_cents[pair] = self.called_in_cents.get(pair, 0) + posting.cents
            elif posting.label == "round":
                self.last_round[posting.payee] = self.time
        self.postings.extend(postings)
        for claim in claims:
            key = (claim.holder, claim.issuer, claim.kind, claim.reference)
            left = self.claims.get(key, 0) + claim.cents
            if left:
                self.claims[key] = left
            else:
                self.claims.pop(key, None)
            if claim.cents < 0 and claim.issuer in self.failed and claim.kind != "equity":
                self._lose(claim.holder, claim.issuer, -claim.cents)
            if claim.kind == "arrears":
                self._mark_arrears(claim.issuer)
            elif claim.kind == "prepayment":
                prepaid = self.contracts.prepaid_cents
                prepaid[claim.reference] = prepaid.get(claim.reference, 0) + claim.cents

    def _lose(self, holder: str, issuer: str, cents: int) -> None:
        """Count what a failure costs, or what is recovered of it."""
        self.lost_cents[holder] = self.lost_cents.get(holder, 0) + cents
        if cents > 0:
            self.hit.setdefault(holder, {})[issuer] = self.time

    def _note_contagion(self, event: Ended | Terminated) -> None:
        """Note whom a failure has cost a contract, its own or one that was accelerated after it."""
        contract = self.contracts.facts[self.contracts.row[event.contract]]
        pair = {contract.buyer, contract.seller}
        kind, _, number = event.cause.partition(":")
        origin = self.journal[int(number)][1] if kind == "event" else None
        behind = {origin.name} if isinstance(origin, Defaulted) else pair & self.failed
        for name in pair - self.failed:
            for failed in behind:
                self.hit.setdefault(name, {})[failed] = self.time

    def _mark_arrears(self, issuer: str) -> None:
        if not self.owed(issuer, "arrears"):
            self.arrears_since.pop(issuer, None)
        else:
            self.arrears_since.setdefault(issuer, self.time)

    def _promise(self, site: Site, sign: int) -> None:
        if Stage.LEASED <= site.stage <= Stage.ENERGISED:
            month = min(max(int(-(-site.promised // 1)), 0), self.horizon)
            kept = 0 if site.stage is Stage.ENERGISED else site.own_kw
            self.promised_kw[self.pool_index[site.pool], month:] += sign * (site.capacity_kw - kept)

    def _open(self, site: Site) -> None:
        self.sites[site.name] = site
        self.created_kw += site.capacity_kw
        self._promise(site, 1)
        if site.stage is Stage.ENERGISED:
            self.energised_kw[self.pool_index[site.pool]] += site.capacity_kw
        elif site.landlord is not None and site.opened >= 0:
            self.shells_kw[site.landlord] -= site.capacity_kw

    def _advance(self, site: Site) -> None:
        self._promise(self.sites[site.name], -1)
        self.sites[site.name] = site
        self._promise(site, 1)

    def _energise(self, name: str, time: float) -> None:
        site = self.sites[name]
        self._advance(
            replace(
                site, stage=Stage.ENERGISED, energised_at=time, promised=min(site.promised, time)
            )
        )
        self._ship(name, site.capacity_kw - self.chips_kw.get(name, 0))
        del self.chips_kw[name]
        pool = self.pool_index[site.pool]
        self.energised_kw[pool] += site.capacity_kw
        self.energisations.append((time, site))
        self.own_kw[pool] += site.own_kw
        self._deliver(pool)

    def _ship(self, name: str, capacity_kw: int) -> None:
        chip = self.sites[name].pool.chip
        self.chips_kw[name] = self.chips_kw.get(name, 0) + capacity_kw
        self.shipped_kw[chip] = self.shipped_kw.get(chip, 0) + capacity_kw

    def _cancel(self, event: Cancelled, time: float) -> None:
        """End a tenancy: a shell that has been begun stands vacant, any other can be let as a new one."""
        self.chips_kw.pop(event.site, None)
        site = self.sites[event.site]
        self._advance(replace(site, stage=Stage.CANCELLED))
        self.cancelled_kw += site.capacity_kw
        key = (site.pool.cloud, site.stage, event.because)
        self.given_up_kw[key] = self.given_up_kw.get(key, 0) + site.capacity_kw
        self.given_up[site.name] = GivenUp(stage=site.stage, since=time)
        if site.landlord is not None and site.stage not in BEGUN:
            self.shells_kw[site.landlord] = self.shells_kw.get(site.landlord, 0) + site.capacity_kw

    def _defer(self, event: Deferred) -> None:
        site = self.sites[event.site]
        self._advance(
            replace(
                site,
                deadline=site.deadline + event.months,
                promised=site.promised + event.months,
                deferred=site.deferred + 1,
            )
        )

    def _part(self, event: Parted) -> None:
        """Divide a site; what its cloud keeps for itself stays with the larger name."""
        site = self.sites[event.site]
        left = site.capacity_kw - event.capacity_kw
        own = min(site.own_kw, left)
        part = replace(
            site,
            name=event.part,
            capacity_kw=event.capacity_kw,
            own_kw=site.own_kw - own,
            drawn_as=event.drawn_as,
        )
        self._advance(replace(site, capacity_kw=left, own_kw=own))
        self.sites[part.name] = part
        self._promise(part, 1)
        if site.name in self.given_up:
            self.given_up[part.name] = self.given_up[site.name]

    def _transfer(self, event: Transferred, time: float) -> None:
        """Give a vacant site a new tenant; kilowatts, clocks and stage are as they were.

        Its order for chips is the new tenant's: it is placed where construction has begun.
        """
        site = self.sites[event.site]
        if site.stage is not Stage.CANCELLED or site.landlord is None:
            raise ValueError(f"{site.name} is {site.stage.name.lower()}: it has no shell to let")
        left = self.given_up.pop(site.name)
        if left.stage not in BEGUN:
            self.shells_kw[site.landlord] -= site.capacity_kw
        self.cancelled_kw -= site.capacity_kw
        taken = replace(
            site,
            pool=replace(site.pool, cloud=event.to, chip=event.chip),
            stage=left.stage,
            rent_usd_per_kw_month=event.rent_usd_per_kw_month,
            own_kw=event.own_kw,
            deadline=event.deadline,
            deferred=0,
            equipped=left.stage in BEGUN,
        )
        self._advance(taken)
        self.takeovers.append(
            TakenOver(site=taken, seller=site.pool.cloud, at=time, vacant_months=time - left.since)
        )

    def _sell(self, event: Sold) -> None:
        """Give a site that delivers another owner; nothing of it is kept for the old one's products."""
        site = self.sites[event.site]
        old = self.pool_index[site.pool]
        self.energised_kw[old] -= site.capacity_kw
        self.own_kw[old] = min(self.own_kw[old], self.energised_kw[old])
        sold = replace(site, pool=replace(site.pool, cloud=event.to), own_kw=0)
        self._advance(sold)
        new = self.pool_index[sold.pool]
        self.energised_kw[new] += site.capacity_kw
        self._deliver(old)
        self._deliver(new)

    def _renegotiate(self, event: Renegotiated) -> None:
        row = self.contracts.row[event.contract]
        before = self.contracts.facts[row]
        after = replace(before, capacity_kw=event.capacity_kw, end=event.end)
        self._commit(before, -1)
        self._commit(after, 1)
        c = self.contracts
        c.facts[row] = after
        c.price[row], c.end[row] = event.price_usd_per_h100e_hour, event.end
        c.kw[row] = int(c.kw[row]) * event.capacity_kw // before.capacity_kw
        c.full_kw[row] = event.capacity_kw
        self._deliver(int(c.pool[row]))

    def _commit(self, contract: Contract, sign: int) -> None:
        pool = self.pool_index[contract.pool]
        row = self.committed_kw[pool]
        covered = self.covered_h100e[self.lab_index[contract.buyer]]
        per_kw = sign * float(self.theta[pool]) / 1000
        first = int(contract.start // 1)
        last = min(int(-(-contract.end // 1)), self.horizon)
        steps = contract.ramp.steps_kw(contract.capacity_kw)
        for k, kw in enumerate(steps[:-1]):
            if 0 <= first + k < last:
                row[first + k] += sign * kw
                covered[first + k] += per_kw * kw
        full = slice(max(first + len(steps) - 1, 0), max(last, 0))
        row[full] += sign * contract.capacity_kw
        covered[full] += per_kw * contract.capacity_kw

    def _escrow(self, notice: Noticed | Held, sign: int) -> None:
        """Keep the capacity of an offer that waits, and of what a holder would sign instead."""
        for contract in notice.in_escrow:
            self._commit(contract, sign)

    def _sign(self, event: Signed) -> None:
        contract = event.contract
        if event.offer:
            self._escrow(self.notices.pop(event.offer), -1)
        self._commit(contract, 1)
        if contract.clauses:
            self.clauses_of_contracts[contract.name] = contract.clauses
        self.contracts.add(
            contract,
            self.lab_index[contract.buyer],
            self.pool_index[contract.pool],
            "signed",
        )

    def _step(self, name: str, capacity_kw: int) -> None:
        row = self.contracts.row[name]
        self.contracts.kw[row] = capacity_kw
        self.contracts.live[row] = True
        self.contracts.state[row] = "active"
        self._deliver(int(self.contracts.pool[row]))

    def _assign(self, event: Assigned) -> None:
        row = self.contracts.row[event.contract]
        before = self.contracts.facts[row]
        after = replace(before, buyer=event.lab, affiliate=event.affiliate)
        self._commit(before, -1)
        self._commit(after, 1)
        self.contracts.facts[row] = after
        self.contracts.lab[row] = self.lab_index[event.lab]
        self._deliver(int(self.contracts.pool[row]))

    def _end(self, name: str, time: float, state: str) -> None:
        row = self.contracts.row[name]
        contract = self.contracts.facts[row]
        self.contracts.kw[row] = 0
        self.contracts.live[row] = False
        self.contracts.state[row] = state
        self.contracts.end[row] = min(contract.end, time)
        if time < contract.end:
            self._release(contract, time)
        self._deliver(int(self.contracts.pool[row]))

    def _release(self, contract: Contract, time: float) -> None:
        self._commit(contract, -1)
        until = int(-(-time // 1))
        if until > contract.start:
            self._commit(replace(contract, end=float(until)), 1)

    def _give_notice(self, name: str, end: float) -> None:
        """Shorten the term; what was committed after its new end is free."""
        row = self.contracts.row[name]
        contract = self.contracts.facts[row]
        shorter = replace(contract, end=end)
        self._commit(contract, -1)
        self._commit(shorter, 1)
        self.contracts.facts[row] = shorter
        self.contracts.end[row] = end
        self.contracts.under_notice[name] = end

    def _bank(self, event: Banked) -> None:
        if event.deficiencies:
            self.contracts.banked[event.contract] = event.deficiencies
        else:
            self.contracts.banked.pop(event.contract, None)

    def _owe_damages(self, event: DamagesDue) -> None:
        """Count damages towards their cap; what was missing until now has earned them."""
        owed = self.contracts.damages_cents
        owed[event.contract] = owed.get(event.contract, 0) + event.damages_cents
        self.contracts.late_kw_months[self.contracts.row[event.contract]] = 0.0

    def _deliver(self, pool: int) -> None:
        c = self.contracts
        rows = np.flatnonzero(c.live[: c.size] & (c.pool[: c.size] == pool))
        c.delivered_kw[: c.size][c.pool[: c.size] == pool] = 0
        if len(rows):
            available = int(self.energised_kw[pool] - self.own_kw[pool])
            first = c.lab[rows] == self.priority[pool]
            c.delivered_kw[rows] = allocate(max(available, 0), c.kw[rows], first)

    def _close_month(self) -> None:
        c = self.contracts
        c.delivered_kw_months[: c.size] = 0
        c.kw_months[: c.size] = 0
