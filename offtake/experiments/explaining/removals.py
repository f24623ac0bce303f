"""What can be taken out of a run to see what it changed: found in the journal, one event each."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

import polars as pl

from offtake.model.months import date_of
from offtake.model.omissions import Kind, Omission
from offtake.model.scenario import Scenario

KINDS: dict[str, Kind] = {"Enacted": "enact", "Repealed": "repeal", "Happened": "happen"}
AGREED = "scenario:agreements."
GIVEN = "scenario:contracts."
ENDS = {
    "SupplyExclusivity": "exclusive_until",
    "FirstRefusal": "first_refusal_until",
    "RevenueShare": "revenue_share_until",
    "DistributionExclusivity": "reach_until",
}
"""Key of an agreement that ends a clause, by the clause's kind."""
BEGINS = {
    "SupplyExclusivity": ("exclusive_from", "exclusive_until"),
    "FirstRefusal": ("first_refusal_from", "first_refusal_until"),
    "RevenueShare": ("revenue_share", "revenue_share_until"),
    "DistributionExclusivity": ("reach", "reach_from", "reach_until"),
}
"""Keys of an agreement without which a clause is not there."""


class CannotRemove(ValueError):  # noqa: N818 - read as a sentence
    """An event that follows from others, or cannot be taken out by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One event of the journal, and the scenario and omission that make the same run without it."""

    event: int
    what: str
    scenario: Scenario
    without: frozenset[Omission]


def removal(scenario: Scenario, events: pl.DataFrame, number: int) -> Removal:
    """Return how an event of a run's journal is taken out.

    Signatures, policies, dated events and payments of tranches do not happen; a clause of an agreement
    that lapsed goes on to the end of the scenario; one that began never begins; a contract given by
    the scenario is not given.

    Raises
    ------
    CannotRemove
        For other events, with what to remove instead.
    """
    rows = events.filter(event=number)
    if rows.is_empty():
        raise CannotRemove(f"the journal has no event {number}; offtake explain lists them as #N")
    row = rows.row(0, named=True)
    changed, without = _taken_out(scenario, row)
    return Removal(event=number, what=what_of(row), scenario=changed, without=without)


def _taken_out(scenario: Scenario, row: dict[str, Any]) -> tuple[Scenario, frozenset[Omission]]:
    kind, cause, detail = row["kind"], row["cause"], row["detail"]
    if kind == "Signed":
        if cause.startswith(GIVEN):
            return _without_contract(scenario, cause.removeprefix(GIVEN)), frozenset()
        return scenario, frozenset({Omission("sign", detail)})
    if kind in KINDS:
        return scenario, frozenset({Omission(KINDS[kind], row["target"])})
    if kind == "Settled":
        return scenario, frozenset({Omission("tranche", row["target"])})
    if kind in ("Lapsed", "Agreed") and cause.startswith(AGREED) and detail in ENDS:
        name = cause.removeprefix(AGREED)
        keep = (
            _goes_on(scenario, name, detail) if kind == "Lapsed" else _never(scenario, name, detail)
        )
        return keep, frozenset()
    instead = INSTEAD.get(kind, "it follows from the events that caused it; remove one of those")
    raise CannotRemove(f"event {row['event']} ({kind}) cannot be taken out by itself: {instead}")


INSTEAD = {
    "Ended": "the term of a contract is agreed when it is signed; remove the signature",
    "Stepped": "capacity steps up as the contract says; remove the signature",
    "Terminated": "remove the signature of the contract, or what made the party leave",
}


def _goes_on(scenario: Scenario, name: str, clause: str) -> Scenario:
    last = date_of(scenario.start, scenario.months + 1.0)
    return _changed(scenario, ("agreements", name, ENDS[clause]), last)


def _never(scenario: Scenario, name: str, clause: str) -> Scenario:
    for key in BEGINS[clause]:
        scenario = _changed(scenario, ("agreements", name, key), None)
    return scenario


def _without_contract(scenario: Scenario, name: str) -> Scenario:
    return _changed(scenario, ("contracts", name), None)


def _changed(scenario: Scenario, path: tuple[str, ...], value: dt.date | None) -> Scenario:
    """Return a scenario with one value set, or left out."""
    data = json.loads(scenario.model_dump_json(by_alias=True))
    table: Any = data
    for key in path[:-1]:
        table = table[key]
    if value is None:
        del table[path[-1]]
    else:
        table[path[-1]] = value.isoformat()
    return Scenario.model_validate_json(json.dumps(data))


def what_of(row: dict[str, Any]) -> str:
    """Return an event of the journal in words."""
    kind, who, whom, detail = row["kind"], row["actor"], row["target"], row["detail"]
    mw = f"{row['capacity_kw'] / 1000:,.0f} MW" if row["capacity_kw"] else ""
    match kind:
        case "Signed":
            return f"{who} signs with {whom}, {mw} ({detail})"
        case "Stepped":
            return f"{mw} of {detail} are in force"
        case "Ended":
            return f"{detail} ends, {mw}"
        case "Terminated":
            return f"{detail} is ended before its term, {mw}"
        case "Lapsed":
            return f"{_words(detail)} of {whom} over {who} ends"
        case "Agreed":
            return f"{_words(detail)} of {whom} over {who} begins"
        case "Waived":
            return f"{whom} waives its {_words(detail)} over {who}"
        case "Enacted":
            return f"policy {whom} comes into force"
        case "Repealed":
            return f"policy {whom} ends"
        case "Happened":
            return f"event {whom}"
        case "Settled":
            return f"tranche {whom}: {detail}"
        case "Defaulted":
            return f"{who} fails"
        case "Refused":
            return f"{who} finds no supplier: {detail}"
        case "Tendered":
            return f"{who} asks for capacity"
        case "Noticed":
            return f"an offer to {who} is notified to the holder of a first refusal ({detail})"
        case _:
            said = " ".join(str(part) for part in (who, whom, mw, detail) if part)
            return f"{_words(kind)} {said}".strip()


def _words(name: str | None) -> str:
    text = "".join(f" {c.lower()}" if c.isupper() else c for c in name or "")
    return text.strip()
