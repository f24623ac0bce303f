import datetime as dt

from offtake.agents.governments import FollowSchedule, LaissezFaire
from offtake.model.events import Enacted, Repealed
from offtake.model.market import Market
from offtake.model.proposals import Repeal
from offtake.model.reading import load_scenario
from offtake.model.view import GovernmentView

DUOPOLY = load_scenario("duopoly")
VIEW = GovernmentView(
    name="State",
    time=1.0,
    scheduled={"slow": (0.0, 5.0), "fast": (0.0, 5.0)},
    in_force=frozenset({"slow", "fast"}),
    hhi=0.5,
)


def test_dated_policies_need_no_decision():
    assert list(FollowSchedule()(VIEW)) == []


def test_the_benchmark_repeals_what_is_in_force():
    assert list(LaissezFaire()(VIEW)) == [Repeal(policy="fast"), Repeal(policy="slow")]


def test_a_policy_is_in_force_from_its_date_until_its_end():
    given = DUOPOLY.policies["faster-grid"].model_copy(
        update={"effective": dt.date(2025, 2, 15), "until": dt.date(2025, 4, 1)}
    )
    market = Market(DUOPOLY.model_copy(update={"policies": {"faster-grid": given}}), rng=1)
    in_force = []
    for month in (1.4, 1.5, 2.9, 3.0):
        market.run_until(month)
        in_force.append("faster-grid" in market.books.policies)
    assert in_force == [False, True, True, False]
    dated = [(t, type(e)) for t, e in market.books.journal if isinstance(e, Enacted | Repealed)]
    assert dated == [(1.5, Enacted), (3.0, Repealed)]


def test_laissez_faire_ends_a_policy_within_the_month():
    market = Market(DUOPOLY, rng=1, strategies={"Government": {"regulator": "laissez-faire"}})
    assert market.books.policies == {"faster-grid"}
    market.step()
    assert market.books.policies == set()
