"""Instruments of investors and of richer parties: who pays, who owes, and who buys more (1.9)."""

from collections.abc import Mapping
from typing import Any

import pytest

from offtake.model.accounts import unbalanced
from offtake.model.events import Borrowed, Called, Defaulted, Settled, Vested
from offtake.model.market import Market
from tests.degenerate import (
    MONEY_USD,
    UNIT_H100E,
    after,
    cloud,
    contract,
    day,
    lab,
    scenario,
    signed_h100e,
    silent,
)

HOURS = 730.5 * UNIT_H100E
"""H100e-hours of one unit in a month."""
PROMISE = {"investor": "Lead", "issuer": "Lab", "due": day(1), "amount_usd": 10e9}
LENDERS = {"Lender": {"cash_usd": 1e12}}


def played(
    *,
    months: float = 3,
    buyer: Mapping[str, Any] | None = None,
    clouds: Mapping[str, Any] | None = None,
    quiet: bool = True,
    **tables: Any,
) -> Market:
    """Return a market of one lab with one cloud after some months."""
    given = scenario(
        {"Lab": lab(1.0, **(buyer or {}))}, clouds or {"Cloud": cloud(0.5)}, months=6, **tables
    )
    silence = {n: {"procurer": silent} for n in given.labs} if quiet else {}
    return after(given, months, strategies=silence)


def told(market: Market, kind: type) -> list[Any]:
    return [e for _, e in market.books.journal if isinstance(e, kind)]


def moved(market: Market, label: str) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for posting in market.books.postings:
        if posting.label == label:
            pair = (posting.payer, posting.payee)
            found[pair] = found.get(pair, 0.0) + posting.cents / 100
    return found


def closes(market: Market) -> bool:
    frames = market.frames()
    return unbalanced(frames["balance_sheets"], frames["flow_matrix"]) == []


# Tranches


def promise(**given: Any) -> dict[str, Any]:
    return {"tranches": {"first": {**PROMISE, **given}}}


LEAD = {"Lead": {"cash_usd": 20e9}, "Member": {"cash_usd": 1e9}}


@pytest.mark.parametrize(
    ("underwritten", "lead", "outcome"), [(False, 7e9, "reduced"), (True, 9e9, "paid")]
)
def test_a_lead_pays_for_its_syndicate_only_if_it_underwrites(underwritten, lead, outcome):
    market = played(investors=LEAD, **promise(syndicate={"Member": 0.3}, underwritten=underwritten))
    assert moved(market, "tranche") == {("Lead", "Lab"): lead, ("Member", "Lab"): 1e9}
    (event,) = told(market, Settled)
    assert event.outcome == outcome
    assert market.books.held("Lead", "equity") == lead * 100


def test_a_tranche_waits_for_its_condition_as_long_as_agreed():
    site = {
        "site": {
            "cloud": "Cloud",
            "region": "home",
            "capacity_mw": 1.0,
            "stage": "building",
            "chip": "chip",
            "construction_months": 3.0,
            "grid_months": 0.0,
        }
    }
    given = {
        "condition": "energised-mw",
        "venture": "Cloud",
        "at_least": 1.5,
        "reduced_usd": 1e9,
    }
    late = {"region": {"clock_shape": 1e6}, "sites": site, "investors": LEAD}
    unmet = played(months=6, **late, **promise(**given))
    met = played(months=6, **late, **promise(**given, waits_months=4))
    assert [(e.outcome, e.paid_cents) for e in told(unmet, Settled)] == [("reduced", 10**11)]
    assert [e.outcome for e in told(met, Settled)] == ["paid"]


@pytest.mark.parametrize(("probability", "outcome"), [(1.0, "paid"), (0.0, "lapsed")])
def test_a_tranche_may_hang_on_a_listing(probability, outcome):
    listing = {
        "on": day(0),
        "what": "shares are sold to the public",
        "lists": "Lab",
        "listing_probability": probability,
    }
    market = played(investors=LEAD, events={"listing": listing}, **promise(condition="listing"))
    assert [e.outcome for e in told(market, Settled)] == [outcome]


