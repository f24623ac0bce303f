"""How a market opens: the scenario's facts become the first events and the first dates."""

import datetime as dt
import math
from collections.abc import Iterator

import numpy as np

from offtake.model.books import EXTERNAL, Books
from offtake.model.calendar import Calendar
from offtake.model.cents import cents, split
from offtake.model.chance import stream
from offtake.model.clauses import (
    Assignability,
    Prepayment,
    Ramp,
    RevenueShare,
    TakeOrPay,
    Termination,
)
from offtake.model.contracts import Contract, Loan, Pool, Site, Stage, Tranche
from offtake.model.dealing import (
    CrossDefault,
    DistributionExclusivity,
    FirstRefusal,
    MostFavoured,
    SupplyExclusivity,
)
from offtake.model.events import (
    Adopted,
    Agreed,
    AnyEvent,
    Awaited,
    Believed,
    Borrowed,
    Claim,
    Entered,
    Opened,
    Ported,
    Posted,
    Promised,
    Reserved,
    Served,
    ShellsOffered,
    Signed,
)
from offtake.model.indices import first_levels
from offtake.model.months import HOURS_PER_MONTH, month_of
from offtake.model.named_clauses import named_clause
from offtake.model.porting import first_shares
from offtake.model.scenario import (
    GPU,
    Agreement,
    ContractGiven,
    Investor,
    Participant,
    Scenario,
    SiteGiven,
    TrancheGiven,
)
from offtake.model.setup import ROLES, Setup
from offtake.model.sites import clock, expected_lead
from offtake.model.standing import Clause
from offtake.model.wording import terms_of

PROMISED_BY = 24
"""Months after the start by which capacity counts among the first expectations of who wins awards."""


def opening(setup: Setup, books: Books) -> Iterator[AnyEvent]:
    """Yield the events that make the scenario's initial state true."""
    scenario = setup.scenario
    for name in EXTERNAL:
        yield Entered(name=name, kind="external", deposits_cents=0, cause="scenario")
    for role in ROLES:
        for name, data in setup.placed(getattr(scenario, role)):
            yield Entered(
                name=name,
                kind=role[:-1],
                deposits_cents=cents(data.cash_usd),
                assets_cents=_sellable(data),
                cause="scenario",
            )
    for name, landlord in setup.placed(scenario.landlords):
        kw = round(landlord.available_mw * 1000)
        yield ShellsOffered(landlord=name, capacity_kw=kw, cause="scenario")
    for name, given in sorted(scenario.sites.items()):
        yield Opened(site=site(setup, name, given), cause=f"scenario:sites.{name}")
    yield from _awaited(setup)
    yield from _classes(setup)
    yield from _agreements(scenario)
    for name, given in sorted(scenario.contracts.items()):
        signed = contract(setup, name, given)
        yield Signed(contract=signed, cause=f"scenario:contracts.{name}")
        if signed.prepayment.amount_cents:
            prepaid = Claim(
                signed.buyer, signed.seller, "prepayment", signed.prepayment.amount_cents, name
            )
            yield Posted(postings=(), claims=(prepaid,), cause=f"scenario:contracts.{name}")
    for name, given in sorted(scenario.tranches.items()):
        yield Promised(tranche=tranche(scenario, name, given), cause=f"scenario:tranches.{name}")
    yield from _debts(setup)
    yield from _own_use(setup, books)
    yield _first_month(setup, books)
    yield _first_beliefs(setup, books)
    yield from first_levels(setup, books)


def date_everything(setup: Setup, books: Books, calendar: Calendar) -> None:
    """Put everything of the scenario that is dated for later into the calendar."""
    scenario = setup.scenario
    for name in sorted(scenario.sites):
        schedule_site(calendar, books.sites[name])
    for row in range(books.contracts.size):
        schedule_contract(calendar, books.contracts.facts[row], 0.0)
    for name in sorted(books.tranches):
        calendar.add(max(books.tranches[name].due, 0.0), "tranche", name)
    for name, agreement in sorted(scenario.agreements.items()):
        for moment in _turns(scenario, agreement):
            if moment > 0:
                calendar.add(moment, "agreement", name, rank=4)
    for name, policy in sorted(scenario.policies.items()):
        until = _month(scenario, policy.until)
        if until > 0:
            if policy.effective is not None:
                calendar.add(max(_month(scenario, policy.effective), 0.0), "enact", name, rank=4)
            if math.isfinite(until):
                calendar.add(until, "repeal", name, rank=4)
    for name, cloud in setup.placed(scenario.clouds):
        if cloud.formation is not None or cloud.label_over:
            on = 0.0 if cloud.formation is None else _month(scenario, cloud.formation)
            calendar.add(max(on, 0.0), "form", name, rank=4)
    for name, event in sorted(scenario.events.items()):
        on = _month(scenario, event.on)
        if on >= 0:
            calendar.add(on, "happen", name, rank=4)
            if event.duration_months is not None:
                calendar.add(on + event.duration_months, "undo", name, rank=4)


