"""Making views: what each participant sees of the frozen state of the market."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.backstop import reserve
from offtake.model.cents import cents
from offtake.model.chips import price_usd, replacements, usable_classes
from offtake.model.contracts import OPEN, Pool, Site, Stage
from offtake.model.dealing import FirstRefusal, SupplyExclusivity
from offtake.model.demand import damped, inference_value, training_value, worth_months
from offtake.model.indices import relative_price
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.most_favoured import favoured
from offtake.model.owners import agree, uncalled_cents
from offtake.model.permits import (
    grid_multiplier,
    licence_months,
    objection_to_build,
    room_under_quotas_h100e,
)
from offtake.model.porting import ported, porting_usd_per_hour
from offtake.model.pricing import annuity, levelling
from offtake.model.public_money import chip_factor, own_part, shell_factor
from offtake.model.scenario import GPU, Cloud, Lab
from offtake.model.setup import build_regions
from offtake.model.shells import landlord_with_shells, outside_rent, shells_of
from offtake.model.sites import expected_lead, fee_usd, holding_usd
from offtake.model.sums import summed
from offtake.model.view import BuildOption, CloudView, LabView, Leaving, SiteCost
from offtake.model.ways_out import exits_of, may_walk
from offtake.model.worth import hours_asked, training_efficiency, training_values

if TYPE_CHECKING:
    from offtake.model.market import Market

AHEAD = 60
"""Months that views look ahead."""
MOST_KW = 100_000_000
"""Room where a place costs a cloud nothing of its own."""
LOOK_FOR_LAND = 2
"""Regions in which a cloud looks for a new site at a time, the most wanted first."""


def ahead(profile: np.ndarray, month: int) -> np.ndarray:
    """Return a copy of the part of profiles by month that starts now, read only."""
    part = profile[..., month : month + AHEAD + 1].copy()
    part.flags.writeable = False
    return part


def lab_views(market: "Market") -> dict[str, LabView]:
    """Return the views of all active labs."""
    books, setup = market.books, market.setup
    served, believed = books.served, books.believed
    assert served is not None
    assert believed is not None
    scenario = setup.scenario
    shares = served.users_million / market.adopters_million
    efficiency = training_efficiency(market)
    discount = np.array([scenario.labs[n].discount_per_year for n in setup.labs])
    worth = worth_months(
        believed.growth,
        discount,
        scenario.demand.training_decay_per_month,
        scenario.beliefs.damping,
    )
    inference = inference_value(served.price_usd, hours_asked(market, market.month))
    training = training_value(
        served.revenue_usd,
        served.training_stock,
        shares,
        scenario.demand.quality_return,
        worth,
        efficiency,
    )
    obligations = obligations_usd(market, discount)
    leavings = leavings_by_lab(market, discount)
    covered = reliable_h100e(market)
    views = {}
    for i, name in enumerate(setup.labs):
        if name in books.failed:
            continue
        data = scenario.labs[name]
        cash = books.deposits[name] / 100
        margin = float(served.revenue_usd[i]) * (1 - data.overhead_revenue_share)
        margin += parent_funding_usd(data, market.time)
        views[name] = LabView(
            name=name,
            time=market.time,
            rules=setup.rules,
            cash_usd=cash,
            runway_months=runway_months(cash, float(believed.burn_usd[i])),
            resources_usd=cash
            + committed_usd(market, name)
            + margin * scenario.procurement.margin_months,
            obligations_usd=float(obligations[i]),
            need_h100e=float(served.load_h100e[i] + served.training_need_h100e[i]),
            load_h100e=float(served.load_h100e[i]),
            growth_per_month=float(believed.growth[i]),
            variance=float(believed.variance[i]),
            covered_h100e=covered[i],
            inference_value=float(inference[i]),
            training_value=float(training[i]),
            fixed_value=data.value_usd_per_h100e_hour,
            value_slope=scenario.demand.value_slope,
            contract_price=believed.contract_price,
            spot_price=believed.spot_price,
            discount_per_year=data.discount_per_year,
            leavings=leavings.get(name, ()),
            invites=data.invites,
            by_purpose=bound_by_purpose(market, name),
        )
    return views


def bound_by_purpose(market: "Market", lab: str) -> bool:
    """Whether an exclusivity in force binds what a lab buys for one purpose only."""
    return any(
        clause.scope in ("training", "inference") and clause.since <= market.time < clause.until
        for clause in market.books.exclusivities(market.time)
        if clause.lab == lab
    )


def reliable_h100e(market: "Market") -> np.ndarray:
    """Return compute that contracts can be relied on for, by lab and months ahead, H100e (pro-2).

    What a pool has committed beyond what it is promised to have is not counted: a site that is late
    leaves a gap that its lab tenders again.
    """
    books, month = market.books, market.month
    covered = books.covered_h100e[:, month : month + AHEAD + 1].copy()
    short = np.maximum(-books.free_kw()[:, month : month + AHEAD + 1], 0)
    c = books.contracts
    months = month + np.arange(AHEAD + 1)
    for pool in np.flatnonzero(short.any(axis=1)).tolist():
        committed = np.maximum(books.committed_kw[pool, month : month + AHEAD + 1], 1)
        missing = short[pool] / committed
        for row in np.flatnonzero((c.pool[: c.size] == pool) & (c.end[: c.size] > market.time)):
            first = np.floor(c.start[row])
            runs = (first <= months) & (months < np.ceil(c.end[row]))
            step = np.minimum(months - first + 1, c.ramp[row])
            promised = runs * (c.full_kw[row] * step // c.ramp[row])
            covered[c.lab[row]] -= missing * promised * c.theta[row]
    covered = np.maximum(covered, 0.0)
    covered.flags.writeable = False
    return covered


def leavings_by_lab(
    market: "Market", discount_per_year: np.ndarray
) -> dict[str, tuple[Leaving, ...]]:
    """Return what leaving each contract in force would save and cost, where it can be left at all.

    With it a lab uses the capacity or pays the floor; without it, it buys anew at the going price or
    does without (section 1.7, row B15). What was prepaid counts now, towards the fee or as money that comes
    back, instead of evenly over the months left. A contract past its long stop can be left free.
    """
    c, books = market.books.contracts, market.books
    rows = [
        row
        for row in books.active_rows().tolist()
        if (left := c.end[row] - market.time) > 0
        and (c.facts[row].termination.fee_months < left or may_walk(market, row))
    ]
    if not rows:
        return {}
    assert books.served is not None
    worth = training_values(market, books.served.users_million / market.adopters_million)
    found: dict[str, list[Leaving]] = {}
    for row in rows:
        contract, lab = c.facts[row], int(c.lab[row])
        rate = (1 + discount_per_year[lab]) ** (1 / 12) - 1
        left = float(c.end[row] - market.time)
        price = float(c.price[row]) * relative_price(market, row, rate, left)
        phi, value = float(c.floor[row]), float(worth[lab])
        decline = market.setup.rules.decline_per_month
        anew = market.contract_price * float(levelling(rate, decline, np.array(left)))
        gain = max(value - anew, 0.0) - max(value - price, -phi * price)
        walks = may_walk(market, row)
        hours = float((c.kw if walks else c.delivered_kw)[row] * c.theta[row]) * HOURS_PER_MONTH
        monthly = cents(phi * price * hours)
        level = float(annuity(rate, left))
        back = c.prepaid_cents.get(contract.name, 0) / 100 * (1 - level / left)
        fee = 0 if walks else contract.termination.fee_cents(monthly, left)
        found.setdefault(contract.buyer, []).append(
            Leaving(
                contract=contract.name,
                gain_usd=gain * hours * level + back,
                fee_usd=fee / 100,
                walks=walks,
            )
        )
    return {name: tuple(items) for name, items in found.items()}


def parent_funding_usd(data: Lab, time: float) -> float:
    """Return what a parent puts in this month, USD."""
    return (
        data.parent_funding_usd_per_year
        / 12
        * (1 + data.parent_funding_growth_per_year) ** (time / 12)
    )


def other_cash_flow_usd(data: Cloud, time: float) -> float:
    """Return the cash flow of a cloud's other business this month, USD."""
    growth = 1 + data.other_cash_flow_growth_per_year
    return data.other_cash_flow_usd_per_year / 12 * growth ** (time / 12)


