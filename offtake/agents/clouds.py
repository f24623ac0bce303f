"""Clouds: what they ask for capacity, and what they build, lease and give up."""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from offtake.agents.participant import Participant
from offtake.model.clause_worth import Kind, worth
from offtake.model.contracts import Site, Stage
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.pricing import (
    annuity,
    full_cost,
    hurdle,
    levelling,
    protected,
    refreshed,
    residual,
    reverting,
)
from offtake.model.proposals import (
    Adopt,
    Cancel,
    Column,
    Defer,
    Equip,
    GiveNotice,
    OpenSite,
    Pricer,
    Quote,
    Reduce,
    Refit,
    SitePlan,
    StartBuilding,
    TurnToLease,
)
from offtake.model.sites import exchange_usd, highest_rent, worth_usd_per_h100e
from offtake.model.view import (
    AdoptionView,
    Ask,
    BuildOption,
    CloudView,
    SiteCost,
    Slot,
    WaiverView,
)

SOON = 12
"""Months ahead at which a cloud weighs alternative demand for what it has free."""
SHELL_MONTHS = 240
"""Useful life of an owned shell, months."""
LATEST = 3
"""Months that new capacity may be promised after the start a lot asks for."""
DEMAND_DEVIATION = 0.5
"""Standard deviation of log alternative demand in a cloud's eyes (cst-3)."""


def rate_per_month(view: CloudView) -> float:
    """Return the cost of capital a month."""
    return (1 + view.discount_per_year) ** (1 / 12) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OpportunityCost:
    """Ask what capacity is worth kept back, or what new capacity must earn (cst-3 to cst-5; default)."""

    port: ClassVar[str] = "pricer"

    def __call__(self, view: CloudView, ask: Ask) -> Quote:
        """Return free capacity and what could be built, with the price floors of both."""
        columns = (*self._existing(view, ask), *self._new(view, ask))
        return Quote(cloud=view.name, columns=tuple(with_rebates(view, ask, c) for c in columns))

    def _existing(self, view: CloudView, ask: Ask) -> Iterator[Column]:
        ahead = SOON
        free_total = float(view.own_free_h100e[1 : ahead + 1].mean() + view.rivals_h100e[ahead])
        starts = np.unique(ask.start_months)
        lasting = lasting_kw(view.free_kw, starts)
        least = max(view.rules.negotiation.smallest_mw * 1000, 1)
        for k in np.flatnonzero(lasting[:, -1] >= least).tolist():
            kept = protected(
                view.contract_price,
                float(view.running[k]),
                float(view.demand_h100e[ahead]),
                free_total,
                DEMAND_DEVIATION,
            )
            kept = max([kept, *view.backstop_margin[k : k + 1]])
            capital = np.full(ask.use.shape, self.floor(view, kept))
            for room_kw in free_parts(lasting[k], starts, ask.start_months, least):
                yield Column(
                    pool_index=view.pools[k],
                    running=float(view.running[k]),
                    room_h100e=room_kw * view.theta[k],
                    capital=capital,
                )

    def floor(self, view: CloudView, kept: float) -> float:
        """Return what existing capacity must earn above its avoidable cost."""
        return kept

    def _new(self, view: CloudView, ask: Ask) -> Iterator[Column]:
        for option in view.options:
            can_wait = option.lead_months <= ask.start_months + LATEST
            least = max(view.rules.negotiation.smallest_mw * 1000, 1)
            if option.room_kw < least or not can_wait.any():
                continue
            yield Column(
                pool_index=option.pool_index,
                running=option.running_usd_per_h100e_hour,
                room_h100e=np.where(can_wait, option.room_kw * option.h100e_per_mw / 1000, 0.0),
                capital=new_build_capital(view, option, ask),
                option=option,
            )