def schedule_site(calendar: Calendar, site: Site) -> None:
    """Date the deadline and the energisation of a site."""
    if site.stage is Stage.LOI:
        calendar.add(max(site.deadline, 0.0), "lapse", site.name)
    elif site.stage in (Stage.BUILDING, Stage.POWERED):
        calendar.add(max(site.construction_at, site.grid_at), "power", site.name, rank=1)


def schedule_contract(calendar: Calendar, contract: Contract, now: float) -> None:
    """Date the start, the ramp steps and the end of a contract."""
    steps = contract.ramp.steps_kw(contract.capacity_kw)
    for k in range(len(steps)):
        calendar.add(max(contract.start + k, now), f"step {k}", contract.name, rank=3)
    calendar.add(contract.end, "end", contract.name, rank=2)


def site(setup: Setup, name: str, given: SiteGiven) -> Site:
    """Return a site of the scenario with its clocks drawn."""
    scenario = setup.scenario
    region = scenario.regions[given.region]
    construction, grid = given.construction_months, given.grid_months
    construction = region.construction_mean_months if construction is None else construction
    grid = region.grid_mean_months if grid is None else grid
    stage = Stage[given.stage.upper()]
    lead = 0.0 if stage >= Stage.POWERED else expected_lead(construction, grid, region.clock_shape)
    chip = given.chip or setup.newest_chip(lead)[0]
    running = stage is Stage.BUILDING
    rent = given.rent_usd_per_kw_month
    if rent is None:
        rent = scenario.landlords[given.landlord].rent_usd_per_kw_month if given.landlord else 0.0
    return Site(
        name=name,
        pool=Pool(cloud=given.cloud, region=given.region, chip=chip),
        capacity_kw=round(given.capacity_mw * 1000),
        stage=stage,
        opened=-1.0,
        own_kw=own_kw(scenario, given.cloud, round(given.capacity_mw * 1000), stage),
        promised=lead,
        first_promise=lead,
        landlord=given.landlord,
        rent_usd_per_kw_month=rent,
        construction_at=clock(setup.seed, "construction", name, construction, region.clock_shape)
        if running
        else _stands(stage),
        grid_at=clock(setup.seed, "grid", name, grid, region.clock_shape)
        if running
        else _stands(stage),
        deadline=_deadline(setup, name, given, stage),
        equipped=stage >= Stage.BUILDING,
        energised_at=0.0 if stage is Stage.ENERGISED else math.inf,
    )


def own_kw(scenario: Scenario, cloud: str, capacity_kw: int, stage: Stage) -> int:
    """Return the part of an own-account site that its cloud's products will take."""
    if stage is Stage.ENERGISED:
        return 0  # what stands is in the cloud's own use already
    return int(scenario.clouds[cloud].own_share_of_new * capacity_kw)


def _deadline(setup: Setup, name: str, given: SiteGiven, stage: Stage) -> float:
    """Return the deadline of a letter or a lease signed before the start: some are older than others."""
    rules = setup.scenario.building
    if stage is Stage.LEASED and given.landlord is not None:
        return float(rules.lease_months)
    if stage is not Stage.LOI:
        return math.inf
    months = rules.loi_months
    return float(stream(setup.seed, "deadline", name).uniform(0.25, 1.5) * months)


def _stands(stage: Stage) -> float:
    return 0.0 if stage >= Stage.POWERED else math.inf


