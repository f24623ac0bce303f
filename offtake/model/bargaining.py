"""Price between outside options: one signature, several protocols (bar-1 to bar-4)."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Pairs that have found each other: arrays of one length, USD per H100e-hour."""

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


class Bargainer(Protocol):
    """Divides the joint surplus of matches: returns the price, with its bounds lo and hi."""

    def __call__(self, match: Match) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return price, lo and hi, USD per H100e-hour."""
        ...


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideOptions:
    """Nash price clipped by both outside options: they bind or do nothing (bar-1; row B16).

    References
    ----------
    Binmore, Shaked and Sutton 1989 (deal me out); Ho and Lee 2019 (threat of replacement).
    """

    lab_power: float | None = None
    """b for every pair, for sensitivity; by default from impatience."""

    def __call__(self, match: Match) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return price and bounds."""
        lo, hi = bounds(match)
        b = power(match.lab_impatience, match.cloud_impatience)
        if self.lab_power is not None:
            b = np.full_like(b, self.lab_power)
        price = match.floor + (1 - b) * (match.ceiling - match.floor)
        return np.clip(price, lo, np.maximum(lo, hi)), lo, hi


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreatPoint:
    """Outside options move the disagreement point instead of binding (the switch of row B4)."""

    lab_power: float | None = None

    def __call__(self, match: Match) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return price and bounds."""
        lo, hi = bounds(match)
        b = power(match.lab_impatience, match.cloud_impatience)
        if self.lab_power is not None:
            b = np.full_like(b, self.lab_power)
        return np.clip(lo + (1 - b) * (hi - lo), lo, np.maximum(lo, hi)), lo, hi


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubinstein:
    """Alternating offers over the gap between floor and ceiling (Rubinstein 1982; rows B1, B2).

    The lab proposes first. Discount factors are those of one round; with a finite horizon the last
    proposer takes all.
    """

    rounds: int | None = None
    """Offers before talks break down; none for an infinite horizon."""
    round_months: float = 1.0

    def __call__(self, match: Match) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return price and bounds."""
        lo, hi = bounds(match)
        lab = np.exp(-match.lab_impatience * self.round_months / 12)
        cloud = np.exp(-match.cloud_impatience * self.round_months / 12)
        share = self._first_share(lab, cloud)
        price = match.ceiling - share * (match.ceiling - match.floor)
        return np.clip(price, lo, np.maximum(lo, hi)), lo, hi

    def _first_share(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        if self.rounds is None:
            return (1 - second) / (1 - first * second)
        share = np.ones_like(first)
        for k in range(self.rounds - 1, 0, -1):  # the proposer of round k leaves the other d x
            share = 1 - (second if k % 2 else first) * share
        return share


BARGAINERS: dict[str, Bargainer] = {
    "outside-options": OutsideOptions(),
    "threat-point": ThreatPoint(),
    "rubinstein": Rubinstein(),
}
"""Protocols a scenario may name as `negotiation.bargainer`."""


def bargainer(name: str) -> Bargainer:
    """Return the bargainer that a scenario names."""
    if name not in BARGAINERS:
        known = ", ".join(sorted(BARGAINERS))
        raise ValueError(f"negotiation.bargainer is {name!r}; known: {known}")
    return BARGAINERS[name]
