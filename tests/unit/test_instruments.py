"""Each instrument of a government, in a market: it does what it says, where it says, and no more (1.11)."""

import datetime as dt
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from offtake.agents.clouds import OpportunityCost
from offtake.agents.governments import (
    AntitrustHazard,
    GuardSecurity,
    ReactToMarket,
    RelieveScarcity,
)
from offtake.model.borrowing import debt_room_cents
from offtake.model.competition import objection_to_takeover
from offtake.model.contracts import Loan, Stage
from offtake.model.control import foreign_part, homes, ultimate_parents
from offtake.model.dealing import FirstRefusal, SupplyExclusivity
from offtake.model.events import Borrowed, Enacted, Reviewed, Settled, Voided
from offtake.model.market import Market
from offtake.model.menu import on_the_menu
from offtake.model.pairs import may_deal
from offtake.model.policies import Acquisition, Antitrust, Shipment, policy
from offtake.model.proposals import Enact, Repeal
from offtake.model.public_money import called
from offtake.model.reading import load_scenario
from offtake.model.scenario import (
    Agreement,
    Government,
    Investor,
    PolicyGiven,
    Scenario,
    TrancheGiven,
)
from offtake.model.seeing import cloud_views
from offtake.model.view import Ask, GovernmentView

DUOPOLY = load_scenario("duopoly")
START = dt.date(2025, 1, 1)
RULE = "rule"


def with_rule(
    *, cash_usd: float = 0.0, base: Scenario = DUOPOLY, regulator: str | None = None, **terms: Any
) -> Market:
    """Return the duopoly with one policy of its government, in force from the start unless it is a draft."""
    dated = {} if terms.get("draft") else {"effective": START}
    given = PolicyGiven.model_validate({"government": "Government", **dated, **terms})
    strategies = {"regulator": regulator} if regulator else {}
    government = Government(cash_usd=cash_usd, strategies=strategies)
    changed = {
        "policies": {RULE: given},
        "governments": base.governments | {"Government": government},
    }
    return Market(base.model_copy(update=changed), rng=1)


def paid_usd(market: Market, label: str) -> float:
    return sum(p.cents for p in market.books.postings if p.label == label) / 100


def energised_at(market: Market, site: str) -> float:
    market.run_until(DUOPOLY.months)
    return market.books.sites[site].energised_at


# Chips


def test_chips_wait_for_their_licence():
    free = with_rule(instrument="signal")
    control = {"instrument": "export-control", "destinations": ("home",)}
    waits = with_rule(**control, quota_h100e_per_year=1e9, licence_months=14.0)
    assert energised_at(free, "y-2") < 14.0
    assert 14.0 <= energised_at(waits, "y-2") <= 15.0


def test_a_duty_goes_to_the_government():
    control = {"instrument": "export-control", "destinations": ("home",)}
    market = with_rule(**control, quota_h100e_per_year=1e9, tariff_share=0.25)
    market.run_until(12)
    assert paid_usd(market, "chips") > 0
    assert paid_usd(market, "tariff") == pytest.approx(0.25 * paid_usd(market, "chips"))
    assert market.books.deposits["Government"] == round(100 * paid_usd(market, "tariff"))


def test_a_control_names_parents_and_spares_allies():
    given = PolicyGiven(
        government="State",
        instrument="export-control",
        effective=START,
        destinations=("south",),
        parents=("Group", "Other"),
        exempt_homes=("Ally",),
        quota_h100e_per_year=1200.0,
        quota_months=3,
    )
    rule = policy("rule", given)
    group = Shipment(destination="south", parent="Group", chip="new", chip_class="gpu", home="Far")
    assert rule.counts(group)
    assert not rule.counts(replace(group, home="Ally"))
    assert not rule.counts(replace(group, parent="Third"))
    assert rule.objection(group, 300.0) is None  # a quarter of the year's
    assert rule.objection(group, 301.0) is not None


