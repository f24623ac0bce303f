"""What a deal becomes on paper: the contract and the sites that come with it."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.building import new_site, parts_kw
from offtake.model.cents import cents
from offtake.model.clauses import Assignability, Prepayment, TakeOrPay, Termination
from offtake.model.contracts import Contract, Site
from offtake.model.dealing import CrossDefault, FirstRefusal, MostFavoured, SupplyExclusivity
from offtake.model.exclusivity import broken, purpose_left
from offtake.model.menu import promised
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.negotiation import Deal
from offtake.model.view import BuildOption
from offtake.model.wording import terms_of

if TYPE_CHECKING:
    from offtake.model.market import Market


def draft(
    market: "Market", deal: Deal, buyer: str, kw: int, pool_index: int, option: BuildOption | None
) -> Contract:
    """Return the contract of a deal on a pool, yet without a number; a new site is waited for."""
    pool = market.setup.pools[pool_index]
    lead = math.ceil(option.lead_months) if option is not None else 0
    signed = market.time + deal.delay_months
    start = market.time + max(deal.request.lot.start_months, lead + deal.delay_months)
    theta = float(market.setup.theta[pool_index])
    rules = market.setup.scenario.negotiation
    contract = Contract(
        name=f"draft of {buyer} with {pool.cloud}",
        buyer=buyer,
        pool=pool,
        capacity_kw=kw,
        h100e_per_mw=theta,
        price_usd_per_h100e_hour=deal.price,
        signed=signed,
        start=start,
        end=start + deal.term_months,
        take_or_pay=TakeOrPay(floor=deal.floor_share),
        termination=Termination(fee_months=rules.termination_months),
        assignability=Assignability.named(rules.assignability),
        affiliate=deal.affiliate,
        purpose=purpose_left(market, buyer, pool.cloud, deal.request.lot.purpose, pool.region),
        most_favoured=MostFavoured() if rules.most_favoured and not deal.affiliate else None,
        cross_default=CrossDefault() if rules.cross_default and not deal.affiliate else None,
        ceiling=deal.ceiling,
        floor=deal.reservation,
        limits=deal.limits,
        slack=deal.slack,
        **terms_of(market.setup.scenario.negotiation),
    )
    return replace(
        contract,
        prepayment=Prepayment(amount_cents=_prepayment_cents(market, contract)),
        breaches=tuple(clause.agreement for clause in broken(market, contract)),
        clauses=promised(market, deal, contract),
    )


def numbered(market: "Market", contract: Contract) -> Contract:
    """Return a draft under the next number of its pair: only what is signed has a number."""
    pair = (contract.buyer, contract.seller)
    market.contract_count[pair] = market.contract_count.get(pair, 0) + 1
    name = f"{contract.buyer} with {contract.seller} {market.contract_count[pair]}"
    following = math.floor(market.time) + 1.0  # deals of one month are signed at once
    clauses = [
        replace(clause, agreement=name, since=following)
        for clause in contract.clauses
        if isinstance(clause, SupplyExclusivity | FirstRefusal)
    ]
    return replace(contract, name=name, clauses=tuple(clauses))


def _prepayment_cents(market: "Market", contract: Contract) -> int:
    """Return the prepayment with most joint surplus: the largest iff money is dearer to the seller."""
    scenario = market.setup.scenario
    buyer, seller = scenario.labs[contract.buyer], scenario.clouds[contract.seller]
    share = max(scenario.negotiation.prepayment, default=0.0)
    if contract.affiliate or seller.discount_per_year <= buyer.discount_per_year:
        return 0
    year = min(contract.months, 12.0) * HOURS_PER_MONTH
    amount = cents(
        share
        * contract.take_or_pay.floor
        * contract.price_usd_per_h100e_hour
        * contract.h100e
        * year
    )
    return amount if market.books.deposits[contract.buyer] >= 2 * amount else 0


def new_sites(market: "Market", option: BuildOption | None, kw: int) -> tuple[Site, ...]:
    """Return the sites of a build option that a contract brings, none of them above the largest size."""
    if option is None:
        return ()
    return tuple(new_site(market, option, part, letter=False) for part in parts_kw(market, kw))
