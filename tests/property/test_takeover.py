"""Takeovers: nobody gains by a bid that is not the worth, and transfers change the owner only (I4)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from offtake.model.contracts import Stage
from offtake.model.events import (
    Advanced,
    Cancelled,
    Deferred,
    Energised,
    Opened,
    Parted,
    Posted,
    Transferred,
)
from offtake.model.scenario import Scenario
from offtake.model.takeover import second_price
from tests.generated import played, scenarios

RENTS = st.integers(0, 300).map(float)
OTHERS = st.dictionaries(st.sampled_from("BCDEF"), RENTS)


def gain(bid: float, worth: float, others: dict[str, float], reserve: float) -> float:
    """Return what a bidder gains that stands first among equals."""
    found = second_price({"A": bid} | others, reserve)
    return worth - found[1] if found is not None and found[0] == "A" else 0.0


@given(RENTS, RENTS, OTHERS, RENTS)
def test_no_bid_gains_more_than_the_worth(
    worth: float, other_bid: float, others: dict[str, float], reserve: float
):
    """Vickrey 1961."""
    honest = gain(worth, worth, others, reserve)
    assert honest >= max(gain(other_bid, worth, others, reserve), 0.0)


@given(st.dictionaries(st.sampled_from("ABCDEF"), RENTS), RENTS)
def test_the_price_is_the_second_highest_of_bids_and_reserve(
    bids: dict[str, float], reserve: float
):
    ranked = sorted([reserve, *bids.values()], reverse=True)
    found = second_price(bids, reserve)
    if max(bids.values(), default=-1.0) < reserve:
        assert found is None
    else:
        assert found is not None
        assert bids[found[0]] == max(bids.values())
        assert found[1] == ranked[1]


@settings(max_examples=15)
@given(scenarios())
def test_sites_keep_their_megawatts_through_every_change_of_hands(scenario: Scenario):
    """Followed through the journal: parts add up, a transfer moves all of a site and nothing else."""
    books = played(scenario, check=True).books
    kw: dict[str, int] = {}
    tenant: dict[str, str] = {}
    for _, event in books.journal:
        match event:
            case Opened():
                kw[event.site.name] = event.site.capacity_kw
                tenant[event.site.name] = event.site.pool.cloud
            case Advanced():
                assert event.site.capacity_kw == kw[event.site.name]
                assert event.site.pool.cloud == tenant[event.site.name]
            case Parted():
                assert 0 < event.capacity_kw < kw[event.site]
                kw[event.site] -= event.capacity_kw
                kw[event.part] = event.capacity_kw
                tenant[event.part] = tenant[event.site]
            case Transferred():
                tenant[event.site] = event.to
            case _:
                pass
    assert {n: (s.capacity_kw, s.pool.cloud) for n, s in books.sites.items()} == {
        n: (kw[n], tenant[n]) for n in kw
    }
    assert sum(kw.values()) == books.created_kw
    given_up = sum(books.given_up_kw.values())
    assert given_up == books.cancelled_kw + sum(t.site.capacity_kw for t in books.takeovers)


@settings(max_examples=15)
@given(scenarios())
def test_nothing_is_taken_over_below_the_reserve_and_fees_go_to_landlords(scenario: Scenario):
    books = played(scenario).books
    reserve = scenario.landlords["Landlord"].rent_usd_per_kw_month
    for _, event in books.journal:
        if isinstance(event, Transferred):
            assert event.rent_usd_per_kw_month >= reserve
        elif isinstance(event, Posted):
            fees = [p for p in event.postings if p.label in ("cancellation", "holding")]
            assert all(p.payee == "Landlord" and p.cents > 0 for p in fees)


def test_generated_scenarios_hold_every_kind_of_event():
    """Otherwise the properties above would hold of nothing."""
    seen: set[str] = set()

    @settings(max_examples=30, database=None, derandomize=True)
    @given(scenarios())
    def look(scenario: Scenario) -> None:
        books = played(scenario, check=False).books
        seen.update(type(event).__name__ for _, event in books.journal)
        assert all(
            s.stage is not Stage.CANCELLED or s.name in books.given_up for s in books.sites.values()
        )

    look()
    assert {k.__name__ for k in (Cancelled, Energised, Transferred)} <= seen
    assert {k.__name__ for k in (Deferred, Parted)} & seen