def contract(setup: Setup, name: str, given: ContractGiven) -> Contract:
    """Return a contract of the scenario."""
    scenario = setup.scenario
    lab, cloud = setup.labs.index(given.lab), setup.clouds.index(given.cloud)
    start = month_of(scenario.start, given.start)
    return Contract(
        name=name,
        buyer=given.lab,
        pool=Pool(cloud=given.cloud, region=given.region, chip=given.chip),
        capacity_kw=round(given.capacity_mw * 1000),
        h100e_per_mw=scenario.chips[given.chip].h100e_per_mw,
        price_usd_per_h100e_hour=given.price_usd_per_h100e_hour,
        signed=min(start, 0.0),
        start=start,
        end=month_of(scenario.start, given.end),
        take_or_pay=TakeOrPay(floor=given.take_or_pay),
        prepayment=Prepayment(amount_cents=cents(given.prepayment_usd)),
        ramp=Ramp(months=given.ramp_months),
        termination=Termination(fee_months=given.termination_months),
        clauses=tuple(named_clause(n, given.lab, given.cloud, x) for n, x in given.clauses.items()),
        assignability=Assignability.named(given.assignability),
        affiliate=bool(setup.affiliates[lab, cloud]),
        **terms_of(given),
        most_favoured=MostFavoured() if given.most_favoured else None,
        cross_default=CrossDefault(names=given.cross_default_with) if given.cross_default else None,
    )


def tranche(scenario: Scenario, name: str, given: TrancheGiven) -> Tranche:
    """Return a promised tranche of the scenario."""
    return Tranche(
        name=name,
        investor=given.investor,
        issuer=given.issuer,
        due=month_of(scenario.start, given.due),
        amount_cents=cents(given.amount_usd),
        reduced_cents=cents(given.reduced_usd),
        condition=given.condition,
        at_least=given.at_least,
        policy=given.policy,
        probability=given.probability,
        condition_name=given.condition_name or name,
        venture=given.venture,
        waits_months=float(given.waits_months),
        syndicate=tuple(given.syndicate.items()),
        underwritten=given.underwritten,
        compute_share=given.compute_share,
        compute_from=given.compute_from,
    )


def clauses_at(scenario: Scenario, name: str, time: float) -> list[Clause]:
    """Return the clauses of a standing agreement that are in force at a time."""
    return [
        clause
        for clause in clauses_of(scenario, name)
        if getattr(clause, "since", -math.inf) <= time < getattr(clause, "until", math.inf)
    ]


def clauses_of(scenario: Scenario, name: str) -> list[Clause]:
    """Return every clause of a standing agreement, whenever it is in force."""
    given = scenario.agreements[name]
    every = (
        _exclusivity(scenario, name, given),
        _first_refusal(scenario, name, given),
        _revenue_share(scenario, given),
        _distribution(scenario, name, given),
    )
    named = [named_clause(n, given.lab, given.cloud, x) for n, x in given.clauses.items()]
    return [clause for clause in every if clause is not None] + named


def _exclusivity(scenario: Scenario, name: str, given: Agreement) -> SupplyExclusivity | None:
    if given.exclusive_until is None:
        return None
    return SupplyExclusivity(
        lab=given.lab,
        holder=given.cloud,
        since=_since(scenario, given.exclusive_from),
        until=_month(scenario, given.exclusive_until),
        scope=given.exclusive_scope,
        region=given.exclusive_region,
        breach_usd_per_h100e_hour=given.breach_usd_per_h100e_hour,
        agreement=name,
    )


def _first_refusal(scenario: Scenario, name: str, given: Agreement) -> FirstRefusal | None:
    if given.first_refusal_from is None:
        return None
    return FirstRefusal(
        lab=given.lab,
        holder=given.cloud,
        since=_since(scenario, given.first_refusal_from),
        until=_month(scenario, given.first_refusal_until),
        window_days=given.first_refusal_days,
        agreement=name,
    )


def _revenue_share(scenario: Scenario, given: Agreement) -> RevenueShare | None:
    if given.revenue_share == 0:
        return None
    until = _month(scenario, given.revenue_share_until)
    return RevenueShare(lab=given.lab, cloud=given.cloud, share=given.revenue_share, until=until)


def _distribution(
    scenario: Scenario, name: str, given: Agreement
) -> DistributionExclusivity | None:
    """Return the exclusive channel; it ends with the revenue share that pays for it, if not before."""
    if given.reach == 1:
        return None
    return DistributionExclusivity(
        lab=given.lab,
        holder=given.cloud,
        reach=given.reach,
        since=_since(scenario, given.reach_from),
        until=_month(scenario, given.reach_until or given.revenue_share_until),
        agreement=name,
    )


