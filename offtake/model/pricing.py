"""What capacity costs and what it is worth to keep (cst-1 to cst-5): pure functions of arrays.

Prices here are *start prices*: USD per H100e-hour in the first month of a term, with the market's
believed decline after it. `levelling` turns them into the fixed price of a contract and back, so that
terms of different length can be compared.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from offtake.model.months import HOURS_PER_MONTH

BISECTIONS = 60
"""Halvings that pin a monthly return down to rounding."""
LEAST_RATE = 1e-7
"""Monthly rate below which the first terms of the series of an annuity are closer than its quotient."""


def recovery(rate: float, months: int) -> float:
    """Return the capital recovery factor a month (row D10).

    Examples
    --------
    >>> round(recovery(0.01, 60), 7)
    0.0222444
    """
    return 1 / months if rate == 0 else rate / (1 - (1 + rate) ** -months)


def full_cost(
    *,
    capital_usd: float,
    life_months: int,
    rate_per_month: float,
    rent_usd_per_month: float,
    running_usd_per_hour: float,
    operations_share_per_year: float,
    busy: float,
) -> float:
    """Return LRMC, USD per sold H100e-hour (cst-2); all amounts are per H100e.

    Examples
    --------
    >>> kw = 0.700 * 1.82
    >>> round(full_cost(capital_usd=38_000, life_months=60, rate_per_month=.01,
    ...     rent_usd_per_month=130 * kw, running_usd_per_hour=kw * 1.14 * .06,
    ...     operations_share_per_year=.05, busy=.85), 4)
    1.9856
    """
    monthly = capital_usd * recovery(rate_per_month, life_months) + rent_usd_per_month
    monthly += capital_usd * operations_share_per_year / 12
    return (monthly / HOURS_PER_MONTH + running_usd_per_hour) / busy


def betas(rate: float, payout: float, volatility: float) -> tuple[float, float]:
    """Return the roots of the fundamental quadratic (Dixit and Pindyck 1994; rows D1, D2).

    Examples
    --------
    >>> b1, b2 = betas(.04, .04, .2)
    >>> round(b1 / (b1 - 1), 6), round(b2 / (b2 - 1), 6)
    (2.0, 0.5)
    """
    centre = 0.5 - (rate - payout) / volatility**2
    spread = math.sqrt(centre**2 + 2 * rate / volatility**2)
    return centre + spread, centre - spread


def hurdle(merchant: np.ndarray, trigger: float) -> np.ndarray:
    """Return h: 1 for a fully contracted project, beta1/(beta1-1) for a merchant one (cst-5)."""
    return 1 + merchant * (trigger - 1)


def annuity(rate_per_month: np.ndarray | float, months: np.ndarray | float) -> np.ndarray:
    """Return the present value of 1 a month for `months` months, paid at the end of each.

    Examples
    --------
    >>> float(annuity(0.0, 60)), round(float(annuity(0.01, 60)), 4)
    (60.0, 44.955)
    """
    rate, count = np.asarray(rate_per_month, dtype=float), np.asarray(months, dtype=float)
    usual = np.maximum(rate, LEAST_RATE)
    worth = (1 - (1 + usual) ** -count) / usual
    near_zero = count - np.maximum(rate, 0.0) * count * (count + 1) / 2
    return np.where(rate < LEAST_RATE, near_zero, worth)


def stepped_annuity(
    rate_per_month: float, change_per_year: float, months: float, until_step: float = 12
) -> float:
    """Return the present value of 1 a month whose amount is multiplied by a factor once a year.

    Examples
    --------
    >>> round(stepped_annuity(0.01, 1.1, 24), 4), round(float(annuity(0.01, 24)), 4)
    (22.2422, 21.2434)
    """
    worth, amount, since, until = 0.0, 1.0, 0.0, until_step
    while since < months:
        part = annuity(rate_per_month, min(until, months)) - annuity(rate_per_month, since)
        worth += amount * float(part)
        amount, since, until = amount * change_per_year, until, until + 12
    return worth


def equity_return_per_year(
    *,
    rate_per_month: float,
    markup: float,
    months: int,
    debt_share: float,
    debt_rate_per_month: float,
) -> float:
    """Return what equity earns a year in a project that is paid ``1 + markup`` times its level cost.

    The level cost recovers the capital at `rate_per_month` over its life; debt for a share of the capital
    is served from it over the same life. Infinity where there is debt only, -1 where nothing is left.

    Examples
    --------
    >>> rate = 1.12 ** (1 / 12) - 1
    >>> facts = {"rate_per_month": rate, "months": 60, "debt_rate_per_month": 0.11 / 12}
    >>> round(equity_return_per_year(markup=0.0, debt_share=0.0, **facts), 6)
    0.12
    >>> round(equity_return_per_year(markup=0.1, debt_share=0.75, **facts), 4)
    0.3222
    """
    if debt_share >= 1:
        return math.inf
    cash = (1 + markup) / float(annuity(rate_per_month, months))
    cash -= debt_share / float(annuity(debt_rate_per_month, months))
    if cash * months <= 1 - debt_share:
        return -1.0
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        worth = cash * float(annuity(middle, months))
        low, high = (middle, high) if worth > 1 - debt_share else (low, middle)
    return (1 + low) ** 12 - 1


def levelling(rate_per_month: float, decline_per_month: float, months: np.ndarray) -> np.ndarray:
    """Return the fixed price over a term that is worth a start price of 1 with the market's decline."""
    both = (1 + rate_per_month) * math.exp(decline_per_month) - 1
    return (
        annuity(both, months) * (1 + both) / annuity(rate_per_month, months) / (1 + rate_per_month)
    )


