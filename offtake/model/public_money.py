"""Public money: duties, grants and credit for sites, and guarantees that are called (1.11).

Governments pay from their deposits, as far as these reach; so does what clouds expect of them.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from offtake.model.contracts import Loan, Pool, Site
from offtake.model.enforcing import in_force
from offtake.model.events import Posting
from offtake.model.permits import place_of, tariff_shares

if TYPE_CHECKING:
    from offtake.model.market import Market

    type Key = tuple[str, str, str, str]
    """Holder, issuer, kind and reference of a claim."""


def chip_factor(market: "Market", pool: Pool) -> float:
    """Return what a cloud pays for chips in a pool, duty and grants counted, over their price."""
    duty = sum(share for _, share in tariff_shares(market, pool))
    return 1 + duty - _granted(market, pool)


def shell_factor(market: "Market", pool: Pool) -> float:
    """Return what a cloud pays for a shell, grants counted, over its price."""
    return 1 - _granted(market, pool)


def own_part(market: "Market", pool: Pool) -> float:
    """Return the part of an outlay that public credit leaves."""
    shares = [share for _, share, _ in _credits(market, pool)]
    return 1 - min(sum(shares), 1.0)


def _granted(market: "Market", pool: Pool) -> float:
    return min(sum(share for _, share in _grant_shares(market, pool)), 1.0)


def _grant_shares(market: "Market", pool: Pool) -> list[tuple[str, float]]:
    """Return who grants which share of chips and shells, of governments that have money."""
    place = place_of(market, pool.cloud, pool.region)
    deposits = market.books.deposits
    given = [(r.government, r.grant_share(place)) for r in in_force(market, "grant_share")]
    return [(name, share) for name, share in given if share > 0 and deposits[name] > 0]


def _credits(market: "Market", pool: Pool) -> Iterator[tuple[str, float, float]]:
    """Yield who lends which share of an outlay at which rate, of governments that have money."""
    place = place_of(market, pool.cloud, pool.region)
    for rule in in_force(market, "credit"):
        offered = rule.credit(place)
        if offered is not None and market.books.deposits[rule.government] > 0:
            yield rule.government, offered.share, offered.rate_per_year


def duties(market: "Market", site: Site, cost: int) -> list[Posting]:
    """Return the duties on chips of a cost in cents."""
    cloud = site.pool.cloud
    shares = tariff_shares(market, site.pool)
    return [Posting(cloud, who, round(x * cost), "tariff", site.name) for who, x in shares]


def grants(market: "Market", site: Site, cost: int) -> list[Posting]:
    """Return what governments pay of a cost in cents: together never more than all of it."""
    left, budgets = cost, _Budgets(market)
    paid = []
    for government, share in _grant_shares(market, site.pool):
        amount = budgets.take(government, min(round(share * cost), left))
        left -= amount
        if amount:
            paid.append(Posting(government, site.pool.cloud, amount, "grant", site.name))
    return paid


def credit_for(market: "Market", site: Site, outlay: int) -> list[Loan]:
    """Return what governments lend for an outlay in cents. Nothing is drawn."""
    left, budgets, loans = outlay, _Budgets(market), []
    fitted = market.books.chips_kw.get(site.name, 0)
    for government, share, rate in _credits(market, site.pool):
        amount = budgets.take(government, min(round(share * outlay), left))
        left -= amount
        if amount > 0:
            loans.append(
                Loan(
                    name=f"credit {len(loans) + 1} of {government} for {site.name} from {fitted} kW on",
                    lender=government,
                    borrower=site.pool.cloud,
                    principal_cents=amount,
                    rate_per_year=rate,
                    start=market.time,
                    months=market.setup.scenario.finance.debt_term_months,
                )
            )
    return loans


class _Budgets:
    """What governments have left while several policies spend it."""

    def __init__(self, market: "Market") -> None:
        self.deposits, self.spent = market.books.deposits, dict[str, int]()

    def take(self, government: str, wanted: int) -> int:
        """Return how much of what is wanted there is, and keep it."""
        left = max(self.deposits[government] - self.spent.get(government, 0), 0)
        amount = min(max(wanted, 0), left)
        self.spent[government] = self.spent.get(government, 0) + amount
        return amount


def guarantee_for(market: "Market", pool: Pool) -> tuple[str, float]:
    """Return who bears which share of a lender's loss on a site in a pool: the largest that is offered."""
    place = place_of(market, pool.cloud, pool.region)
    offered = [(r.loss_cover(place), r.government) for r in in_force(market, "loss_cover")]
    cover, government = max(offered, key=lambda o: o[0], default=(0.0, ""))
    return (government, cover) if cover > 0 else ("", 0.0)


def called(market: "Market", lost: Sequence[tuple["Key", int]]) -> list[Posting]:
    """Return what governments owe lenders for claims that somebody who has failed does not pay, cents."""
    budgets, paid = _Budgets(market), []
    for (holder, _, kind, reference), cents in lost:
        loan = market.books.loans.get(reference) if kind == "loan" else None
        if loan is not None and loan.cover > 0:
            amount = budgets.take(loan.insurer, round(loan.cover * cents))
            if amount:
                paid.append(Posting(loan.insurer, holder, amount, "guarantee", reference))
    return paid
