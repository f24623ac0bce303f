"""A lab that covers what it needs today, a clause on what it must spend, and what was topped up."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from offtake.model.cents import cents
from offtake.model.observables import observable
from offtake.model.proposals import Lot, Tender
from offtake.model.standing import Clause, Due


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverPresentNeed:
    """Keep what is needed today under contract, whatever is expected."""

    port: ClassVar[str] = "procurer"

    def __call__(self, view):
        start = view.rules.procurement.lots_months[0]
        missing = view.need_h100e - float(view.covered_h100e[start])
        lot = Lot(start_months=start, h100e=missing, value=view.inference_value)
        return Tender(lab=view.name, lots=(lot,)) if missing > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumSpend(Clause):
    """The lab tops the month's bill of the cloud up to a least sum."""

    lab: str
    cloud: str
    usd_per_month: float

    def owes(self, month):
        yield Due(self.lab, self.cloud, cents(max(self.usd_per_month - month.billed_usd, 0.0)))


@observable("usd", "lab")
def topped_up_usd(market):
    """Paid by a lab in the month because of clauses, beyond its bills for compute."""
    due = [p for p in market.month_postings if p.label == "clause"]
    labs = market.setup.labs
    return np.array([sum(p.cents for p in due if p.payer == lab) / 100 for lab in labs])
