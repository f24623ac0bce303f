"""Whether a policy says what its instrument can do, and its government can pay for it."""

from collections.abc import Iterator
from typing import get_args

from offtake.model.problems import Issue, dotted, nearest
from offtake.model.scenario import Instrument, PolicyGiven, Scenario

ALWAYS = frozenset(
    {
        "government",
        "instrument",
        "effective",
        "until",
        "draft",
        "source",
        "confidence",
        "date",
        "note",
    }
)
"""Keys of every policy."""
PLACE = ("regions", "kinds", "clouds", "homes")
KEYS: dict[str, tuple[str, ...]] = {
    "export-control": (
        "destinations",
        "parents",
        "exempt_parents",
        "exempt_homes",
        "classes",
        "chips",
        "quota_h100e_per_year",
        "quota_by_class_h100e_per_year",
        "quota_months",
        "licence_months",
        "tariff_share",
    ),
    "permitting": (*PLACE, "grid_multiplier"),
    "subsidy": (*PLACE, "capex_share"),
    "public-credit": (*PLACE, "credit_share", "credit_rate_per_year"),
    "loan-guarantee": (*PLACE, "loss_cover"),
    "backstop": (*PLACE, "price_usd_per_h100e_hour", "most_h100e"),
    "national-preference": ("least_domestic_share", "controlling_part"),
    "capital-screening": ("issuers", "exempt_homes", "largest_foreign_share", "review_months"),
    "antitrust": (
        "longest_exclusivity_months",
        "limits_channels",
        "bars_first_refusal",
        "largest_interlocking_share",
        "merger_hhi",
        "merger_share",
        "merger_rise",
    ),
    "signal": (),
}
"""Keys of each instrument."""
NEEDED: dict[str, tuple[str, ...]] = {
    "subsidy": ("regions", "capex_share"),
    "public-credit": ("regions", "credit_share"),
    "loan-guarantee": ("regions", "loss_cover"),
    "backstop": ("regions", "price_usd_per_h100e_hour", "most_h100e"),
    "national-preference": ("least_domestic_share",),
}
"""Keys without which an instrument does nothing."""
ONE_OF: dict[str, tuple[str, ...]] = {
    "capital-screening": ("largest_foreign_share", "review_months"),
    "antitrust": (
        "longest_exclusivity_months",
        "bars_first_refusal",
        "largest_interlocking_share",
        "merger_hhi",
        "merger_share",
    ),
}
"""Keys of which an instrument needs one."""
PAID_FOR = frozenset({"subsidy", "public-credit", "loan-guarantee", "backstop"})
"""Instruments that cost the government money."""
assert set(KEYS) == set(get_args(Instrument))


def check_policies(parts: Scenario) -> Iterator[Issue]:
    """Every policy is dated or a draft, has keys of its own instrument only, and can be paid for."""
    for name, given in parts.policies.items():
        yield from _dated(name, given)
        yield from _foreign_keys(name, given)
        yield from _idle(name, given)
        yield from _paid_for(parts, name, given)


def _dated(name: str, given: PolicyGiven) -> Iterator[Issue]:
    path = ("policies", name)
    if given.draft and given.effective is not None:
        yield Issue(
            code="E023",
            path=(*path, "draft"),
            message=f"`{dotted(path)}` is a draft, but comes into force on {given.effective}",
            help="leave `effective` out, or `draft`",
            also=(*path, "effective"),
        )
    elif not given.draft and given.effective is None:
        yield Issue(
            code="E011",
            path=(*path, "effective"),
            message=f"`{dotted(path)}` has no `effective`",
            help="add `effective = YYYY-MM-DD`, or `draft = true` if its government's strategy enacts it",
            at="table",
        )
    if given.until and given.effective and given.until <= given.effective:
        yield Issue(
            code="E022",
            path=(*path, "until"),
            message=f"`{dotted((*path, 'until'))}` is {given.until}, not after `effective`, "
            f"{given.effective}",
            also=(*path, "effective"),
        )


def _foreign_keys(name: str, given: PolicyGiven) -> Iterator[Issue]:
    """Yield what is said that the instrument has no use for."""
    own = KEYS[given.instrument]
    for key in sorted(_said(given) - ALWAYS - set(own)):
        whose = sorted(i for i, keys in KEYS.items() if key in keys)
        near = nearest(key, own)
        means = f"did you mean `{near}`? " if near else ""
        said = ", ".join(f"`{k}`" for k in own) or "none"
        yield Issue(
            code="E023",
            path=("policies", name, key),
            message=f"`{dotted(('policies', name))}` has `{key}`, a key of {' and '.join(whose)}; "
            f"it is of instrument '{given.instrument}'",
            help=f"{means}keys of '{given.instrument}': {said}",
            at="key",
        )


def _said(given: PolicyGiven) -> set[str]:
    """Return the keys whose value is not the one of a policy that says nothing of them."""
    fields = PolicyGiven.model_fields.items()
    return {
        key
        for key, field in fields
        if getattr(given, key) != field.get_default(call_default_factory=True, validated_data={})
    }


def _idle(name: str, given: PolicyGiven) -> Iterator[Issue]:
    path = ("policies", name)
    for key in NEEDED.get(given.instrument, ()):
        if not getattr(given, key):
            yield _does_nothing(path, given, f"add `{key}`")
    options = ONE_OF.get(given.instrument, ())
    if options and not _said(given) & set(options):
        yield _does_nothing(path, given, f"add one of {', '.join(f'`{k}`' for k in options)}")


def _does_nothing(path: tuple[str, str], given: PolicyGiven, help_: str) -> Issue:
    message = f"`{dotted(path)}` is of instrument '{given.instrument}' but would do nothing"
    return Issue(code="E023", path=path, message=message, help=help_, at="table")


def _paid_for(parts: Scenario, name: str, given: PolicyGiven) -> Iterator[Issue]:
    government = parts.governments.get(given.government)
    if given.instrument not in PAID_FOR or government is None:
        return
    if government.cash_usd == 0 and government.budget_usd_per_year == 0:
        path = ("policies", name)
        yield Issue(
            code="E023",
            path=(*path, "government"),
            message=f"`{dotted(path)}` costs money, and '{given.government}' has none",
            help=f"give `{dotted(('governments', given.government))}` `cash_usd` or "
            "`budget_usd_per_year`",
        )
