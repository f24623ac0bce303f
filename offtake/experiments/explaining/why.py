"""Why one contract was signed: its terms, its tender, who else bid, and the chain of causes."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import polars as pl

from offtake.experiments.explaining.removals import what_of
from offtake.experiments.explaining.replay import Replay
from offtake.experiments.explaining.tables import (
    BARRED,
    GONE,
    NO_GAIN,
    NO_QUOTE,
    NO_ROOM,
    OUTBID,
    WON,
)

RANKS = (WON, OUTBID, GONE, NO_GAIN, NO_ROOM, BARRED, NO_QUOTE)
MOST_CAUSES = 8
REFERENCES = {"tender": "Tendered", "contract": "Signed", "site": "Opened"}
"""Kind of event that a cause of the form `word:name` points to."""


class NoSuchContract(ValueError):  # noqa: N818 - read as a sentence
    """The run has no contract of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """What one cloud had for the lot, and what became of it."""

    cloud: str
    region: str
    status: str
    reason: str
    room_h100e: float
    worth_usd: float | None
    """To the lab: start price, USD per H100e-hour."""
    needs_usd: float | None
    """What the cloud must receive."""
    taken_h100e: float

    def as_dict(self) -> dict[str, Any]:
        """Return the bid as JSON has it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """One contract: what was agreed, on what grounds, against whom."""

    contract: str
    event: int
    terms: dict[str, Any]
    """The row of the table of contracts."""
    causes: tuple[str, ...]
    """From the signature back to what caused it, an event a line."""
    lot: dict[str, Any] | None
    """Month, start and size of the lot; None for contracts that no tender led to."""
    bids: tuple[Bid, ...]
    """Of every cloud, the winner first."""

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as JSON has it."""
        terms = {
            key: str(value) if hasattr(value, "isoformat") else value
            for key, value in self.terms.items()
        }
        return {
            "contract": self.contract,
            "event": self.event,
            "terms": terms,
            "causes": list(self.causes),
            "lot": self.lot,
            "bids": [bid.as_dict() for bid in self.bids],
        }

    def text(self) -> str:
        """Return the explanation as text."""
        from offtake.experiments.explaining.wording import why_lines

        return "\n".join(why_lines(self))


def unknown(contract: str, contracts: pl.DataFrame) -> NoSuchContract:
    """Return the error for a contract that is not there, with the names nearest to it."""
    known = contracts["contract"].unique().sort().to_list()
    near = get_close_matches(contract, known, n=3) or known[:3]
    return NoSuchContract(
        f"no run has a contract {contract!r}; there is {', '.join(map(repr, near))}"
    )


def why_of(again: Replay, contract: str) -> Why:
    """Return why a contract of a replayed run was signed.

    Raises
    ------
    NoSuchContract
        If the run has none of that name, with some that it has.
    """
    contracts, events = again.frames["contracts"], again.frames["events"]
    rows = contracts.filter(contract=contract)
    if rows.is_empty():
        raise unknown(contract, contracts)
    terms = rows.drop("scenario", "seed").row(0, named=True)
    signed = events.filter(kind="Signed", detail=contract).row(0, named=True)
    lot, bids = _table(again, terms, signed)
    return Why(
        contract=contract,
        event=signed["event"],
        terms=terms,
        causes=tuple(_causes(events, signed)),
        lot=lot,
        bids=bids,
    )


def _table(
    again: Replay, terms: dict[str, Any], signed: dict[str, Any]
) -> tuple[dict[str, Any] | None, tuple[Bid, ...]]:
    """Return the lot a contract came from and all bids for it."""
    found = again.bids.filter(lab=terms["buyer"])
    asked = _tender_month(signed, found)
    rows = found.filter(month=asked) if asked is not None else found.clear()
    won = rows.filter(cloud=terms["seller"], status=WON)
    if won.is_empty():
        return None, ()
    away = (won["taken_h100e"] - terms["h100e"]).abs()
    lot = int(won["lot"][int(away.arg_min() or 0)])
    rows = rows.filter(lot=lot)
    known = {
        "month": asked,
        "start_months": int(rows["lot_start_months"][0]),
        "h100e": float(rows["lot_h100e"][0]),
    }
    bids = [
        Bid(**{name: row[name] for name in Bid.__slots__}) for row in rows.iter_rows(named=True)
    ]
    return known, tuple(sorted(bids, key=_rank))


def _rank(bid: Bid) -> tuple[int, float, str]:
    gain = (bid.worth_usd or 0.0) - (bid.needs_usd or 0.0)
    return RANKS.index(bid.status), -gain, bid.cloud


def _tender_month(signed: dict[str, Any], bids: pl.DataFrame) -> int | None:
    """Return the month of the tender that a signature follows from."""
    word, _, name = signed["cause"].partition(":")
    if word == "tender":
        return int(name.rsplit(" ", 1)[1])
    if not signed["cause"].startswith("clause:first refusal") or bids.is_empty():
        return None
    before = bids.filter(pl.col("month") <= signed["month"])["month"]
    return None if before.is_empty() else int(before.to_numpy().max())


def _causes(events: pl.DataFrame, signed: dict[str, Any]) -> list[str]:
    """Return the chain of causes from a signature back, until it leaves the journal."""
    lines, row = [], signed
    for _ in range(MOST_CAUSES):
        lines.append(f"#{row['event']} {row['date']}: {what_of(row)}, because of {row['cause']}")
        word, _, name = row["cause"].partition(":")
        kind = REFERENCES.get(word)
        if kind is None:
            break
        earlier = events.filter(pl.col("event") < row["event"], kind=kind)
        match = earlier.filter(pl.col("detail").str.starts_with(name)).tail(1)
        if match.is_empty():
            break
        row = match.row(0, named=True)
    return lines
