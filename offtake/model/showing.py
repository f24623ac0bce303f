"""A scenario as text again: resolved TOML, and the numbers nobody stated."""

from collections.abc import Iterable, Iterator
from typing import Any

from offtake.model.facts import Fact
from offtake.model.problems import Path, dotted, quoted_key, toml_text
from offtake.model.scenario import Part, Scenario
from offtake.model.shapes import SECTIONS, Array, Leaf, Named, Table, file_shape

LARGEST_GROUPED = 1e15
DEFAULT = "default"
"""Source of a rule's number that no file states."""
KNOWN = ("unit", "low", "high", "date", "source", "confidence", "note")
PARAMETER_COLUMNS = ("path", "value", *KNOWN)
"""Columns of `parameter_rows`."""


def scenario_text(scenario: Scenario, facts: Iterable[Fact]) -> str:
    """Return a whole scenario as TOML, defaults as comments."""
    known = {fact.path: fact for fact in facts}
    blocks = [_shown_table(scenario, file_shape(), (), known)]
    for name, entry in file_shape().entries.items():
        value = getattr(scenario, name)
        if isinstance(entry.shape, Table):
            blocks.append(_shown_table(value, entry.shape, (name,), known))
        elif isinstance(entry.shape, Named) and isinstance(entry.shape.of, Table):
            shape = entry.shape.of
            blocks += [_shown_table(v, shape, (name, k), known) for k, v in value.items()]
    return "\n".join(blocks)


def default_facts(scenario: Scenario, facts: Iterable[Fact]) -> Iterator[Fact]:
    """Yield the numbers of rules that no file states."""
    known = {fact.path for fact in facts}
    for section in SECTIONS:
        table = file_shape().entries[section].shape
        assert isinstance(table, Table), "a section is a table"
        for key, entry in table.entries.items():
            leaf = entry.shape.of if isinstance(entry.shape, Array) else entry.shape
            path = dotted((section, key))
            if isinstance(leaf, Leaf) and leaf.is_number and path not in known:
                value = getattr(getattr(scenario, section), key)
                note = entry.description
                yield Fact(path=path, value=value, unit=leaf.units[0], source=DEFAULT, note=note)


def _shown_table(part: Part, shape: Table, path: Path, facts: dict[str, Fact]) -> str:
    """Return one table as TOML."""
    lines = [f"[{dotted(path)}]"] if path else []
    for key, entry in shape.entries.items():
        inner = entry.shape.of if isinstance(entry.shape, Named) else entry.shape
        value = getattr(part, key, None)
        if isinstance(inner, Table) or value is None or value == {} or key == "extends":
            continue
        text = f"{key} = {_toml_with_facts(value, (*path, key), facts)}"
        is_default = value == entry.default and dotted((*path, key)) not in facts
        lines.append(f"# {text}  # default" if is_default else text)
    return "\n".join(lines) + "\n"


def _toml_with_facts(value: Any, path: Path, facts: dict[str, Fact]) -> str:
    if isinstance(value, dict):
        items = (
            f"{quoted_key(k)} = {_toml_with_facts(v, (*path, k), facts)}" for k, v in value.items()
        )
        return f"{{ {', '.join(items)} }}"
    fact = facts.get(dotted(path))
    if fact is None:
        return toml_value(value)
    parts = [f"value = {toml_value(value)}"]
    for key in KNOWN:
        known = getattr(fact, key)
        if known not in (None, ""):
            parts.append(f"{key} = {toml_value(known)}")
    return f"{{ {', '.join(parts)} }}"


def toml_value(value: Any) -> str:
    """Write a value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return toml_text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(v) for v in value)}]"
    if isinstance(value, int | float) and value == int(value) and abs(value) < LARGEST_GROUPED:
        return f"{int(value):_}"
    return str(value)
