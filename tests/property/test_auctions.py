"""Laws of the spot protocols: no money or compute made, order of no account, truth best in McAfee's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.model.auctions import SPOT_AUCTIONS, KDouble, McAfee, Outcome, SpotAuction
from offtake.model.clearing import call_auction

PROTOCOLS = [KDouble(k=0.0), KDouble(k=0.5), KDouble(k=1.0), McAfee()]
orders = st.lists(
    st.tuples(st.integers(0, 12).map(float), st.integers(1, 4).map(float)), min_size=1, max_size=7
)
units = st.lists(st.integers(0, 12).map(lambda p: (float(p), 1.0)), min_size=1, max_size=7)


def gain(outcome: Outcome, bidder: int, value: float) -> float:
    return outcome.bought[bidder] * (value - outcome.pays)


def surplus(bids: list, offers: list, outcome: Outcome) -> float:
    worth = math.fsum(b * q for (b, _), q in zip(bids, outcome.bought, strict=True))
    return worth - math.fsum(a * q for (a, _), q in zip(offers, outcome.sold, strict=True))


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=repr)
@given(bids=orders, offers=orders)
def test_what_is_bought_is_sold_and_nobody_loses(
    protocol: SpotAuction, bids: list, offers: list
) -> None:
    found = protocol(bids, offers)
    assert math.fsum(found.bought) == pytest.approx(math.fsum(found.sold), abs=1e-9)
    assert found.pays >= found.receives, "a deficit"
    for (bid, size), bought in zip(bids, found.bought, strict=True):
        assert 0 <= bought <= size
        assert bid >= found.pays or bought == 0
    for (ask, size), sold, spare in zip(offers, found.sold, found.spare, strict=True):
        assert 0 <= sold <= sold + spare <= size + 1e-9
        assert ask <= found.receives or sold + spare == 0


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=repr)
@given(bids=orders, offers=orders, data=st.data())
def test_orders_may_come_in_any_order(
    protocol: SpotAuction, bids: list, offers: list, data: st.DataObject
) -> None:
    first = protocol(bids, offers)
    mixed = data.draw(st.permutations(range(len(bids))))
    second = protocol([bids[i] for i in mixed], offers[::-1])
    assert (first.pays, first.receives) == (second.pays, second.receives)
    assert [first.bought[i] for i in mixed] == pytest.approx(list(second.bought), abs=1e-12)
    assert list(first.sold[::-1]) == pytest.approx(list(second.sold), abs=1e-12)


@given(bids=orders, offers=orders)
def test_one_price_realises_every_gain(bids: list, offers: list) -> None:
    found = KDouble(k=0.5)(bids, offers)
    assert math.fsum(found.bought) == pytest.approx(call_auction(bids, offers)[0])
    grid = np.linspace(0, 12, 49)
    for price in grid:  # no quantity that clears at any price is worth more
        wanted = sorted((b for b, q in bids for _ in range(int(q)) if b >= price), reverse=True)
        had = sorted(a for a, q in offers for _ in range(int(q)) if a <= price)
        traded = min(len(wanted), len(had))
        assert sum(wanted[:traded]) - sum(had[:traded]) <= surplus(bids, offers, found) + 1e-9


@given(bids=units, offers=units)
def test_mcafee_loses_one_trade_at_most_and_the_least_valuable(bids: list, offers: list) -> None:
    full, found = KDouble(k=0.5)(bids, offers), McAfee()(bids, offers)
    lost = math.fsum(full.bought) - math.fsum(found.bought)
    assert lost == pytest.approx(0, abs=1e-9) or lost == pytest.approx(1, abs=1e-9)
    least = found.pays - found.receives if lost > 0.5 else 0.0
    assert surplus(bids, offers, full) - surplus(bids, offers, found) == pytest.approx(
        least, abs=1e-9
    )


@given(bids=orders, offers=orders, told=st.integers(0, 24).map(lambda x: x / 2))
def test_mcafee_rewards_no_buyer_for_another_bid_than_its_value(
    bids: list, offers: list, told: float
) -> None:
    value, size = bids[0]
    truth = gain(McAfee()(bids, offers), 0, value)
    lie = gain(McAfee()([(told, size), *bids[1:]], offers), 0, value)
    assert lie <= truth + 1e-9


@given(bids=orders, offers=orders, told=st.integers(0, 24).map(lambda x: x / 2))
def test_mcafee_rewards_no_seller_for_another_offer_than_its_cost(
    bids: list, offers: list, told: float
) -> None:
    cost, size = offers[0]
    found, lied = McAfee()(bids, offers), McAfee()(bids, [(told, size), *offers[1:]])
    truth = found.sold[0] * (found.receives - cost)
    assert lied.sold[0] * (lied.receives - cost) <= truth + 1e-9


def test_a_buyer_does_gain_by_shading_under_one_price() -> None:
    bids, offers = [(10.0, 1.0), (8.0, 1.0)], [(1.0, 1.0), (2.0, 1.0)]
    truth = gain(KDouble(k=1.0)(bids, offers), 1, 8.0)
    assert gain(KDouble(k=1.0)([bids[0], (3.0, 1.0)], offers), 1, 8.0) > truth


def test_every_protocol_of_the_schema_exists() -> None:
    from offtake.model.scenario import Negotiation

    schema = Negotiation.model_json_schema()["properties"]["spot_auction"]["enum"]
    assert sorted(schema) == sorted(SPOT_AUCTIONS)
