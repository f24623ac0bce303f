"""A study as TOML: the text that says what a `Study` made in Python says."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from offtake.experiments.studies.parts import Range
from offtake.model.problems import quoted_key, toml_text
from offtake.model.scenario import Part


def toml_of(study: Mapping[str, Any]) -> str:
    """Return the fields of a study as the text of its file."""
    lines = [f"{key} = {_value(study[key])}" for key in ("title", "scenario") if study[key]]
    lines += [f"{key} = {_value(study[key])}" for key in ("months", "until") if study[key]]
    for table in ("set", "levers", "uncertain"):
        lines += _table(table, study[table])
    for table in ("design", "record"):
        lines += _table(table, _given(study[table]))
    lines += _table("outcomes", {n: _given(each) for n, each in study["outcomes"].items()})
    for claim in study["claims"]:
        lines += ["", "[[claims]]", *(f"{k} = {_value(v)}" for k, v in _given(claim).items())]
    return "\n".join(lines) + "\n"


def _given(part: Part) -> dict[str, Any]:
    """Return what a part says that is not the default."""
    return part.model_dump(exclude_defaults=True)


def _table(name: str, values: Mapping[str, Any]) -> list[str]:
    return ["", f"[{name}]", *(f"{k} = {_value(v)}" for k, v in values.items())] if values else []


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return toml_text(value)
        case Range():
            return _value(value.model_dump())
        case Mapping():
            return (
                "{ " + ", ".join(f"{quoted_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
            )
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case dt.date():
            return value.isoformat()
    return repr(value)