def _awaited(setup: Setup) -> Iterator[AnyEvent]:
    """Yield the ventures that are not formed at the start; a label over contracts of others never is."""
    for name, cloud in setup.placed(setup.scenario.clouds):
        if cloud.formation is not None or cloud.label_over:
            yield Awaited(name=name, cause=f"scenario:clouds.{name}")


def _classes(setup: Setup) -> Iterator[AnyEvent]:
    """Yield how far labs have ported, and which clouds use a custom class already: it stands there."""
    scenario = setup.scenario
    if len(setup.classes) == 1:
        return
    yield Ported(shares=first_shares(setup), cause="scenario")
    used = {
        (setup.place[s.cloud], scenario.chips[s.chip].class_): (s.cloud, name)
        for name, s in sorted(scenario.sites.items())
        if s.chip is not None and scenario.chips[s.chip].class_ != GPU
    }
    for (_, class_), (cloud, name) in sorted(used.items()):
        cause = f"scenario:sites.{name}"
        yield Adopted(name=cloud, chip_class=class_, ready=0.0, cause=cause)


def _agreements(scenario: Scenario) -> Iterator[AnyEvent]:
    for name in sorted(scenario.agreements):
        for clause in clauses_at(scenario, name, 0.0):
            yield Agreed(clause=clause, cause=f"scenario:agreements.{name}")


def _turns(scenario: Scenario, given: Agreement) -> list[float]:
    days = (
        given.exclusive_from,
        given.exclusive_until,
        given.first_refusal_from,
        given.first_refusal_until,
        given.revenue_share_until,
        given.reach_from,
        given.reach_until,
    )
    return sorted({_month(scenario, day) for day in days if day is not None})


def _since(scenario: Scenario, day: dt.date | None) -> float:
    return -math.inf if day is None else month_of(scenario.start, day)


def _month(scenario: Scenario, day: dt.date | None) -> float:
    return math.inf if day is None else month_of(scenario.start, day)


def _sellable(data: Participant) -> int:
    return cents(data.assets_usd * (1 - data.haircut)) if isinstance(data, Investor) else 0


def _debts(setup: Setup) -> Iterator[AnyEvent]:
    """Yield the debts of the start, owed to whoever has most to lend."""
    scenario = setup.scenario
    lender = min(
        scenario.lenders,
        key=lambda n: (-scenario.lenders[n].cash_usd, setup.place[n]),
        default=None,
    )
    for name, cloud in setup.placed(scenario.clouds):
        if cloud.debt_usd > 0 and lender is not None:
            loan = Loan(
                name=f"{name} at the start",
                lender=lender,
                borrower=name,
                principal_cents=cents(cloud.debt_usd),
                rate_per_year=cloud.debt_rate_per_year,
                start=0.0,
                months=cloud.debt_months,
            )
            yield Borrowed(loan=loan, cause=f"scenario:clouds.{name}")
            owed = Claim(lender, name, "loan", loan.principal_cents, loan.name)
            yield Posted(postings=(), claims=(owed,), cause=f"scenario:clouds.{name}")


def _own_use(setup: Setup, books: Books) -> Iterator[AnyEvent]:
    """Keep each cloud's own use in its pools, in proportion to what contracts leave free."""
    for name, cloud in setup.placed(setup.scenario.clouds):
        pools = np.flatnonzero(setup.pool_cloud == setup.clouds.index(name))
        free = np.maximum(books.energised_kw[pools] - books.committed_kw[pools, 0], 0)
        kept = split(min(round(cloud.own_use_mw * 1000), int(free.sum())), free.tolist())
        for pool, kw in zip(pools.tolist(), kept, strict=True):
            if kw:
                yield Reserved(pool_index=pool, capacity_kw=kw, cause=f"scenario:clouds.{name}")


