"""Protocols by name: ours and those of other packages, with what a scenario sets of them."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from offtake.model.bargaining import Bargainer, OutsideOptions, Rubinstein, ThreatPoint
from offtake.model.mistakes import expectation, one_of
from offtake.model.nash_in_nash import NashInNash
from offtake.model.plugins import bargainers_from_elsewhere
from offtake.model.private_information import PrivateInformation
from offtake.model.problems import Issue, dotted, meant, quoted_key, shown
from offtake.model.request_for_proposals import RequestForProposals
from offtake.model.shapes import Leaf, shape_of
from offtake.model.tactics import Tactics

BARGAINERS: dict[str, type[Bargainer]] = {
    "outside-options": OutsideOptions,
    "threat-point": ThreatPoint,
    "rubinstein": Rubinstein,
    "nash-in-nash": NashInNash,
    "tactics": Tactics,
    "request-for-proposals": RequestForProposals,
    "private-information": PrivateInformation,
}
"""Our protocols by the name that `negotiation.bargainer` gives them."""


def known_bargainers() -> dict[str, Any]:
    """Return every protocol by name; a package cannot take the name of one of ours."""
    return {**bargainers_from_elsewhere(), **BARGAINERS}


def bargainer(name: str, given: Mapping[str, Any] | None = None) -> Bargainer:
    """Return the protocol that a scenario names, with its settings.

    Raises
    ------
    ValueError
        If no protocol has the name, or it has no such settings.
    """
    known = known_bargainers()
    if name not in known:
        hint = meant(name, known, "'")
        raise ValueError(
            f"negotiation.bargainer is {name!r}; known: {', '.join(sorted(known))}"
            + (f"; {hint}" if hint else "")
        )
    for mistake in mistaken(name, given or {}):
        raise ValueError(f"negotiation.protocol.{mistake['loc'][0]} of {name}: {mistake['msg']}")
    return known[name](**(given or {}))


def settings(name: str) -> dict[str, Any]:
    """Return what can be set of a protocol: the types of its fields, by name."""
    return _hints(known_bargainers()[name])


def mistaken(name: str, given: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what is wrong with the settings of a protocol, as pydantic tells it."""
    try:
        _checked(known_bargainers()[name]).model_validate(dict(given))
    except ValidationError as error:
        yield from error.errors(include_url=False)


@functools.cache
def _checked(kind: type) -> type[BaseModel]:
    """Return a model that checks the settings of a protocol by the types of its fields."""
    hints = _hints(kind)
    fields = {f.name: (hints[f.name], _default(f)) for f in _fields(kind)}
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    return create_model(kind.__name__, __config__=config, **fields)  # type: ignore[call-overload]


def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in _fields(kind)}


def _fields(kind: type) -> tuple[dataclasses.Field[Any], ...]:
    """Return what can be set: the fields of a frozen dataclass; nothing of another callable."""
    return dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return Field(default_factory=field.default_factory)
    return ... if field.default is dataclasses.MISSING else field.default


def check_settings(name: str, given: Mapping[str, Any]) -> Iterator[Issue]:
    """Find a protocol that nobody offers, and settings that it does not take."""
    known = known_bargainers()
    if name not in known:
        yield one_of(("negotiation", "bargainer"), name, sorted(known))
        return
    for mistake in mistaken(name, given):
        yield _mis_set(name, mistake)


def _mis_set(name: str, mistake: Mapping[str, Any]) -> Issue:
    """Say what is wrong with one setting of a protocol."""
    key, kinds = str(mistake["loc"][0]), settings(name)
    path = ("negotiation", "protocol", key)
    if mistake["type"] == "missing":
        message = f"`negotiation.protocol` lacks `{key}`, which {name!r} requires"
        return Issue(code="E011", path=path[:2], message=message, at="table")
    if key not in kinds:
        message = f"unknown setting `{quoted_key(key)}` of the protocol {name!r}"
        allowed = f"allowed here: {', '.join(kinds)}" if kinds else "it has no settings"
        help_ = meant(key, kinds) or allowed
        return Issue(code="E010", path=path, message=message, help=help_, at="key")
    shape = shape_of(key, kinds[key])
    if isinstance(shape, Leaf) and shape.choices:
        return one_of(path, mistake["input"], shape.choices)
    wanted = expectation(shape, mistake)
    message = f"`{dotted(path)}` is {shown(mistake['input'])}; expected {wanted}"
    return Issue(code="E013", path=path, message=message)
