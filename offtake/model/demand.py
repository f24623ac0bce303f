"""Final demand: adoption, choice among labs, load, service price, training (dem-1 to dem-9).

Pure functions of arrays by lab; the outside good is handled beside the array.
"""

import math

import numpy as np

from offtake.model.months import HOURS_PER_MONTH


def adoption(share: float, innovation: float, imitation: float, years: float) -> float:
    """Return the adopted share of the potential after some time (dem-1, Bass 1969), exactly.

    Examples
    --------
    >>> round(adoption(0.0, 0.03, 0.38, 5.0), 6), round(adoption(0.0, 0.03, 0.38, 10.0), 6)
    (0.331199, 0.812803)
    """
    if innovation + imitation == 0 or share >= 1:
        return share
    if innovation < 1e-12:  # the map below divides by p; the logistic is its limit
        odds = share / (1 - share) * math.exp(imitation * years)
        return odds / (1 + odds)
    ratio = imitation / innovation
    left = (1 - share) / (1 + ratio * share)
    left *= math.exp(-(innovation + imitation) * years)
    return (1 - left) / (1 + ratio * left)


def choice(utility: np.ndarray) -> tuple[np.ndarray, float]:
    """Return logit shares of the labs and of the outside good, whose utility is 0 (row M3s)."""
    top = max(0.0, float(utility.max()))
    weights = np.exp(utility - top)
    outside = math.exp(-top)
    total = math.fsum([*weights.tolist(), outside])
    return weights / total, outside / total


def utilities(
    *,
    appeal: np.ndarray,
    stock: np.ndarray,
    price_usd: np.ndarray,
    unserved: np.ndarray,
    reach: np.ndarray,
    quality_return: float,
    price_sensitivity: float,
    unserved_penalty: float,
) -> np.ndarray:
    """Return mean utility delta (dem-2; Berry 1994)."""
    return (
        appeal
        + quality_return * np.log(stock)
        - price_sensitivity * price_usd
        - unserved_penalty * unserved
        + np.log(reach)
    )


def users_after(
    users: np.ndarray, adopters: float, joined: float, shares: np.ndarray, churn: float
) -> np.ndarray:
    """Return users after a month of churn and adoption (dem-3), in the unit of `users`."""
    return (1 - churn) * users + (churn * adopters + joined) * shares


def service_price(
    price_usd: np.ndarray,
    cost_usd: np.ndarray,
    shares: np.ndarray,
    conduct: np.ndarray,
    price_sensitivity: float,
    speed: float,
) -> np.ndarray:
    """Return next month's service price: partial adjustment to logit Bertrand-Nash (dem-6, row M3)."""
    target = cost_usd + conduct / (price_sensitivity * (1 - shares))
    return (1 - speed) * price_usd + speed * target


def stock_after(
    stock: np.ndarray, trained_h100e: np.ndarray, decay: float, efficiency: float
) -> np.ndarray:
    """Return the training stock after a month, H100e-months, efficiency-adjusted (dem-7)."""
    return (1 - decay) * stock + efficiency * trained_h100e


def inference_value(price_usd: np.ndarray, hours_per_user: np.ndarray) -> np.ndarray:
    """Return v^I of the first unit of load, USD per H100e-hour (dem-9)."""
    return price_usd / hours_per_user


def training_value(
    revenue_usd: np.ndarray,
    stock: np.ndarray,
    shares: np.ndarray,
    quality_return: float,
    worth_months: np.ndarray,
    efficiency: float,
) -> np.ndarray:
    """Return v^T, USD per H100e-hour: the present value of what one more unit of stock earns (dem-9)."""
    earned = quality_return * (1 - shares) * revenue_usd / stock
    return earned * worth_months * efficiency / HOURS_PER_MONTH


LEAST_TRAINED = 0.25
"""Share of the training a budget buys below which the budget's curve is not steeper (dem-7)."""


def budget_value(price: float, bought: float, low: float, high: float) -> float:
    """Return the mean value of training between two quantities for a lab on a budget, USD per H100e-hour.

    A budget has unit elasticity (dem-7): what buys `bought` H100e at `price` would pay
    ``price bought / x`` for the x-th.
    """
    if bought <= 0 or high <= low:
        return 0.0
    floor = LEAST_TRAINED * bought
    low, high = max(low, floor), max(high, floor)
    mean = 1 / floor if high == low else math.log(high / low) / (high - low)
    return price * bought * (1 / low if high - low < 1e-9 * high else mean)


def worth_months(
    growth: np.ndarray, discount: np.ndarray, decay: float, damping: float
) -> np.ndarray:
    """Return PV_K: months of revenue that a unit of stock is worth, with damped growth (exp-2)."""
    h = np.arange(121)
    paths = np.exp(damped(growth[:, None], damping, h) - discount[:, None] / 12 * h)
    return (paths * (1 - decay) ** h).sum(axis=1)


def damped(growth: np.ndarray | float, damping: float, months: np.ndarray | float) -> np.ndarray:
    """Return projected log growth over `months` (exp-2; Gardner and McKenzie 1985)."""
    if damping == 1:  # the sum below is 0 / 0
        return np.asarray(growth * months)
    return np.asarray(growth * damping * (1 - damping**months) / (1 - damping))