def test_an_investor_borrows_on_its_assets_before_it_sells_them():
    lead = {"cash_usd": 1e9, "assets_usd": 10e9, "haircut": 0.1, "borrowing_limit": 0.5}
    market = played(investors={"Lead": lead}, lenders=LENDERS, **promise())
    (loan,) = [e.loan for e in told(market, Borrowed)]
    assert loan.principal_cents == round(0.5 * 9e9 * 100)
    assert moved(market, "asset sale")["Customers", "Lead"] >= 4.5e9
    assert moved(market, "tranche") == {("Lead", "Lab"): 1e9 + 9e9}
    assert closes(market)


def test_assets_are_sold_for_debt_service():
    lead = {"cash_usd": 1e9, "assets_usd": 10e9, "haircut": 0.0, "borrowing_limit": 0.5}
    market = played(months=5, investors={"Lead": lead}, lenders=LENDERS, **promise(amount_usd=6e9))
    assert market.books.deposits["Lead"] == 0
    assert not market.books.owed("Lead", "arrears")
    service = sum(
        p.cents for p in market.books.postings if p.payer == "Lead" and p.payee == "Lender"
    )
    first, *more = [e.loan.principal_cents for e in told(market, Borrowed)]
    assert first == 5e11
    sold = moved(market, "asset sale")["Customers", "Lead"]
    assert service / 100 == pytest.approx(sold + sum(more) / 100)  # what is repaid is lent again


# Equity for compute


RUNNING: dict[str, Any] = {"contracts": {"let": contract("Lab", "Cloud", 1.0, 2.0, end=24)}}


def test_a_part_of_a_tranche_comes_back_as_prepaid_compute():
    given = {"amount_usd": 10e6, "compute_share": 0.6, "compute_from": "Cloud"}
    market = played(months=1, investors=LEAD, **RUNNING, **promise(**given))
    claim = ("Lab", "Cloud", "prepayment", "let")
    assert moved(market, "prepayment") == {("Lab", "Cloud"): 6e6}
    before = market.books.claims[claim]
    market.run_until(2)
    assert market.books.claims[claim] < before  # bills draw it down
    assert closes(market)


def test_no_more_is_prepaid_than_take_or_pay_will_bill():
    given = {"compute_share": 1.0, "compute_from": "Cloud"}
    market = played(months=1.5, investors=LEAD, **RUNNING, **promise(**given))
    assert moved(market, "prepayment")["Lab", "Cloud"] == pytest.approx(23 * 2.0 * HOURS)


def test_money_for_a_lab_without_a_contract_is_not_prepaid():
    given = {"compute_share": 1.0, "compute_from": "Cloud"}
    market = played(investors=LEAD, **promise(**given))
    assert moved(market, "prepayment") == {}
    assert moved(market, "tranche") == {("Lead", "Lab"): 10e9}


# Circularity


def test_circularity_is_equity_over_payments_where_the_investor_shares_in_the_cloud():
    lead = {"Lead": {"cash_usd": 20e9, "parent": "Group"}}
    market = played(
        months=3,
        investors=lead,
        clouds={"Cloud": cloud(0.5, parent="Group"), "Other": cloud(0.5)},
        **{"contracts": {"let": contract("Lab", "Cloud", 1.0, 2.0, end=24)}},
        **promise(amount_usd=1e6),
    )
    values = market.recorder.values["circularity"][-1]
    paid = moved(market, "compute")["Lab", "Cloud"]
    assert sorted(values.tolist()) == pytest.approx([0.0, 1e6 / paid])


# Guarantees


def guaranteed(limit_usd: float, **given: Any) -> Market:
    """Return a market in which a parent stands for a lab that cannot pay half of its bill."""
    return played(
        months=5,
        buyer={"cash_usd": 0.0, "parent_funding_usd_per_year": 12 * 1.0 * HOURS},
        investors={"Parent": {"cash_usd": 1e9}},
        finance={"grace_months": 1, "debt_rate_per_year": 0.0},
        guarantees={
            "comfort": {
                "guarantor": "Parent",
                "debtor": "Lab",
                "limit_usd": limit_usd,
                **given,
            }
        },
        **RUNNING,
    )


