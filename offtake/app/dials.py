"""The dials: every number of a scenario with a plausible range, its switches, and the days it dates.

Nothing here names a participant or knows a scenario: unit, range and meaning of a dial are those of the
scenario's own parameter table and of the schema. A moved dial is an override, as of `offtake run --set`.
"""

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from offtake.model.chains import parsed_path
from offtake.model.facts import Fact
from offtake.model.problems import dotted, quoted_key, toml_text
from offtake.model.reading import Reading
from offtake.model.scenario import SLUG, Part, Scenario
from offtake.model.shapes import NOTES, SECTIONS, Leaf, Table, entry_at, file_shape, shape_at
from offtake.model.showing import DEFAULT, default_facts, toml_value

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Demand": ("demand", "beliefs", "labs"),
    "Contracts": ("agreements", "negotiation", "procurement"),
    "Supply": ("building", "regions", "landlords", "clouds"),
    "Finance": ("tranches", "finance", "investors", "lenders"),
    "Policy": ("policies",),
    "Chips": ("chips", "classes"),
}
"""Groups of dials, each with the tables of a scenario that it is about, in order."""
FINANCIAL = ("discount_per_year", "cash_usd", "debt", "other_cash_flow")
"""Beginnings of the keys of labs and clouds that are about money."""
IN_FORCE = "in force"
MENU = "negotiation.take_or_pay"
STEPS = 100
DAYS_PER_YEAR = 365

