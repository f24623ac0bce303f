"""Equity under review: how much of a payment competition and security policies let pass (1.11)."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from offtake.model.enforcing import in_force
from offtake.model.policies import Policy, Stake

if TYPE_CHECKING:
    from offtake.model.market import Market

type Payments = Mapping[tuple[str, str], int]
"""Cents by investor and issuer."""


def part_allowed(
    market: "Market", investor: str, issuer: str, new: Payments | None = None
) -> float:
    """Return the part of a payment of equity that policies in force let pass, in [0, 1].

    Parameters
    ----------
    new
        Payments on offer beyond the tranches that are promised.

    Notes
    -----
    With F what those whom a limit s covers hold already, P what they are promised and offer, and D what
    all others hold, are promised and offer, a part k of P passes so that ``(F + kP) / (F + kP + D) = s``:
    all promises are cut alike, and which of them is paid first does not matter.
    """
    stake = _stake(market, investor, issuer)
    parts = [1.0]
    for rule in in_force(market, "largest_stake"):
        limit = rule.largest_stake(stake)
        if limit < 1:
            parts.append(_part(market, rule, investor, issuer, limit, new or {}))
    return min(parts)


def _part(
    market: "Market", rule: Policy, investor: str, issuer: str, limit: float, new: Payments
) -> float:
    held = _held(market, issuer)
    promised = _promised(market, issuer, new)
    group = market.setup.parents[investor]

    def counts(other: str) -> bool:
        if rule.counted_together():
            return rule.largest_stake(_stake(market, other, issuer)) < 1
        return market.setup.parents.get(other) == group

    covered = sum(c for name, c in held.items() if counts(name))
    pending = sum(c for name, c in promised.items() if counts(name))
    others = sum(held.values()) + sum(promised.values()) - covered - pending
    most = limit / (1 - limit) * others - covered
    return min(max(most / pending, 0.0), 1.0) if pending > 0 else 1.0


def _held(market: "Market", issuer: str) -> dict[str, int]:
    """Return the equity of an issuer by holder, as it was paid in, cents."""
    total: dict[str, int] = {}
    for (holder, of, kind, _), amount in market.books.claims.items():
        if (of, kind) == (issuer, "equity"):
            total[holder] = total.get(holder, 0) + amount
    return total


def _promised(market: "Market", issuer: str, new: Payments) -> dict[str, int]:
    """Return what an issuer is promised and offered, by investor, cents."""
    total: dict[str, int] = {}
    for tranche in market.books.tranches.values():
        if tranche.issuer == issuer:
            for investor, part in tranche.parts_cents(tranche.amount_cents).items():
                total[investor] = total.get(investor, 0) + part
    for (investor, lab), amount in new.items():
        if lab == issuer:
            total[investor] = total.get(investor, 0) + amount
    return total


def review(market: "Market", investor: str, issuer: str) -> tuple[float, str]:
    """Return how long a payment of equity waits for its review, months, and for which policy."""
    stake = _stake(market, investor, issuer)
    waits = [(r.review_months(stake), r.name) for r in in_force(market, "review_months")]
    return max(waits, default=(0.0, ""))


def _stake(market: "Market", investor: str, issuer: str) -> Stake:
    homes = market.setup.homes
    return Stake(
        issuer=issuer,
        issuer_home=homes.get(issuer),
        investor_home=homes.get(investor),
        interlocks=_interlocks(market, investor, issuer),
    )


def _interlocks(market: "Market", investor: str, issuer: str) -> bool:
    """Whether an investor's group owns, or holds equity of, a lab that competes with the issuer."""
    setup = market.setup
    if issuer not in market.books.lab_index or investor not in setup.parents:
        return False
    group = setup.parents[investor]
    if any(lab != issuer and setup.parents[lab] == group for lab in setup.labs):
        return setup.parents[issuer] != group
    return any(
        kind == "equity"
        and cents > 0
        and other != issuer
        and other in market.books.lab_index
        and setup.parents.get(holder) == group
        for (holder, other, kind, _), cents in market.books.claims.items()
    )


def cut(amount: int, part: float) -> int:
    """Return a part of an amount in whole cents, never more than all of it.

    Examples
    --------
    >>> cut(1001, 0.5), cut(1001, 1.0)
    (500, 1001)
    """
    return amount if part >= 1 else math.floor(amount * part)