def with_rebates(view: CloudView, ask: Ask, column: Column) -> Column:
    """Return a column whose floor counts what its price would cost on most-favoured customers (section 1.7).

    With R the floor and W the hours on which a price P is owed back, per hour of the contract, the cloud
    breaks even at p where ``p - sum W (P - p)+ = R``: the largest ``(R + sum W P) / (1 + sum W)`` over the
    customers with the highest prices.
    """
    promises = [promise for promise in view.favoured if promise.pool_index == column.pool_index]
    if not promises:
        return column
    rules = view.rules
    level = levelling(rate_per_month(view), rules.decline_per_month, rules.terms)[None, :, None]
    paid = rules.floors + (1 - rules.floors) * ask.use
    floor = column.capital + column.running * ask.use
    sum_, weight, best = floor.copy(), np.ones_like(floor), floor
    for promise in promises:
        smaller = (ask.h100e <= promise.h100e) & (ask.lab != promise.lab)
        alike = smaller[:, None, None] & (rules.terms <= promise.months)[None, :, None]
        hours = (ask.h100e[:, None] * rules.terms[None, :])[:, :, None] * paid
        owed = alike * promise.h100e * max(promise.months_left, 0.0) / np.maximum(hours, 1e-9)
        sum_, weight = sum_ + owed * promise.price * paid / level, weight + owed
        best = np.maximum(best, sum_ / weight)
    return replace(column, capital=best - column.running * ask.use)