def reverting(price: float, anchor: float, speed: float, months: float) -> float:
    """Return the price believed some months ahead: it reverts to long-run cost (exp-4)."""
    return anchor + (price - anchor) * math.exp(-speed * months)


def expected_take(
    value: np.ndarray, reference: float, floors: np.ndarray, deviation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return expected use value and probability of use of a reserved unit, by floor.

    Parameters
    ----------
    value
        Mean use value, USD per H100e-hour.
    reference
        Price that the use value is held against.
    floors
        Take-or-pay floors phi: the unit is used iff its value reaches ``(1 - phi) reference``.
    deviation
        Standard deviation of log value over the term. Arrays broadcast.

    Notes
    -----
    Refusing delivery below ``(1 - phi) p`` is efficient breach (Masten and Crocker 1985; row B14).
    Value is lognormal with the given mean.
    """
    threshold = np.maximum((1 - floors) * reference, 1e-12)
    deviation = np.maximum(deviation, 1e-9)
    d1 = (np.log(np.maximum(value, 1e-12) / threshold) + deviation**2 / 2) / deviation
    return value * ndtr(d1), ndtr(d1 - deviation)


def residual(
    *,
    price: float,
    running: float,
    decline_per_month: float,
    rate_per_month: float,
    busy: float,
    months: np.ndarray,
    life_months: int,
) -> np.ndarray:
    """Return RV(T): what a vintage earns on the market after a term, USD per H100e at its end (cst-4)."""
    left = np.where(months % life_months == 0, 0, life_months - months % life_months)
    return earnings(
        start=busy * price * np.exp(-decline_per_month * months),
        running=running,
        decline_per_month=decline_per_month,
        rate_per_month=rate_per_month,
        months=left,
    )


def earnings(
    *,
    start: np.ndarray,
    running: float,
    decline_per_month: float,
    rate_per_month: float,
    months: np.ndarray,
) -> np.ndarray:
    """Return the present value of an H100e that earns `start` an hour, less and less, USD per H100e.

    It runs for some months at most, and no longer than it earns what it costs to run.
    """
    ratio = np.maximum(start, 1e-300) / max(running, 1e-12)
    paying = np.log(np.maximum(ratio, 1.0)) / max(decline_per_month, 1e-12)
    m = np.minimum(months, np.floor(paying))
    both = (1 + rate_per_month) * math.exp(decline_per_month) - 1
    income = start * annuity(both, m) - running * annuity(rate_per_month, m)
    return HOURS_PER_MONTH * np.maximum(income, 0.0)


def refreshed(
    prices: Sequence[float], rate_per_month: float, months: np.ndarray, life: int
) -> np.ndarray:
    """Return the present value of chips over a term, replaced at the end of their life.

    `prices` are what they cost at the start of each life.
    """
    total = np.zeros(len(months))
    for k in range(int(months.max() // life) + 1):
        price = prices[k] * (1 + rate_per_month) ** (-k * life)
        total += np.where(months > k * life, price, 0.0)
    return total


def breakeven_h100e(
    saving_usd_per_hour: float, nre_usd: float, annuity_months: float, trigger: float
) -> float:
    """Return the volume from which a custom class pays, H100e; infinity where it saves nothing (chp-2).

    Adoption is irreversible and its worth uncertain, so it waits until what it saves reaches its cost
    times beta1/(beta1 - 1): ``volume (c_gpu - c_k) H annuity >= NRE beta1/(beta1 - 1)``.

    Examples
    --------
    >>> round(breakeven_h100e(0.5, 1e9, 45.0, 2.0))
    121682
    """
    if saving_usd_per_hour <= 0 or annuity_months <= 0:
        return math.inf
    return nre_usd * trigger / (saving_usd_per_hour * HOURS_PER_MONTH * annuity_months)


def protected(price: float, running: float, demand: float, free: float, deviation: float) -> float:
    """Return lambda, what a free unit is worth kept back (cst-3; Littlewood 1972, row M8c).

    Expected margin on the alternative sale times the probability that alternative demand exceeds what
    is free; demand is lognormal with the given mean.
    """
    margin = max(price - running, 0.0)
    if demand <= 0:
        return 0.0
    if free <= 0:
        return margin
    z = (math.log(demand / free) - deviation**2 / 2) / deviation
    return margin * float(ndtr(z))
