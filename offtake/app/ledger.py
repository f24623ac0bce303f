"""The ledger: what happened last in words, and why, followed back from cause to cause."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from offtake.app.snapshots import KW_PER_MW, Recording

LATEST = 10
MOST_STEPS = 8
USD_MILLION_CENTS = 100_000_000
ROUTINE = frozenset(
    {
        "Advanced",
        "Allotted",
        "Banked",
        "Cleared",
        "Refused",
        "Reserved",
        "Settled",
        "ShellsCleared",
        "ShellsOffered",
        "Shipped",
        "Stepped",
        "Tendered",
    }
)
"""Kinds of events that come by the dozen; the tables have them."""
SENTENCES = {
    "Agreed": "{actor} and {target} agree on {detail}",
    "Assigned": "{detail} goes to {actor}",
    "Borrowed": "{actor} borrows from {target}: {detail}",
    "Cancelled": "{actor} gives up {detail}",
    "Deferred": "{actor} defers {detail}",
    "Defaulted": "{actor} fails",
    "Enacted": "{target} takes effect",
    "Ended": "{actor}'s contract with {target} ends: {detail}",
    "Energised": "{actor} energises {detail}",
    "Happened": "{target} happens",
    "Lapsed": "{detail} of {actor} and {target} lapses",
    "Opened": "{actor} opens {detail}",
    "Parted": "{actor} gives up a part: {detail}",
    "Promised": "{actor} promises {target} equity: {detail}",
    "Refused": "{actor}'s tender finds no offer: {detail}",
    "Repealed": "{target} is repealed",
    "Settled": "{target} is settled: {detail}",
    "Signed": "{actor} signs with {target}: {detail}",
    "Tendered": "{actor} tenders for capacity: {detail}",
    "Terminated": "{actor} leaves its contract with {target}: {detail}",
    "Transferred": "{actor} takes over from {target}: {detail}",
    "Waived": "{actor} and {target} give up {detail}",
}
"""How an event of each kind is told; other kinds are told by their names."""
NAMED_BY = {
    "tender": ("Tendered",),
    "contract": ("Signed",),
    "assigned": ("Signed",),
    "notice": ("Noticed", "Held"),
    "tranche": ("Promised",),
    "policy": ("Enacted",),
    "event": ("Happened", "Defaulted"),
    "site": ("Opened", "Parted"),
}
"""Kinds of events that a cause such as `tender:NAME` may name."""
THE_SCENARIO = "scenario"

type Event = Mapping[str, Any]


class Step(NamedTuple):
    """One link of an answer to "why?": an event, or what stands behind the first one."""

    date: str
    text: str
    event: int | None


def latest(recording: Recording, count: int = LATEST) -> list[dict[str, Any]]:
    """Return the last events worth telling, the latest first."""
    told = (event for event in recording.events() if event["kind"] not in ROUTINE)
    return [
        {"event": e["event"], "date": str(e["date"]), "kind": e["kind"], "text": sentence(e)}
        for e in islice(told, count)
    ]


def sentence(event: Event) -> str:
    """Return an event in words, with how much and for how much."""
    known = {key: event.get(key) for key in ("actor", "target", "detail")}
    form = SENTENCES.get(event["kind"])
    if form is None:
        said = " ".join(str(value) for value in known.values() if value)
        text = f"{event['kind']}: {said}" if said else event["kind"]
    else:
        text = form.format_map({key: value or "the market" for key, value in known.items()})
    extent = [f"{event['capacity_kw'] / KW_PER_MW:,.0f} MW"] if event.get("capacity_kw") else []
    if event.get("usd_cents"):
        extent.append(f"{event['usd_cents'] / USD_MILLION_CENTS:,.0f} million USD")
    return f"{text} ({', '.join(extent)})" if extent else text


def why(recording: Recording, number: int) -> list[Step]:
    """Return an event and what it follows from, link by link, to where the chain begins.

    Raises
    ------
    ValueError
        If the recording has no event of that number.
    """
    told = [event for event in recording.events() if event["event"] <= number]
    if not told or told[0]["event"] != number:
        raise ValueError(f"no event {number} has been told")
    return list(islice(_chain(told), MOST_STEPS))


def _chain(told: list[Event]) -> Iterator[Step]:
    """Yield the latest of some events, and what it follows from."""
    event = told[0]
    yield Step(str(event["date"]), sentence(event), event["event"])
    earlier = told[1:]
    while True:
        cause = str(event["cause"])
        found = _named(cause, earlier)
        if found is None:
            yield Step("", _beginning(cause), None)
            return
        if found["kind"] == "Tendered" or not cause.endswith(str(found["detail"])):
            yield Step("", f"because of {_words(cause)}", None)
        event = found
        earlier = [e for e in earlier if e["event"] < event["event"]]
        yield Step(str(event["date"]), sentence(event), event["event"])


def _named(cause: str, earlier: list[Event]) -> Event | None:
    """Return the latest earlier event that a cause names."""
    kind, _, name = cause.partition(":")
    kinds = NAMED_BY.get(kind, ())
    name = name.partition(",")[0].strip()
    for event in earlier:
        subjects = (
            str(event.get(key) or "").partition(":")[0] for key in ("detail", "target", "actor")
        )
        if event["kind"] in kinds and name in subjects:
            return event
    return None


def _beginning(cause: str) -> str:
    kind, _, rest = cause.partition(":")
    if kind == THE_SCENARIO:
        return f"the scenario says so, under {rest}" if rest else "the scenario says so"
    return f"because of {_words(cause)}"


def _words(cause: str) -> str:
    """Return a cause as it is said in a sentence."""
    kind, _, rest = cause.partition(":")
    return f"the {kind}: {rest}" if rest else f"the {kind}"