def runway_months(cash_usd: float, burn_usd: float) -> float:
    """Return months until the cash is gone; 120 where it is not shrinking."""
    return min(max(cash_usd, 0.0) / burn_usd, 120.0) if burn_usd > 0 else 120.0


def committed_usd(market: "Market", issuer: str) -> float:
    """Return what is promised to an issuer and not yet due, at its probability, USD."""
    return math.fsum(
        (t.reduced_cents + t.probability * (t.amount_cents - t.reduced_cents)) / 100
        for _, t in sorted(market.books.tranches.items())
        if t.issuer == issuer
    )


def obligations_usd(market: "Market", discount_per_year: np.ndarray) -> np.ndarray:
    """Return the present value of take-or-pay that each lab has signed, or is talking about, USD."""
    c = market.books.contracts
    n = c.size
    left = np.maximum(c.end[:n] - np.maximum(c.start[:n], market.time), 0.0)
    open_rows = np.array([state in ("signed", "active") for state in c.state], dtype=bool)
    capacity = np.array([f.capacity_kw for f in c.facts]) * c.theta[:n] if n else np.zeros(0)
    rate = (1 + discount_per_year[c.lab[:n]]) ** (1 / 12) - 1
    monthly = c.floor[:n] * c.price[:n] * capacity * HOURS_PER_MONTH
    for row in np.flatnonzero(c.moves[:n] & open_rows).tolist():
        monthly[row] *= relative_price(market, row, float(rate[row]), float(left[row]))
    worth = np.where(open_rows, monthly * annuity(rate, left), 0.0)
    signed = summed(c.lab[:n], worth, len(market.setup.labs))
    for held in market.books.held_contracts():
        lab = market.books.lab_index[held.buyer]
        a_month = (1 + float(discount_per_year[lab])) ** (1 / 12) - 1
        bill = held.take_or_pay.floor * held.price_usd_per_h100e_hour * held.h100e * HOURS_PER_MONTH
        signed[lab] += bill * float(annuity(a_month, held.months))
    return signed


