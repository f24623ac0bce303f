"""Tactics: offers that move with time, with the other side's offers, or with what is left (bar-5)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from offtake.model.bargaining import Match, Offer, Outcome, bounds

Tactic = Literal["time", "tit-for-tat", "resource"]
Beta = Annotated[float, Field(gt=0, le=100)]
Share = Annotated[float, Field(ge=0, le=1)]
Beyond = Annotated[float, Field(ge=0, le=10)]

DEADLINE = "no agreement by the deadline of the talks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tactics:
    """Both sides concede round by round until their offers meet, or the deadline passes.

    Each side opens with what the other would just accept, or beyond, and concedes up to its own limit,
    a bound of bar-1. They agree in the first round in which the offers meet, at the middle of the two.
    What it has conceded of the way to its limit at the share t of the deadline is

    - time: ``alpha(t) = kappa + (1 - kappa) t^(1/beta)``; below 1 beta is tough (Boulware), above 1
      yielding (Conceder);
    - resource: the same with another clock: for a lab the months talked over the months its money lasts,
      for a cloud t times the idle share of its halls;
    - tit-for-tat: its offer moves in proportion to the other's last move.

    References
    ----------
    Faratin, Sierra and Jennings 1998 (row B10).
    """

    deadline_months: Annotated[float, Field(ge=0, le=24)] = 3.0
    """Months after which talks break down."""
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Offers that each side makes up to the deadline, after its opening."""
    lab_tactic: Tactic = "time"
    """How the lab concedes: time, resource or tit-for-tat."""
    cloud_tactic: Tactic = "time"
    """How the cloud concedes: time, resource or tit-for-tat."""
    lab_beta: Beta = 1.0
    """Shape of the lab's concessions."""
    cloud_beta: Beta = 1.0
    """Shape of the cloud's concessions."""
    lab_kappa: Share = 0.0
    """Share of the way that the lab has conceded when talks begin."""
    cloud_kappa: Share = 0.0
    """Share of the way that the cloud has conceded when talks begin."""
    lab_beyond: Beyond = 0.0
    """How far below the cloud's limit the lab opens, share of what lies between the limits."""
    cloud_beyond: Beyond = 0.0
    """How far above the lab's limit the cloud opens, share of what lies between the limits."""

    def __call__(self, match: Match) -> Outcome:
        """Return where and when offers meet; pairs whose offers do not meet walk away."""
        lo, hi = bounds(match)
        talks = self._talk(match, np.minimum(lo, hi), np.maximum(lo, hi))
        met = np.isfinite(talks.met)
        return Outcome(
            price=np.where(met, talks.price, (lo + hi) / 2),
            lo=lo,
            hi=hi,
            agreed=met,
            delay_months=np.where(met, talks.met, 1.0) * self.deadline_months,
            reasons=tuple("" if ok else DEADLINE for ok in met.tolist()),
            offers=tuple(_told(talks)) if match.traced else (),
        )

    def _talk(self, match: Match, lo: np.ndarray, hi: np.ndarray) -> "_Talks":
        gap = hi - lo
        lab = _Side(start=lo - self.lab_beyond * gap, limit=hi)
        cloud = _Side(start=hi + self.cloud_beyond * gap, limit=lo)
        talks = _Talks(pairs=len(lo), traced=match.traced)
        offers = self._opened(lab, cloud)
        before = offers
        for k in range(self.rounds + 1):
            if k:
                before, offers = offers, self._next(match, lab, cloud, k, before, offers)
            talks.hear(k, k / self.rounds, *offers)
            if np.isfinite(talks.met).all():
                break
        return talks

    def _opened(self, lab: "_Side", cloud: "_Side") -> "Pair":
        return lab.at(self.lab_kappa), cloud.at(self.cloud_kappa)

    def _next(
        self, match: Match, lab: "_Side", cloud: "_Side", k: int, before: "Pair", now: "Pair"
    ) -> "Pair":
        """Return the offers of round k, after those of the two rounds before."""
        t = k / self.rounds
        if self.lab_tactic == "tit-for-tat":
            bid = lab.answered(now[0], before[1], now[1])
        else:
            bid = lab.at(conceded(self._lab_clock(match, t), self.lab_kappa, self.lab_beta))
        if self.cloud_tactic == "tit-for-tat":
            ask = cloud.answered(now[1], before[0], now[0])
        else:
            ask = cloud.at(conceded(self._cloud_clock(match, t), self.cloud_kappa, self.cloud_beta))
        return bid, ask

    def _lab_clock(self, match: Match, t: float) -> np.ndarray:
        if self.lab_tactic == "time":
            return np.asarray(t)
        return t * self.deadline_months / np.maximum(match.runway_months, 1e-9)

    def _cloud_clock(self, match: Match, t: float) -> np.ndarray:
        return t * np.asarray(1.0 if self.cloud_tactic == "time" else match.idle_share)


def conceded(clock: np.ndarray, kappa: float, beta: float) -> np.ndarray:
    """Return alpha, the share of the way to its limit that a side has conceded (bar-5).

    Examples
    --------
    >>> float(conceded(np.array(0.25), kappa=0.0, beta=0.5))
    0.0625
    """
    return kappa + (1 - kappa) * np.clip(clock, 0.0, 1.0) ** (1 / beta)


type Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """Where a side opens and what it goes to at most, by pair."""

    start: np.ndarray
    limit: np.ndarray

    def at(self, alpha: np.ndarray | float) -> np.ndarray:
        return self.start + alpha * (self.limit - self.start)

    def answered(self, own: np.ndarray, before: np.ndarray, now: np.ndarray) -> np.ndarray:
        """Return its next offer: it moves in proportion as the other has moved, towards its limit only."""
        positive = (before > 0) & (now > 0)
        moved = np.where(positive, before / np.where(positive, now, 1.0), 1.0)
        ends = np.minimum(own, self.limit), np.maximum(own, self.limit)
        return np.clip(own * moved, *ends)


class _Talks:
    """What was offered so far; who met when, and at what price."""

    def __init__(self, *, pairs: int, traced: bool) -> None:
        self.met = np.full(pairs, np.inf)
        self.price = np.zeros(pairs)
        self.heard: list[tuple[Pair, np.ndarray]] | None = [] if traced else None

    def hear(self, number: int, t: float, bid: np.ndarray, ask: np.ndarray) -> None:
        """Take the offers of a round; those still talking agree where bids reach asks."""
        talking = np.isinf(self.met)
        meet = talking & (bid >= ask - 1e-12)
        self.price = np.where(meet, (bid + ask) / 2, self.price)
        self.met = np.where(meet, t, self.met)
        if self.heard is not None:
            self.heard.append(((bid, ask), talking))


def _told(talks: _Talks) -> Iterator[Offer]:
    """Yield the offers pair by pair, the two of a round one after the other."""
    assert talks.heard is not None
    for pair in range(len(talks.met)):
        said = [offers for offers, talking in talks.heard if talking[pair]]
        bids, asks = ([float(o[side][pair]) for o in said] for side in (0, 1))
        for k in range(len(said)):
            last = k == len(said) - 1 and math.isfinite(float(talks.met[pair]))
            outcome = "accepted" if last else "refused"
            up, down = (bids[k] - bids[k - 1], asks[k - 1] - asks[k]) if k else (0.0, 0.0)
            yield Offer(
                pair=pair, round=k, who="lab", price=bids[k], concession=up, outcome=outcome
            )
            yield Offer(
                pair=pair, round=k, who="cloud", price=asks[k], concession=down, outcome=outcome
            )
