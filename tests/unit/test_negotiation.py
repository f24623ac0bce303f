"""From lots and quotes to deals, on tables small enough to check by eye."""

from dataclasses import replace

import numpy as np
import pytest

from offtake.model.bargaining import OutsideOptions
from offtake.model.market import Market
from offtake.model.negotiation import Request, Round, Supplier, Table, holdup, lay_out, negotiate
from offtake.model.proposals import Column, Lot, Quote
from offtake.model.reading import load_scenario
from offtake.model.view import Rules

H100E_PER_MW = 1_000.0
LAB, CLOUD = 0, 1


def rules() -> Rules:
    seen = Market(load_scenario("duopoly"), rng=1).setup.rules
    return replace(
        seen,
        terms=np.array([12.0]),
        floors=np.array([1.0]),
        decline_per_month=0.0,
        negotiation=seen.negotiation.model_copy(update={"smallest_mw": 0.0}),
    )


RULES = rules()


def request(
    lab: int = 0, h100e: float = 100.0, value: float = 3.0, budget: float = 1e15
) -> Request:
    return Request(
        lab=lab,
        lot=Lot(start_months=1, h100e=h100e, value=value),
        impatience=0.1,
        discount_per_year=0.0,
        budget_usd=budget,
        dependence=0.0,
        need_h100e=h100e,
        rank=0,
    )


def table(
    requests: list[Request],
    floors: list[float],
    rooms: list[float],
    allowed: np.ndarray | None = None,
    switching: np.ndarray | None = None,
) -> Table:
    """Return one column a cloud, each with its floor and room; the value of a lot is what it says."""
    lots = len(requests)
    shape = (lots, 1, 1)
    quotes = [
        (
            index,
            Quote(
                cloud=f"Cloud {index}",
                columns=(
                    Column(
                        pool_index=index,
                        running=0.0,
                        room_h100e=np.full(lots, room),
                        capital=np.full(shape, floor),
                    ),
                ),
            ),
        )
        for index, (floor, room) in enumerate(zip(floors, rooms, strict=True))
    ]
    clouds = len(floors)
    return lay_out(
        rules=RULES,
        requests=requests,
        quotes=quotes,
        take=np.array([r.lot.value for r in requests]).reshape(shape),
        use=np.ones(shape),
        theta=np.full(clouds, H100E_PER_MW),
        allowed=np.ones((lots, clouds), dtype=bool) if allowed is None else allowed,
        switching=np.zeros((lots, clouds)) if switching is None else switching,
        reference=2.0,
    )


def concluded(laid: Table, affiliates: np.ndarray | None = None) -> Round:
    labs = 1 + max(r.lab for r in laid.requests)
    clouds = 1 + int(laid.cloud.max())
    return negotiate(
        rules=RULES,
        table=laid,
        suppliers=[Supplier(index=i, impatience=0.1) for i in range(clouds)],
        exposure=np.zeros((labs, clouds)),
        affiliates=np.zeros((labs, clouds), dtype=bool) if affiliates is None else affiliates,
        bargainer=OutsideOptions(),
        benchmark=True,
    )


def test_equal_patience_splits_the_surplus_of_a_lonely_pair():
    (deal,) = concluded(table([request()], [1.0], [100.0])).deals
    assert deal.price == pytest.approx(2.0)
    assert (deal.reservation, deal.ceiling) == (pytest.approx(1.0), pytest.approx(3.0))
    assert (deal.capacity_kw, deal.term_months, deal.floor_share) == (100, 12, 1.0)


def test_a_second_cloud_with_room_caps_the_price_at_its_floor():
    (deal,) = concluded(table([request()], [1.0, 1.4], [100.0, 100.0])).deals
    assert deal.cloud == 0
    assert deal.price == pytest.approx(1.4)
    assert deal.limits[1] == pytest.approx(1.4)


def test_a_lab_left_out_raises_the_price_to_what_it_would_pay():
    found = concluded(table([request(0), request(1, value=2.5)], [1.0], [100.0]))
    (deal,) = found.deals
    assert deal.request.lab == 0
    assert deal.price == pytest.approx(2.5, abs=2 * RULES.negotiation.increment_usd_per_h100e_hour)
    assert found.reasons == ("", "outbid")


