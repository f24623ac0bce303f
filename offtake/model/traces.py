"""Traces: what was said in negotiations, offer by offer, where somebody asked to see it."""

from collections.abc import Iterator
from typing import Any

from offtake.model.negotiation import Round, Table, Talks

NEGOTIATIONS = {
    "month": int,
    "lab": str,
    "lot_start_months": int,
    "lot_h100e": float,
    "cloud": str,
    "round": int,
    "who": str,
    "offer_usd_per_h100e_hour": float,
    "concession_usd_per_h100e_hour": float,
    "outcome": str,
    "reason": str,
}
"""Columns of the table `negotiations`."""


class Traces:
    """Every negotiation of a run; a market that is not traced has none."""

    def __init__(self) -> None:
        self.months: list[tuple[int, Table, Round]] = []
        """Month, lots and columns, and what became of them."""

    def note(self, month: int, table: Table, found: Round) -> None:
        """Keep a month's negotiation."""
        self.months.append((month, table, found))

    def rows(self) -> list[dict[str, Any]]:
        """Return the offers of all months, each pair's end, and lots left without supply."""
        return [
            {"month": month} | row
            for month, table, found in self.months
            for row in (*_talked(found.talks), *_left(table, found))
        ]


def _talked(talks: Talks | None) -> Iterator[dict[str, Any]]:
    if talks is None:
        return
    said: dict[int, list[dict[str, Any]]] = {k: [] for k in range(len(talks.requests))}
    for offer in talks.outcome.offers:
        scale = float(talks.scale[offer.pair])
        said[offer.pair].append(
            _row(talks, offer.pair)
            | {
                "round": offer.round,
                "who": offer.who,
                "offer_usd_per_h100e_hour": offer.price * scale,
                "concession_usd_per_h100e_hour": offer.concession * scale,
                "outcome": offer.outcome,
            }
        )
    for pair, rows in said.items():
        yield from rows
        yield _end(talks, pair, rows[-1]["round"] if rows else 0)


def _end(talks: Talks, pair: int, last: int) -> dict[str, Any]:
    """Return the row of a pair's end: the price they agree on, or why they walk away."""
    agreed, reasons = bool(talks.agreed[pair]), talks.outcome.reasons
    price = float(talks.price[pair] * talks.scale[pair])
    return _row(talks, pair) | {
        "round": last,
        "who": "both",
        "offer_usd_per_h100e_hour": price if agreed else None,
        "concession_usd_per_h100e_hour": None,
        "outcome": "agreed" if agreed else "walked away",
        "reason": "" if agreed else (reasons[pair] if reasons else "no agreement"),
    }


def _row(talks: Talks, pair: int) -> dict[str, Any]:
    request = talks.requests[pair]
    return {
        "lab": request.name,
        "lot_start_months": request.lot.start_months,
        "lot_h100e": request.lot.h100e,
        "cloud": talks.clouds[pair],
        "reason": "",
    }


def _left(table: Table, found: Round) -> Iterator[dict[str, Any]]:
    """Yield a row for each lot that was not served in full."""
    for request, reason in zip(table.requests, found.reasons, strict=True):
        if reason:
            yield {
                "lab": request.name,
                "lot_start_months": request.lot.start_months,
                "lot_h100e": request.lot.h100e,
                "outcome": "unserved",
                "reason": reason,
            }
