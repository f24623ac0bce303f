"""Every invariant can fail: books that are corrupted on purpose are found out by its number."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from offtake.model.calendar import Entry
from offtake.model.dealing import SupplyExclusivity
from offtake.model.invariants import InvariantViolation
from offtake.model.market import Market
from offtake.model.reading import load_scenario

MONTHS = 6
SCENARIO = load_scenario("duopoly")


@pytest.fixture
def market() -> Market:
    """Return a market that has signed contracts in the run, and whose books are in order."""
    market = Market(SCENARIO, rng=1)
    market.run_until(MONTHS)
    market.check_invariants()
    assert negotiated(market) >= 0
    return market


def negotiated(market: Market) -> int:
    """Return the row of a contract signed in the run."""
    return next(r for r, c in enumerate(market.books.contracts.facts) if c.ceiling is not None)


def running(market: Market) -> int:
    """Return the row of a contract that delivers."""
    return int(np.flatnonzero(market.books.contracts.delivered_kw)[0])


def make_money(market: Market) -> None:
    market.books.deposits["Lab A"] += 1


def lose_money(market: Market) -> None:
    market.books.deposits["Landlord"] -= 1


def owe_less_than_nothing(market: Market) -> None:
    market.books.claims["Fund", "Lab A", "equity", ""] = -1


def owe_nobody(market: Market) -> None:
    market.books.claims["Nobody", "Lab A", "arrears", ""] = 1


def be_owed_by_nobody(market: Market) -> None:
    market.books.claims["Lab A", "Nobody", "arrears", ""] = 1


def deliver_from_the_dark(market: Market) -> None:
    c = market.books.contracts
    row = running(market)
    c.delivered_kw[row] = market.books.energised_kw[c.pool[row]] + 1


def deliver_what_is_kept(market: Market) -> None:
    books = market.books
    pool = books.contracts.pool[running(market)]
    books.own_kw[pool] = books.energised_kw[pool]


def forget_a_commitment(market: Market) -> None:
    pool = market.books.contracts.pool[running(market)]
    market.books.committed_kw[pool, market.month] = 0


def make_a_site(market: Market) -> None:
    market.books.created_kw -= 1


def lose_a_site(market: Market) -> None:
    del market.books.sites["x-1"]


def uncancel_a_site(market: Market) -> None:
    market.books.cancelled_kw += 1


def energise_more_than_stands(market: Market) -> None:
    market.books.energised_kw[0] += 1


def let_more_than_there_is(market: Market) -> None:
    market.books.shells_kw["Landlord"] = -1


def promise_what_another_holds(market: Market) -> None:
    market.books.promised_kw[0] += 1


def sign_around_an_exclusivity(market: Market) -> None:
    contract = market.books.contracts.facts[negotiated(market)]
    other = next(name for name in market.setup.clouds if name != contract.seller)
    clause = SupplyExclusivity(lab=contract.buyer, holder=other, until=contract.signed + 1)
    market.books.clauses.append(clause)
    market.recorder.contracts_checked = 0


def sign_with_a_barred_party(market: Market) -> None:
    contract = market.books.contracts.facts[negotiated(market)]
    lab, cloud = market.setup.labs.index(contract.buyer), market.setup.clouds.index(contract.seller)
    market.setup.barred[lab, cloud] = True
    market.recorder.contracts_checked = 0


def change_a_contract(market: Market, **terms: Any) -> None:
    row = negotiated(market)
    contracts = market.books.contracts
    contracts.facts[row] = replace(contracts.facts[row], **terms)
    market.recorder.contracts_checked = 0


def pay_more_than_it_is_worth(market: Market) -> None:
    price = market.books.contracts.facts[negotiated(market)].price_usd_per_h100e_hour
    change_a_contract(market, ceiling=price - 0.01)


def sell_below_the_floor(market: Market) -> None:
    price = market.books.contracts.facts[negotiated(market)].price_usd_per_h100e_hour
    change_a_contract(market, floor=price + 0.01)


def price_below_the_outside_options(market: Market) -> None:
    price = market.books.contracts.facts[negotiated(market)].price_usd_per_h100e_hour
    change_a_contract(market, limits=(price + 0.1, price + 0.2))


def price_above_the_outside_options(market: Market) -> None:
    price = market.books.contracts.facts[negotiated(market)].price_usd_per_h100e_hour
    change_a_contract(market, limits=(price - 0.2, price - 0.1))


def outside_options_that_cross(market: Market) -> None:
    contract = market.books.contracts.facts[negotiated(market)]
    price = contract.price_usd_per_h100e_hour
    change_a_contract(market, limits=(price + 1.5 * contract.slack, price - 0.5 * contract.slack))


def deliver_less_than_nothing(market: Market) -> None:
    assert market.books.served is not None
    market.books.served.delivered_h100e[0, 0] = -1.0


def concentrate_beyond_monopoly(market: Market) -> None:
    assert market.books.served is not None
    delivered = market.books.served.delivered_h100e
    delivered[:, 0], delivered[:, 1] = 2.0, -1.0


def leave_a_date_behind(market: Market) -> None:
    market.calendar.entries.insert(0, Entry(1.0, 5, 0, "x-1", "power"))


def forget_an_end(market: Market) -> None:
    market.calendar.entries = [e for e in market.calendar.entries if e.name != "x-a-base"]


def end_twice(market: Market) -> None:
    market.calendar.add(20.0, "end", "x-a-base")


def believe_in_nothing(market: Market) -> None:
    assert market.books.believed is not None
    market.books.believed.growth[0] = np.nan


def be_certain(market: Market) -> None:
    assert market.books.believed is not None
    market.books.believed.variance[0] = 0.0


def believe_in_free_compute(market: Market) -> None:
    assert market.books.believed is not None
    market.books.believed = replace(market.books.believed, contract_price=0.0)


def believe_in_a_price_without_bound(market: Market) -> None:
    assert market.books.believed is not None
    market.books.believed = replace(market.books.believed, spot_price=1e50)


def keep_a_contract_of_a_failed_lab(market: Market) -> None:
    market.books.failed.add("Lab A")


def keep_a_contract_of_a_failed_cloud(market: Market) -> None:
    market.books.failed.add("Cloud X")


CORRUPTIONS: list[tuple[str, Callable[[Market], None]]] = [
    ("I1", make_money),
    ("I1", lose_money),
    ("I2", owe_less_than_nothing),
    ("I2", owe_nobody),
    ("I2", be_owed_by_nobody),
    ("I3", deliver_from_the_dark),
    ("I3", deliver_what_is_kept),
    ("I3", forget_a_commitment),
    ("I4", make_a_site),
    ("I4", lose_a_site),
    ("I4", uncancel_a_site),
    ("I4", energise_more_than_stands),
    ("I4", let_more_than_there_is),
    ("I4", promise_what_another_holds),
    ("I5", sign_around_an_exclusivity),
    ("I5", sign_with_a_barred_party),
    ("I6", pay_more_than_it_is_worth),
    ("I6", sell_below_the_floor),
    ("I7", price_below_the_outside_options),
    ("I7", price_above_the_outside_options),
    ("I7", outside_options_that_cross),
    ("I8", deliver_less_than_nothing),
    ("I8", concentrate_beyond_monopoly),
    ("I9", leave_a_date_behind),
    ("I9", forget_an_end),
    ("I9", end_twice),
    ("I10", believe_in_nothing),
    ("I10", be_certain),
    ("I10", believe_in_free_compute),
    ("I10", believe_in_a_price_without_bound),
    ("I11", keep_a_contract_of_a_failed_lab),
    ("I11", keep_a_contract_of_a_failed_cloud),
]


@pytest.mark.parametrize(
    ("number", "corrupt"), CORRUPTIONS, ids=lambda x: getattr(x, "__name__", x)
)
def test_corrupted_books_are_found_out(
    market: Market, number: str, corrupt: Callable[[Market], None]
):
    corrupt(market)
    with pytest.raises(InvariantViolation, match=rf"month {MONTHS}: .*\b{number}\b") as caught:
        market.check_invariants()
    assert {re.match(r"I\d+", text)[0] for text in caught.value.broken} == {number}  # type: ignore[index]


def test_every_invariant_has_a_corruption():
    assert {number for number, _ in CORRUPTIONS} == {f"I{n}" for n in range(1, 12)}


def test_a_commitment_without_a_contract_is_found_out(market: Market):
    pool = market.books.contracts.pool[running(market)]
    market.books.committed_kw[pool, market.month] += 1
    with pytest.raises(InvariantViolation, match="I3"):
        market.check_invariants()


def test_a_claim_on_a_failed_participant_is_found_out():
    market = Market(SCENARIO, rng=1)
    market.run_until(1)
    books = market.books
    books.failed.add("Lab B")
    for row, contract in enumerate(books.contracts.facts):
        if contract.buyer == "Lab B":
            books.contracts.state[row] = "terminated"
    books.claims["Landlord", "Lab B", "arrears", ""] = 1
    with pytest.raises(InvariantViolation, match="I11"):
        market.check_invariants()


def test_a_month_of_corrupted_books_raises(market: Market):
    make_money(market)
    with pytest.raises(InvariantViolation, match="I1 deposits"):
        market.step()


def test_a_market_that_is_not_checked_does_not_raise():
    market = Market(SCENARIO, rng=1, check=False)
    market.run_until(2)
    make_money(market)
    market.step()
    with pytest.raises(InvariantViolation):
        market.check_invariants()


def test_a_violation_says_when_and_what(market: Market):
    make_money(market)
    owe_nobody(market)
    with pytest.raises(InvariantViolation) as caught:
        market.check_invariants()
    assert caught.value.time == MONTHS
    assert [text[:2] for text in caught.value.broken] == ["I1", "I2"]
