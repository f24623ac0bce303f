"""What is wrong with a rule is found, and the message says what to do."""

import datetime as dt
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from offtake.agents.clouds import OpportunityCost, RealOptions
from offtake.agents.labs import CoverNeed
from offtake.model import standing
from offtake.model.market import Market
from offtake.model.policies import Signal
from offtake.model.proposals import Cancel, Fund, Lot, Tender
from offtake.model.standing import Clause, Due
from offtake.testing import check_clause, check_policy, check_strategy, strategy_checks
from offtake.testing.markets import small_scenario

PLAYED = Market(small_scenario(1), rng=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepsState(CoverNeed):
    asked: list[str] = field(default_factory=list)

    def __call__(self, view):
        self.asked.append(view.name)
        return CoverNeed.__call__(self, view) if len(self.asked) % 2 else None


@dataclass
class Melts:
    port: ClassVar[str] = "procurer"

    def __call__(self, view):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class MutatesItsView(OpportunityCost):
    def __call__(self, view, ask):
        ask.h100e[:] = 1.0
        return OpportunityCost.__call__(self, view, ask)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsesRandom(CoverNeed):
    draw: Callable[[], Any] = random.random

    def __call__(self, view):
        self.draw()
        return CoverNeed.__call__(self, view)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlansForOthers(RealOptions):
    def __call__(self, view):
        yield from RealOptions.__call__(self, view)
        others = [f"comes-{c}" for c in "pq" if c != view.name[-1].lower()]
        yield Cancel(site=others[0], reason="it is in the way")


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksAround(CoverNeed):
    def __call__(self, view):
        return CoverNeed.__call__(self, view) if PLAYED.books.sites else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AsksForOthers(CoverNeed):
    def __call__(self, view):
        return Tender(lab="Lab A", lots=(Lot(start_months=1, h100e=-5.0, value=1.0),))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendsTooMuch:
    port: ClassVar[str] = "financier"

    def __call__(self, view):
        return Fund(investor=view.name, lab=view.lab, usd=2 * view.cash_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversells(OpportunityCost):
    def __call__(self, view, ask):
        quote = OpportunityCost.__call__(self, view, ask)
        return replace(
            quote, columns=tuple(replace(c, room_h100e=c.room_h100e * 3) for c in quote.columns)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksAtNames(CoverNeed):
    def __call__(self, view):
        return CoverNeed.__call__(self, view) if view.name == "Lab A" else None


NUMBERS = {"one", "two", "three", "four"}
ONE = {"one", "two"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GoesThroughASet(CoverNeed):
    def __call__(self, view):
        return CoverNeed.__call__(self, view) if next(iter(NUMBERS)) in ONE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nowhere:
    def __call__(self, view):
        return None


def seeded() -> float:
    return float(np.random.default_rng().random())


BAD_STRATEGIES = {
    "keeps state": (KeepsState(), "keep no state"),
    "can be changed": (Melts(), "frozen=True"),
    "mutates its view": (MutatesItsView(), "array.copy()"),
    "uses random": (UsesRandom(), "draws chance"),
    "uses numpy's chance": (UsesRandom(draw=np.random.random), "draws chance"),
    "draws a seed": (UsesRandom(draw=seeded), "draws chance"),
    "makes an id": (UsesRandom(draw=uuid.uuid4), "draws chance"),
    "reads the clock": (UsesRandom(draw=time.time), "reads the clock"),
    "reads the date": (UsesRandom(draw=dt.datetime.now), "reads the clock"),
    "plans for others": (
        PlansForOthers(),
        "a site of somebody else; plan only those of `view.sites`",
    ),
    "knows a market": (LooksAround(), "holds a Market"),
    "asks for others": (AsksForOthers(), "use `view.name`"),
    "asks for less than nothing": (AsksForOthers(), "`h100e` is greater than 0"),
    "spends too much": (SpendsTooMuch(), "at most `view.cash_usd`"),
    "oversells": (Oversells(), "are free then"),
    "looks at names": (LooksAtNames(), "look at no names"),
    "has no port": (Nowhere(), "write `port: ClassVar[str]"),
}


@pytest.mark.parametrize("bad", BAD_STRATEGIES)
def test_a_bad_strategy_is_reported_with_what_to_do(bad: str):
    strategy, advice = BAD_STRATEGIES[bad]
    with pytest.raises(AssertionError) as caught:
        check_strategy(strategy, markets=1, hash_seeds=False)
    assert advice in str(caught.value)
    assert type(strategy).__name__ in str(caught.value)


def test_a_strategy_that_reads_another_market_is_seen_by_its_answers(
    monkeypatch: pytest.MonkeyPatch,
):
    """Through a module, where nothing is held: the answer changes when the market does."""
    markets = []

    class Entered(Market):
        def run_until(self, *given, **named):
            markets.append(self)
            super().run_until(*given, **named)

    monkeypatch.setattr("offtake.testing.trials.Market", Entered)
    monkeypatch.setattr(standing, "markets", markets, raising=False)
    with pytest.raises(AssertionError, match="when the market around it has changed"):
        check_strategy(ReadsThroughAModule(), markets=1, hash_seeds=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadsThroughAModule(CoverNeed):
    def __call__(self, view):
        rich = standing.markets[-1].books.deposits[view.name] > 0  # type: ignore[attr-defined]
        return CoverNeed.__call__(self, view) if rich else None


def is_first(seed: str) -> bool:
    """Tell whether `ONE` comes first out of the set in a process with a hash seed."""
    code = f"print(next(iter({NUMBERS!r})) in {ONE!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        check=True,
    )
    return done.stdout.strip() == b"True"


def test_an_order_of_a_set_is_found_in_another_process(monkeypatch: pytest.MonkeyPatch):
    here = next(iter(NUMBERS)) in ONE
    other = next(seed for seed in map(str, range(1, 60)) if is_first(seed) != here)
    monkeypatch.setattr("offtake.testing.strategies.OTHER_SEED", other)
    (check,) = [c for c in strategy_checks(GoesThroughASet(), markets=1) if "sets" in c.name]
    with pytest.raises(AssertionError, match="sets have another order; sort"):
        check()


@dataclass(frozen=True, slots=True, kw_only=True)
class MintsMoney(Clause):
    lab: str
    cloud: str
    cents: float = 0.5

    def owes(self, month):
        yield Due(self.lab, self.cloud, self.cents)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxesTheWorld(Clause):
    lab: str
    cloud: str

    def owes(self, month):
        yield Due("Customers", self.cloud, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class BindsStrangers(Clause):
    lab: str
    cloud: str

    def forbids(self, buyer, seller, time):
        return buyer != self.lab


@dataclass(frozen=True, slots=True, kw_only=True)
class BuysShells(Clause):
    label: ClassVar[str] = "shell"
    lab: str
    cloud: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembers(Clause):
    lab: str
    cloud: str
    months: list[float] = field(default_factory=list)

    def owes(self, month):
        self.months.append(month.time)
        yield Due(self.lab, self.cloud, len(self.months))


BAD_CLAUSES = {
    "makes half a cent": (MintsMoney, "money from nothing"),
    "makes money": (
        lambda lab, cloud: MintsMoney(lab=lab, cloud=cloud, cents=-100),
        "from nothing",
    ),
    "takes from others": (TaxesTheWorld, "between its own parties only"),
    "binds strangers": (BindsStrangers, "who have not agreed"),
    "takes a label": (BuysShells, "leave `label` as it is"),
    "keeps state": (Remembers, "keep no state"),
}


@pytest.mark.parametrize("bad", BAD_CLAUSES)
def test_a_bad_clause_is_reported_with_what_to_do(bad: str):
    kind, advice = BAD_CLAUSES[bad]
    with pytest.raises(AssertionError) as caught:
        check_clause(kind, markets=1)
    assert advice in str(caught.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capricious(Signal):
    def grid_multiplier(self, place):
        return -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ByChance(Signal):
    def counts(self, shipment):
        return random.random() < 0.5


BAD_POLICIES = {
    "turns time back": (Capricious(name="x"), "a finite number greater than 0"),
    "by chance": (ByChance(name="x"), "draws chance"),
    "says nothing": (object(), "does not answer counts"),
}


@pytest.mark.parametrize("bad", BAD_POLICIES)
def test_a_bad_policy_is_reported_with_what_to_do(bad: str):
    policy, advice = BAD_POLICIES[bad]
    with pytest.raises(AssertionError, match=advice):
        check_policy(policy, markets=1)


def test_a_market_whose_money_is_not_watched_is_reported(monkeypatch: pytest.MonkeyPatch):
    """The negative control of conservation: invariants that see nothing are no proof."""
    monkeypatch.setattr("offtake.testing.trials.violations", lambda market: [])
    with pytest.raises(AssertionError, match="a created cent is no longer seen"):
        check_strategy(CoverNeed(), markets=1, hash_seeds=False)