type Kind = Literal["number", "whole", "date", "switch", "choice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """One dial, as the page shows it."""

    path: str
    """Path in a scenario; of a policy's switch, the policy's."""
    group: str
    table: str
    """Heading it stands under: the table it belongs to."""
    label: str
    kind: Kind
    baseline: float | bool | str
    low: float | str | None = None
    high: float | str | None = None
    unit: str = ""
    meaning: str = ""
    options: tuple[str, ...] = ()

    @property
    def takes_out(self) -> bool:
        """Whether moving it takes its table out of the scenario."""
        return self.label == IN_FORCE

    def override(self, value: Any) -> str:
        """Return the override that a value of the dial is.

        Raises
        ------
        ValueError
            If the dial cannot stand at that value.
        """
        if self.takes_out:
            return f"remove=[{toml_text(self.path)}]"
        return f"{self.path}={self.text(value)}"

    def text(self, value: Any) -> str:
        """Return a value of the dial as TOML."""
        match self.kind:
            case "switch":
                return toml_value(bool(value))
            case "date":
                return dt.date.fromisoformat(value).isoformat()
            case "choice" if value in self.options:
                return value if value.startswith("[") else toml_text(value)
            case "whole":
                return str(round(float(value)))
            case "number":
                return repr(float(value))
        raise ValueError(f"{self.path} cannot be {value!r}; it can be {', '.join(self.options)}")


def dials_of(reading: Reading) -> tuple[Dial, ...]:
    """Return the dials of a scenario, by group and table, in the order of the file."""
    facts = (*reading.facts, *default_facts(reading.scenario, reading.facts))
    found = [
        *_of_numbers(facts),
        *_of_rules(reading.scenario),
        *_of_entries(reading.scenario),
    ]
    order = list(GROUPS)
    tables = [table for group in GROUPS.values() for table in group]
    return tuple(
        sorted(found, key=lambda d: (order.index(d.group), tables.index(d.table.split(".")[0])))
    )


def overrides(dials: Sequence[Dial], moved: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the overrides that moved dials are, in the order of the dials.

    A dial that stands where it stood is none; neither is one of a table that another takes out.
    """
    found = [d for d in dials if d.path in moved and moved[d.path] != d.baseline]
    removed = tuple(f"{dial.path}." for dial in found if dial.takes_out)
    return tuple(d.override(moved[d.path]) for d in found if not d.path.startswith(removed))


def scenario_file(name: str, base: str, dials: Sequence[Dial], moved: Mapping[str, Any]) -> str:
    """Return moved dials as the text of a scenario file that extends its base.

    Raises
    ------
    ValueError
        If a scenario cannot have that name.
    """
    if not SLUG.match(name):
        raise ValueError(f"{name!r} is no usable name: it is made of a-z, 0-9 and inner hyphens")
    lines = ["format = 1", f'name = "{name}"', f"extends = {toml_text(base)}"]
    changes = overrides(dials, moved)
    removed = [
        c.removeprefix("remove=[").removesuffix("]") for c in changes if c.startswith("remove=[")
    ]
    kept = [
        change.replace("=", " = ", 1) for change in changes if not change.startswith("remove=[")
    ]
    lines.append(f'question = "What if {len(changes)} dials of {base} stood elsewhere?"')
    if removed:
        lines.append(f"remove = [{', '.join(removed)}]")
    return "\n".join([*lines, "", *kept]) + "\n"


def _of_numbers(facts: Sequence[Fact]) -> Iterator[Dial]:
    """Yield a dial for every number that the scenario gives a range."""
    for fact in facts:
        path = parsed_path(fact.path)
        group = _group(path)
        if group is None or not isinstance(fact.value, int | float):
            continue
        limits = _range(fact, path)
        if limits is None:
            continue
        yield Dial(
            path=fact.path,
            group=group,
            table=dotted(path[:-1]),
            label=_label(str(path[-1]), fact.unit or ""),
            kind="whole" if isinstance(fact.value, int) else "number",
            baseline=fact.value,
            low=limits[0],
            high=limits[1],
            unit=_in_words(fact.unit or ""),
            meaning=_meaning(path, None if fact.source == DEFAULT else fact.note),
        )


def _group(path: Sequence[str | int]) -> str | None:
    """Return the group of a number by its path; sites and single contracts have no dials."""
    if not path:
        return None
    if path[0] in ("labs", "clouds") and str(path[-1]).startswith(FINANCIAL):
        return "Finance"
    return next((group for group, tables in GROUPS.items() if path[0] in tables), None)


def _range(fact: Fact, path: Sequence[str | int]) -> tuple[float, float] | None:
    """Return the range of the parameter table, or one we assume where it has none."""
    assert isinstance(fact.value, int | float), "only numbers have a range"
    if fact.low is not None and fact.high is not None and fact.low < fact.high:
        return fact.low, fact.high
    if path[0] == "tranches" and fact.value > 0:
        return 0.0, 2.0 * fact.value  # a promise may fail, or be doubled
    shape = shape_at(tuple(path))
    if path[0] in SECTIONS and isinstance(shape, Leaf):
        return _assumed(fact.value, dict(shape.bounds))
    return None


def _assumed(value: float, bounds: Mapping[str, float]) -> tuple[float, float] | None:
    """Return half to double a rule's number, within what the schema allows; nothing around zero."""
    low = max(value / 2, bounds.get("ge", bounds.get("gt", 0.0)))
    high = min(value * 2, bounds.get("le", bounds.get("lt", math.inf)))
    return (low, high) if low < high else None


def _meaning(path: Sequence[str | int], note: str | None) -> str:
    entry = entry_at(tuple(path))
    told = [" ".join(text.split()) for text in (entry.description if entry else "", note or "")]
    return f"{told[0].removesuffix('.')}; {told[1]}" if all(told) else "".join(told)


def _label(key: str, unit: str) -> str:
    """Return a key in words, its unit left to stand beside the number.

    Examples
    --------
    >>> _label("grid_mean_months", "months")
    'Grid mean'
    """
    bare = key.removesuffix(unit).rstrip("_") if unit else key
    return (bare or key).replace("_", " ").capitalize()


def _in_words(unit: str) -> str:
    return (
        unit.replace("usd", "USD").replace("mw", "MW").replace("h100e", "H100e").replace("_", " ")
    )


def _of_rules(scenario: Scenario) -> Iterator[Dial]:
    """Yield a dial for every switch and every choice among the rules."""
    for section in SECTIONS:
        shape = file_shape().entries[section].shape
        assert isinstance(shape, Table), "a section is a table"
        if _group((section, "")) is None:
            continue
        for key, entry in shape.entries.items():
            value: Any = getattr(getattr(scenario, section), key, None)
            if dotted((section, key)) == MENU:
                yield _of_rule(section, key, "choice", _menus(value))
            elif key not in NOTES and isinstance(entry.shape, Leaf):
                if entry.shape.kind == "switch":
                    yield _of_rule(section, key, "switch", (), value)
                elif entry.shape.choices:
                    yield _of_rule(section, key, "choice", entry.shape.choices, value)


def _of_rule(
    section: str, key: str, kind: Kind, options: tuple[str, ...], baseline: Any = None
) -> Dial:
    """Return the dial of a rule; where no baseline is given, its first option is it."""
    group = _group((section, ""))
    assert group is not None, "these tables have a group"
    return Dial(
        path=dotted((section, key)),
        group=group,
        table=section,
        label=_label(key, ""),
        kind=kind,
        baseline=options[0] if baseline is None else baseline,
        options=options,
        meaning=_meaning((section, key), None),
    )


def _menus(floors: Sequence[float]) -> tuple[str, ...]:
    """Return take-or-pay floors as menus to choose from: all of them, only the higher ones, or the least."""
    ends = [tuple(floors[first:]) for first in range(len(floors))]
    least = [tuple(floors[:1])] if len(floors) > 1 else []
    return tuple(toml_value(menu) for menu in (*ends, *least))


def _of_entries(scenario: Scenario) -> Iterator[Dial]:
    """Yield a dial for every day that the scenario dates, and a switch for every policy."""
    for table in ("agreements", "tranches", "policies", "chips"):
        for name, part in getattr(scenario, table).items():
            heading = f"{table}.{quoted_key(name)}"
            group = _group((table, ""))
            assert group is not None, "these tables have a group"
            if table == "policies":
                note = " ".join((part.note or "").split())
                meaning = f"Off takes it out of the scenario. {note}".strip()
                yield Dial(
                    path=heading,
                    group=group,
                    table=heading,
                    label=IN_FORCE,
                    kind="switch",
                    baseline=True,
                    meaning=meaning,
                )
            yield from _days(part, (table, name), group, scenario)


def _days(part: Part, path: tuple[str, str], group: str, scenario: Scenario) -> Iterator[Dial]:
    last = scenario.start + dt.timedelta(days=scenario.months * DAYS_PER_YEAR // 12)
    for key in type(part).model_fields:
        day = getattr(part, key)
        if key in NOTES or not isinstance(day, dt.date):
            continue
        yield Dial(
            path=dotted((*path, key)),
            group=group,
            table=dotted(path),
            label=_label(key, ""),
            kind="date",
            baseline=day.isoformat(),
            low=min(scenario.start, day).isoformat(),
            high=max(last, day).isoformat(),
            unit="day",
            meaning=_meaning((*path, key), None),
        )
