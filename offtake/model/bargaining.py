"""Price between outside options: the signature of every protocol, and the closed forms (bar-1 to bar-4)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Protocol

import numpy as np
from pydantic import Field

from offtake.model.bundles import Bundles


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Pairs that have found each other: arrays of one length, USD per H100e-hour.

    The first six say what the price must lie between and who is impatient. The rest is what single
    protocols look at; a number stands for one that holds for every pair.
    """

    ceiling: np.ndarray
    """v: the most the lab would pay."""
    floor: np.ndarray
    """r: the least the cloud would take."""
    excluded: np.ndarray
    """W: what the best other lab would pay for this capacity; minus infinity for none."""
    alternative: np.ndarray
    """Largest gain the lab could have elsewhere, at what others pay there; minus infinity for none."""
    lab_impatience: np.ndarray
    """rho_l, a year (bar-2)."""
    cloud_impatience: np.ndarray
    """rho_c, a year (bar-2)."""
    lab: tuple[str, ...] = ()
    """Names of the buyers."""
    cloud: tuple[str, ...] = ()
    """Names of the sellers."""
    h100e: np.ndarray | float = 1.0
    """Size of the deals."""
    runway_months: np.ndarray | float = math.inf
    """Months for which the lab's money lasts."""
    idle_share: np.ndarray | float = 1.0
    """Share of the cloud's energised capacity that stands idle."""
    rivals: np.ndarray | float = 0.0
    """How many clouds beside this one could serve the lot at a gain."""
    slack: float = 0.0
    """Price steps within which clearing is exact, USD per H100e-hour."""
    bundles: Bundles | None = None
    """What all deals of a lab are worth together; none where a pair stands alone."""
    chance: Callable[[int], np.random.Generator] | None = None
    """Random numbers of a pair, addressed by name; none where nothing is private."""
    traced: bool = False
    """Whether somebody wants to see the offers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One offer of a pair's talks."""

    pair: int
    round: int
    """Counted from 0."""
    who: str
    """lab or cloud."""
    price: float
    """USD per H100e-hour."""
    concession: float = 0.0
    """How far it goes beyond the offer its maker made before, USD per H100e-hour."""
    outcome: str = "refused"
    """accepted or refused by the other side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a protocol makes of matches: arrays by pair, or one value for all of them."""

    price: np.ndarray
    """USD per H100e-hour."""
    lo: np.ndarray
    """Least that the protocol lets the price be; invariant I7 holds the price to it."""
    hi: np.ndarray
    """Most that the protocol lets the price be."""
    agreed: np.ndarray | bool = True
    """Whether the pair agrees; one that does not walks away."""
    delay_months: np.ndarray | float = 0.0
    """Months until it agrees: the signature waits for them, the capacity is kept."""
    reasons: tuple[str, ...] = ()
    """Why a pair walks away; empty where it agrees, and altogether where all agree."""
    offers: tuple[Offer, ...] = ()
    """In the order in which they were made; none unless asked for."""


class Bargainer(Protocol):
    """Divides the joint surplus of matches."""

    def __call__(self, match: Match) -> Outcome:
        """Return who agrees, when, and at what price between which bounds."""
        ...


Power = Annotated[float, Field(ge=0, le=1)]


def bounds(match: Match) -> tuple[np.ndarray, np.ndarray]:
    """Return what the outside options allow: ``lo = max(r, W)``, ``hi = min(v, v - max(v' - r'))``."""
    lo = np.maximum(match.floor, match.excluded)
    hi = np.minimum(match.ceiling, match.ceiling - match.alternative)
    return lo, hi


def power(lab_impatience: np.ndarray, cloud_impatience: np.ndarray) -> np.ndarray:
    """Return b, the lab's bargaining power: patience relative to the cloud's (bar-2, row B3).

    Notes
    -----
    Binmore, Rubinstein and Wolinsky (1986): the limit of alternating offers as the time between
    offers goes to zero.
    """
    total = lab_impatience + cloud_impatience
    return np.where(total > 0, cloud_impatience / np.where(total > 0, total, 1.0), 0.5)


def given_power(match: Match, lab_power: float | None) -> np.ndarray:
    """Return b by pair: the one given, or what impatience makes it."""
    b = power(match.lab_impatience, match.cloud_impatience)
    return b if lab_power is None else np.full_like(b, lab_power)


def within(price: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> Outcome:
    """Return the outcome of pairs that all agree at once, at a price held to the bounds."""
    return Outcome(price=np.clip(price, lo, np.maximum(lo, hi)), lo=lo, hi=hi)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideOptions:
    """Nash price clipped by both outside options: they bind or do nothing (bar-1; row B16).

    References
    ----------
    Binmore, Shaked and Sutton 1989 (deal me out); Ho and Lee 2019 (threat of replacement).
    """

    lab_power: Power | None = None
    """b for every pair, for sensitivity; by default from impatience."""

    def __call__(self, match: Match) -> Outcome:
        """Return price and bounds."""
        lo, hi = bounds(match)
        b = given_power(match, self.lab_power)
        return within(match.floor + (1 - b) * (match.ceiling - match.floor), lo, hi)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreatPoint:
    """Outside options move the disagreement point instead of binding (the switch of row B4)."""

    lab_power: Power | None = None
    """b for every pair, for sensitivity; by default from impatience."""

    def __call__(self, match: Match) -> Outcome:
        """Return price and bounds."""
        lo, hi = bounds(match)
        b = given_power(match, self.lab_power)
        return within(lo + (1 - b) * (hi - lo), lo, hi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubinstein:
    """Alternating offers over the gap between floor and ceiling (Rubinstein 1982; rows B1, B2).

    The lab proposes first. Discount factors are those of one round; with a finite horizon the last
    proposer takes all.
    """

    rounds: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Offers before talks break down; none for an infinite horizon."""
    round_months: Annotated[float, Field(gt=0, le=120)] = 1.0
    """Months between two offers."""

    def __call__(self, match: Match) -> Outcome:
        """Return price and bounds."""
        lo, hi = bounds(match)
        lab = np.exp(-match.lab_impatience * self.round_months / 12)
        cloud = np.exp(-match.cloud_impatience * self.round_months / 12)
        share = self._first_share(lab, cloud)
        outcome = within(match.ceiling - share * (match.ceiling - match.floor), lo, hi)
        return replace(outcome, offers=first_offers(outcome.price)) if match.traced else outcome

    def _first_share(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        if self.rounds is None:
            lost = 1 - first * second
            both_wait = lost <= 0  # for ever: the limit of equal patience
            return np.where(both_wait, 0.5, (1 - second) / np.where(both_wait, 1.0, lost))
        share = np.ones_like(first)
        for k in range(self.rounds - 1, 0, -1):  # the proposer of round k leaves the other d x
            share = 1 - (second if k % 2 else first) * share
        return share


def first_offers(price: np.ndarray) -> tuple[Offer, ...]:
    """Return the offers of labs that propose first and are accepted at once."""
    return tuple(
        Offer(pair=k, round=0, who="lab", price=p, outcome="accepted")
        for k, p in enumerate(price.tolist())
    )
