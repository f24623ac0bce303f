"""Scenarios so small that the model stumbled over them: each is valid and must run."""

import pytest

from offtake.model.protocols import BARGAINERS
from tests.degenerate import after, cloud, contract, lab, prices, scenario, silent


def test_a_market_in_which_nothing_is_dated_opens() -> None:
    given = scenario({"Lab": lab(3.0)}, {"Cloud": cloud(1.0)})
    after(given.model_copy(update={"events": {}}))


def test_a_market_with_short_terms_only_runs() -> None:
    given = scenario({"Lab": lab(3.0)}, {"Cloud": cloud(1.0)}, negotiation={"terms_months": (12,)})
    assert len(after(given).books.contracts.facts) == 1


def test_a_lab_without_any_training_left_keeps_a_finite_utility() -> None:
    given = scenario(
        {"Lab": lab(3.0, 0.0)},
        {"Cloud": cloud(1.0)},
        demand={"training_decay_per_month": 1.0, "quality_return": 0.5},
    )
    after(given)


def test_compute_that_costs_nothing_to_run_may_trade_at_nothing() -> None:
    given = scenario(
        {"Lab": lab(3.0)},
        {"Cloud": cloud(1.0, 2.0)},
        months=3,
        region={"power_usd_per_kwh": 0.0},
    )
    market = after(given, 3, strategies={"Lab": {"procurer": silent}})
    assert market.books.spot["home", "gpu"].price_usd_per_h100e_hour == 0.0


def test_a_lab_without_money_signs_nothing() -> None:
    """pro-6: it cannot bear any take-or-pay."""
    given = scenario({"Lab": lab(3.0, cash_usd=0.0)}, {"Cloud": cloud(1.0)})
    market = after(given)
    assert market.books.contracts.facts == []
    assert market.round is not None
    assert market.round.reasons == ("it cannot bear more take-or-pay",)


def test_a_lab_with_all_it_needs_asks_for_nothing() -> None:
    given = scenario(
        {"Lab": lab(3.0)},
        {"Cloud": cloud(1.0, 2.0)},
        contracts={"base": contract("Lab", "Cloud", 1.0, 1.0)},
    )
    assert after(given).tenders == []


@pytest.mark.parametrize("bargainer", sorted(BARGAINERS))
def test_a_pair_that_gains_nothing_trades_at_what_both_accept(bargainer: str) -> None:
    market = after(
        scenario({"Lab": lab(2.0)}, {"Cloud": cloud(2.0)}, negotiation={"bargainer": bargainer})
    )
    assert all(price == 2.0 for price in prices(market).values())
    assert len(prices(market)) == 1
