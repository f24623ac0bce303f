"""What the calendar does: entries name their action, so that a resumed run finds it again."""

from typing import TYPE_CHECKING

from offtake.model.agreements import follow_agreement, lapse_what_a_waiver_left
from offtake.model.calendar import Entry
from offtake.model.competition import void_unlawful
from offtake.model.contracting import end, expire, step_up
from offtake.model.first_refusal import close_window
from offtake.model.fitting import power
from offtake.model.governing import change_policy
from offtake.model.holding import end_talks
from offtake.model.leases import lapse
from offtake.model.news import happen, undo
from offtake.model.tranches import pay_tranche
from offtake.model.venture import form

if TYPE_CHECKING:
    from offtake.model.market import Market


def run_due(market: "Market", until: float) -> None:
    """Do everything that is dated at or before a time."""
    while (entry := market.calendar.due(until)) is not None:
        act(market, entry)


def act(market: "Market", entry: Entry) -> None:
    """Do what an entry of the calendar names."""
    action, _, detail = entry.action.partition(" ")
    begun_by = "happen" if action == "undo" else action
    if (begun_by, entry.name) in market.without:
        return
    match action:
        case "step":
            step_up(market, entry.name, int(detail))
        case "end":
            end(market, entry.name)
        case "expire":
            expire(market, entry.name)
        case "lapse":
            lapse(market, entry.name)
        case "power":
            power(market, entry.name)
        case "window":
            close_window(market, entry.name)
        case "talks":
            end_talks(market, entry.name)
        case "agreement":
            follow_agreement(market, entry.name)
        case "waiver":
            lapse_what_a_waiver_left(market, entry.name)
        case "tranche":
            pay_tranche(market, entry.name)
        case "void":
            void_unlawful(market)
        case "form":
            form(market, entry.name)
        case "enact":
            change_policy(market, entry.name, True, "schedule")
        case "repeal":
            change_policy(market, entry.name, False, "schedule")
        case "happen":
            happen(market, entry.name)
        case "undo":
            undo(market, entry.name)
        case _:
            raise ValueError(f"the calendar names {action!r} of {entry.name}, which nothing does")
