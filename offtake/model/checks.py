"""Whether the parts of a scenario agree with each other: names, references, dates, capacity."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import import_module
from itertools import combinations
from typing import Any

from offtake.model.class_checks import check_classes
from offtake.model.mistakes import unknown_name
from offtake.model.money_checks import check_money
from offtake.model.named_clauses import check_clauses
from offtake.model.policy_checks import check_policies
from offtake.model.problems import Issue, Path, character, dotted
from offtake.model.scenario import (
    GPU,
    NAME,
    SLUG,
    Agreement,
    ContractGiven,
    Negotiation,
    PaymentTerms,
    Scenario,
    SiteGiven,
)

PARTICIPANTS = ("labs", "clouds", "landlords", "investors", "lenders", "governments")
"""Tables whose names stand in one ledger."""
NAMED = (*PARTICIPANTS, "regions", "chips", "classes")
SLUGGED = (
    "agreements",
    "contracts",
    "sites",
    "tranches",
    "guarantees",
    "warrants",
    "policies",
    "events",
)
DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)
"""Names that cannot be files on some systems."""
REFERENCES: Mapping[tuple[str, str], tuple[str, ...]] = {
    **{(table, "home"): ("governments",) for table in PARTICIPANTS},
    ("regions", "domestic_to"): ("governments",),
    ("labs", "invites"): ("clouds",),
    ("labs", "porting_usd_per_h100e_hour"): ("clouds",),
    ("labs", "ported"): ("classes",),
    ("chips", "class"): ("classes",),
    ("classes", "owner"): ("clouds",),
    ("classes", "tranche"): ("tranches",),
    ("classes", "venture"): ("clouds",),
    ("clouds", "serves"): ("labs",),
    ("clouds", "priority"): ("labs",),
    ("clouds", "owners"): ("investors", "labs", "clouds"),
    ("clouds", "regions"): ("regions",),
    ("clouds", "site_vehicle"): ("landlords",),
    ("clouds", "commitments"): ("investors", "labs", "clouds"),
    ("clouds", "label_over"): ("clouds",),
    ("landlords", "region"): ("regions",),
    ("agreements", "lab"): ("labs",),
    ("agreements", "cloud"): ("clouds",),
    ("agreements", "exclusive_region"): ("regions",),
    ("contracts", "lab"): ("labs",),
    ("contracts", "cloud"): ("clouds",),
    ("contracts", "region"): ("regions",),
    ("contracts", "chip"): ("chips",),
    ("contracts", "cross_default_with"): PARTICIPANTS,
    ("sites", "cloud"): ("clouds",),
    ("sites", "region"): ("regions",),
    ("sites", "chip"): ("chips",),
    ("sites", "landlord"): ("landlords",),
    ("tranches", "investor"): ("investors", "labs", "clouds"),
    ("tranches", "issuer"): ("labs", "clouds"),
    ("tranches", "policy"): ("policies",),
    ("tranches", "venture"): ("clouds",),
    ("tranches", "syndicate"): ("investors", "labs", "clouds"),
    ("tranches", "compute_from"): ("clouds",),
    ("investors", "returns_from"): ("clouds",),
    ("guarantees", "guarantor"): ("investors", "labs", "clouds", "landlords", "governments"),
    ("guarantees", "debtor"): ("labs", "clouds", "landlords"),
    ("guarantees", "beneficiary"): PARTICIPANTS,
    ("warrants", "lab"): ("labs",),
    ("warrants", "cloud"): ("clouds",),
    ("policies", "government"): ("governments",),
    ("policies", "destinations"): ("regions",),
    ("policies", "classes"): ("classes",),
    ("policies", "chips"): ("chips",),
    ("policies", "quota_by_class_h100e_per_year"): ("classes",),
    ("policies", "regions"): ("regions",),
    ("policies", "clouds"): ("clouds",),
    ("policies", "homes"): ("governments",),
    ("policies", "exempt_homes"): ("governments",),
    ("policies", "issuers"): ("labs", "clouds"),
    ("events", "lab"): ("labs",),
    ("events", "lists"): ("labs", "clouds"),
    ("events", "fails"): ("labs", "clouds"),
}
"""Which tables a key's text, texts or own keys name something in."""
DEFAULT_BARGAINER = Negotiation().bargainer
PROTOCOLS = "offtake.model.protocols"
"""Where protocols stand, and what can be set of them."""
UNFOUNDED = ("what-if", "judgement")
"""Sources that may speak about the time after the cut-off."""
KW = 0.001
"""A kilowatt in MW: smaller differences are rounding."""
WHOLE = 1 + 1e-9
MONTHS_PER_YEAR = 12

