"""Laws of the secondary market, in any market."""

import math
from collections import defaultdict

import numpy as np
from hypothesis import given, settings

from offtake.model.events import Assigned, Cleared
from offtake.model.market import Market
from offtake.model.scenario import Scenario
from tests.generated import played, scenarios

FEW = settings(max_examples=20)
ROUNDING = 1e-6


def with_assignability(scenario: Scenario, word: str) -> Scenario:
    given = {n: c.model_copy(update={"assignability": word}) for n, c in scenario.contracts.items()}
    return scenario.model_copy(update={"contracts": given})


@FEW
@given(scenarios(months=8))
def test_labs_that_may_let_what_they_do_not_use_leave_no_more_of_it_dark(scenario: Scenario):
    dark = {}
    for word in ("none", "with-consent"):
        market = played(with_assignability(scenario, word), months=2)
        dark[word] = dark_by_lessor(market, Market(scenario, rng=1).setup.labs)
    assert (dark["with-consent"] <= dark["none"] + ROUNDING).all()


def dark_by_lessor(market: Market, labs: tuple[str, ...]) -> np.ndarray:
    """Return what each lab left dark in the second month; 0 where it bought in the auction before."""
    c, n = market.books.contracts, len(market.used_h100e)
    dark = np.maximum(c.floor[:n] * market.delivered_h100e - market.used_h100e, 0.0)
    first = [e for t, e in market.books.journal if isinstance(e, Cleared) and t == 1]
    bought = {p.lab for e in first for p in (*e.purchases, *e.subleases)}
    moved = {e.lab for _, e in market.books.journal if isinstance(e, Assigned)}
    by_lab = np.bincount(c.lab[:n], weights=dark, minlength=len(labs)).astype(float)
    return np.where([name in bought | moved for name in labs], 0.0, by_lab)


@FEW
@given(scenarios(months=10))
def test_spot_sells_nothing_twice(scenario: Scenario):
    market = Market(scenario, rng=1)
    for _ in range(scenario.months):
        market.step()
        books, setup = market.books, market.setup
        sold: defaultdict[int, float] = defaultdict(float)
        let: defaultdict[str, float] = defaultdict(float)
        for cleared in books.spot.values():
            for item in cleared.purchases:
                sold[item.pool] += item.h100e
                assert item.pays >= item.receives >= 0
            for item in cleared.subleases:
                let[item.contract] += item.h100e
                contract = books.contracts.facts[books.contracts.row[item.contract]]
                assert contract.assignability.allowed
                assert item.lab != item.lessor == contract.buyer
            total = math.fsum(x.h100e for x in (*cleared.purchases, *cleared.subleases))
            assert math.isclose(total, cleared.h100e, abs_tol=ROUNDING)
        free = books.energised_kw - books.own_kw - books.committed_kw[:, market.month]
        for pool, h100e in sold.items():
            assert h100e <= free[pool] * setup.theta[pool] / 1000 * (1 + ROUNDING)
        for name, h100e in let.items():
            row = books.contracts.row[name]
            full = books.contracts.full_kw[row] * books.contracts.theta[row]
            assert h100e <= full * (1 + ROUNDING)


@FEW
@given(scenarios(months=10, least_cash_usd=0.0))
def test_bookkeeping_of_a_transfer_moves_prepayments_and_no_cent_more(scenario: Scenario):
    market = played(with_assignability(scenario, "free"))
    c = market.books.contracts
    by_contract: defaultdict[str, int] = defaultdict(int)
    for (holder, _, kind, name), owed in market.books.claims.items():
        if kind == "prepayment":
            assert holder == c.facts[c.row[name]].buyer
            by_contract[name] += owed
    left = {name: cents for name, cents in c.prepaid_cents.items() if cents}
    for name, owed in by_contract.items():
        assert owed == left[name]
    assert market.books.replay().digest() == market.books.digest()