def _first_month(setup: Setup, books: Books) -> Served:
    """Return the state of the product market before the first month."""
    scenario = setup.scenario
    labs = [scenario.labs[n] for n in setup.labs]
    demand = scenario.demand
    users = np.array([lab.users_million for lab in labs])
    training = np.array([lab.training_h100e for lab in labs])
    growth = scenario.beliefs.growth_per_month
    steady = demand.training_decay_per_month + growth - demand.training_efficiency_growth_per_month
    price = np.array([lab.price_usd_per_user_month for lab in labs])
    return Served(
        users_million=users,
        adopters_share=demand.adopters_million / demand.potential_users_million,
        training_stock=np.maximum(training, 1.0) / max(steady, 1e-3),
        price_usd=price,
        unserved=np.zeros(len(labs)),
        revenue_usd=users * 1e6 * price,
        load_h100e=load(users, setup.hours_per_user),
        training_need_h100e=training,
        delivered_h100e=np.zeros((len(setup.labs), len(setup.clouds))),
        used_share=np.ones(len(labs)),
        cause="scenario",
    )


def load(users_million: np.ndarray, hours_per_user: np.ndarray) -> np.ndarray:
    """Return inference load, H100e (dem-4)."""
    return users_million * 1e6 * hours_per_user / HOURS_PER_MONTH


def calibrated(setup: Setup, first: Served, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return appeal xi and conduct that make the initial state a rest point of shares and prices."""
    demand = setup.scenario.demand
    shares = first.users_million / demand.adopters_million
    outside = 1 - float(np.sum(shares))
    appeal = (
        np.log(shares / outside)
        - demand.quality_return * np.log(first.training_stock)
        + demand.price_sensitivity_per_usd * first.price_usd
        - np.log(reach)
    )
    appeal += np.array([setup.scenario.labs[n].momentum for n in setup.labs])
    if demand.conduct == "bertrand":
        return appeal, np.ones(len(shares))
    cost = setup.hours_per_user * initial_price(setup.scenario)
    markup = np.maximum(first.price_usd - cost, 0.0)
    return appeal, markup * demand.price_sensitivity_per_usd * (1 - shares)


def initial_price(scenario: Scenario) -> float:
    """Return the capacity-weighted price of contracts in force between independent parties."""
    weights = [
        (c.capacity_mw * scenario.chips[c.chip].h100e_per_mw, c.price_usd_per_h100e_hour)
        for _, c in sorted(scenario.contracts.items())
        if c.start <= scenario.start < c.end and c.price_usd_per_h100e_hour > 0
    ]
    total = math.fsum(w for w, _ in weights)
    if total == 0:
        floors = [c.floor_usd_per_h100e_hour for c in scenario.clouds.values()]
        return max(max(floors, default=0.0), 1.0)
    return math.fsum(w * p for w, p in weights) / total


def _first_beliefs(setup: Setup, books: Books) -> Believed:
    scenario = setup.scenario
    beliefs, first = scenario.beliefs, books.served
    assert first is not None
    price = initial_price(scenario)
    count = len(setup.labs)
    return Believed(
        growth=np.full(count, beliefs.growth_per_month),
        variance=np.full(count, beliefs.error_variance),
        need_h100e=first.load_h100e + first.training_need_h100e,
        contract_price=price,
        spot_price=price,
        win_share=_first_win_share(setup, books),
        revenue_usd=first.revenue_usd,
        revenue_growth=np.full(count, beliefs.growth_per_month),
        burn_usd=np.zeros(count),
        cause="scenario",
    )


def _first_win_share(setup: Setup, books: Books) -> np.ndarray:
    """Return half the present share of each cloud in a lab's compute, half its share of capacity."""
    clouds = len(setup.clouds)
    capacity = np.bincount(
        setup.pool_cloud, weights=books.promised_kw[:, PROMISED_BY] * setup.theta, minlength=clouds
    )
    bought = np.zeros((len(setup.labs), clouds))
    for row, facts in enumerate(books.contracts.facts):
        if facts.runs_in(0.0):
            pool = int(books.contracts.pool[row])
            bought[books.contracts.lab[row], setup.pool_cloud[pool]] += facts.h100e
    eligible = np.where(setup.barred, 0.0, capacity[None, :])
    eligible = eligible / np.maximum(eligible.sum(axis=1, keepdims=True), 1e-9)
    present = bought / np.maximum(bought.sum(axis=1, keepdims=True), 1e-9)
    none = bought.sum(axis=1, keepdims=True) == 0
    return np.where(none, eligible, (eligible + present) / 2)