def test_the_ultimate_parent_is_at_the_top_of_the_chain():
    clouds = DUOPOLY.clouds
    chain = DUOPOLY.model_copy(
        update={
            "clouds": clouds
            | {"Cloud Y": clouds["Cloud Y"].model_copy(update={"parent": "Fund", "home": "Here"})},
            "investors": {"Fund": Investor(cash_usd=1e9, parent="Holding", home="There")},
            "lenders": {"Holding": DUOPOLY.lenders["Lender"].model_copy(update={"home": "Above"})},
        }
    )
    assert ultimate_parents(chain)["Cloud Y"] == "Holding"
    assert homes(chain)["Cloud Y"] == "Above"
    assert foreign_part(chain, homes(chain), "Cloud Y", "Here") == 1.0


def test_a_venture_is_foreign_as_far_as_its_owners_are():
    scenario = load_scenario("stargate-2025")
    assert foreign_part(scenario, homes(scenario), "Stargate", "US") == pytest.approx(0.5)
    assert foreign_part(scenario, homes(scenario), "Azure", "US") == 0.0


# Sites


def test_permits_may_be_for_one_kind_of_cloud():
    hurry = {"instrument": "permitting", "regions": ("home",), "grid_multiplier": 0.5}
    still = with_rule(instrument="signal").books.sites["y-2"].grid_at
    assert with_rule(**hurry, kinds=("neocloud",)).books.sites["y-2"].grid_at == still / 2
    assert with_rule(**hurry, kinds=("captive",)).books.sites["y-2"].grid_at == still
    assert with_rule(**hurry, homes=("Elsewhere",)).books.sites["y-2"].grid_at == still


def test_a_subsidy_pays_its_share_while_there_is_money():
    grant = {"instrument": "subsidy", "regions": ("home",), "capex_share": 0.3}
    market = with_rule(**grant, cash_usd=1e12)
    market.run_until(12)
    capex = paid_usd(market, "chips") + paid_usd(market, "shell")
    assert capex > 0
    assert paid_usd(market, "grant") == pytest.approx(0.3 * capex)
    poor = with_rule(**grant, cash_usd=1e6)
    poor.run_until(12)
    assert paid_usd(poor, "grant") == 1e6
    assert poor.books.deposits["Government"] == 0


def test_public_credit_is_lent_repaid_and_dear_to_nobody_else():
    credit: dict[str, Any] = {"credit_share": 0.5, "credit_rate_per_year": 0.02}
    market = with_rule(instrument="public-credit", regions=("home",), cash_usd=1e12, **credit)
    market.run_until(12)
    loans = [loan for loan in market.books.loans.values() if loan.lender == "Government"]
    assert loans
    assert {loan.rate_per_year for loan in loans} == {0.02}
    assert sum(loan.principal_cents for loan in loans) / 100 == pytest.approx(
        0.5 * paid_usd(market, "chips")
    )
    assert any(p.payee == "Government" and p.label == "interest" for p in market.books.postings)


def test_lenders_ask_for_cover_on_what_they_may_lose_only():
    market = with_rule(instrument="signal")
    dscr = DUOPOLY.finance.dscr
    plain, half, whole = (debt_room_cents(market, "Cloud X", c) for c in (0.0, 0.1, 1.0))
    assert plain > 0
    assert half == pytest.approx(plain / 0.9)
    assert whole == pytest.approx(plain * dscr)  # never more than the cash flow is worth


def test_a_guarantee_pays_its_share_of_the_loss_as_far_as_money_reaches():
    market = with_rule(
        instrument="loan-guarantee", regions=("home",), loss_cover=0.8, cash_usd=100.0
    )
    loan = Loan(
        name="l",
        lender="Lender",
        borrower="Cloud Y",
        principal_cents=20_000,
        rate_per_year=0.1,
        start=0.0,
        months=60,
        insurer="Government",
        cover=0.8,
    )
    market.apply(Borrowed(loan=loan, cause="test"))
    key = ("Lender", "Cloud Y", "loan", "l")
    (small,) = called(market, [(key, 10_001)])
    assert (small.payer, small.payee, small.cents, small.label) == (
        "Government",
        "Lender",
        8_001,
        "guarantee",
    )
    (large,) = called(market, [(key, 20_000)])
    assert large.cents == 10_000


def test_loans_under_a_guarantee_remember_it():
    market = with_rule(instrument="loan-guarantee", regions=("home",), loss_cover=0.8, cash_usd=1e9)
    market.run_until(12)
    assert {(x.insurer, x.cover) for x in market.books.loans.values() if "y-2" in x.name} == {
        ("Government", 0.8)
    }


