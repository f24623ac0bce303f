"""Why a lab depends on a cloud as it does: deals, rivals, refusals, eligibility, and runs without them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from offtake.experiments.explaining.effects import deal_effects
from offtake.experiments.explaining.removals import CannotRemove, removal, what_of
from offtake.experiments.explaining.replay import SPOT, Replay, replay, same_run
from offtake.experiments.explaining.tables import WON
from offtake.experiments.explaining.why import Why, why_of
from offtake.experiments.results import Result
from offtake.experiments.summary import median_seed

SCHEMA = "offtake.explain/1"
DEALS_SHOWN = 6
COUNTERFACTUALS = 3
ELIGIBILITY = ("Agreed", "Lapsed", "Waived", "Defaulted", "Enacted", "Repealed")
OF_PAIR = ("Agreed", "Lapsed", "Waived")
DIGITS = 9

type Say = Callable[[str], None]


class NothingToExplain(ValueError):  # noqa: N818 - read as a sentence
    """The question does not fit the results: an unknown name, month or seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one deal did to the dependence."""

    contract: str
    seller: str
    way: str
    """more or less, as delivered."""
    when: date
    h100e: float
    effect: float
    """Share points."""
    event: int | None
    """The signature in the journal, where there is one."""

    @property
    def what(self) -> str:
        """The deal in words."""
        if self.contract == SPOT:
            return f"spot from {self.seller}, rises less falls"
        verb = "delivers" if self.way == "more" else "ends or delivers less"
        seller = "" if self.seller in self.contract else f" ({self.seller})"
        return f"{self.contract}{seller} {verb}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event of the journal in words."""

    event: int
    when: date
    what: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Lots of a lab that found no supplier for one reason."""

    reason: str
    lots: int
    first: date
    last: date
    clouds: tuple[tuple[str, str, int], ...]
    """What stood between the lab and each cloud in those months: cloud, status, how often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """The same run with one event left out."""

    event: int
    what: str
    without: float
    """The dependence then."""
    difference: float
    """What the event made of it: as it was, less without."""
    reason: str = ""
    """Why it could not be run, if it could not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The causal chain behind a lab's dependence on a cloud in one run."""

    scenario: str
    lab: str
    cloud: str
    seed: int
    since: date
    when: date
    before: float
    after: float
    runs: int
    among: tuple[float, float, float]
    """5, 50 and 95 per cent of the dependence over the runs of the result, in the month."""
    effects: tuple[Effect, ...]
    """The largest first; all of them add up to the change."""
    deals: tuple[Why, ...]
    """Why the largest of them were signed."""
    eligibility: tuple[Happening, ...]
    refusals: tuple[Refusal, ...]
    counterfactuals: tuple[Counterfactual, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as JSON has it."""
        return {
            "schema": SCHEMA,
            "scenario": self.scenario,
            "lab": self.lab,
            "cloud": self.cloud,
            "seed": self.seed,
            "from": f"{self.since:%Y-%m}",
            "month": f"{self.when:%Y-%m}",
            "dependence": {"before": _short(self.before), "after": _short(self.after)},
            "over_runs": {
                "runs": self.runs,
                **dict(zip(("q05", "median", "q95"), map(_short, self.among), strict=True)),
            },
            "effects": [
                {
                    "contract": each.contract,
                    "cloud": each.seller,
                    "way": each.way,
                    "month": f"{each.when:%Y-%m}",
                    "h100e": _short(each.h100e),
                    "effect": _short(each.effect),
                    "event": each.event,
                }
                for each in self.effects
            ],
            "deals": [each.as_dict() for each in self.deals],
            "eligibility": [_happening(each) for each in self.eligibility],
            "refusals": [
                {
                    "reason": each.reason,
                    "lots": each.lots,
                    "clouds": [
                        {"cloud": cloud, "status": status, "lots": lots}
                        for cloud, status, lots in each.clouds
                    ],
                    "first": f"{each.first:%Y-%m}",
                    "last": f"{each.last:%Y-%m}",
                }
                for each in self.refusals
            ],
            "counterfactuals": [
                {
                    "event": each.event,
                    "what": each.what,
                    "dependence_without": None if each.reason else _short(each.without),
                    "difference": None if each.reason else _short(each.difference),
                    "not_run": each.reason or None,
                }
                for each in self.counterfactuals
            ],
        }


def _happening(each: Happening) -> dict[str, Any]:
    return {"event": each.event, "date": str(each.when), "what": each.what, "cause": each.cause}


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def explain(
    result: Result,
    lab: str,
    cloud: str,
    *,
    month: int | None = None,
    since: int = 0,
    seed: int | None = None,
    counterfactuals: int = COUNTERFACTUALS,
    without: Sequence[int] = (),
    say: Say = lambda _: None,
) -> Explanation:
    """Explain how a lab's dependence on a cloud came about, from one run made again.

    Parameters
    ----------
    result
        Results whose seeds can be repeated by this version.
    lab, cloud
        Whose dependence on whom.
    month, since
        Months between which the change is explained, counted from 0; the last and the first by default.
    seed
        Run that is explained; the one whose last dependence is the median by default.
    counterfactuals
        How many events are left out, one at a time: changes of eligibility and the largest deals first.
    without
        Numbers of journal events to leave out instead, one at a time.
    say
        Is told what is being run.

    Raises
    ------
    NothingToExplain
        If a name, month or seed is not in the results.
    OtherModel
        If the run cannot be repeated.
    """
    seed = median_seed(result, lab) if seed is None else seed
    last = result.manifest["months"] - 1
    at = last if month is None else month
    _check(result, lab, cloud, since, at, seed)
    say(f"replaying seed {seed}")
    again = replay(result.scenario, seed, at + 1, watched={lab})
    same_run(result, again)
    effects = _effects(again, lab, cloud, since, at)
    chosen = tuple(without) or _candidates(again, lab, cloud, effects)[:counterfactuals]
    after = again.dependence(lab, cloud, at)
    return Explanation(
        scenario=result.scenario.name,
        lab=lab,
        cloud=cloud,
        seed=seed,
        since=_date(again, since),
        when=_date(again, at),
        before=again.dependence(lab, cloud, since),
        after=after,
        runs=len(result.seeds),
        among=_among(result, lab, cloud, at),
        effects=effects,
        deals=tuple(why_of(again, name) for name in _signed(effects)),
        eligibility=tuple(_eligibility(again, lab, cloud)),
        refusals=tuple(_refusals(again, lab)),
        counterfactuals=tuple(
            _tried(again, number, lab, cloud, at, after, say) for number in chosen
        ),
    )


def _check(result: Result, lab: str, cloud: str, since: int, month: int, seed: int) -> None:
    for kind, name, known in (
        ("lab", lab, result.scenario.labs),
        ("cloud", cloud, result.scenario.clouds),
    ):
        if name not in known:
            raise NothingToExplain(
                f"no {kind} is called {name!r}; there are {', '.join(sorted(known))}"
            )
    if seed not in result.seeds:
        some = ", ".join(map(str, result.seeds[:12]))
        raise NothingToExplain(f"seed {seed} is not among the runs; there are {some}")
    if not 0 <= since < month < result.manifest["months"]:
        raise NothingToExplain(
            f"months {since} to {month} are no span of the results, which have the months 0 to "
            f"{result.manifest['months'] - 1}"
        )


def _date(again: Replay, month: int) -> date:
    return again.frames["trajectories"].filter(month=month)["date"][0]


def _among(result: Result, lab: str, cloud: str, month: int) -> tuple[float, float, float]:
    rows = result.trajectories.filter(observable="dependence", name=lab, other=cloud, month=month)
    low, median, high = (rows["value"].quantile(share, "linear") for share in (0.05, 0.5, 0.95))
    assert low is not None
    assert median is not None
    assert high is not None
    return low, median, high


def _effects(again: Replay, lab: str, cloud: str, since: int, until: int) -> tuple[Effect, ...]:
    events = again.frames["events"].filter(kind="Signed")
    signed = dict(events.select("detail", "event").iter_rows())
    return tuple(
        Effect(
            contract=row["contract"],
            seller=row["seller"],
            way=row["way"],
            when=_date(again, row["month"]),
            h100e=row["h100e"],
            effect=row["effect"],
            event=signed.get(row["contract"]),
        )
        for row in deal_effects(again.deliveries, lab, cloud, since=since, until=until).iter_rows(
            named=True
        )
    )


def _eligibility(again: Replay, lab: str, cloud: str) -> list[Happening]:
    """Return what changed who may deal, after the opening: clauses of the lab first, then policies."""
    events = again.frames["events"].filter(pl.col("kind").is_in(ELIGIBILITY), pl.col("month") > 0)
    mine = pl.col("actor") == lab
    pair = pl.col("kind").is_in(OF_PAIR) & mine
    acting = [n for n, given in again.scenario.policies.items() if given.instrument != "signal"]
    policy = pl.col("kind").is_in(["Enacted", "Repealed"]) & pl.col("target").is_in(acting)
    failure = (pl.col("kind") == "Defaulted") & pl.col("actor").is_in([lab, cloud])
    some = events.filter(pair | policy | failure).with_columns(first=~pair)
    return [_told(row) for row in some.sort("first", "event").iter_rows(named=True)]


def _told(row: dict[str, Any]) -> Happening:
    return Happening(event=row["event"], when=row["date"], what=what_of(row), cause=row["cause"])


def _refusals(again: Replay, lab: str) -> list[Refusal]:
    rows = again.frames["events"].filter(kind="Refused", actor=lab).sort("event")
    found = [
        Refusal(
            reason=str(reason),
            lots=part.height,
            first=part["date"][0],
            last=part["date"][-1],
            clouds=_in_the_way(again, lab, part["month"].to_list()),
        )
        for (reason,), part in rows.group_by("detail", maintain_order=True)
    ]
    return sorted(found, key=lambda each: (-each.lots, each.reason))


def _signed(effects: Sequence[Effect]) -> list[str]:
    """Return the contracts among the largest effects, each once."""
    names = [each.contract for each in effects[:DEALS_SHOWN] if each.event is not None]
    return list(dict.fromkeys(names))


def _in_the_way(
    again: Replay, lab: str, times: Sequence[float]
) -> tuple[tuple[str, str, int], ...]:
    """Return what stood between a lab and each cloud most often at some times."""
    months = {int(time) for time in times}
    lost = again.bids.filter(pl.col("month").is_in(months), pl.col("status") != WON, lab=lab)
    counts = lost.group_by("cloud", "status").agg(pl.len().alias("lots"))
    ranked = counts.sort("cloud", "lots", "status", descending=[False, True, False])
    most = ranked.group_by("cloud", maintain_order=True).first()
    return tuple(
        (str(c), str(s), int(n)) for c, s, n in most.select("cloud", "status", "lots").iter_rows()
    )


def _candidates(again: Replay, lab: str, cloud: str, effects: Sequence[Effect]) -> tuple[int, ...]:
    """Return the events worth leaving out: clauses of the lab, large deals, policies."""
    pairs = [
        each.event
        for each in _eligibility(again, lab, cloud)
        if each.what.endswith(("ends", "begins"))
    ]
    deals = [each.event for each in effects if each.event is not None]
    events = again.frames["events"].filter(pl.col("month") > 0)
    policies = events.filter(pl.col("kind").is_in(["Enacted", "Repealed"]))["event"].to_list()
    lapses = [number for number in pairs if number not in policies]
    mixed = [*lapses[:1], *deals[:2], *lapses[1:], *deals[2:DEALS_SHOWN], *policies]
    return tuple(number for number in dict.fromkeys(mixed) if _can_go(again, number))


def _can_go(again: Replay, number: int) -> bool:
    try:
        removal(again.scenario, again.frames["events"], number)
    except ValueError:
        return False
    return True


def _tried(
    again: Replay, number: int, lab: str, cloud: str, month: int, after: float, say: Say
) -> Counterfactual:
    """Run the seed without one event."""
    try:
        taken = removal(again.scenario, again.frames["events"], number)
    except CannotRemove as error:
        return Counterfactual(
            event=number, what="", without=math.nan, difference=math.nan, reason=str(error)
        )
    say(f"replaying seed {again.seed} without #{number}: {taken.what}")
    other = replay(taken.scenario, again.seed, month + 1, without=taken.without)
    without = other.dependence(lab, cloud, month)
    return Counterfactual(
        event=number, what=taken.what, without=without, difference=after - without
    )
