"""Joint ventures: who agrees, who pays when called, what is sold to others, and what is only a name (1.9)."""

import math
from collections.abc import Mapping
from typing import Any

import pytest

from offtake.model.accounts import unbalanced
from offtake.model.contracts import Stage
from offtake.model.events import Cancelled, Formed, Settled
from offtake.model.market import Market
from offtake.model.pricing import annuity
from tests.degenerate import after, cloud, contract, day, lab, scenario, signed_h100e, silent

CHIPS_USD = 30e6
"""What the chips of one unit cost."""
OWNERS = {"Fund": 0.4, "Lab": 0.4, "Operator": 0.2}


def venture(**given: Any) -> dict[str, Any]:
    deed = {"kind": "captive", "priority": "Lab", "owners": OWNERS, "cash_usd": 0.0}
    return cloud(0.5, 0.0, **deed | given)


def powered(owner: str = "Venture", **given: Any) -> dict[str, Any]:
    return {
        "site": {
            "cloud": owner,
            "region": "home",
            "capacity_mw": 1.0,
            "stage": "powered",
            "chip": "chip",
            **given,
        }
    }


def played(
    deed: Mapping[str, Any],
    *,
    months: float = 3,
    quiet: bool = True,
    fund: Mapping[str, Any] | None = None,
    clouds: Mapping[str, Any] | None = None,
    strategies: Mapping[str, Any] | None = None,
    **tables: Any,
) -> Market:
    """Return a market of a lab and its venture after some months."""
    given = scenario(
        {"Lab": lab(1.0, cash_usd=400e6), **tables.pop("labs", {})},
        {"Venture": venture(**deed), "Operator": cloud(0.5, 0.0), **(clouds or {})},
        months=6,
        investors={"Fund": {"cash_usd": 1e9, "hurdle_per_year": 0.2, **(fund or {})}},
        **tables,
    )
    silence = {n: {"procurer": silent} for n in given.labs} if quiet else {}
    return after(given, months, strategies=silence | dict(strategies or {}))


def moved(market: Market, label: str) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for posting in market.books.postings:
        if posting.label == label:
            pair = (posting.payer, posting.payee)
            found[pair] = found.get(pair, 0.0) + posting.cents / 100
    return found


def last(market: Market, name: str, of: str = "Venture") -> float:
    return float(market.recorder.values[name][-1][market.setup.clouds.index(of)])


def closes(market: Market) -> bool:
    frames = market.frames()
    return unbalanced(frames["balance_sheets"], frames["flow_matrix"]) == []


LET: dict[str, Any] = {"contracts": {"let": contract("Lab", "Venture", 1.0, 1.0, end=24)}}
PROMISED = {"Fund": 60e6, "Lab": 30e6}


# Capital calls


def test_owners_pay_for_a_site_when_it_is_called_in_proportion_to_what_they_promised():
    market = played({"commitments": PROMISED}, sites=powered(), **LET)
    assert moved(market, "capital call") == {
        ("Fund", "Venture"): pytest.approx(2 / 3 * CHIPS_USD),
        ("Lab", "Venture"): pytest.approx(1 / 3 * CHIPS_USD),
    }
    assert market.books.sites["site"].stage is Stage.ENERGISED
    assert market.books.held("Fund", "equity") == round(20e8)
    assert last(market, "uncalled_usd") == 60e6
    assert closes(market)


def test_debt_is_drawn_first_and_owners_pay_the_rest():
    lend: dict[str, Any] = {"lenders": {"Lender": {"cash_usd": 1e12}}}
    market = played({"commitments": PROMISED, "debt_share": 0.5}, sites=powered(), **LET, **lend)
    (loan,) = market.books.loans.values()
    called = sum(moved(market, "capital call").values())
    assert called == pytest.approx(CHIPS_USD - loan.principal_cents / 100)
    assert 0 < called < CHIPS_USD


