"""The page of the month: thirteen phases, each freezes what is seen, asks, resolves and applies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offtake.model.awarding import negotiate_capacity
from offtake.model.funding import finance
from offtake.model.governing import enact
from offtake.model.learning import observe
from offtake.model.recorder import record
from offtake.model.serving import serve
from offtake.model.settlement import settle
from offtake.model.signing import sign
from offtake.model.solvency import check_solvency
from offtake.model.spot import clear_spot
from offtake.model.supply import plan_supply
from offtake.model.tendering import plan_demand
from offtake.model.waivers import waive

if TYPE_CHECKING:
    from offtake.model.market import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One line of the month."""

    name: str
    what: str
    writes: str
    run: Callable[["Market"], None]


def _phase(run: Callable[["Market"], None], writes: str, name: str = "") -> Phase:
    what = (run.__doc__ or "").splitlines()[0]
    return Phase(name=name or run.__name__, what=what, writes=writes, run=run)


PHASES = (
    _phase(observe, "beliefs"),
    _phase(serve, "users, training stock, revenue"),
    _phase(settle, "deposits, claims"),
    _phase(check_solvency, "status, contracts"),
    _phase(finance, "deposits, equity"),
    _phase(plan_supply, "sites"),
    _phase(waive, "clauses, deposits"),
    _phase(plan_demand, "tenders"),
    _phase(negotiate_capacity, "deals", "negotiate"),
    _phase(sign, "contracts, calendar"),
    _phase(clear_spot, "spot price, spot purchases"),
    _phase(enact, "policies"),
    _phase(record, "tables"),
)
"""The month, in order; `offtake schedule` prints it."""