def win_shares(market: "Market") -> np.ndarray:
    """Return by lab and cloud the share of next awards expected, with exclusivity in force."""
    books, setup = market.books, market.setup
    assert books.believed is not None
    shares = books.believed.win_share.copy()
    for clause in books.standing(market.time):
        if isinstance(clause, SupplyExclusivity) and _leaves_no_other(clause, market.time):
            row = shares[books.lab_index[clause.lab]]
            row[:] = 0.0
            row[books.cloud_index[clause.holder]] = 1.0
    shares[setup.barred] = 0.0
    return shares


def _leaves_no_other(clause: SupplyExclusivity, time: float) -> bool:
    """Whether a lab can buy from the holder only, whatever it buys."""
    everything = clause.scope == "all" and clause.breach_usd_per_h100e_hour is None
    return everything and clause.since <= time < clause.until


def need_ahead(market: "Market") -> np.ndarray:
    """Return each lab's need as the industry expects it, by months ahead, H100e."""
    books, beliefs = market.books, market.setup.scenario.beliefs
    assert books.served is not None
    assert books.believed is not None
    need = books.served.load_h100e + books.served.training_need_h100e
    months = np.arange(AHEAD + 1)
    grown = damped(books.believed.growth[:, None], beliefs.damping, months[None, :])
    return need[:, None] * np.exp(grown)


def cloud_views(market: "Market") -> dict[str, CloudView]:
    """Return the views of all active clouds."""
    books, setup = market.books, market.setup
    scenario, month = setup.scenario, market.month
    assert books.believed is not None
    free = ahead(books.free_kw(), month)
    per_kw = setup.theta / 1000
    free_h100e = np.maximum(free, 0) * per_kw[:, None]
    by_cloud = np.add.reduceat(free_h100e, [s.start for s in setup.cloud_pools], axis=0)
    uncovered = np.maximum(need_ahead(market) - ahead(books.covered_h100e, month), 0.0)
    wins = win_shares(market)
    expected = (wins[:, :, None] * uncovered[:, None, :]).sum(
        axis=0
    )  # no BLAS: same bits everywhere
    needs = uncovered.mean(axis=1)
    total_uncovered = np.maximum(uncovered.sum(axis=0), 1.0)
    all_free = by_cloud.sum(axis=0)
    sites: dict[str, list[Site]] = {name: [] for name in setup.clouds}
    for site in books.sites.values():
        if site.stage in OPEN:
            sites[site.pool.cloud].append(site)
    idle = idle_shares(market)
    backstop = backstop_margins(market, free_h100e[:, 0])
    views = {}
    for index, name in enumerate(setup.clouds):
        if name in books.failed or name in books.unformed:
            continue
        data = scenario.clouds[name]
        pools = setup.cloud_pools[index]
        trigger, abandon = setup.triggers[index]
        seen = scenario.beliefs.visibility * (all_free - by_cloud[index])
        costs = {s.name: site_cost(market, s) for s in sites[name]}
        held = [s for s in books.held_sites() if s.pool.cloud == name]
        firm = costs | {s.name: site_cost(market, s) for s in held}
        spend = spendable_usd(market, name, [*sites[name], *held], firm)
        views[name] = CloudView(
            name=name,
            index=index,
            time=market.time,
            kind=data.kind,
            rules=setup.rules,
            cash_usd=books.deposits[name] / 100,
            spendable_usd=spend,
            discount_per_year=data.discount_per_year,
            transfer_markup=data.transfer_markup,
            pools=tuple(range(pools.start, pools.stop)),
            theta=per_kw[pools],
            running=setup.running[pools],
            free_kw=free[pools],
            sites=tuple(sites[name]),
            costs=costs,
            options=build_options(
                market, name, spend, porting_on_average(market, wins[:, index] * needs)
            ),
            demand_h100e=expected[index],
            rivals_h100e=seen * expected[index] / total_uncovered,
            own_free_h100e=by_cloud[index],
            backstop_margin=tuple(backstop[pools].tolist()),
            refusals=refusals(market, name),
            favoured=favoured(market, name),
            contract_price=market.contract_price,
            spot_price=books.believed.spot_price,
            idle_share=float(idle[index]),
            floor_usd_per_h100e_hour=data.floor_usd_per_h100e_hour,
            trigger=trigger,
            abandon=abandon,
            exits=tuple(exits_of(market, index)),
        )
    return views


