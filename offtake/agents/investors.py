"""Investors and lenders: who puts money into labs and ventures."""

from dataclasses import dataclass
from typing import ClassVar

from offtake.agents.participant import Participant
from offtake.model.proposals import Fund
from offtake.model.view import InvestorView


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOnForwardRevenue:
    """Join a round at a multiple of forward revenue, within means and dilution (fin-6).

    A strategic investor counts the contract margin that the lab's spending brings it: a dollar costs it
    less, so it joins at lower growth and takes a part at a higher valuation. That is how circular finance
    arises.
    """

    port: ClassVar[str] = "financier"

    def __call__(self, view: InvestorView) -> Fund | None:
        """Return the money offered, if growth pays the hurdle."""
        finance = view.finance
        back = view.returned_per_usd
        if view.growth_per_year < view.hurdle_per_year - back * (1 + view.hurdle_per_year):
            return None
        multiple = finance.revenue_multiple + finance.growth_multiple * view.growth_per_year
        most = finance.round_dilution * multiple * view.forward_revenue_usd
        usd = min(view.asked_usd, most / (1 - back), view.cash_usd - view.committed_usd)
        return Fund(investor=view.name, lab=view.lab, usd=usd) if usd > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HonourPromises:
    """Pay what was promised and nothing more."""

    port: ClassVar[str] = "financier"

    def __call__(self, view: InvestorView) -> Fund | None:
        """Return nothing."""
        return None


class Investor(Participant):
    """Puts equity into labs and ventures."""

    defaults: ClassVar = {"financier": PriceOnForwardRevenue()}


class Lender(Participant):
    """Lends existing deposits against contracted cash flow."""