def lasting_kw(free_kw: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return by pool and start what stays free from that start on, whole kilowatts."""
    suffix = np.minimum.accumulate(free_kw[:, ::-1], axis=1)[:, ::-1]
    return suffix[:, starts]


def free_parts(
    lasting: np.ndarray, starts: np.ndarray, lots: np.ndarray, least_kw: float
) -> Iterator[np.ndarray]:
    """Yield by lot what stays free from each start on: first what all lots could have.

    What becomes free later is a part of its own, open to lots that start late enough; so no kilowatt
    is offered twice.
    """
    offered = 0
    for start, free in zip(starts.tolist(), lasting.tolist(), strict=True):
        if free - offered >= least_kw:
            yield np.where(lots >= start, float(free - offered), 0.0)
            offered = free


def new_build_capital(view: CloudView, option: BuildOption, ask: Ask) -> np.ndarray:
    """Return what new capacity must earn above avoidable cost so that its NPV is zero (cst-4, cst-5).

    Shape (lots, terms, floors), start prices. The hurdle rises with the share of the project's life
    that the contract leaves to the market; the buyer's survival discounts what it promises.
    """
    rules = view.rules
    rate, decline = rate_per_month(view), rules.decline_per_month
    life = rules.building.server_life_months
    fixed = term_factors(rate, decline, rules.negotiation.terms_months, life, option.replacements)
    running = option.running_usd_per_h100e_hour + option.rent_usd_per_h100e_hour
    earned_after = fixed.discount * residual(
        price=view.contract_price,
        running=running,
        decline_per_month=decline,
        rate_per_month=rate,
        busy=rules.building.busy,
        months=rules.terms,
        life_months=life,
    )
    kept_after = earned_after + option.shell_usd_per_h100e * fixed.shell_left
    spent = option.chips_usd_per_h100e * fixed.chips + option.shell_usd_per_h100e
    committed = rules.floors + (1 - rules.floors) * ask.use
    merchant = 1 - committed * fixed.of_life[None, :, None]
    needed = spent[None, :, None] * hurdle(merchant, view.trigger) - kept_after[None, :, None]
    survived = (1 + rate) * np.exp(ask.hazard_per_month)[:, None] - 1
    paid = annuity(survived, rules.terms[None, :]) * fixed.level
    price = np.maximum(needed, 0.0) / (HOURS_PER_MONTH * paid)[:, :, None]
    price += (option.rent_usd_per_h100e_hour / fixed.level)[None, :, None]
    markup = 1 + view.transfer_markup if view.kind in ("captive", "self-builder") else 1.0
    return price * markup


@dataclass(frozen=True, slots=True, kw_only=True)
class TermFactors:
    """What depends on the term alone, by term."""

    discount: np.ndarray
    level: np.ndarray
    """Fixed price over the term worth a start price of 1."""
    chips: np.ndarray
    """Present value of chips over the term, replaced at the end of their life, per USD of chips."""
    shell_left: np.ndarray
    """Present value of what an owned shell is worth after the term, per USD of shell."""
    of_life: np.ndarray
    """Present value of the term over that of the life of chips, at most 1."""


@functools.lru_cache(maxsize=256)
def term_factors(
    rate: float,
    decline: float,
    terms_months: tuple[int, ...],
    life: int,
    replacements: tuple[float, ...],
) -> TermFactors:
    """Return the factors of the terms on the menu at a cost of capital a month."""
    terms = np.array(terms_months, dtype=float)
    discount = (1 + rate) ** -terms
    return TermFactors(
        discount=discount,
        level=levelling(rate, decline, terms),
        chips=refreshed(replacements, rate, terms, life),
        shell_left=np.maximum(1 - terms / SHELL_MONTHS, 0) * discount,
        of_life=np.minimum(annuity(rate, terms) / annuity(rate, life), 1.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedFloor(OpportunityCost):
    """Ask a fixed floor for existing capacity and build nothing: the benchmark of static oracles."""

    port: ClassVar[str] = "pricer"

    def __call__(self, view: CloudView, ask: Ask) -> Quote:
        """Return free capacity at the cloud's fixed floor."""
        columns = [with_rebates(view, ask, column) for column in self._existing(view, ask)]
        return Quote(cloud=view.name, columns=tuple(columns))

    def floor(self, view: CloudView, kept: float) -> float:
        """Return the fixed floor above avoidable cost."""
        return view.floor_usd_per_h100e_hour - float(view.running[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPlus(OpportunityCost):
    """Ask full cost for existing capacity whatever the scarcity (cst-2, cst-6)."""

    port: ClassVar[str] = "pricer"

    def floor(self, view: CloudView, kept: float) -> float:
        """Return full cost of the first place it could build in, less avoidable cost."""
        if not view.options:
            return kept
        return max(long_run_cost(view, view.options[0]) - float(view.running[0]), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitAndMatch:
    """Never bid where one holds a first refusal: wait for others' offers and match them (row B13).

    References
    ----------
    Choi 2009: the holder learns more from the rival's offer than a bid of its own would win.
    """

    port: ClassVar[str] = "pricer"

    asks: Pricer = OpportunityCost()
    """How it asks where it holds none, and what it matches by."""

    def __call__(self, view: CloudView, ask: Ask) -> Quote:
        """Return the quote with what it holds back for matching marked."""
        standby = np.isin(ask.lab, view.refusals)
        quote = self.asks(view, ask)
        return replace(quote, columns=tuple(replace(c, standby=standby) for c in quote.columns))


def long_run_cost(view: CloudView, option: BuildOption) -> float:
    """Return LRMC of new capacity, USD per sold H100e-hour (cst-2)."""
    building = view.rules.building
    return full_cost(
        capital_usd=option.chips_usd_per_h100e + option.shell_usd_per_h100e,
        life_months=building.server_life_months,
        rate_per_month=rate_per_month(view),
        rent_usd_per_month=0.0,
        running_usd_per_hour=option.running_usd_per_h100e_hour + option.rent_usd_per_h100e_hour,
        operations_share_per_year=0.0,
        busy=building.busy,
    )


def going_cost(view: CloudView) -> float:
    """Return long-run cost today, USD per H100e-hour: that of new capacity, before its lead's decline."""
    if not view.options:
        return view.contract_price
    option = view.options[0]
    return long_run_cost(view, option) * math.exp(view.rules.decline_per_month * option.lead_months)


@dataclass(frozen=True, slots=True, kw_only=True)
class RealOptions:
    """Build for expected demand, start, wait and give up by option value (cap-2 to cap-5; default).

    References
    ----------
    Dixit and Pindyck 1994, rows D1 and D2: start iff V/I reaches the trigger, cancel iff V falls below
    a fraction of what could still be avoided. Margrabe 1978: what it is worth to decide later.
    """

    port: ClassVar[str] = "builder"

    def __call__(self, view: CloudView) -> Iterator[SitePlan]:
        """Return the month's plans for sites."""
        free = uncommitted(view)
        ahead_of = float(view.own_free_h100e[0])
        for site in sorted(view.sites, key=lambda s: (-s.stage, s.promised, s.known_as)):
            cost = view.costs[site.name]
            sold = 1.0
            if site.name in free:
                wanted = float(view.demand_h100e[cost.ahead] - view.rivals_h100e[cost.ahead])
                for_sale = cost.h100e * (1 - site.own_kw / site.capacity_kw)
                sold = min(max((wanted - ahead_of) / max(for_sale, 1e-9), 0.0), 1.0)
                ahead_of += for_sale
            yield from self._review(view, site, cost, site.name in free, sold)
        if view.kind in ("hyperscaler", "neocloud"):
            yield from self._open(view)
        yield from notices(view)

    def _review(
        self, view: CloudView, site: Site, cost: SiteCost, uncommitted: bool, sold: float
    ) -> Iterator[SitePlan]:
        if uncommitted and cost.outdated and site.stage is not Stage.LOI:
            yield Refit(site=site.name)
        whole, avoidable = self._worth(view, cost, 1.0)
        value = mixed(view, avoidable, sold * whole, site.own_kw / site.capacity_kw)
        last = site.deadline <= view.time + 1
        if site.stage is Stage.LOI:
            if value >= view.trigger * avoidable:
                yield TurnToLease(
                    site=site.name
                )  # otherwise it is held to its deadline: it costs nothing
        elif uncommitted and self._gives_up(view, site, cost, value, avoidable):
            yield self._less(view, site, sold, whole, avoidable, last)
        elif site.stage is Stage.LEASED:
            if uncommitted and last and self._waits(view, site, cost, value, avoidable):
                yield Defer(site=site.name)
            elif not uncommitted or value >= avoidable:
                yield StartBuilding(site=site.name)
            elif last and cost.fee_usd <= view.cash_usd:
                yield self._less(view, site, sold, whole, avoidable, last)
        else:
            wanted = not uncommitted or value >= avoidable
            if wanted != site.equipped or (wanted and site.stage is Stage.POWERED):
                least = 0.0 if uncommitted else cost.remaining_usd
                limit = max(value, least) / cost.unfitted if wanted else None
                yield Equip(site=site.name, wanted=wanted, limit_usd_per_h100e=limit)

    def _gives_up(
        self, view: CloudView, site: Site, cost: SiteCost, value: float, avoidable: float
    ) -> bool:
        """Return whether a site is cancelled (cap-4): a fee that cannot be paid keeps it alive."""
        payable = site.landlord is None or cost.fee_usd <= view.cash_usd
        return payable and site.stage is not Stage.POWERED and value < view.abandon * avoidable

    def _less(
        self, view: CloudView, site: Site, sold: float, whole: float, avoidable: float, last: bool
    ) -> SitePlan:
        """Return how much of a site is given up: what finds no buyer, if the rest then pays."""
        least = view.rules.building.smallest_site_mw * 1000
        needed = avoidable if last else view.abandon * avoidable
        kept = site.own_kw + int(sold * (site.capacity_kw - site.own_kw))
        would_pay = mixed(view, avoidable, whole, site.own_kw / max(kept, 1))
        if min(kept, site.capacity_kw - kept) >= least and would_pay >= needed:
            return Reduce(
                site=site.name,
                capacity_kw=site.capacity_kw - kept,
                reason=f"no buyer for it; the rest is worth {would_pay:.0f} of {avoidable:.0f}",
                because="demand",
            )
        full = mixed(view, avoidable, whole, site.own_kw / site.capacity_kw)
        value = mixed(view, avoidable, sold * whole, site.own_kw / site.capacity_kw)
        return Cancel(
            site=site.name,
            reason=f"worth {value:.0f} of {avoidable:.0f} avoidable",
            because="demand" if full >= needed else "price",
        )

    def _waits(
        self, view: CloudView, site: Site, cost: SiteCost, value: float, avoidable: float
    ) -> bool:
        """Return whether deciding later is worth more than going on and than giving up (cap-5).

        All is held against giving up now. Who waits keeps the right to the project at the end, pays
        the holding cost, and pays the fee later if it gives up then.
        """
        rules = view.rules.building
        if site.landlord is None or site.deferred >= rules.most_deferrals:
            return False
        if cost.holding_usd > view.cash_usd:
            return False
        years = rules.defer_months / 12
        later = math.exp(-view.discount_per_year * years)
        option = exchange_usd(
            value * math.exp(-view.rules.beliefs.price_decline_per_year * years),
            avoidable * later,
            view.rules.negotiation.value_volatility_per_year * math.sqrt(years),
        )
        saved = (cost.fee_usd * (1 - later) - cost.holding_usd) / cost.h100e
        return option + saved > max(value - avoidable, 0.0)

    def _worth(self, view: CloudView, cost: SiteCost, sold: float) -> tuple[float, float]:
        """Return V and X of a site, USD per H100e: its worth uncommitted, and what is still avoidable."""
        remaining = cost.remaining_usd * (1 + rate_per_month(view)) ** -cost.ahead
        worth = sold * project_usd(view, cost.ahead, cost.running_usd_per_hour)
        return worth, remaining - cost.fee_usd / cost.h100e

    def _cheapest(self, view: CloudView) -> list[BuildOption]:
        """Return the class of chips with the least full cost, porting included, where it builds first."""
        here = [o for o in view.options if o.pool.region == view.options[0].pool.region]
        costs = [long_run_cost(view, o) + o.porting_usd_per_h100e_hour for o in here[1:] and here]
        return [here[costs.index(min(costs))]] if costs else here

    def _open(self, view: CloudView) -> Iterator[SitePlan]:
        for option in self._cheapest(view):
            ahead = min(math.ceil(option.lead_months), len(view.demand_h100e) - 1)
            pipeline = sum(
                s.capacity_kw * option.h100e_per_mw / 1000
                for s in view.sites
                if s.stage is Stage.LOI
            )
            wanted = view.rules.building.merchant_share * float(view.demand_h100e[ahead])
            supply = float(view.own_free_h100e[ahead] + view.rivals_h100e[ahead]) + pipeline
            order = (wanted - supply) / view.rules.building.order_months
            kw = min(int(order * 1000 / option.h100e_per_mw), option.letter_room_kw)
            if kw >= view.rules.building.smallest_site_mw * 1000:
                kw = min(kw, int(view.rules.building.largest_site_mw * 1000))
                bid = self._shell_bid(view, option, ahead)
                yield OpenSite(option=option, capacity_kw=kw, letter=True, bid_usd_per_kw_month=bid)

    def _shell_bid(self, view: CloudView, option: BuildOption, ahead: int) -> float:
        """Return the rent above which a lease would be given up at once (cap-4): a letter costs nothing."""
        chips = option.chips_usd_per_h100e * (1 + rate_per_month(view)) ** -ahead
        rent = highest_rent(
            lambda rent: project_usd(view, ahead, option.running_usd_per_h100e_hour + rent),
            view.abandon * chips,
            option.rent_usd_per_h100e_hour,
            view.contract_price + going_cost(view) + option.rent_usd_per_h100e_hour,
        )
        return usd_per_kw_month(rent or 0.0, option.h100e_per_mw)


def project_usd(view: CloudView, ahead: int, running: float) -> float:
    """Return what capacity is worth today that is ready some months ahead and sells, USD per H100e."""
    speed = view.rules.beliefs.price_reversion_per_month
    return worth_usd_per_h100e(
        price=reverting(view.contract_price, going_cost(view), speed, ahead),
        sold=1.0,
        running=running,
        months_ahead=ahead,
        decline_per_month=view.rules.decline_per_month,
        rate_per_month=rate_per_month(view),
        busy=view.rules.building.busy,
        life_months=view.rules.building.server_life_months,
    )


def mixed(view: CloudView, avoidable: float, value: float, own: float) -> float:
    """Return the worth of a site of which a share serves its cloud's products, which pay their way."""
    return own * view.trigger * avoidable + (1 - own) * value


def usd_per_kw_month(usd_per_h100e_hour: float, h100e_per_mw: float) -> float:
    """Return a cost of an H100e-hour as one of a kilowatt's month."""
    return usd_per_h100e_hour * h100e_per_mw / 1000 * HOURS_PER_MONTH


@dataclass(frozen=True, slots=True, kw_only=True)
class BidWorth:
    """Bid the rent at which a vacant site is worth taking over (cap-6; default).

    At that rent its worth is what it still costs: a slot is sold at once, so there is no option left
    to wait. Of what is for sale as much sells as demand that the cloud expects to win and has nothing
    free for; what it has taken over in this month counts as met. Own products, which take their share of
    what a cloud sells, pay their way at the reserve rent, and what is more than that comes off.
    """

    port: ClassVar[str] = "bidder"

    def __call__(self, view: CloudView, slot: Slot) -> float | None:
        """Return the rent, USD per kW-month."""
        cost, own = slot.cost, slot.site.own_kw / slot.site.capacity_kw
        sold = self._sold(view, slot, own)
        if sold == 0.0:
            return None
        discount = (1 + rate_per_month(view)) ** -cost.ahead
        chips = cost.remaining_usd * discount
        h100e_per_mw = cost.h100e * 1000 / slot.site.capacity_kw
        reserve = slot.reserve_usd_per_kw_month / usd_per_kw_month(1.0, h100e_per_mw)
        life = view.rules.building.server_life_months
        hours = HOURS_PER_MONTH * discount * float(annuity(rate_per_month(view), life))

        def worth(rent: float) -> float:
            used = view.trigger * chips - (rent - reserve) * hours
            sells = sold * project_usd(view, cost.ahead, cost.running_usd_per_hour + rent)
            return own * used + (1 - own) * sells

        most = view.contract_price + going_cost(view) + reserve + view.trigger * chips / hours
        rent = highest_rent(worth, chips, reserve, most)
        return None if rent is None else usd_per_kw_month(rent, h100e_per_mw)

    def _sold(self, view: CloudView, slot: Slot, own: float) -> float:
        """Return the share of what is for sale that finds a buyer."""
        ahead, for_sale = slot.cost.ahead, slot.cost.h100e * (1 - own)
        unmet = float(view.demand_h100e[ahead] - view.rivals_h100e[ahead])
        unmet -= float(view.own_free_h100e[ahead]) + slot.won_h100e
        return min(max(unmet / for_sale, 0.0), 1.0) if for_sale > 0 else float(unmet > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BidNothing:
    """Take nothing over: the benchmark without takeovers."""

    port: ClassVar[str] = "bidder"

    def __call__(self, view: CloudView, slot: Slot) -> None:
        """Return no bid."""


def notices(view: CloudView) -> Iterator[GiveNotice]:
    """Yield a notice of each contract whose capacity would earn more elsewhere by more than the fee (B15).

    Elsewhere is sold only what demand leaves room for, as for a site without a contract; of several
    contracts the one with most to gain comes first, and a fee that cannot be paid keeps a contract alive.
    """
    ahead_of, cash = 0.0, view.cash_usd
    best = sorted(view.exits, key=lambda x: -(x.elsewhere_usd - x.kept_usd - x.fee_usd) / x.h100e)
    for way_out in best:
        at = min(way_out.notice_months, len(view.demand_h100e) - 1)
        supply = float(view.rivals_h100e[at] + view.own_free_h100e[at]) + ahead_of
        wanted = float(view.demand_h100e[at]) - supply
        sold = min(max(wanted / way_out.h100e, 0.0), 1.0)
        gain = sold * way_out.elsewhere_usd - way_out.kept_usd
        if gain > way_out.fee_usd and way_out.fee_usd <= cash:
            ahead_of, cash = ahead_of + way_out.h100e, cash - way_out.fee_usd
            yield GiveNotice(contract=way_out.contract)


def uncommitted(view: CloudView) -> frozenset[str]:
    """Return the sites that no contract needs: commitments fall on the most advanced first."""
    spare = view.free_kw.copy()
    free = set()
    for site in sorted(view.sites, key=lambda s: (s.stage, -s.promised, s.known_as)):
        cost = view.costs[site.name]
        row = spare[view.pools.index(cost.pool_index), cost.ahead :]
        if site.stage is Stage.LOI:
            free.add(site.name)
        elif int(row.min()) >= site.capacity_kw - site.own_kw:
            row -= site.capacity_kw - site.own_kw
            free.add(site.name)
    return frozenset(free)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishWhatIsSigned(RealOptions):
    """Build what contracts need and nothing else, cancel nothing: the benchmark without options."""

    port: ClassVar[str] = "builder"

    def __call__(self, view: CloudView) -> Iterator[SitePlan]:
        """Return plans that bring every site to its end."""
        for site in sorted(view.sites, key=lambda s: s.known_as):
            if site.stage is Stage.LOI:
                yield TurnToLease(site=site.name)
            elif site.stage is Stage.LEASED:
                yield StartBuilding(site=site.name)
            elif not site.equipped or site.stage is Stage.POWERED:
                yield Equip(site=site.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptWhatPays:
    """Adopt a class once what it saves reaches its engineering times beta1/(beta1 - 1) (chp-2; default)."""

    port: ClassVar[str] = "adopter"

    def __call__(self, view: AdoptionView) -> Iterator[Adopt]:
        """Return the classes whose expected volume has reached the break-even volume."""
        for choice in view.choices:
            if choice.volume_h100e >= choice.breakeven_h100e and choice.nre_usd <= view.cash_usd:
                yield Adopt(chip_class=choice.chip_class)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepToGpus:
    """Adopt nothing: the benchmark without custom chips."""

    port: ClassVar[str] = "adopter"

    def __call__(self, view: AdoptionView) -> Iterator[Adopt]:
        """Return nothing."""
        return iter(())


PRICE_SHARE = 2 / 3
"""Part of v - c that competition adds to cost in the price (row B13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardTheMargin:
    """Take at least what the change loses on the lab's later purchases (default).

    The holder knows c; public prices tell it v, because competition among two leaves the price two thirds
    of the way from c to v (row B13).
    """

    port: ClassVar[str] = "waiver"

    def __call__(self, view: WaiverView) -> tuple[float, ...]:
        """Return the least it takes for each change, USD."""
        margin = max(view.contract_price - view.own_price, 0.0) / PRICE_SHARE
        now = self._worth(view, view.kind, margin)
        return tuple(now - self._worth(view, kind, margin) for kind in view.instead)

    def _worth(self, view: WaiverView, kind: Kind, margin: float) -> float:
        sides = worth(kind, margin=margin, served=view.served, lab_power=view.lab_power)
        return math.fsum((sides.holder * view.later_h100e * view.weights).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepTheClause:
    """Never talk about a clause: the benchmark without waivers."""

    port: ClassVar[str] = "waiver"

    def __call__(self, view: WaiverView) -> None:
        """Return nothing."""


class Cloud(Participant):
    """A seller of compute that builds or leases sites."""

    defaults: ClassVar = {
        "pricer": OpportunityCost(),
        "builder": RealOptions(),
        "adopter": AdoptWhatPays(),
        "waiver": GuardTheMargin(),
        "bidder": BidWorth(),
    }