MOST_ENTRIES = 5_000
MOST_TRADERS = 200
"""Labs trade with clouds: work grows with the product of their numbers."""

type Tables = Mapping[str, Any]
type Supposed = Callable[[Path], bool]


def check_sizes(data: Tables) -> Iterator[Issue]:
    """Refuse a table with more entries than can be run."""
    for table in (*NAMED, *SLUGGED):
        most = MOST_TRADERS if table in ("labs", "clouds") else MOST_ENTRIES
        if len(_table(data, table)) > most:
            message = f"`{table}` has {len(data[table]):_} entries; expected at most {most:_}"
            yield Issue(code="E003", path=(table,), message=message, at="table")


def check_names(data: Tables) -> Iterator[Issue]:
    """Names are plain, and each participant has its own."""
    name = data.get("name")
    if isinstance(name, str) and not _is_slug(name):
        yield _bad_name(("name",), name, slug=True)
    for table in (*NAMED, *SLUGGED):
        for key in _table(data, table):
            slug = table in SLUGGED
            if not (_is_slug(key) if slug else _is_name(key)):
                yield _bad_name((table, key), key, slug=slug)
    for first, second in combinations(PARTICIPANTS, 2):
        for key in _table(data, first).keys() & _table(data, second).keys():
            yield Issue(
                code="E021",
                path=(second, key),
                message=f"`{dotted((first, key))}` and `{dotted((second, key))}` have one name; "
                "all participants share one ledger",
                help=f"rename one of them, for example '{key} {second.removesuffix('s').title()}'",
                at="table",
                also=(first, key),
            )


def check_drawn_as(data: Tables) -> Iterator[Issue]:
    """No two participants share their draws."""
    owner: dict[str, Path] = {}
    given = {
        (t, n): f for t in PARTICIPANTS for n, f in _table(data, t).items() if isinstance(f, dict)
    }
    for (table, name), fields in given.items():
        known = fields.get("drawn_as", name)
        if not isinstance(known, str):
            continue
        other = owner.setdefault(known, (table, name))
        if name != other[1]:  # two of one name are refused by `check_names`
            yield Issue(
                code="E021",
                path=(table, name),
                message=f"`{dotted((table, name))}` has the draws of `{dotted(other)}`",
                help=f"give it another `drawn_as`; {known!r} is taken",
                at="table",
                also=other,
            )


def _is_slug(text: str) -> bool:
    return bool(SLUG.match(text)) and text not in DEVICES


def _is_name(text: str) -> bool:
    return bool(NAME.match(text)) and text.casefold() not in DEVICES


def _bad_name(path: Path, name: str, *, slug: bool) -> Issue:
    allowed = "a-z, 0-9 and inner hyphens" if slug else "A-Z, a-z, 0-9, spaces and .&'()-"
    odd = next((c for c in name if not c.isascii() or not c.isprintable()), None)
    if name.casefold() in DEVICES:
        reason = "it is the name of a device on some systems"
    elif odd:
        reason = f"it contains {character(odd)}"
    else:
        reason = "at most 63 characters, the first a letter or digit"
    return Issue(
        code="E014",
        path=path,
        message=f"{dotted(path)!r} is no usable name: {reason}",
        help=f"names are made of {allowed}",
        at="value" if path == ("name",) else "table",
    )