def test_a_backstop_buys_what_nobody_takes_and_is_a_floor():
    price, most = 1.5, 5_000.0
    market = with_rule(
        instrument="backstop",
        regions=("home",),
        price_usd_per_h100e_hour=price,
        most_h100e=most,
        cash_usd=1e12,
    )
    market.run_until(12)
    monthly = price * 730.5 * most
    paid = [p for p in market.books.postings if p.label == "backstop"]
    assert paid
    assert all(p.payer == "Government" for p in paid)
    assert paid_usd(market, "backstop") <= 12 * monthly + 1e-6
    assert paid_usd(market, "backstop") >= monthly * 0.99


def test_a_backstop_never_spends_more_than_there_is():
    terms: dict[str, Any] = {"price_usd_per_h100e_hour": 1.5, "most_h100e": 1e6}
    market = with_rule(instrument="backstop", regions=("home",), cash_usd=1e6, **terms)
    market.run_until(12)
    assert 0.99e6 < paid_usd(market, "backstop") <= 1e6


def test_a_backstop_raises_what_existing_capacity_is_kept_for():
    terms: dict[str, Any] = {"price_usd_per_h100e_hour": 3.0, "most_h100e": 1e9}
    unsold = DUOPOLY.model_copy(update={"contracts": {}, "agreements": {}})
    rule: dict[str, Any] = {"instrument": "backstop", "regions": ("home",), **terms}
    market = with_rule(base=unsold, cash_usd=1e14, **rule)
    rules = market.setup.rules
    ask = Ask(
        lab=np.zeros(1, dtype=int),
        start_months=np.ones(1, dtype=int),
        h100e=np.ones(1),
        hazard_per_month=np.zeros(1),
        use=np.full((1, len(rules.terms), len(rules.floors)), 0.9),
    )
    view = cloud_views(market)["Cloud X"]
    margin = 3.0 - float(view.running[0])
    assert view.backstop_margin[0] == pytest.approx(margin)
    columns = [c for c in OpportunityCost()(view, ask).columns if c.option is None]
    assert columns
    assert min(c.capital.min() for c in columns) >= margin - 1e-9


# Capital and eligibility

HOMES = {"Fund": "Abroad", "Home Fund": "Government", "Lab A": "Government", "Cloud Y": "Abroad"}


def mixed_capital(order: tuple[str, ...] = ("foreign", "domestic")) -> Scenario:
    """Return the duopoly with a foreign and a domestic promise to one lab on one day."""
    promise = {"issuer": "Lab A", "due": dt.date(2025, 3, 1)}
    tranches = {
        "foreign": TrancheGiven(investor="Fund", amount_usd=3e9, **promise),
        "domestic": TrancheGiven(investor="Home Fund", amount_usd=1e9, **promise),
    }
    return DUOPOLY.model_copy(
        update={
            "governments": DUOPOLY.governments | {"Abroad": Government(cash_usd=0.0)},
            "investors": {
                name: Investor(cash_usd=10e9, home=HOMES[name]) for name in ("Fund", "Home Fund")
            },
            "tranches": {name: tranches[name] for name in order},
        }
    )


def outcomes(market: Market) -> dict[str, float]:
    return {
        e.tranche: e.paid_cents / 1e11 for _, e in market.books.journal if isinstance(e, Settled)
    }


@pytest.mark.parametrize("order", [("foreign", "domestic"), ("domestic", "foreign")])
def test_foreign_capital_is_cut_to_its_largest_share_whoever_pays_first(order):
    rule = {"instrument": "capital-screening", "largest_foreign_share": 0.25}
    market = with_rule(base=mixed_capital(order), **rule)
    market.run_until(3)
    paid = outcomes(market)
    assert paid["domestic"] == pytest.approx(1.0)
    assert paid["foreign"] / sum(paid.values()) == pytest.approx(0.25)


def test_allies_are_not_screened():
    rule = {"instrument": "capital-screening", "largest_foreign_share": 0.0}
    market = with_rule(base=mixed_capital(), **rule, exempt_homes=("Abroad",))
    market.run_until(3)
    assert outcomes(market) == pytest.approx({"foreign": 3.0, "domestic": 1.0})


