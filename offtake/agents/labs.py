"""Labs: how they learn about their own need and what they ask the market for."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from scipy.special import ndtri

from offtake.agents.participant import Participant
from offtake.model.clause_worth import Kind, worth
from offtake.model.dealing import Purpose
from offtake.model.demand import budget_value, damped
from offtake.model.proposals import Forecast, Lot, Tender
from offtake.model.view import ForecastView, LabView, WaiverView

HIGHEST_QUANTILE = 0.95
"""Quantile of need above which nobody covers, whatever the prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapt:
    """Move the growth belief towards what happened (exp-1, exp-3; Nerlove 1958, row D12)."""

    port: ClassVar[str] = "forecaster"

    def __call__(self, view: ForecastView) -> Forecast:
        """Return beliefs after the month."""
        grown = math.log(view.need_h100e / view.need_before_h100e)
        error = grown - view.growth_per_month
        memory = view.rules.error_memory
        return Forecast(
            growth_per_month=view.growth_per_month + view.rules.learning * error,
            variance=max(memory * view.variance + (1 - memory) * error**2, 1e-8),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectNoGrowth:
    """Believe that need stays as it is (the naive benchmark)."""

    port: ClassVar[str] = "forecaster"

    def __call__(self, view: ForecastView) -> Forecast:
        """Return unchanged variance and no growth."""
        return Forecast(growth_per_month=0.0, variance=view.variance)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverNeed:
    """Tender what is missing to cover forecast need, near and far at once (pro-1 to pro-4).

    References
    ----------
    Newsvendor / reserved versus on-demand (row M8b): cover the quantile ``1 - p_r / E[min(v, p_s)]``.
    """

    port: ClassVar[str] = "procurer"

    def __call__(self, view: LabView) -> Tender | None:
        """Return a tender for all lots when any gap passes the threshold."""
        starts = view.rules.procurement.lots_months
        targets = [self.target_h100e(view, start) for start in starts]
        gaps = [t - float(view.covered_h100e[s]) for t, s in zip(targets, starts, strict=True)]
        threshold = view.rules.procurement.threshold
        leaves = tuple(x.contract for x in view.leavings if x.gain_usd > x.fee_usd)  # row B15
        if not any(gap > threshold * view.need_h100e for gap in gaps):
            return Tender(lab=view.name, lots=(), terminate=leaves) if leaves else None
        lots, asked = [], 0.0
        for start, gap in zip(starts, gaps, strict=True):
            if gap - asked > 0:
                lots.extend(self._lots(view, start, gap - asked, asked))
                asked = gap
        return Tender(lab=view.name, lots=tuple(lots), terminate=leaves)

    def target_h100e(self, view: LabView, months: int) -> float:
        """Return the coverage target q* at a horizon (pro-1)."""
        mean = view.need_h100e * math.exp(
            float(damped(view.growth_per_month, view.rules.beliefs.damping, months))
        )
        deviation = math.sqrt(view.variance * months)
        avoided = min(self._value(view), max(view.spot_price, 1e-9))
        ratio = 1 - view.contract_price / max(avoided, 1e-9)
        quantile = min(max(ratio, view.rules.procurement.coverage_floor), HIGHEST_QUANTILE)
        return mean * math.exp(deviation * float(ndtri(quantile)) - deviation**2 / 2)

    def _value(self, view: LabView) -> float:
        return view.fixed_value or view.inference_value

    def _lots(self, view: LabView, start: int, h100e: float, asked: float) -> Iterator[Lot]:
        """Yield lots valued on the curve of (dem-9): inference first, apart where that matters."""
        load = view.load_h100e * math.exp(
            float(damped(view.growth_per_month, view.rules.beliefs.damping, start))
        )
        low = float(view.covered_h100e[start]) + asked
        for part, purpose in purposes(view, low, h100e, load):
            value = view.fixed_value or mean_value(view, low, low + part, load)
            yield Lot(start_months=start, h100e=part, value=value, purpose=purpose)
            low += part


def purposes(
    view: LabView, low: float, h100e: float, load: float
) -> tuple[tuple[float, Purpose], ...]:
    """Return the parts of compute beyond `low` by what they are for: the load comes first."""
    if not view.by_purpose:
        return ((h100e, "any"),)
    inference = min(max(load - low, 0.0), h100e)
    parts: tuple[tuple[float, Purpose], ...] = (
        (inference, "inference"),
        (h100e - inference, "training"),
    )
    return tuple(part for part in parts if part[0] > 0)


def mean_value(view: LabView, low: float, high: float, load: float) -> float:
    """Return the mean use value of compute between two quantities, USD per H100e-hour (dem-9).

    Inference is served first, then training: worth what it earns later, or what the budget pays.
    """
    inference = max(min(high, load) - min(low, load), 0.0)
    middle = (min(high, load) + min(low, load)) / 2
    value = inference * view.inference_value * (1 - view.value_slope * middle / max(load, 1e-9))
    if high > load:
        wanted = (view.need_h100e - view.load_h100e) * load / max(view.load_h100e, 1e-9)
        start = max(low - load, 0.0)
        paid = budget_value(view.contract_price, wanted, start, high - load)
        value += (high - low - inference) * max(view.training_value, paid)
    return value / (high - low)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOnce:
    """Tender the present gap in one lot at the nearest start: the benchmark of static oracles."""

    port: ClassVar[str] = "procurer"

    def __call__(self, view: LabView) -> Tender | None:
        """Return one lot for what is needed and not covered."""
        start = view.rules.procurement.lots_months[0]
        gap = view.need_h100e - float(view.covered_h100e[start])
        if gap <= 1e-9 * view.need_h100e:
            return None
        value = view.fixed_value or view.inference_value
        parts = purposes(view, float(view.covered_h100e[start]), gap, view.load_h100e)
        lots = [Lot(start_months=start, h100e=h, value=value, purpose=p) for h, p in parts]
        return Tender(lab=view.name, lots=tuple(lots))


PRICE_SHARE = 1 / 3
"""Part of v - c that competition leaves to a lab (row B13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayForFreedom:
    """Pay at most what later purchases gain by the change (default).

    The lab knows v; public prices tell it c, because among two it keeps a third of v - c (row B13).
    """

    port: ClassVar[str] = "waiver"

    def __call__(self, view: WaiverView) -> tuple[float, ...]:
        """Return the most it pays for each change, USD."""
        margin = max(view.own_price - view.contract_price, 0.0) / PRICE_SHARE
        now = self._worth(view, view.kind, margin)
        return tuple(self._worth(view, kind, margin) - now for kind in view.instead)

    def _worth(self, view: WaiverView, kind: Kind, margin: float) -> float:
        sides = worth(
            kind,
            margin=margin,
            served=view.served,
            lab_power=view.lab_power,
            dependence=view.dependence,
            wait=view.wait,
        )
        return math.fsum((sides.lab * view.later_h100e * view.weights).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepTheClause:
    """Never talk about a clause: the benchmark without waivers."""

    port: ClassVar[str] = "waiver"

    def __call__(self, view: WaiverView) -> None:
        """Return nothing."""


class Lab(Participant):
    """A buyer of compute that sells AI services."""

    defaults: ClassVar = {
        "forecaster": Adapt(),
        "procurer": CoverNeed(),
        "waiver": PayForFreedom(),
    }
