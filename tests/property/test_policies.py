"""Policies bind whatever the scenario: limits hold to the cent, and governments spend what they have."""

import datetime as dt

from hypothesis import given, settings
from hypothesis import strategies as st

from offtake.model.dealing import FirstRefusal, SupplyExclusivity
from offtake.model.events import Settled
from offtake.model.market import Market
from offtake.model.reading import load_scenario
from offtake.model.scenario import Government, Investor, PolicyGiven, Scenario, TrancheGiven
from tests.generated import START, scenarios

FEW = settings(max_examples=10)
DUOPOLY = load_scenario("duopoly")
AMOUNTS = st.lists(st.integers(1, 10**9), min_size=1, max_size=3)


@settings(max_examples=25)
@given(AMOUNTS, AMOUNTS, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]), st.randoms())
def test_foreign_capital_never_holds_more_than_its_share(foreign, domestic, limit, chance):
    promised = [("Abroad Fund", usd) for usd in foreign] + [("Home Fund", usd) for usd in domestic]
    chance.shuffle(promised)
    tranches = {
        f"t-{i}": TrancheGiven(
            investor=who, issuer="Lab A", due=dt.date(2025, 1 + i % 3, 2), amount_usd=float(usd)
        )
        for i, (who, usd) in enumerate(promised)
    }
    rule = PolicyGiven(
        government="Government",
        instrument="capital-screening",
        effective=START,
        largest_foreign_share=limit,
    )
    changed = {
        "governments": DUOPOLY.governments | {"Abroad": Government(cash_usd=0.0)},
        "investors": {
            f"{home} Fund": Investor(
                cash_usd=1e11, home="Government" if home == "Home" else "Abroad"
            )
            for home in ("Home", "Abroad")
        },
        "policies": {"rule": rule},
        "tranches": tranches,
    }
    market = Market(DUOPOLY.model_copy(update=changed), rng=1)
    market.run_until(3)
    paid = {"Home Fund": 0, "Abroad Fund": 0}
    for _, event in market.books.journal:
        if isinstance(event, Settled):
            paid[tranches[event.tranche].investor] += event.paid_cents
    abroad, whole = paid["Abroad Fund"], sum(paid.values())
    assert paid["Home Fund"] == sum(domestic) * 100
    assert abroad <= limit * whole + 1
    free = sum(foreign) <= limit * (sum(foreign) + sum(domestic))
    binding = limit / (1 - limit) * paid["Home Fund"]
    assert abroad >= (sum(foreign) * 100 if free else binding) - len(foreign) - 1


@FEW
@given(scenarios())
def test_governments_never_spend_what_they_do_not_have(scenario: Scenario):
    market = Market(scenario, rng=1)
    for _ in range(scenario.months):
        market.step()
        assert all(market.books.deposits[name] >= 0 for name in scenario.governments)


@FEW
@given(scenarios(exclusive=True, first_refusal=True), st.sampled_from([0.0, 2.0, 5.0]))
def test_no_clause_outlives_what_the_law_allows(scenario: Scenario, longest: float):
    law = PolicyGiven(
        government="State",
        instrument="antitrust",
        effective=START,
        longest_exclusivity_months=longest,
        bars_first_refusal=True,
    )
    market = Market(scenario.model_copy(update={"policies": {"law": law}}), rng=1)
    for _ in range(scenario.months):
        market.step()
        standing = list(market.books.standing(market.time))
        assert not any(isinstance(clause, FirstRefusal) for clause in standing)
        bound = [c for c in standing if isinstance(c, SupplyExclusivity)]
        assert all(market.time - c.since < longest for c in bound if c.since <= market.time)