def test_foreign_money_waits_for_its_review():
    market = with_rule(base=mixed_capital(), instrument="capital-screening", review_months=2.5)
    market.run_until(6)
    when = {e.tranche: t for t, e in market.books.journal if isinstance(e, Settled)}
    assert when == {"domestic": 2.0, "foreign": 4.5}
    assert [e.until for _, e in market.books.journal if isinstance(e, Reviewed)] == [4.5]


def test_who_holds_a_competitor_may_hold_no_more_than_the_limit():
    base = mixed_capital()
    rival = TrancheGiven(investor="Fund", issuer="Lab B", due=dt.date(2025, 2, 1), amount_usd=1e8)
    base = base.model_copy(update={"tranches": {"rival": rival} | base.tranches})
    market = with_rule(base=base, instrument="antitrust", largest_interlocking_share=0.5)
    market.run_until(4)
    assert outcomes(market) == pytest.approx({"rival": 0.1, "foreign": 1.0, "domestic": 1.0})


def test_labs_at_home_need_a_domestic_share_before_they_sign_abroad():
    base = mixed_capital()
    clouds = base.clouds | {"Cloud Y": base.clouds["Cloud Y"].model_copy(update={"home": "Abroad"})}
    base = base.model_copy(update={"clouds": clouds})
    strict = with_rule(base=base, instrument="national-preference", least_domestic_share=0.9)
    strict.run_until(1)
    at = strict.books.lab_index, strict.books.cloud_index
    allowed = may_deal(strict)
    assert allowed[at[0]["Lab A"], at[1]["Cloud Y"]]  # all of its compute comes from Cloud X
    assert not allowed[at[0]["Lab B"], at[1]["Cloud Y"]]  # all of it is foreign
    assert allowed[:, at[1]["Cloud X"]].all()


# Competition


