"""How protocols are named, set and traced, and what they promise for any match."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import Annotated, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pydantic import Field

from offtake.experiments.run import run
from offtake.model import (
    bargaining,
    plugins,
    private_information,
    request_for_proposals,
    tactics,
    traces,
)
from offtake.model.bargaining import Match, Outcome, bounds
from offtake.model.chance import stream
from offtake.model.events import Signed
from offtake.model.market import Market
from offtake.model.protocols import BARGAINERS, bargainer, known_bargainers
from offtake.model.reading import load_scenario

DUOPOLY = "duopoly"
ROUNDING = 1e-9
SOME = hypothesis(max_examples=25)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTheFloor:
    """Sells at the floor, and somewhat above it."""

    above: Annotated[float, Field(ge=0, le=0.1)] = 0.0

    def __call__(self, match: Match) -> Outcome:
        lo, hi = bounds(match)
        return Outcome(price=lo + self.above * (hi - lo), lo=lo, hi=hi)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """Offer a protocol as another package would."""
    point = EntryPoint("at-the-floor", f"{__name__}:AtTheFloor", "offtake.bargainers")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[AtTheFloor.__module__])
    real = plugins.entry_points

    def found(*, group: str, **named: Any) -> Any:
        return [point] if group == "offtake.bargainers" else real(group=group, **named)

    monkeypatch.setattr(plugins, "entry_points", found)
    plugins.bargainers_from_elsewhere.cache_clear()
    yield
    plugins.bargainers_from_elsewhere.cache_clear()


@pytest.mark.usefixtures("installed")
def test_a_protocol_of_another_package_is_named_and_set_in_a_scenario():
    named = ['negotiation.bargainer="at-the-floor"', "negotiation.protocol.above=0.05"]
    scenario = load_scenario(DUOPOLY, overrides=named)
    market = Market(scenario, rng=1)
    assert market.bargainer == AtTheFloor(above=0.05)
    market.run_until(6)
    signed = [e for _, e in market.books.journal if isinstance(e, Signed)]
    bargained = [e.contract for e in signed if not e.cause.endswith("matched")]
    new = [c for c in bargained if c.limits is not None and not c.affiliate]
    assert new
    for c in new:
        assert c.limits is not None
        lo, hi = c.limits
        assert c.price_usd_per_h100e_hour == pytest.approx(lo + 0.05 * (hi - lo), abs=2 * c.slack)


@pytest.mark.usefixtures("installed")
def test_settings_of_another_package_are_checked_by_its_types():
    named = ['negotiation.bargainer="at-the-floor"', "negotiation.protocol.above=0.5"]
    with pytest.raises(ValueError, match=r"negotiation\.protocol\.above.*is 0\.5; expected"):
        load_scenario(DUOPOLY, overrides=named)


@pytest.mark.usefixtures("installed")
def test_a_package_cannot_take_the_name_of_one_of_ours():
    assert {**known_bargainers(), **BARGAINERS} == known_bargainers()
    assert known_bargainers()["at-the-floor"] is AtTheFloor


def test_a_protocol_set_wrongly_is_refused_without_a_file():
    with pytest.raises(ValueError, match=r"negotiation\.protocol\.spread of private-information"):
        bargainer("private-information", {"spread": 0.5})


# What every protocol promises


@st.composite
def matches(draw: st.DrawFn) -> Match:
    """Draw some pairs; outside options leave a price."""
    n = draw(st.integers(1, 6))
    part = st.lists(st.floats(0, 1), min_size=n, max_size=n).map(np.array)
    floor, gap = 3 * draw(part), 2 * draw(part)
    excluded = np.where(draw(part) < 0.5, floor + 0.4 * gap * draw(part), -np.inf)
    alternative = np.where(draw(part) < 0.5, 0.5 * gap * draw(part), -np.inf)
    return Match(
        ceiling=floor + gap,
        floor=floor,
        excluded=excluded,
        alternative=alternative,
        lab_impatience=draw(part),
        cloud_impatience=draw(part),
        lab=tuple(f"Lab {k}" for k in range(n)),
        cloud=("Cloud",) * n,
        h100e=np.ones(n),
        runway_months=1 + 30 * draw(part),
        idle_share=draw(part),
        rivals=np.floor(4 * draw(part)),
        chance=lambda k: stream(1, "test", k),
    )


SET: dict[str, list[dict[str, Any]]] = {
    "tactics": [
        {"rounds": 20},
        {"rounds": 20, "lab_tactic": "tit-for-tat"},
        {"rounds": 20, "cloud_tactic": "resource", "lab_beyond": 0.3},
    ],
    "request-for-proposals": [{}, {"format": "second-price"}],
    "rubinstein": [{}, {"rounds": 2}],
    "nash-in-nash": [{}, {"replacement": True}],
}
CASES = [(name, settings) for name in BARGAINERS for settings in SET.get(name, [{}])]


@pytest.mark.parametrize(("name", "settings"), CASES)
@SOME
@given(matches())
def test_prices_keep_to_what_both_sides_accept_and_to_the_protocols_bounds(
    name: str, settings: dict[str, Any], match: Match
):
    found = bargainer(name, settings)(match)
    agreed = np.broadcast_to(found.agreed, found.price.shape)
    for low, high in ((match.floor, match.ceiling), (found.lo, found.hi)):
        assert (found.price >= low - ROUNDING)[agreed].all()
        assert (found.price <= high + ROUNDING)[agreed].all()
    assert (np.asarray(found.delay_months) >= 0).all()
    assert len(found.reasons) in (0, len(agreed))
    for ok, reason in zip(agreed.tolist(), found.reasons, strict=False):
        assert ok == (reason == "")


@pytest.mark.parametrize(("name", "settings"), CASES)
@SOME
@given(matches())
def test_to_be_watched_changes_nothing(name: str, settings: dict[str, Any], match: Match):
    protocol = bargainer(name, settings)
    alone, watched = protocol(match), protocol(replace(match, traced=True))
    for field in ("price", "lo", "hi", "agreed", "delay_months"):
        np.testing.assert_array_equal(getattr(alone, field), getattr(watched, field))
    assert alone.offers == ()
    assert {o.pair for o in watched.offers} <= set(range(len(match.ceiling)))


@pytest.mark.parametrize(("name", "settings"), CASES)
@SOME
@given(matches())
def test_a_pair_is_priced_the_same_whoever_else_is_there(
    name: str, settings: dict[str, Any], match: Match
):
    whole = bargainer(name, settings)(match)
    first = {
        f: np.asarray(getattr(match, f))[:1]
        for f in Match.__dataclass_fields__
        if isinstance(getattr(match, f), np.ndarray)
    }
    alone = bargainer(name, settings)(replace(match, **first, lab=match.lab[:1], cloud=("Cloud",)))
    np.testing.assert_array_equal(alone.price, whole.price[:1])


# Traces


def traced(name: str, settings: tuple[str, ...] = (), months: int = 8) -> pl.DataFrame:
    overrides = [f'negotiation.bargainer="{name}"', *settings]
    offers = run(DUOPOLY, months=months, overrides=overrides, trace=True).negotiations
    assert offers is not None
    return offers


def test_a_trace_tells_offers_concessions_and_ends():
    offers = traced("tactics", ("negotiation.protocol.rounds=8",))
    talks = offers.filter(pl.col("who").is_in(["lab", "cloud"]))
    assert (talks["concession_usd_per_h100e_hour"] >= -ROUNDING).all()
    one = ["month", "lab", "lot_start_months", "cloud"]
    ends = offers.filter(who="both").unique(one, keep="none", maintain_order=True)
    assert ends.height > 5
    for end in ends.iter_rows(named=True):
        last = talks.filter([pl.col(k) == end[k] for k in one], round=end["round"])
        assert last["outcome"].to_list() == ["accepted", "accepted"]
        middle = last["offer_usd_per_h100e_hour"].mean()
        assert end["offer_usd_per_h100e_hour"] == pytest.approx(middle, rel=1e-9)


def test_a_trace_tells_why_pairs_walk_away_and_lots_stay_open():
    offers = traced("private-information", months=12)
    gone = offers.filter(outcome="walked away")
    assert gone.height > 0
    assert set(gone["reason"]) == {private_information.APART}
    unserved = offers.filter(outcome="unserved")
    assert (unserved["reason"] != "").all()
    assert unserved["cloud"].is_null().all()


@pytest.mark.parametrize("name", BARGAINERS)
def test_what_is_not_watched_is_not_written_down(name: str, monkeypatch: pytest.MonkeyPatch):
    made: list[str] = []

    def counted(what: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            made.append(what)
            return inner(*arguments, **named)

        return call

    for module in (bargaining, private_information, request_for_proposals, tactics):
        monkeypatch.setattr(module, "Offer", counted("offer", bargaining.Offer))
    monkeypatch.setattr(traces.Traces, "note", counted("note", traces.Traces.note))
    scenario = load_scenario(DUOPOLY, overrides=[f'negotiation.bargainer="{name}"'])
    market = Market(scenario, rng=1)
    while market.round is None or not market.round.deals:
        market.step()
    assert made == []
    assert market.traces is None
    assert market.round.talks is None
    assert "negotiations" not in market.frames()
    watched = Market(scenario, rng=1, trace=True)
    watched.run_until(market.time)
    assert "note" in made
    assert watched.frames()["negotiations"].height > 0
    assert watched.books.digest() == market.books.digest()