def test_a_guarantor_pays_what_its_debtor_does_not_and_is_owed_it():
    market = guaranteed(1e9)
    calls = told(market, Called)
    assert calls[0].paid_cents == pytest.approx(100 * HOURS, rel=1e-6)
    assert market.books.failed == set()
    assert market.books.held("Parent", "loan") > 0
    assert market.recorder.values["guarantees_called_usd"][-1][0] == pytest.approx(
        sum(e.paid_cents for e in calls) / 100
    )
    assert closes(market)


def test_a_guarantee_ends_at_its_limit():
    market = guaranteed(1.5 * HOURS)
    assert sum(e.paid_cents for e in told(market, Called)) == round(150 * HOURS)
    assert [e.name for e in told(market, Defaulted)] == ["Lab"]
    assert not market.books.owed("Lab")
    assert closes(market)


def test_a_guarantee_to_another_creditor_is_not_called():
    assert told(guaranteed(1e9, beneficiary="Parent"), Called) == []


def test_a_guarantee_has_a_fee():
    market = guaranteed(1.2e6, fee_per_year=0.05, until=day(2))
    assert moved(market, "guarantee fee")["Lab", "Parent"] <= 1.2e6 * 0.05 / 12 * 2


def test_what_is_guaranteed_is_lent_against_as_safely_as_its_guarantor():
    """Half of the take-or-pay is guaranteed: half of the lab's own hazard goes (cst-4, fin-3)."""
    weak = {"base_hazard_per_month": 0.001, "runway_hazard": 0.02, "lender_recovery": 0.5}
    term = 2.0 * HOURS * 24
    rates = {}
    for part in (0.0, 0.5, 1.0):
        market = played(
            months=0.5,
            investors={"Parent": {"cash_usd": 1e9}},
            finance=weak,
            guarantees={
                "comfort": {"guarantor": "Parent", "debtor": "Lab", "limit_usd": part * term}
            },
            **RUNNING,
        )
        from offtake.model.borrowing import lending_rate_per_year

        rates[part] = lending_rate_per_year(market, "Cloud") - 0.11
    assert rates[1.0] == pytest.approx(0.5 * 12 * 0.001)
    assert rates[0.0] == pytest.approx(0.5 * 12 * (0.001 + 0.02 / 120))
    assert rates[0.5] == pytest.approx((rates[0.0] + rates[1.0]) / 2, rel=1e-2)


# Warrants


def test_a_customer_earns_equity_step_by_step_by_what_it_buys():
    warrant = {
        "lab": "Lab",
        "cloud": "Cloud",
        "equity_usd": 1e6,
        "purchases_usd": 8 * HOURS,
        "steps": 4,
    }
    market = played(months=3, warrants={"volume": warrant}, **RUNNING)
    assert [e.steps for e in told(market, Vested)] == [1, 2, 3]  # a month's bill is a step
    assert market.books.claims["Lab", "Cloud", "equity", ""] == round(0.75e8)
    market.run_until(6)
    assert market.books.claims["Lab", "Cloud", "equity", ""] == 10**8
    assert closes(market)


def test_what_has_not_been_earned_in_time_lapses():
    warrant = {
        "lab": "Lab",
        "cloud": "Cloud",
        "equity_usd": 1e6,
        "purchases_usd": 8 * HOURS,
        "steps": 4,
        "until": day(2),
    }
    market = played(months=6, warrants={"volume": warrant}, **RUNNING)
    assert [e.steps for e in told(market, Vested)] == [1]


@pytest.mark.parametrize(("equity_usd", "seller"), [(0.0, "Cheap"), (1e6, "Warranted")])
def test_a_warrant_wins_the_customer_of_a_cheaper_rival(equity_usd, seller):
    """A tenth of what is paid comes back; the rival is five cents cheaper at half a dollar."""
    warrant = {
        "lab": "Lab",
        "cloud": "Warranted",
        "equity_usd": equity_usd,
        "purchases_usd": 1e7,
    }
    market = played(
        months=1,
        quiet=False,
        clouds={"Cheap": cloud(0.50), "Warranted": cloud(0.55)},
        warrants={"volume": warrant},
        buyer={"cash_usd": MONEY_USD},
    )
    assert set(signed_h100e(market)) == {("Lab", seller)}
