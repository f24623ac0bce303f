"""Classes of chips in any market: allotments hold, adoption is for good, nobody gets what it refuses."""

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from offtake.model.allotting import HIGHEST_MARKUP, Order, ration
from offtake.model.events import Adopted, Allotted, Energised, Ported, Posted, Released, Shipped
from offtake.model.porting import first_shares
from offtake.model.scenario import GPU, Scenario
from tests.generated import played, scenarios

MARKETS = settings(max_examples=8)
ROUNDING = 1e-9

ORDERS = st.lists(
    st.builds(
        Order,
        limit=st.sampled_from([0.5, 1.0, 1.2, 1.5, 10.0]),
        capacity_kw=st.integers(1, 300_000),
        h100e_per_kw=st.sampled_from([0.8, 1.6]),
    ),
    max_size=6,
)


@given(ORDERS, st.floats(0, 5e5))
def test_orders_fit_into_an_allotment_at_a_price_that_clears_it(orders: list[Order], h100e: float):
    markup, given_kw = ration(orders, h100e)
    assert 1 <= markup <= HIGHEST_MARKUP
    pairs = list(zip(orders, given_kw, strict=True))
    assert math.fsum(kw * o.h100e_per_kw for o, kw in pairs) <= h100e * (1 + ROUNDING)
    for order, kw in pairs:
        assert 0 <= kw <= order.capacity_kw
        assert kw == order.capacity_kw or order.limit <= markup  # who would pay more is filled
        assert kw == 0 or order.limit >= markup
    if markup > 1:  # a price above the curve only where somebody who would pay it goes short
        assert any(o.limit == markup and kw < o.capacity_kw for o, kw in pairs)


@given(ORDERS, st.floats(0, 5e5), st.floats(0, 5e5))
def test_a_larger_allotment_never_raises_the_price(orders: list[Order], one: float, other: float):
    low, high = sorted([one, other])
    assert ration(orders, high)[0] <= ration(orders, low)[0]


@MARKETS
@given(scenarios())
def test_a_month_ships_no_more_than_is_allotted(scenario: Scenario):
    market = played(scenario)
    chips = scenario.chips
    shipped: dict[tuple[float, str], float] = defaultdict(float)
    fitted: Counter[str] = Counter()
    for time, event in market.books.journal:
        if isinstance(event, Shipped):
            site = market.books.sites[event.site]
            chip = chips[site.pool.chip]
            shipped[time, chip.class_] += event.capacity_kw * chip.h100e_per_mw / 1000
            fitted[event.site] += event.capacity_kw
    for (_, class_), h100e in shipped.items():
        most = scenario.classes[class_].allotment_h100e_per_month
        assert most is not None
        assert h100e <= most * (1 + ROUNDING)
    for name, kw in fitted.items():
        assert kw <= market.books.sites[name].capacity_kw
    for _, event in market.books.journal:
        if isinstance(event, Energised):
            site = market.books.sites[event.site]
            given_ = scenario.classes.get(chips[site.pool.chip].class_)
            if given_ is not None and given_.allotment_h100e_per_month is not None:
                assert fitted[event.site] == site.capacity_kw  # to the kilowatt


@MARKETS
@given(scenarios())
def test_a_class_is_adopted_once_after_its_release_and_fitted_by_adopters_only(scenario: Scenario):
    market = played(scenario)
    released: dict[str, float] = {}
    ready: dict[tuple[str, str], float] = {}
    for time, event in market.books.journal:
        if isinstance(event, Released):
            released[event.chip_class] = time
        elif isinstance(event, Adopted):
            assert (event.name, event.chip_class) not in ready
            assert released[event.chip_class] <= time
            assert scenario.classes[event.chip_class].owner in (None, event.name)
            ready[event.name, event.chip_class] = event.ready
        elif isinstance(event, Energised):
            pool = market.books.sites[event.site].pool
            class_ = scenario.chips[pool.chip].class_
            assert class_ == GPU or ready[pool.cloud, class_] <= time
    assert market.books.adopted == ready  # nobody ever gives one up
    spent = [
        p
        for _, e in market.books.journal
        if isinstance(e, Posted)
        for p in e.postings
        if p.label == "engineering"
    ]
    paying = [k for k in ready if scenario.classes[k[1]].nre_usd > 0]
    assert sorted((p.payer, p.reference) for p in spent) == sorted(paying)


@MARKETS
@given(scenarios())
def test_porting_only_grows_and_who_refuses_a_class_signs_for_none_of_it(scenario: Scenario):
    market = played(scenario)
    stocks = [e.shares for _, e in market.books.journal if isinstance(e, Ported)]
    for before, after in pairwise(stocks):
        assert (after >= before - ROUNDING).all()
        assert (after <= 1).all()
    first = first_shares(market.setup)
    for contract in market.books.contracts.facts:
        class_ = scenario.chips[contract.pool.chip].class_
        lab = market.books.lab_index[contract.buyer]
        assert first[lab, [*market.setup.classes].index(class_)] > 0


@MARKETS
@given(scenarios())
def test_a_markup_is_posted_by_an_allotment_and_stays_within_its_bounds(scenario: Scenario):
    market = played(scenario)
    last: dict[str, float] = {}
    for _, event in market.books.journal:
        if isinstance(event, Allotted):
            assert 1 <= event.markup <= HIGHEST_MARKUP
            last[event.chip_class] = event.markup
    assert market.books.markup == last
    assert all(np.isfinite(v).all() for v in market.recorder.values["markup_chips"])