def backstop_margins(market: "Market", free_h100e: np.ndarray) -> np.ndarray:
    """Return by pool what a government's backstop earns above running cost, USD per free H100e-hour."""
    price, part = reserve(market, free_h100e)
    return np.maximum(price - market.setup.running, 0.0) * part


def refusals(market: "Market", cloud: str) -> tuple[int, ...]:
    """Return the labs that a cloud holds a first refusal on, by index."""
    return tuple(
        market.books.lab_index[clause.lab]
        for clause in market.books.standing(market.time)
        if isinstance(clause, FirstRefusal)
        and clause.holder == cloud
        and clause.since <= market.time < clause.until
    )


def idle_shares(market: "Market") -> np.ndarray:
    """Return by cloud the share of energised capacity that is neither committed nor its own use."""
    books, setup = market.books, market.setup
    month = market.month
    committed = np.minimum(books.committed_kw[:, month] + books.own_kw, books.energised_kw)
    energised = np.bincount(
        setup.pool_cloud, weights=books.energised_kw, minlength=len(setup.clouds)
    )
    busy = np.bincount(setup.pool_cloud, weights=committed, minlength=len(setup.clouds))
    return 1 - busy / np.maximum(energised, 1.0)


def site_cost(market: "Market", site: Site) -> SiteCost:
    """Return what a site still costs its cloud until it is energised, and would cost to run."""
    setup = market.setup
    index = market.books.pool_index[site.pool]
    per_mw = float(setup.theta[index])
    chip = setup.scenario.chips[site.pool.chip]
    unfitted = 1 - market.books.chips_kw.get(site.name, 0) / site.capacity_kw
    to_come = max(site.promised - market.time, 0.0)
    unpaid = site.landlord is None and site.stage in (Stage.LOI, Stage.LEASED)
    shell = setup.scenario.building.shell_usd_per_kw * 1000 / per_mw if unpaid else 0.0
    rent = site.rent_usd_per_kw_month * 1000 / per_mw / HOURS_PER_MONTH
    return SiteCost(
        pool_index=index,
        h100e=site.capacity_kw * per_mw / 1000,
        ahead=min(max(math.ceil(site.promised - market.time), 0), AHEAD),
        remaining_usd=price_usd(market, site.pool.chip, to_come)
        * chip_factor(market, site.pool)
        * unfitted
        + shell * shell_factor(market, site.pool),
        running_usd_per_hour=float(setup.running[index]) + rent,
        fee_usd=fee_usd(site, setup.scenario.building),
        holding_usd=holding_usd(site, setup.scenario.building),
        unfitted=unfitted,
        outdated=site.name not in market.books.chips_kw
        and setup.newest_chip(max(site.promised, market.time), chip.class_)[1].released
        > chip.released,
    )