def test_labs_that_are_all_served_share_the_surplus():
    """Two alike labs and two clouds with room for both: nobody is excluded, so W binds nobody."""
    deals = concluded(table([request(0), request(1)], [1.0, 1.5], [100.0, 100.0])).deals
    assert len(deals) == 2
    assert all(deal.price < 2.5 for deal in deals)


def test_within_a_group_the_price_is_the_floor():
    affiliates = np.array([[True]])
    (deal,) = concluded(table([request()], [1.0], [100.0]), affiliates).deals
    assert deal.affiliate
    assert deal.price == pytest.approx(1.0)


def test_switching_cost_lowers_what_a_lab_would_pay():
    (deal,) = concluded(table([request()], [1.0], [100.0], switching=np.array([[0.5]]))).deals
    assert deal.ceiling == pytest.approx(2.5)


def test_a_pair_that_may_not_deal_does_not():
    found = concluded(table([request()], [1.0], [100.0], allowed=np.array([[False]])))
    assert found.deals == ()
    assert found.reasons == ("no cloud may sell to it",)


def test_a_floor_above_the_value_finds_no_price():
    found = concluded(table([request()], [3.1], [100.0]))
    assert (found.deals, found.reasons) == ((), ("no price suits both sides",))


def test_a_full_cloud_has_no_capacity_at_that_time():
    found = concluded(table([request()], [1.0], [0.0]))
    assert found.reasons == ("no capacity free at that time",)


def test_a_lab_signs_no_more_than_its_budget_bears():
    """A year at 2.0 full price is 17,532 USD per H100e; half a term is the least it must bear."""
    year = 2.0 * 730.5 * 12
    found = concluded(table([request(budget=year * 10)], [1.0], [100.0]))
    assert found.reasons == ("it cannot bear more take-or-pay",)
    assert sum(deal.capacity_kw for deal in found.deals) <= 20


def test_a_lab_without_budget_signs_nothing():
    assert concluded(table([request(budget=-1.0)], [1.0], [100.0])).deals == ()


def test_a_lot_may_be_served_by_two_clouds():
    found = concluded(table([request()], [1.0, 1.2], [60.0, 60.0]))
    assert sorted((deal.cloud, deal.capacity_kw) for deal in found.deals) == [(0, 60), (1, 40)]
    assert found.unmet_h100e.tolist() == [0.0]


def test_the_round_knows_its_surplus_and_the_largest_one():
    found = concluded(table([request()], [1.0], [60.0]))
    assert found.surplus == pytest.approx(60 * 2.0)
    assert found.optimum == pytest.approx(60 * 2.0)


def test_the_package_with_the_largest_joint_surplus_is_chosen():
    """A longer term costs the cloud less than it costs the lab in use value."""
    two = replace(RULES, terms=np.array([12.0, 36.0]))
    column = Column(
        pool_index=0, running=0.0, room_h100e=np.array([10.0]), capital=np.array([[[1.0], [0.5]]])
    )
    laid = lay_out(
        rules=two,
        requests=[request(h100e=10.0)],
        quotes=[(0, Quote(cloud="Cloud 0", columns=(column,)))],
        take=np.array([[[2.0], [1.8]]]),
        use=np.ones((1, 2, 1)),
        theta=np.array([H100E_PER_MW]),
        allowed=np.ones((1, 1), dtype=bool),
        switching=np.zeros((1, 1)),
        reference=2.0,
    )
    assert laid.package.tolist() == [[1]]
    assert (laid.value[0, 0], laid.cost[0, 0]) == (1.8, 0.5)


def test_hold_up_is_the_expected_loss_of_a_renegotiation():
    tenth = replace(
        RULES, procurement=RULES.procurement.model_copy(update={"renegotiation_per_year": 0.1})
    )
    assert holdup(tenth, 0.5, 2.0) == pytest.approx(0.1)
    assert holdup(tenth, 0.5, -2.0) == 0.0
