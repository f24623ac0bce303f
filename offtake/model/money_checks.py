"""Whether what a scenario says of money agrees with itself: syndicates, guarantees, compute for equity."""

from collections.abc import Iterator

from offtake.model.problems import Issue, dotted
from offtake.model.scenario import Scenario

WHOLE = 1 + 1e-9


def check_money(parts: Scenario) -> Iterator[Issue]:
    """Find instruments that nobody could honour."""
    yield from _syndicates(parts)
    yield from _compute(parts)
    yield from _guarantees(parts)
    yield from _ventures(parts)


def _ventures(parts: Scenario) -> Iterator[Issue]:
    for name, cloud in parts.clouds.items():
        path = ("clouds", name)
        for owner in cloud.commitments.keys() - cloud.owners.keys():
            yield Issue(
                code="E023",
                path=(*path, "commitments", owner),
                message=f"`{dotted(path)}`: '{owner}' has committed equity but owns no part of it",
                help=f"add '{owner}' to its `owners`",
                at="key",
            )
        if cloud.consent and not cloud.owners:
            yield Issue(
                code="E023",
                path=(*path, "consent"),
                message=f"`{dotted(path)}` needs the consent of owners but has none",
                help='add `owners = { "NAME" = 0.5 }`',
            )
        if cloud.label_over and (cloud.priority is None or name in cloud.label_over):
            yield Issue(
                code="E023",
                path=(*path, "label_over"),
                message=f"`{dotted(path)}` is a label over contracts of nobody",
                help='add `priority = "NAME"`, the lab that buys, and name other clouds',
            )
        if cloud.label_over or cloud.formation is not None:
            yield from _nothing_yet(parts, name)


def _nothing_yet(parts: Scenario, venture: str) -> Iterator[Issue]:
    """Find what stands or is sold in the name of a venture that is not formed, or never is."""
    why = "is only a label" if parts.clouds[venture].label_over else "is not formed at the start"
    for table in ("contracts", "sites"):
        for name, given in getattr(parts, table).items():
            stands = table == "contracts" or given.stage == "energised"
            if given.cloud == venture and stands:
                yield Issue(
                    code="E023",
                    path=(table, name, "cloud"),
                    message=f"`{dotted((table, name))}` is of '{venture}', which {why}",
                    help="give it to another cloud, or leave it out",
                )


def _syndicates(parts: Scenario) -> Iterator[Issue]:
    for name, given in parts.tranches.items():
        path = ("tranches", name, "syndicate")
        if sum(given.syndicate.values()) > WHOLE:
            yield Issue(
                code="E023",
                path=path,
                message=f"the syndicate of `{dotted(path[:2])}` takes "
                f"{sum(given.syndicate.values()):g} of it",
                help="parts are shares of the whole and add up to at most 1; the rest is the lead's",
                at="key",
            )
        for member in {given.investor, given.issuer} & given.syndicate.keys():
            yield Issue(
                code="E023",
                path=(*path, member),
                message=f"`{dotted(path[:2])}`: '{member}' is a party of it and no member of its "
                "syndicate",
                help="leave it out: the lead has what the others leave",
                at="key",
            )


def _compute(parts: Scenario) -> Iterator[Issue]:
    for name, given in parts.tranches.items():
        if given.compute_share and given.compute_from is None:
            path = ("tranches", name)
            yield Issue(
                code="E023",
                path=(*path, "compute_share"),
                message=f"`{dotted(path)}` is paid in compute of nobody",
                help='add `compute_from = "NAME"`, a name from `[clouds]`',
            )
    for name, investor in parts.investors.items():
        if investor.compute_share and not investor.returns_from:
            path = ("investors", name)
            yield Issue(
                code="E023",
                path=(*path, "compute_share"),
                message=f"`{dotted(path)}` asks labs to buy compute of nobody",
                help='add `returns_from = { "NAME" = 1.0 }`, a name from `[clouds]`',
            )


def _guarantees(parts: Scenario) -> Iterator[Issue]:
    for name, given in parts.guarantees.items():
        path = ("guarantees", name)
        if given.guarantor == given.debtor:
            yield Issue(
                code="E023",
                path=(*path, "guarantor"),
                message=f"`{dotted(path)}`: '{given.debtor}' cannot guarantee its own debts",
            )
        if given.from_ and given.until and given.until <= given.from_:
            yield Issue(
                code="E022",
                path=(*path, "until"),
                message=f"`{dotted((*path, 'until'))}` is {given.until}, not after `from`, "
                f"{given.from_}",
                also=(*path, "from"),
            )
