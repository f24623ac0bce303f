"""Whether what a scenario says of classes of chips agrees with the rest of it."""

from collections.abc import Iterator

from offtake.model.problems import Issue, Path, dotted
from offtake.model.scenario import GPU, ChipClass, Scenario

CUSTOM_ONLY = (
    "owner",
    "nre_usd",
    "development_months",
    "tranche",
    "venture",
    "porting_usd_per_h100e",
    "ported",
)
"""Keys that mean nothing for GPUs, which everybody may use at once."""


def check_classes(parts: Scenario) -> Iterator[Issue]:
    """Every class has generations and a way to come about, and is used by those who may."""
    yield from _generations(parts)
    for name, given in parts.classes.items():
        yield from _gpus(given) if name == GPU else _venture(name, given)
    yield from _owners(parts)
    yield from _labs(parts)
    yield from _quotas(parts)


def _generations(parts: Scenario) -> Iterator[Issue]:
    made = {chip.class_ for chip in parts.chips.values()}
    if parts.chips and GPU not in made:
        yield Issue(
            code="E023",
            path=("chips",),
            message=f"`chips` has no generation of class '{GPU}'",
            help="leave `class` out of one of them: sites without a chip get the newest GPU",
            at="table",
        )
    for name in parts.classes:
        if name != GPU and name not in made:
            yield Issue(
                code="E023",
                path=("classes", name),
                message=f"`{dotted(('classes', name))}` has no generation of chips",
                help=f'add `class = "{name}"` to a chip, or leave the class out',
                at="table",
            )


def _gpus(given: ChipClass) -> Iterator[Issue]:
    for key in CUSTOM_ONLY:
        if key in given.model_fields_set:
            yield Issue(
                code="E023",
                path=("classes", GPU, key),
                message=f"`classes.{GPU}` has `{key}`, but everybody may use GPUs at once",
                help="leave it out, or give the class another name",
            )


def _venture(name: str, given: ChipClass) -> Iterator[Issue]:
    path = ("classes", name)
    if given.venture is not None and not given.venture_mw:
        message = f"`{dotted(path)}` waits for '{given.venture}' but says for no scale"
        help_ = "add `venture_mw = ` MW energised"
        yield Issue(code="E023", path=(*path, "venture"), message=message, help=help_)
    if given.venture is None and given.venture_mw:
        message = f"`{dotted(path)}` waits for {given.venture_mw:g} MW of nobody"
        help_ = 'add `venture = "NAME"`, a name from `[clouds]`'
        yield Issue(code="E023", path=(*path, "venture_mw"), message=message, help=help_)


def _owners(parts: Scenario) -> Iterator[Issue]:
    owner = {
        chip: parts.classes[given.class_].owner
        for chip, given in parts.chips.items()
        if given.class_ in parts.classes
    }
    for table in ("sites", "contracts"):
        for name, entry in getattr(parts, table).items():
            own = owner.get(entry.chip)
            if own not in (None, entry.cloud):
                yield _not_its_own((table, name, "chip"), entry.cloud, own)


def _not_its_own(path: Path, cloud: str, owner: str) -> Issue:
    return Issue(
        code="E023",
        path=path,
        message=f"`{dotted(path)}` is own silicon of '{owner}'; '{cloud}' cannot have it",
        help="name another chip, or leave `owner` out of the class",
    )


def _labs(parts: Scenario) -> Iterator[Issue]:
    for name, lab in parts.labs.items():
        if GPU in lab.ported:
            yield Issue(
                code="E023",
                path=("labs", name, "ported", GPU),
                message=f"`{dotted(('labs', name))}` says how far it has ported to '{GPU}'",
                help="leave it out: all software runs on GPUs",
                at="key",
            )


def _quotas(parts: Scenario) -> Iterator[Issue]:
    for name, policy in parts.policies.items():
        for class_ in policy.quota_by_class_h100e_per_year:
            if policy.classes and class_ not in policy.classes:
                path = ("policies", name, "quota_by_class_h100e_per_year", class_)
                yield Issue(
                    code="E023",
                    path=path,
                    message=f"`{dotted(path)}` is a quota of a class that the policy leaves free",
                    help=f"add '{class_}' to its `classes`, or leave the quota out",
                    at="key",
                )
