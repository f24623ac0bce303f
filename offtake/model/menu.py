"""The part of the menu that binds later purchases: what exclusivity and first refusal are worth here."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.bargaining import power
from offtake.model.clause_worth import KINDS, worth
from offtake.model.competition import first_refusal_barred, longest_exclusivity_months
from offtake.model.contracts import Contract
from offtake.model.dealing import FirstRefusal, SupplyExclusivity
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.negotiation import Deal, Promises, Request, Supplier
from offtake.model.seeing import AHEAD, need_ahead
from offtake.model.view import CloudView

if TYPE_CHECKING:
    from offtake.model.market import Market


def promises(
    market: "Market",
    requests: Sequence[Request],
    views: Mapping[str, CloudView],
    suppliers: Sequence[Supplier],
) -> Promises | None:
    """Return what promises on later purchases are worth to both sides; nothing where none is on the menu.

    Each is taken where it raises the joint surplus of the pair, whatever the price (menu Omega). A lab
    promises each thing to one cloud: where it is worth most to both.
    """
    rules = market.setup.rules.negotiation
    if "supply" not in rules.exclusivity and True not in rules.first_refusal:
        return None
    lab, holder = _worths(market, requests, views, suppliers)
    shown = on_the_menu(market, requests) & np.isfinite(lab + holder)
    every = Promises(lab=lab, holder=holder, open=shown)
    return Promises(lab=lab, holder=holder, open=_at_the_best(requests, every))


def _worths(
    market: "Market",
    requests: Sequence[Request],
    views: Mapping[str, CloudView],
    suppliers: Sequence[Supplier],
) -> tuple[np.ndarray, np.ndarray]:
    """Return what each promise changes for lab and cloud, by lot, cloud, term and promise.

    Later purchases are the need not covered half way through the term, beyond what is on tender; they
    begin evenly over the term, so half of its hours count.
    """
    terms = market.setup.rules.terms
    half = np.minimum(terms // 2, AHEAD).astype(int)
    later, asked = _later_h100e(market, requests, half)
    shape = (len(requests), len(market.setup.clouds), len(terms), 1)
    margin, served, b, wait = (np.zeros(shape) for _ in range(4))
    impatience = {s.index: s.impatience for s in suppliers}
    running = {v.index: float(v.running.min()) for v in views.values()}
    for view in views.values():
        c = view.index
        rho = np.array([r.impatience for r in requests])
        value = np.array([r.lot.value for r in requests])
        margin[:, c, :, 0] = np.maximum(value - running[c], 0.0)[:, None]
        served[:, c, :, 0] = np.minimum(view.own_free_h100e[half] / np.maximum(later, 1e-9), 1.0)
        b[:, c, :, 0] = power(rho, np.full(len(rho), impatience[c]))[:, None]
    window = market.setup.rules.negotiation.first_refusal_days * 24 / HOURS_PER_MONTH
    wait[:] = np.minimum(window / np.maximum(terms / 2, window), 1.0)[None, None, :, None]
    psi = np.array([r.dependence for r in requests])[:, None, None, None]
    hours = (later / (2 * np.maximum(asked, 1e-9))[:, None])[:, None, :, None]
    given = {"margin": margin, "served": served, "lab_power": b, "dependence": psi, "wait": wait}
    sides = [worth(kind, **given) for kind in KINDS]
    lab = np.concatenate([(side.lab - sides[0].lab) * hours for side in sides], axis=3)
    holder = np.concatenate([(side.holder - sides[0].holder) * hours for side in sides], axis=3)
    return lab, holder


def _later_h100e(
    market: "Market", requests: Sequence[Request], months: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return by lot what its lab has yet to buy some months ahead, and what it has on tender, H100e."""
    labs = np.array([r.lab for r in requests])
    wanted = np.array([r.lot.h100e for r in requests])
    asked = np.bincount(labs, weights=wanted, minlength=len(market.setup.labs))
    need = need_ahead(market)
    covered = market.books.covered_h100e[:, market.month : market.month + AHEAD + 1]
    uncovered = np.maximum(need - covered, 0.0)[:, months]
    return np.maximum(uncovered - asked[:, None], 0.0)[labs], asked[labs]


def on_the_menu(market: "Market", requests: Sequence[Request]) -> np.ndarray:
    """Return by lot, cloud, term and promise whether it may be promised: to no affiliate, and not twice."""
    setup, rules = market.setup, market.setup.rules.negotiation
    shape = (len(requests), len(setup.clouds), len(setup.rules.terms), len(KINDS))
    shown = np.zeros(shape, dtype=bool)
    shown[..., 0] = True
    held = {
        kind: {c.lab for c in market.books.standing(market.time) if isinstance(c, kind)}
        for kind in (FirstRefusal, SupplyExclusivity)
    }
    first_refusal = True in rules.first_refusal and not first_refusal_barred(market)
    short = (setup.rules.terms <= longest_exclusivity_months(market))[None, :]
    for i, request in enumerate(requests):
        name, others = setup.labs[request.lab], ~setup.affiliates[request.lab][:, None]
        shown[i, ..., 1] = (first_refusal and name not in held[FirstRefusal]) & others
        shown[i, ..., 2] = (
            "supply" in rules.exclusivity and name not in held[SupplyExclusivity]
        ) & (others & short)
    return shown


def _at_the_best(requests: Sequence[Request], every: Promises) -> np.ndarray:
    """Return the menu with each promise of a lab left at the one cloud where both gain most by it."""
    best = np.where(every.open, every.joint, -np.inf).max(axis=2)  # by lot, cloud, promise
    shown = every.open.copy()
    labs = np.array([r.lab for r in requests])
    for lab in np.unique(labs).tolist():
        lots = np.flatnonzero(labs == lab)
        for promise in range(1, len(KINDS)):
            at = int(best[lots, :, promise].max(axis=0).argmax())
            elsewhere = np.arange(shown.shape[1]) != at
            shown[np.ix_(lots, np.flatnonzero(elsewhere), range(shown.shape[2]), [promise])] = False
    return shown


def promised(
    market: "Market", deal: Deal, contract: Contract
) -> tuple[SupplyExclusivity | FirstRefusal, ...]:
    """Return the clauses that a deal brings on later purchases, as long as its contract runs."""
    between = {"lab": contract.buyer, "holder": contract.seller, "until": contract.end}
    match deal.promise:
        case "supply":
            return (SupplyExclusivity(**between),)
        case "first-refusal":
            days = market.setup.rules.negotiation.first_refusal_days
            return (FirstRefusal(**between, since=market.time, window_days=days),)
        case _:
            return ()
