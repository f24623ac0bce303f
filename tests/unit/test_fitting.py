"""Chips are bought when they can be paid, and money is borrowed only then."""

from offtake.model.contracts import Stage
from offtake.model.events import Borrowed
from offtake.model.market import Market
from tests.degenerate import after, cloud, contract, lab, scenario, silent


def powered(cash_usd: float) -> Market:
    """Return a market whose cloud can borrow most of what chips cost, and has so much itself."""
    given = scenario(
        {"Lab": lab(1e6, 2.0)},
        {"Cloud": cloud(1.0, cash_usd=cash_usd, debt_share=0.8)},
        months=2,
        lenders={"Lender": {"cash_usd": 1e12}},
        contracts={"c": contract("Lab", "Cloud", 1.0, 50.0, end=60)},
        sites={
            "site": {
                "cloud": "Cloud",
                "region": "home",
                "capacity_mw": 1.0,
                "stage": "powered",
                "chip": "chip",
            }
        },
    )
    strategies = {"Lab": {"procurer": silent}, "Cloud": {"builder": lambda view: ()}}
    return after(given, 0.5, strategies=strategies)


def test_nothing_is_borrowed_for_chips_that_cannot_be_paid():
    market = powered(1e6)
    assert market.books.sites["site"].stage is Stage.POWERED
    assert [e for _, e in market.books.journal if isinstance(e, Borrowed)] == []


def test_chips_that_can_be_paid_are_borrowed_for_once():
    market = powered(1e7)
    assert market.books.sites["site"].stage is Stage.ENERGISED
    (loan,) = [e.loan for _, e in market.books.journal if isinstance(e, Borrowed)]
    assert loan.principal_cents == round(0.8 * 1000 * 30_000 * 100)
    assert market.books.deposits["Cloud"] == round((1e7 - 0.2 * 3e7) * 100)