def spendable_usd(
    market: "Market", name: str, sites: list[Site], costs: dict[str, SiteCost]
) -> float:
    """Return cash and a year's other cash flow, less what the firm pipeline still costs in equity."""
    data = market.setup.scenario.clouds[name]
    other = other_cash_flow_usd(data, market.time) * 12
    firm = math.fsum(
        costs[s.name].remaining_usd * costs[s.name].h100e * own_part(market, s.pool)
        for s in sites
        if s.stage is not Stage.LOI
    )
    cash = market.books.deposits[name] / 100
    cash += sum(uncalled_cents(market, name).values()) / 100
    return cash + other + committed_usd(market, name) - firm * (1 - data.debt_share)


def build_options(
    market: "Market", name: str, spend: float, porting: Mapping[str, float]
) -> tuple[BuildOption, ...]:
    """Return where a cloud could build now and with what: the most wanted region first, and GPUs in it.

    `porting` is what a class costs the labs that the cloud hopes to win, on average. A venture whose
    owners do not agree builds nowhere.
    """
    if not agree(market, name):
        return ()
    scenario = market.setup.scenario
    options: list[BuildOption] = []
    places = 0
    for region_name in build_regions(scenario, name):
        region = scenario.regions[region_name]
        head = scenario.building.head_start
        lead = expected_lead(
            region.construction_mean_months * head,
            region.grid_mean_months * head * grid_multiplier(market, name, region_name),
            region.clock_shape,
        )
        pools = [
            permitted_pool(market, name, region_name, class_, lead)
            for class_ in usable_classes(market, name, market.time + lead)
        ]
        found = [_option(market, pool, lead, spend, porting) for pool in pools if pool is not None]
        options += found
        places += bool(found)
        if places == LOOK_FOR_LAND:
            break
    return tuple(options)


def permitted_pool(
    market: "Market", cloud: str, region: str, class_: str, lead: float
) -> Pool | None:
    """Return the pool of the newest generation of a class that may go to a region, if any may."""
    setup = market.setup
    released = setup.generations[class_].released(market.time + lead)
    if class_ == GPU and not released:
        released = (setup.newest_chip(market.time + lead),)
    for name, _ in reversed(released):
        pool = Pool(cloud=cloud, region=region, chip=name)
        if objection_to_build(market, pool) is None:
            return pool
    return None


def _option(
    market: "Market", pool: Pool, lead: float, spend: float, porting: Mapping[str, float]
) -> BuildOption:
    setup, scenario = market.setup, market.setup.scenario
    chip = scenario.chips[pool.chip]
    lead = max(lead, licence_months(market, pool))
    listed = price_usd(market, pool.chip, lead)
    price = listed * chip_factor(market, pool)
    landlord = landlord_with_shells(market, pool.region)
    shell = 0.0 if landlord else scenario.building.shell_usd_per_kw * 1000 / chip.h100e_per_mw
    shell *= shell_factor(market, pool)
    per_kw = (price + shell) * chip.h100e_per_mw / 1000
    quota = room_under_quotas_h100e(market, pool, lead)
    equity = (1 - scenario.clouds[pool.cloud].debt_share) * own_part(market, pool)
    room = max(int(spend / (per_kw * equity)), 0) if per_kw * equity > 0 else MOST_KW
    room = letter_room = int(min(room, quota * 1000 / chip.h100e_per_mw))
    if landlord:
        room = min(room, market.books.shells_left_kw(landlord))
        letter_room = min(letter_room, shells_of(market, pool.region))
    return BuildOption(
        pool=pool,
        pool_index=market.books.pool_index[pool],
        h100e_per_mw=chip.h100e_per_mw,
        lead_months=lead,
        chips_usd_per_h100e=price,
        shell_usd_per_h100e=shell,
        running_usd_per_h100e_hour=setup.running_cost(scenario.regions[pool.region], chip),
        landlord=landlord,
        rent_usd_per_kw_month=outside_rent(market, landlord) if landlord else 0.0,
        room_kw=room,
        letter_room_kw=letter_room,
        replacements=replacements(market, pool.chip, lead, listed),
        class_=chip.class_,
        porting_usd_per_h100e_hour=porting[chip.class_],
    )


def porting_on_average(market: "Market", needs: np.ndarray) -> dict[str, float]:
    """Return by class what it costs the labs a cloud hopes to win, by need, USD per H100e-hour (chp-2).

    A lab that refuses a class does not count.
    """
    classes = [*market.setup.classes]
    if len(classes) == 1:
        return {GPU: 0.0}
    weights = np.where(ported(market) > 0, needs[:, None], 0.0)
    lost = (weights * porting_usd_per_hour(market)).sum(axis=0) / np.maximum(weights.sum(axis=0), 1)
    return dict(zip(classes, lost.tolist(), strict=True))
