"""What labs risk: failing, and losing users that go unserved."""

from typing import TYPE_CHECKING

from offtake.model.guarantees import credited_hazard

if TYPE_CHECKING:
    from offtake.model.market import Market


def hazard_of_failure(market: "Market", lab: str) -> float:
    """Return the believed monthly hazard that a lab fails: the shorter its runway, the higher.

    What a guarantor stands for is as safe as the guarantor.
    """
    rules = market.setup.scenario.finance
    runway = market.lab_views[lab].runway_months
    own = rules.base_hazard_per_month + rules.runway_hazard / max(runway, 1.0)
    return credited_hazard(market, lab, own)


def losing_users(market: "Market", lab: str) -> float:
    """Return the hazard of losing users that go unserved, a year (bar-2)."""
    assert market.books.served is not None
    demand = market.setup.scenario.demand
    unserved = float(market.books.served.unserved[market.books.lab_index[lab]])
    return 12 * demand.churn_per_month * min(demand.unserved_penalty * unserved, 1.0)
