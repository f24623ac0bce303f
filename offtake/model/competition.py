"""Competition policy: clauses that are void, and capacity that may not be taken over (1.11)."""

import math
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.contracts import Stage
from offtake.model.dealing import DistributionExclusivity, FirstRefusal, SupplyExclusivity
from offtake.model.enforcing import in_force, since
from offtake.model.events import Voided
from offtake.model.policies import Acquisition, Policy
from offtake.model.standing import Clause

if TYPE_CHECKING:
    from offtake.model.market import Market


def longest_exclusivity_months(market: "Market") -> float:
    """Return how long an exclusivity signed now may run, months."""
    rules = in_force(market, "longest_exclusivity_months")
    return min((rule.longest_exclusivity_months() for rule in rules), default=math.inf)


def first_refusal_barred(market: "Market") -> bool:
    """Return whether rights of first refusal are void."""
    return any(rule.bars_first_refusal() for rule in in_force(market, "bars_first_refusal"))


def void_unlawful(market: "Market") -> None:
    """End the clauses in force that a policy bars; those that it shortens end on their day."""
    for clause in list(market.books.standing(market.time)):
        ends, rule = _ends(market, clause)
        if rule is None or ends >= getattr(clause, "until", math.inf):
            continue
        if ends <= market.time:
            cause = f"policy:{rule.name}"
            market.apply(Voided(clause=clause, policy=rule.name, cause=cause))
        else:
            market.calendar.add(ends, "void", rule.name, rank=4)


def _ends(market: "Market", clause: Clause) -> tuple[float, Policy | None]:
    """Return when the first policy ends a clause, and which one.

    An exclusivity may run its longest time from its own beginning, but ends no earlier than the policy
    begins. One that began before the scenario did, on an unknown day, has had its time.
    """
    found: list[tuple[float, str]] = []
    for rule in in_force(market, "longest_exclusivity_months"):
        channel = isinstance(clause, DistributionExclusivity) and rule.limits_channels()
        if channel or isinstance(clause, SupplyExclusivity):
            longest = rule.longest_exclusivity_months()
            began = getattr(clause, "since", -math.inf)
            if longest < math.inf:
                found.append((max(began + longest, since(market, rule.name)), rule.name))
    if isinstance(clause, FirstRefusal):
        barring = (r for r in in_force(market, "bars_first_refusal") if r.bars_first_refusal())
        found += [(since(market, rule.name), rule.name) for rule in barring]
    ends, name = min(found, default=(math.inf, ""))
    return ends, market.policies.get(name)


def objection_to_takeover(
    market: "Market", cloud: str, taken_kw: int, seller: str | None = None
) -> str | None:
    """Return why a cloud may not take over so much capacity, if it may not.

    The model has no mergers of firms: what changes hands is a site, given up by its tenant or sold from the
    estate of a seller. Capacity is what is energised and what is firmly planned, by cloud.
    """
    rules = list(in_force(market, "objection_to_acquisition"))
    if not rules:
        return None
    held = _capacity_kw(market)
    after = held.copy()
    index = market.books.cloud_index[cloud]
    after[index] += taken_kw
    if seller is not None:
        after[market.books.cloud_index[seller]] -= taken_kw
    before_share, after_share = held / max(held.sum(), 1), after / max(after.sum(), 1)
    acquisition = Acquisition(
        share_before=float(before_share[index]),
        share_after=float(after_share[index]),
        hhi_before=math.fsum((before_share**2).tolist()),
        hhi_after=math.fsum((after_share**2).tolist()),
    )
    return next(
        (said for rule in rules if (said := rule.objection_to_acquisition(acquisition))), None
    )


def _capacity_kw(market: "Market") -> np.ndarray:
    """Return energised and firmly planned capacity by cloud, kW."""
    kw = np.zeros(len(market.setup.clouds), dtype=np.int64)
    for site in market.books.sites.values():
        if Stage.LEASED <= site.stage <= Stage.ENERGISED:
            kw[market.books.cloud_index[site.pool.cloud]] += site.capacity_kw
    return kw
