"""What was promised is paid on its day, in full, in part or not at all (fin-1)."""

import pytest

from offtake.model.events import Defaulted, Settled
from offtake.model.market import Market
from tests.degenerate import MONEY_USD, cloud, day, lab, scenario

CASH_USD = 6e9
SALE_USD = 4e9 * 0.9


def funded(**given: object) -> Market:
    """Return a market in which a fund has promised a lab USD 10 bn for the second month."""
    tranche = {"investor": "Fund", "issuer": "Lab", "due": day(1), "amount_usd": 10e9, **given}
    fund = {"cash_usd": CASH_USD, "assets_usd": 4e9, "haircut": 0.1}
    return Market(
        scenario(
            {"Lab": lab(1.0)},
            {"Cloud": cloud(0.5)},
            months=3,
            investors={"Fund": fund},
            tranches={"second": tranche},
        ),
        rng=1,
    )


def settled(market: Market) -> Settled:
    (event,) = [e for _, e in market.books.journal if isinstance(e, Settled)]
    return event


@pytest.mark.parametrize(
    ("given", "usd", "outcome"),
    [
        ({"amount_usd": 5e9}, 5e9, "paid"),
        ({}, CASH_USD + SALE_USD, "reduced"),
        (
            {"condition": "revenue", "at_least": 1e12, "reduced_usd": 2e9},
            2e9,
            "reduced",
        ),
        ({"condition": "revenue", "at_least": 1e12}, 0.0, "lapsed"),
    ],
    ids=["in full", "what can be raised", "the condition is not met", "nothing"],
)
def test_a_tranche_is_paid_as_far_as_its_condition_and_its_investor_go(given, usd, outcome):
    market = funded(**given)
    before = market.books.deposits["Lab"]
    market.run_until(1.5)
    event = settled(market)
    assert (event.paid_cents, event.outcome) == (round(usd * 100), outcome)
    paid = [p for p in market.books.postings if p.label == "tranche"]
    assert sum(p.cents for p in paid) == event.paid_cents
    assert before == round(MONEY_USD * 100)


def test_a_failed_issuer_is_paid_nothing_and_no_assets_are_sold_for_it():
    market = funded()
    market.apply(Defaulted(name="Lab", cause="test"))
    market.check = False
    market.run_until(1.5)
    event = settled(market)
    assert (event.paid_cents, event.outcome) == (0, "lapsed")
    assert event.cause == "tranche:second, issuer failed"
    assert not [p for p in market.books.postings if p.label in ("tranche", "asset sale")]
