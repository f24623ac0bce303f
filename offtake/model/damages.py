"""Damages for delay: what clouds owe for capacity in force that they have not delivered (section 1.7)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.cents import cents
from offtake.model.events import DamagesDue, Posting

if TYPE_CHECKING:
    from offtake.model.market import Market


def damages_due(market: "Market") -> Iterator[DamagesDue]:
    """Yield what is due for compute missing since the last damages, up to the cap of each contract."""
    c = market.books.contracts
    for row in np.flatnonzero(c.late_kw_months[: c.size] > 0).tolist():
        contract = c.facts[row]
        clause = contract.delay_damages
        if clause is None or {contract.buyer, contract.seller} & market.books.failed:
            continue
        due = clause.due_cents(
            float(c.price[row]),
            float(c.late_kw_months[row] * c.theta[row]),
            c.damages_cents.get(contract.name, 0),
            cents(contract.value_usd()),
        )
        if due:
            yield DamagesDue(
                contract=contract.name, damages_cents=due, cause=f"contract:{contract.name}"
            )


def damages_bill(market: "Market", due: DamagesDue) -> Posting:
    """Return the bill for damages: the seller owes the buyer."""
    contract = market.books.contracts.facts[market.books.contracts.row[due.contract]]
    return Posting(
        contract.seller, contract.buyer, due.damages_cents, "delay damages", contract.name
    )