def test_what_owners_promised_bounds_what_is_built():
    market = played({"commitments": {"Fund": 20e6}}, sites=powered(), **LET)
    assert market.books.sites["site"].stage is Stage.POWERED
    assert last(market, "uncalled_usd") == 0.0


def test_an_owner_that_cannot_pay_leaves_the_site_without_chips():
    market = played({"commitments": {"Fund": 60e6}}, fund={"cash_usd": 1e6}, sites=powered(), **LET)
    assert market.books.sites["site"].stage is Stage.POWERED
    assert moved(market, "capital call") == {("Fund", "Venture"): 1e6}


def test_a_promise_to_a_venture_is_not_given_to_a_round_too():
    from offtake.model.owners import promised_cents

    market = played({"commitments": {"Fund": 60e6}}, months=0.5)
    assert promised_cents(market, "Fund") == round(60e8)
    assert promised_cents(market, "Lab") == 0


# Governance


def plot(consent: float, markup: float, **deed: Any) -> Market:
    """Return a market whose venture has a lease to build on."""
    own = {
        "landlord": "Landlord",
        "stage": "leased",
        "construction_months": 0.0,
        "grid_months": 0.0,
    }
    landlord = {
        "cash_usd": 0.0,
        "region": "home",
        "available_mw": 0.0,
        "rent_usd_per_kw_month": 1.0,
    }
    later: dict[str, Any] = {
        "contracts": {"let": contract("Lab", "Venture", 1.0, 1.0, start=4, end=24)}
    }
    return played(
        {"consent": consent, "transfer_markup": markup, "discount_per_year": 0.1, **deed},
        sites=powered(**own),
        landlords={"Landlord": landlord},
        **later,
    )


def begun(market: Market) -> bool:
    return market.books.sites["site"].stage > Stage.LEASED


@pytest.mark.parametrize(
    ("consent", "markup", "agreed", "builds"),
    [
        (0.0, 0.0, 0.6, True),
        (0.6, 0.0, 0.6, True),
        (0.7, 0.0, 0.6, False),
        (0.7, 0.5, 1.0, True),
    ],
    ids=["nobody is asked", "enough agree", "the fund refuses", "the price is right"],
)
def test_a_venture_builds_if_enough_of_its_owners_agree(consent, markup, agreed, builds):
    """The lab wants capacity, the operator asks nothing (no discount), the fund asks 20% a year."""
    market = plot(consent, markup)
    assert last(market, "owners_consent") == pytest.approx(agreed)
    assert begun(market) == builds


def test_the_transfer_price_pays_equity_what_it_costs_and_the_markup():
    """At no markup equity earns the venture's own cost of capital; debt below it raises that."""
    from offtake.model.owners import site_return_per_year

    market = plot(0.0, 0.0)
    data = market.setup.scenario.clouds["Venture"]
    assert site_return_per_year(market, data) == pytest.approx(0.1, rel=1e-9)
    levered = data.model_copy(update={"debt_share": 0.5, "discount_per_year": 0.2})
    earned = site_return_per_year(market, levered)
    rate = 1.2 ** (1 / 12) - 1
    cash = 1 / float(annuity(rate, 66)) - 0.5 / float(annuity(0.11 / 12, 66))
    assert cash * float(annuity((1 + earned) ** (1 / 12) - 1, 66)) == pytest.approx(0.5)
    assert earned > 0.2


# Surplus


def surplus(*, sells: bool) -> dict[tuple[str, str], float]:
    """Return who buys of a venture with a free hall that its lab does not need."""
    given = scenario(
        {"Lab": lab(1.0, 0.0), "Other": lab(1.0)},
        {"Venture": cloud(0.5, 1.0, kind="captive", priority="Lab", sells_surplus=sells)},
    )
    return signed_h100e(after(given))


def test_surplus_is_sold_to_others_only_if_the_deed_allows_it():
    assert set(surplus(sells=True)) == {("Other", "Venture")}
    assert surplus(sells=False) == {}


