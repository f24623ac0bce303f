"""Standing clauses: what institutions ask every clause between a lab and a cloud, of any package."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple


class Due(NamedTuple):
    """What one party of a clause owes the other this month."""

    payer: str
    payee: str
    cents: int
    """Whole cents, at least 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseView:
    """What a clause is told of the month that has ended, at the month's bills.

    Of a clause of an agreement the numbers are those of all contracts of its lab with its cloud, of a
    clause of a contract those of this contract.
    """

    time: float
    """Months since the start."""
    revenue_usd: float
    """Revenue of the lab, USD this month."""
    delivered_h100e: float
    """Mean compute delivered over the month, H100e."""
    used_h100e: float
    """Mean compute used over the month, H100e."""
    billed_usd: float
    """Bill for compute, before what is drawn from prepayments, USD this month."""


class Clause:
    """What institutions ask every standing clause; it answers nothing unless a clause says otherwise.

    A clause is a frozen dataclass with the fields `lab` and `cloud`; its other fields are numbers,
    which a scenario gives by name. Answers are pure: they depend on the fields and on what is asked.
    """

    __slots__ = ()
    label: ClassVar[str] = "clause"
    """Label of what it makes due, in the table of flows."""

    def forbids(self, buyer: str, seller: str, time: float) -> bool:
        """Whether a contract of `buyer` with `seller` signed at `time` would break the clause."""
        return False

    def owes(self, month: ClauseView) -> Iterable[Due]:
        """Return what one party owes the other for the month beyond the bill for compute."""
        return ()


def parties(clause: Clause) -> tuple[str, str]:
    """Return lab and cloud of a standing clause."""
    known: Any = clause
    return known.lab, getattr(known, "holder", None) or known.cloud
