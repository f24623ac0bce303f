"""Sites: two clocks, the worth of a project, when it starts, waits and is given up (cap-1 to cap-6)."""

import functools
import math
from collections.abc import Callable

import numpy as np
from scipy.special import gammainc, ndtr

from offtake.model.chance import stream
from offtake.model.contracts import Site, Stage
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.scenario import Building

HALVINGS = 48
"""Halvings of an interval of rents: the last is a rounding error."""


def clock(seed: int, which: str, site: str, mean_months: float, shape: float) -> float:
    """Draw how long a clock of a site takes, months: gamma with the given mean (row D11)."""
    if mean_months == 0:
        return 0.0
    return float(stream(seed, "clock", which, site).gamma(shape, mean_months / shape))


@functools.lru_cache(maxsize=4096)
def expected_lead(construction_mean: float, grid_mean: float, shape: float) -> float:
    """Return the mean of the later of the two clocks, months (cap-1, row D16).

    Examples
    --------
    >>> round(expected_lead(20.0, 48.0, 1.0), 1), round(expected_lead(20.0, 24.0, 1.0), 1)
    (53.9, 33.1)
    """
    longest = max(construction_mean, grid_mean)
    if longest == 0:
        return 0.0
    t = np.linspace(0, longest * 25, 5001)
    both = np.ones_like(t)
    for mean in (construction_mean, grid_mean):
        if mean > 0:
            both *= gammainc(shape, t * shape / mean)
    return float(np.trapezoid(1 - both, t))


def worth_usd_per_h100e(
    *,
    price: float,
    sold: float,
    running: float,
    months_ahead: float,
    decline_per_month: float,
    rate_per_month: float,
    busy: float,
    life_months: int,
) -> float:
    """Return V: what uncommitted capacity is worth today, USD per H100e.

    A share `sold` of hours finds a buyer at the price of the day; running cost falls on those hours.
    """
    if sold <= 0:
        return 0.0
    start = busy * price * math.exp(-decline_per_month * (months_ahead + 1))
    cost = running * busy
    if start <= cost:
        return 0.0
    paying = math.log(start / max(cost, 1e-12)) / max(decline_per_month, 1e-12)
    months = min(life_months, math.floor(paying))
    income = start * _annuity((1 + rate_per_month) * math.exp(decline_per_month) - 1, months)
    value = HOURS_PER_MONTH * max(income - cost * _annuity(rate_per_month, months), 0.0)
    return sold * value * (1 + rate_per_month) ** -months_ahead


def _annuity(rate: float, months: int) -> float:
    return months if rate < 1e-12 else (1 - (1 + rate) ** -months) / rate


def fee_usd(site: Site, rules: Building) -> float:
    """Return the fee for giving a site up, by stage (cap-4)."""
    if site.stage is Stage.LOI:
        years = rules.fee_loi
    elif site.stage is Stage.LEASED:
        years = rules.fee_leased
    else:
        years = rules.fee_building
    return years * 12 * site.rent_usd_per_kw_month * site.capacity_kw


def holding_usd(site: Site, rules: Building) -> float:
    """Return what moving the deadline of a letter or a lease once costs (cap-5)."""
    rent = site.rent_usd_per_kw_month * site.capacity_kw
    return rules.holding_share * rules.defer_months * rent


def exchange_usd(value: float, cost: float, deviation: float) -> float:
    """Return what the right to exchange a cost for a value is worth today (cap-5).

    Parameters
    ----------
    value, cost
        Present values of what is received and of what is paid at the end, USD.
    deviation
        Standard deviation of the log of their ratio at the end.

    References
    ----------
    Margrabe 1978, *Journal of Finance* 33(1) 177; with a fixed cost it is the formula of Black and
    Scholes for a call on an asset that pays out.

    Examples
    --------
    >>> round(exchange_usd(100.0, 100.0, 0.2), 4), exchange_usd(100.0, 90.0, 0.0)
    (7.9656, 10.0)
    """
    if value <= 0 or cost <= 0 or deviation <= 0:
        return max(value - cost, 0.0)
    d1 = math.log(value / cost) / deviation + deviation / 2
    return value * float(ndtr(d1)) - cost * float(ndtr(d1 - deviation))


def highest_rent(
    worth: Callable[[float], float], needed: float, least: float, most: float
) -> float | None:
    """Return the highest rent at which a project is worth what is needed; nothing if it is below `least`.

    `worth` falls with the rent and is looked at between `least` and `most`, in the unit of both.

    Examples
    --------
    >>> round(highest_rent(lambda rent: 10 - 2 * rent, 4.0, 1.0, 100.0), 9)
    3.0
    >>> highest_rent(lambda rent: 10 - 2 * rent, 4.0, 3.5, 100.0) is None
    True
    """
    if worth(least) < needed:
        return None
    low, high = least, most
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if worth(middle) >= needed else (low, middle)
    return low