# Formation


def waiting(probability: float, **deed: Any) -> Market:
    given = {
        "formation": day(2),
        "formation_probability": probability,
        "commitments": {"Fund": 60e6},
        **deed,
    }
    own = {"landlord": "Landlord", "stage": "leased"}
    landlord = {
        "cash_usd": 0.0,
        "region": "home",
        "available_mw": 0.0,
        "rent_usd_per_kw_month": 1.0,
    }
    promise = {
        "investor": "Fund",
        "issuer": "Venture",
        "due": day(3),
        "amount_usd": 5e6,
        "reduced_usd": 1e6,
    }
    return played(
        given,
        months=5,
        sites=powered(**own),
        landlords={"Landlord": landlord},
        tranches={"first": promise},
        strategies={"Venture": {"builder": lambda view: ()}},
    )


def told(market: Market, kind: type) -> list[Any]:
    return [e for _, e in market.books.journal if isinstance(e, kind)]


def test_a_venture_that_forms_is_paid_and_may_sign():
    market = waiting(1.0)
    assert [e.formed for e in told(market, Formed)] == [True]
    assert [e.outcome for e in told(market, Settled)] == ["paid"]
    assert market.books.unformed == set()
    assert last(market, "uncalled_usd") == 60e6


def test_a_venture_that_does_not_form_gives_its_leases_back_and_gets_nothing():
    market = waiting(0.0)
    assert [e.formed for e in told(market, Formed)] == [False]
    (event,) = told(market, Settled)
    assert (event.outcome, event.cause) == ("lapsed", "tranche:first, issuer not formed")
    assert [e.site for e in told(market, Cancelled)] == ["site"]
    assert last(market, "uncalled_usd") == 0.0
    assert moved(market, "capital call") == {}
    market.check_invariants()


def test_formation_and_a_tranche_may_hang_on_the_same_condition():
    name = "restructuring"
    outcomes = set()
    for seed in range(1, 9):
        given = scenario(
            {"Lab": lab(1.0)},
            {
                "Venture": venture(
                    formation=day(1), formation_probability=0.5, formation_condition=name
                ),
                "Operator": cloud(0.5, 0.0),
            },
            months=3,
            investors={"Fund": {"cash_usd": 1e9}},
            tranches={
                "first": {
                    "investor": "Fund",
                    "issuer": "Lab",
                    "due": day(1),
                    "amount_usd": 5e6,
                    "condition": "governance",
                    "condition_name": name,
                    "probability": 0.5,
                }
            },
        )
        market = Market(given, rng=seed, strategies={"Lab": {"procurer": silent}})
        market.run_until(2)
        (formed,), (paid,) = told(market, Formed), told(market, Settled)
        assert formed.formed == (paid.outcome == "paid")
        outcomes.add(formed.formed)
    assert outcomes == {True, False}


# A label


def test_a_label_owns_nothing_and_has_what_its_members_deliver():
    deed = {"label_over": ("Operator",), "commitments": {"Fund": 60e6}}
    given: dict[str, Any] = {"contracts": {"let": contract("Lab", "Operator", 1.0, 1.0, end=24)}}
    stands: dict[str, Any] = {"clouds": {"Operator": cloud(0.5, 1.0)}}
    market = played(deed, **stands, **given)
    assert last(market, "venture_mw") == 1.0
    assert last(market, "energised_mw") == 0.0
    assert last(market, "uncalled_usd") == 0.0
    assert market.books.unformed == {"Venture"}


def test_a_label_signs_nothing():
    deed = {"label_over": ("Operator",)}
    market = played(deed, quiet=False, clouds={"Operator": cloud(0.5, 1.0)}, months=1)
    assert set(signed_h100e(market)) == {("Lab", "Operator")}


def test_a_market_without_owners_has_no_consent():
    market = played({}, months=1)
    assert math.isnan(last(market, "owners_consent", "Operator"))