def check_references(data: Tables) -> Iterator[Issue]:
    """Every name that is used is defined; only texts are looked at, the schema does the rest."""
    for (table, key), targets in REFERENCES.items():
        if not all(_is_usable(data, target) for target in targets):
            continue  # the schema has said so already
        names = [name for target in targets for name in _table(data, target)]
        names += [GPU] if targets == ("classes",) else []
        known = frozenset(names)
        for entry, fields in _table(data, table).items():
            value = fields.get(key) if isinstance(fields, dict) else None
            for path, name in _names_in(value, (table, entry, key)):
                if name not in known:
                    yield unknown_name(path, name, targets, names)


def _names_in(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, tuple | list):
        yield from (((*path, n), v) for n, v in enumerate(value) if isinstance(v, str))
    elif isinstance(value, dict):
        yield from (((*path, k), k) for k in value)


def _is_usable(data: Tables, table: str) -> bool:
    """Whether a table is one, or may be left out."""
    required = Scenario.model_fields[table].is_required()
    return isinstance(data[table], dict) if table in data else not required


def _table(data: Tables, name: str) -> dict[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def check_protocol(data: Tables) -> Iterator[Issue]:
    """Find out whether the protocol that prices deals is known, and set as it can be."""
    rules = _table(data, "negotiation")
    name, given = rules.get("bargainer", DEFAULT_BARGAINER), rules.get("protocol", {})
    if not isinstance(name, str) or not isinstance(given, dict):
        return  # the schema has said so already
    if name != DEFAULT_BARGAINER or given:
        module = import_module(PROTOCOLS)  # at need only: reading a scenario loads no array library
        yield from module.check_settings(name, given)


def check_terms(parts: Scenario) -> Iterator[Issue]:
    """Terms that cannot hold whatever the dates are."""
    yield from _clouds(parts)
    yield from _labs(parts)
    yield from _tranches(parts)
    yield from check_money(parts)
    yield from _agreements(parts)
    for table in ("agreements", "contracts"):
        for name, given in getattr(parts, table).items():
            yield from check_clauses(
                (table, name, "clauses"), given.lab, given.cloud, given.clauses
            )
    yield from _price_changes(parts)
    yield from check_classes(parts)
    yield from _contracts(parts)
    for name, site in parts.sites.items():
        if site.stage == "energised" and site.chip is None:
            yield Issue(
                code="E023",
                path=("sites", name),
                message=f"`{dotted(('sites', name))}` is energised but has no chip",
                help='add `chip = "NAME"`, a name from `[chips]`',
                at="table",
            )
    yield from check_policies(parts)


def _clouds(parts: Scenario) -> Iterator[Issue]:
    for name, cloud in parts.clouds.items():
        path = ("clouds", name)
        if sum(cloud.owners.values()) > WHOLE:
            yield Issue(
                code="E023",
                path=(*path, "owners"),
                message=f"the owners of `{dotted(path)}` hold {sum(cloud.owners.values()):g} of it",
                help="shares are fractions of the whole and add up to at most 1",
                at="key",
            )
        if cloud.kind in ("captive", "self-builder") and cloud.priority is None:
            yield Issue(
                code="E023",
                path=path,
                message=f"`{dotted(path)}` is a {cloud.kind} but serves no lab first",
                help='add `priority = "NAME"`, the lab with first call on its capacity',
                at="table",
            )


def _labs(parts: Scenario) -> Iterator[Issue]:
    for name, lab in parts.labs.items():
        invited = [parts.clouds[c] for c in lab.invites if c in parts.clouds]
        if len(invited) < len(lab.invites) or not invited:
            continue
        if not any(not c.serves or name in c.serves or c.priority == name for c in invited):
            yield Issue(
                code="E023",
                path=("labs", name, "invites"),
                message=f"`{dotted(('labs', name))}` invites only clouds that do not serve it",
                help=f"invite another cloud, or add '{name}' to `serves` of one of these",
            )


def _tranches(parts: Scenario) -> Iterator[Issue]:
    for name, tranche in parts.tranches.items():
        path = ("tranches", name)
        if tranche.investor == tranche.issuer:
            message = f"`{dotted(path)}`: '{tranche.issuer}' cannot promise equity to itself"
            yield Issue(code="E023", path=(*path, "investor"), message=message)
        if tranche.reduced_usd > tranche.amount_usd:
            yield Issue(
                code="E023",
                path=(*path, "reduced_usd"),
                message=f"`{dotted(path)}` pays more when its condition is not met "
                f"({tranche.reduced_usd:g} USD) than when it is ({tranche.amount_usd:g} USD)",
            )
        if tranche.condition == "policy" and tranche.policy is None:
            yield Issue(
                code="E023",
                path=(*path, "condition"),
                message=f"`{dotted(path)}` waits for a policy but names none",
                help='add `policy = "NAME"`, a name from `[policies]`',
            )
        if tranche.condition in ("energised-mw", "revenue") and not tranche.at_least:
            yield Issue(
                code="E023",
                path=(*path, "condition"),
                message=f"`{dotted(path)}` has condition '{tranche.condition}' but no threshold",
                help="add `at_least = ` MW energised, or USD of run-rate",
            )


def _contracts(parts: Scenario) -> Iterator[Issue]:
    for name, contract in parts.contracts.items():
        path = ("contracts", name, "cross_default_with")
        if contract.cross_default_with and not contract.cross_default:
            yield Issue(
                code="E023",
                path=path,
                message=f"`{dotted(path[:2])}` names parties whose default counts, but has no "
                "cross-default",
                help="add `cross_default = true`",
            )
        if contract.lab in contract.cross_default_with or contract.cloud in (
            contract.cross_default_with
        ):
            yield Issue(
                code="E023",
                path=path,
                message=f"`{dotted(path[:2])}` names one of its own parties",
                help="the lab's own default counts anyway; name others, such as its parent",
            )


def _agreements(parts: Scenario) -> Iterator[Issue]:
    first: dict[tuple[str, str], str] = {}
    for name, agreement in parts.agreements.items():
        path = ("agreements", name)
        pair = (agreement.lab, agreement.cloud)
        if pair in first:
            yield Issue(
                code="E021",
                path=path,
                message=f"`{dotted(('agreements', first[pair]))}` and `{dotted(path)}` are both "
                f"between '{pair[0]}' and '{pair[1]}'",
                help="put all clauses of a pair into one agreement",
                at="table",
                also=("agreements", first[pair]),
            )
        first.setdefault(pair, name)
        yield from _agreement_dates(path, agreement)
        yield from _exclusivity(path, agreement)
        yield from _reach(path, agreement)


def _agreement_dates(path: Path, given: Agreement) -> Iterator[Issue]:
    for clause in ("first_refusal", "exclusive", "reach"):
        since, until = getattr(given, f"{clause}_from"), getattr(given, f"{clause}_until")
        if since and until and until <= since:
            yield _order((*path, f"{clause}_until"), f"{clause}_from", since, until)


def _exclusivity(path: Path, given: Agreement) -> Iterator[Issue]:
    """Say what an exclusivity binds and until when; what can be waived is there."""
    named = dotted(path)
    bare = [
        key
        for key in ("exclusive_from", "exclusive_region", "breach_usd_per_h100e_hour")
        if getattr(given, key) is not None and given.exclusive_until is None
    ]
    for key in bare:
        yield Issue(
            code="E023",
            path=(*path, key),
            message=f"`{named}` has `{key}` but no exclusivity",
            help="add `exclusive_until = `, the day on which exclusivity ends",
        )
    if given.exclusive_until and given.exclusive_scope == "region" and not given.exclusive_region:
        yield Issue(
            code="E023",
            path=(*path, "exclusive_scope"),
            message=f"`{named}` is exclusive in a region but names none",
            help='add `exclusive_region = "NAME"`, a name from `[regions]`',
        )
    if not bare and given.exclusive_region and given.exclusive_scope != "region":
        yield Issue(
            code="E023",
            path=(*path, "exclusive_region"),
            message=f"`{named}` names a region, but its exclusivity has scope "
            f"'{given.exclusive_scope}'",
            help='add `exclusive_scope = "region"`, or leave the region out',
        )
    if given.waivable and not (given.exclusive_until or given.first_refusal_from):
        yield Issue(
            code="E023",
            path=(*path, "waivable"),
            message=f"`{named}` is waivable but has neither exclusivity nor first refusal",
            help="add `exclusive_until` or `first_refusal_from`, or leave `waivable` out",
        )


def _reach(path: Path, given: Agreement) -> Iterator[Issue]:
    """Pay for an exclusive channel by a revenue share as long as it runs."""
    named = dotted(path)
    if given.reach == 1:
        return
    if given.revenue_share == 0:
        yield Issue(
            code="E023",
            path=(*path, "reach"),
            message=f"`{named}` limits the lab's reach ({given.reach:g}) but shares no revenue",
            help="add `revenue_share = `, the share of the lab's revenue paid to the cloud",
        )
    paid_until = given.revenue_share_until
    if given.reach_until and paid_until and given.reach_until > paid_until:
        yield Issue(
            code="E022",
            path=(*path, "reach_until"),
            message=f"`{named}.reach_until` is {given.reach_until}, after `revenue_share_until`, "
            f"{paid_until}",
            help="an exclusive channel lasts no longer than the revenue share that pays for it",
            also=(*path, "revenue_share_until"),
        )


def _price_changes(parts: Scenario) -> Iterator[Issue]:
    given: dict[Path, PaymentTerms] = {("negotiation",): parts.negotiation}
    given |= {("contracts", name): contract for name, contract in parts.contracts.items()}
    for path, terms in given.items():
        least, most = terms.price_change_least_per_year, terms.price_change_most_per_year
        if least is not None and most is not None and least > most:
            yield Issue(
                code="E023",
                path=(*path, "price_change_least_per_year"),
                message=f"`{dotted(path)}` lets its price change by at least {least:g} and at most "
                f"{most:g} a year",
                help="the floor of the yearly change is not above its cap",
                also=(*path, "price_change_most_per_year"),
            )


def _order(path: Path, first_key: str, first: dt.date, second: dt.date) -> Issue:
    return Issue(
        code="E022",
        path=path,
        message=f"`{dotted(path)}` is {second}, not after `{first_key}`, {first}",
        also=(*path[:-1], first_key),
    )


def check_dates(parts: Scenario, supposed: Supposed) -> Iterator[Issue]:
    """Start on the first of a month, and know nothing from after the cut-off."""
    if parts.start.day != 1:
        message = f"`start` is {parts.start}; expected the first day of a month"
        first = parts.start.replace(day=1)
        yield Issue(code="E022", path=("start",), message=message, help=f"write {first}")
    for name, contract in parts.contracts.items():
        if contract.end <= parts.start:
            path = ("contracts", name)
            yield Issue(
                code="E022",
                path=(*path, "end"),
                message=f"`{dotted(path)}` is already over: it ends {contract.end}, "
                f"and the scenario starts {parts.start}",
                help="leave it out",
                also=("start",),
            )
    for table, key in (("policies", "effective"), ("events", "on")):
        for name, entry in getattr(parts, table).items():
            path = (table, name, key)
            day = getattr(entry, key)
            if day is not None and not (entry.source in UNFOUNDED or supposed(path)):
                yield from check_known(path, day, parts.cutoff)


def check_known(path: Path, date: dt.date, cutoff: dt.date) -> Iterator[Issue]:
    """Nothing dated after the cut-off may be given as a fact."""
    if date > cutoff:
        yield Issue(
            code="E022",
            path=path,
            message=f"`{dotted(path)}` is {date}, after the cut-off {cutoff}",
            help='leave it out, or say `source = "judgement"` if it is supposed to happen'
            if path[-1] in ("on", "effective")
            else "use what was known at the cut-off",
            also=("cutoff",),
        )


def check_capacity(parts: Scenario) -> Iterator[Issue]:
    """No MW is sold twice: at the start by chip, later by region with what is being built."""
    energised = {n: s for n, s in parts.sites.items() if s.stage == "energised"}
    in_force = {n: c for n, c in parts.contracts.items() if c.start <= parts.start < c.end}
    oversold = list(_pools_at_start(parts, energised, in_force))
    yield from oversold
    yield from _clouds_at_start(parts, energised, in_force)
    if not oversold:
        yield from _pools_later(parts)


def _pools_at_start(
    parts: Scenario, energised: Mapping[str, SiteGiven], in_force: Mapping[str, ContractGiven]
) -> Iterator[Issue]:
    supply: dict[tuple[str, str, str], float] = defaultdict(float)
    for site in energised.values():
        supply[site.cloud, site.region, site.chip or ""] += site.capacity_mw
    sold: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name, contract in in_force.items():
        sold[contract.cloud, contract.region, contract.chip].append(name)
    for (cloud, region, chip), names in sold.items():
        total_mw = sum(_delivering_mw(in_force[n], parts.start) for n in names)
        supply_mw = supply[cloud, region, chip]
        if total_mw > supply_mw + KW:
            message = (
                f"'{cloud}' has {supply_mw:g} MW of '{chip}' energised in '{region}' at the start, "
                f"but contracts in force take {total_mw:g} MW"
            )
            yield _oversold(names, message, "lower a contract's `capacity_mw` or add a site")


def _clouds_at_start(
    parts: Scenario, energised: Mapping[str, SiteGiven], in_force: Mapping[str, ContractGiven]
) -> Iterator[Issue]:
    for name, cloud in parts.clouds.items():
        supply_mw = sum(s.capacity_mw for s in energised.values() if s.cloud == name)
        sold_mw = sum(_delivering_mw(c, parts.start) for c in in_force.values() if c.cloud == name)
        if cloud.own_use_mw and sold_mw <= supply_mw < sold_mw + cloud.own_use_mw - KW:
            path = ("clouds", name, "own_use_mw")
            message = (
                f"'{name}' has {supply_mw:g} MW energised at the start, but its contracts take "
                f"{sold_mw:g} MW and its own use {cloud.own_use_mw:g} MW"
            )
            help_ = f"at most {supply_mw - sold_mw:g} MW are left for its own use"
            yield Issue(code="E024", path=path, message=message, help=help_)


def _pools_later(parts: Scenario) -> Iterator[Issue]:
    supply: dict[tuple[str, str], float] = defaultdict(float)
    for site in parts.sites.values():
        supply[site.cloud, site.region] += site.capacity_mw
    sold: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, contract in parts.contracts.items():
        sold[contract.cloud, contract.region].append(name)
    for (cloud, region), names in sold.items():
        contracts = {n: parts.contracts[n] for n in names}
        steps = [(c.end, -c.capacity_mw) for c in contracts.values()]
        steps += [(max(c.start, parts.start), c.capacity_mw) for c in contracts.values()]
        total_mw = 0.0
        for date, change_mw in sorted(steps):  # at one date, what ends goes before what starts
            total_mw += change_mw
            if total_mw > supply[cloud, region] + KW:
                running = [n for n, c in contracts.items() if c.start <= date < c.end]
                total_mw = sum(contracts[n].capacity_mw for n in running)
                message = (
                    f"'{cloud}' has {supply[cloud, region]:g} MW energised or in the pipeline in "
                    f"'{region}', but contracts in force on {date} promise {total_mw:g} MW"
                )
                yield _oversold(
                    running, message, "a promise needs a site, if only a letter of intent"
                )
                break  # one message a pool


def _oversold(names: Collection[str], message: str, help_: str) -> Issue:
    """Point at the contract that came last, and at the one before it."""
    *others, last = names
    return Issue(
        code="E024",
        path=("contracts", last, "capacity_mw"),
        message=message,
        help=help_,
        also=("contracts", others[-1], "capacity_mw") if others else None,
    )


def _delivering_mw(contract: ContractGiven, date: dt.date) -> float:
    """Return what a contract takes on a date, part way up its ramp."""
    if not contract.ramp_months:
        return contract.capacity_mw
    since = (date.year - contract.start.year) * MONTHS_PER_YEAR + date.month - contract.start.month
    return contract.capacity_mw * min(1.0, since / contract.ramp_months)