def exclusive(months: int, **more: Any) -> Scenario:
    """Return the duopoly whose Lab B is bound from its second month on, for some months."""
    bond = Agreement(
        lab="Lab B",
        cloud="Cloud Y",
        exclusive_from=dt.date(2025, 2, 1),
        exclusive_until=dt.date(2025 + (1 + months) // 12, (1 + months) % 12 + 1, 1),
    )
    return DUOPOLY.model_copy(update={"agreements": {"bond": bond}, **more})


def in_force(market: Market, kind: type) -> bool:
    return any(isinstance(clause, kind) for clause in market.books.standing(market.time))


def test_an_exclusivity_runs_no_longer_than_it_may():
    market = with_rule(base=exclusive(18), instrument="antitrust", longest_exclusivity_months=6.0)
    held = []
    for month in (2, 6.5, 7, 12):
        market.run_until(month)
        held.append(in_force(market, SupplyExclusivity))
    assert held == [True, True, False, False]
    assert [t for t, e in market.books.journal if isinstance(e, Voided)] == [7.0]


def test_a_ban_ends_what_stands_and_lets_nothing_begin():
    market = with_rule(
        instrument="antitrust", longest_exclusivity_months=0.0, bars_first_refusal=True
    )
    for _ in range(12):
        market.step()
        assert not in_force(market, SupplyExclusivity)
        assert not in_force(market, FirstRefusal)
    late = with_rule(base=exclusive(6), instrument="antitrust", longest_exclusivity_months=0.0)
    late.run_until(4)
    assert not in_force(late, SupplyExclusivity)


def test_a_clause_that_is_void_does_not_come_back_when_the_policy_ends():
    market = with_rule(
        instrument="antitrust", longest_exclusivity_months=0.0, until=dt.date(2025, 4, 1)
    )
    market.run_until(6)
    assert RULE not in market.books.policies
    assert not in_force(market, SupplyExclusivity)


def test_the_menu_has_no_unlawful_promises():
    rules = DUOPOLY.negotiation.model_copy(
        update={"exclusivity": ("none", "supply"), "first_refusal": (False, True)}
    )
    base = DUOPOLY.model_copy(update={"negotiation": rules, "agreements": {}})
    limit = {"longest_exclusivity_months": 24.0, "bars_first_refusal": True}
    market = with_rule(base=base, instrument="antitrust", **limit)
    while market.table is None:
        market.step()
    shown = on_the_menu(market, market.table.requests)
    terms = market.setup.rules.terms
    assert not shown[..., 1].any()
    assert shown[..., 2].any()
    assert not shown[:, :, terms > 24.0, 2].any()


@pytest.mark.parametrize(
    ("share", "before", "after", "barred"),
    [
        (0.2, 0.19, 0.21, True),
        (0.2, 0.19, 0.195, False),
        (0.2, 0.10, 0.12, False),
        (0.31, 0.10, 0.12, True),
    ],
)
def test_the_merger_guidelines_of_2023(share, before, after, barred):
    rule = Antitrust(name="m", merger_hhi=0.18, merger_share=0.30, merger_rise=0.01)
    bid = Acquisition(share_before=0.1, share_after=share, hhi_before=before, hhi_after=after)
    assert (rule.objection_to_acquisition(bid) is not None) is barred


def test_who_has_most_may_not_take_over_more():
    market = with_rule(instrument="antitrust", merger_hhi=0.18, merger_share=0.3)
    assert objection_to_takeover(market, "Cloud X", 100_000) is not None
    assert objection_to_takeover(market, "Cloud Y", 100_000) is None  # it evens the market out
    assert objection_to_takeover(with_rule(instrument="signal"), "Cloud X", 100_000) is None


# Reaction functions

VIEW = GovernmentView(
    name="State",
    time=1.0,
    scheduled=dict.fromkeys(("break-up", "guard", "hurry"), (math.inf, math.inf))
    | {"dated": (0.0, math.inf)},
    in_force=frozenset({"dated"}),
    hhi=0.28,
    instruments={
        "break-up": "antitrust",
        "guard": "capital-screening",
        "hurry": "permitting",
        "dated": "permitting",
    },
    foreign_share=0.3,
    scarcity=0.2,
    draw=0.04,
)


@pytest.mark.parametrize(
    ("hhi", "draw", "acts"),
    [(0.28, 0.0408, True), (0.28, 0.0409, False), (0.18, 0.0, False), (0.9, 0.25, True)],
)
def test_the_hazard_of_antitrust_rises_with_concentration(hhi, draw, acts):
    found = list(AntitrustHazard()(replace(VIEW, hhi=hhi, draw=draw)))
    assert found == ([Enact(policy="break-up")] if acts else [])


def test_security_answers_the_foreign_share_and_relents():
    assert list(GuardSecurity()(VIEW)) == [Enact(policy="guard")]
    on = replace(VIEW, in_force=frozenset({"guard"}), foreign_share=0.2)
    assert list(GuardSecurity()(on)) == []
    assert list(GuardSecurity()(replace(on, foreign_share=0.1))) == [Repeal(policy="guard")]


def test_permits_answer_scarcity_and_leave_dated_policies_alone():
    assert list(RelieveScarcity()(VIEW)) == [Enact(policy="hurry")]
    calm = replace(VIEW, scarcity=0.0, in_force=frozenset({"hurry", "dated"}))
    assert list(RelieveScarcity()(calm)) == [Repeal(policy="hurry")]


def test_one_government_may_react_to_everything():
    assert {change.policy for change in ReactToMarket()(VIEW)} == {"break-up", "guard", "hurry"}


def test_a_draft_comes_into_force_when_its_government_enacts_it():
    drafted = {"instrument": "antitrust", "bars_first_refusal": True, "draft": True}
    assert "rule" not in with_rule(**drafted).books.policies
    market = with_rule(**drafted, regulator="antitrust-hazard")
    market.run_until(DUOPOLY.months)
    (enacted,) = [t for t, e in market.books.journal if isinstance(e, Enacted)]
    assert 0 < enacted <= DUOPOLY.months
    assert not in_force(market, FirstRefusal)


def test_a_budget_comes_in_month_by_month():
    government = Government(cash_usd=0.0, budget_usd_per_year=12e6)
    base = DUOPOLY.model_copy(update={"governments": {"Government": government}})
    market = Market(base, rng=1)
    market.run_until(3)
    assert market.books.deposits["Government"] == 3e8
    assert market.books.sites["y-2"].stage is Stage.BUILDING
