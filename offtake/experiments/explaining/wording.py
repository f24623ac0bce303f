"""An explanation as text for a terminal of 80 columns."""

from collections.abc import Iterator
from textwrap import wrap

from offtake.experiments.explaining.explanation import DEALS_SHOWN, Counterfactual, Explanation
from offtake.experiments.explaining.tables import BARRED, NO_QUOTE, NO_ROOM, WON
from offtake.experiments.explaining.why import Bid, Why

WIDTH = 80
BIDS_SHOWN = 5
EVENTS_SHOWN = 10
SMALL = 0.0005
CAUTION = "One run: it shows how such an outcome can come about, not how it must."


def text(found: Explanation) -> str:
    """Return an explanation as text."""
    blocks = (
        _head(found),
        _effects(found),
        _eligibility(found),
        *(["", *why_lines(each)][1:] for each in found.deals),
        _refusals(found),
        _counterfactuals(found),
        wrap(CAUTION, WIDTH),
    )
    return "\n\n".join("\n".join(block) for block in blocks if block)


def headline(found: Explanation) -> str:
    """Return what is explained, as a sentence."""
    low, median, high = found.among
    return (
        f"{found.lab} gets {found.after:.0%} of its compute from {found.cloud} in {found.when:%B %Y}, "
        f"after {found.before:.0%} in {found.since:%B %Y} ({found.scenario}, seed {found.seed}; over "
        f"{found.runs} runs {median:.0%}, nine in ten between {low:.0%} and {high:.0%})."
    )


def _head(found: Explanation) -> list[str]:
    return wrap(headline(found), WIDTH)


def _effects(found: Explanation) -> list[str]:
    change = (found.after - found.before) * 100
    lines = [f"What moved it, in share points ({change:+.1f} in all)"]
    shown = found.effects[:DEALS_SHOWN]
    lines += [
        f"  {each.when:%Y-%m}  {each.effect * 100:+6.1f}  {each.what[:58]}".rstrip()
        for each in shown
    ]
    rest = sum(each.effect for each in found.effects[DEALS_SHOWN:]) * 100
    left = len(found.effects) - len(shown)
    return [*lines, f"           {rest:+6.1f}  {left} other changes"] if left else lines


def _eligibility(found: Explanation) -> list[str]:
    if not found.eligibility:
        return ["Who may deal with whom did not change."]
    lines = ["What changed who may deal with whom"]
    for each in found.eligibility[:EVENTS_SHOWN]:
        lines += _hanging(f"{each.when}  #{each.event} ", each.what)
    left = len(found.eligibility) - EVENTS_SHOWN
    return [*lines, f"  and {left} more"] if left > 0 else lines


def _hanging(lead: str, said: str) -> list[str]:
    first = "  " + lead
    return wrap(said, WIDTH, initial_indent=first, subsequent_indent=" " * len(first))


def why_lines(one: Why) -> list[str]:
    """Return why a contract was signed, as lines."""
    terms = one.terms
    lines = [
        f"{one.contract}  (#{one.event})",
        f"  {terms['capacity_kw'] / 1000:,.0f} MW in {terms['region']} on {terms['chip']}, "
        f"{terms['start']:%Y-%m} to {terms['end']:%Y-%m}, "
        f"${terms['price_usd_per_h100e_hour']:.2f} per H100e-hour",
        f"  take-or-pay {terms['take_or_pay']:.0%}, prepaid ${terms['prepayment_usd'] / 1e9:.2f} bn"
        + (", within a group" if terms["affiliate"] else ""),
    ]
    lines += [line for cause in one.causes for line in _hanging("because ", cause)]
    if one.lot is None:
        return [*lines, "  given by the scenario or passed on: no tender, no rivals"]
    lines.append(
        f"  the lot: {one.lot['h100e'] / 1e3:,.0f} thousand H100e from {one.lot['start_months']} "
        "months later on"
    )
    lines.append("  who could have had it (start prices, USD per H100e-hour):")
    shown = [bid for bid in one.bids if bid.status not in (BARRED, NO_QUOTE, NO_ROOM)]
    lines += [line for bid in shown[:BIDS_SHOWN] for line in _bid(bid)]
    rest = [bid for bid in one.bids if bid not in shown[:BIDS_SHOWN]]
    reasons: dict[str, list[str]] = {}
    for bid in rest:
        reason = bid.reason if bid.status in (BARRED, NO_QUOTE, NO_ROOM) else bid.status
        reasons.setdefault(reason, []).append(bid.cloud)
    for reason, clouds in reasons.items():
        lines += _hanging("", f"{', '.join(clouds)}: {reason}")
    return lines


def _bid(bid: Bid) -> Iterator[str]:
    mark = "won" if bid.status == WON else bid.status
    numbers = ""
    if bid.worth_usd is not None and bid.needs_usd is not None:
        numbers = f"worth ${bid.worth_usd:.2f}, needs ${bid.needs_usd:.2f}"
    yield f"    {bid.cloud[:22]:<22} {mark:<8} {numbers}".rstrip()


def _refusals(found: Explanation) -> list[str]:
    if not found.refusals:
        return [f"Every lot of {found.lab} found a supplier."]
    lines = [f"Lots of {found.lab} that found no supplier, or not for all of it"]
    for each in found.refusals:
        span = f"{each.first:%Y-%m} to {each.last:%Y-%m}"
        lines.append(f"  {each.lots:>4} lots  {span}  {each.reason}")
        ways: dict[str, list[str]] = {}
        for cloud, status, _ in each.clouds:
            ways.setdefault(status, []).append(cloud)
        for status, clouds in ways.items():
            lines += _hanging("       ", f"mostly {status}: {', '.join(clouds)}")
    return lines


def _counterfactuals(found: Explanation) -> list[str]:
    if not found.counterfactuals:
        return []
    lines = [f"The same run without one event: {found.lab} on {found.cloud} in {found.when:%B %Y}"]
    lines.append(f"  {'as it was':<50} {found.after:>6.1%}")
    for each in found.counterfactuals:
        lines += _counterfactual(each)
    lines.append("  Events act together, so these differences do not add up.")
    return lines


def _counterfactual(each: Counterfactual) -> list[str]:
    if each.reason:
        return _hanging("not run: ", each.reason)
    said = wrap(f"without #{each.event} {each.what}", 50)
    change = "no change" if abs(each.difference) < SMALL else f"{-each.difference * 100:+.1f} pp"
    first = f"  {said[0]:<50} {each.without:>6.1%}  {change}"
    return [first, *(f"    {line}" for line in said[1:])]
