"""Study files: read and checked; every problem is reported at once, with its place."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from offtake.experiments.studies import dials
from offtake.experiments.studies.complaints import lacks, none_of, part_of, unknown_key
from offtake.experiments.studies.naming import SCENARIO, month_of
from offtake.experiments.studies.parts import (
    OUTCOME_NAME,
    SAMPLED,
    Claim,
    Design,
    Outcome,
    Range,
    Record,
    Value,
)
from offtake.experiments.studies.statements import NotAStatement, condition, names_in, read_test
from offtake.model.documents import Document, label_of, parse, read_document
from offtake.model.months import date_of
from offtake.model.observables import TABLE, Observable
from offtake.model.problems import Issue, Path, Problem, ScenarioError, dotted, meant, shown
from offtake.model.reading import names as embedded
from offtake.model.reading import read as read_scenario
from offtake.model.scenario import Scenario
from offtake.model.shapes import Leaf, shape_at

TABLES = ("set", "levers", "uncertain", "design", "record", "outcomes")
KEYS = ("title", "scenario", "months", "until", *TABLES, "claims")
MOST_VALUES = 1_000
OBSERVABLES: Mapping[str, Observable] = {each.name: each for each in TABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A study that was read and found good."""

    title: str
    text: str
    """The file, verbatim."""
    folder: File
    """Where files it names are looked for."""
    scenarios: Mapping[str, Scenario]
    """By name, with what `set` changes in every run."""
    months: int
    levers: Mapping[str, tuple[Value, ...]]
    uncertain: Mapping[str, Range | tuple[Value, ...]]
    paths: Mapping[str, Path]
    """Of levers and uncertain keys, by name."""
    design: Design
    record: Record
    outcomes: Mapping[str, Outcome]
    claims: tuple[Claim, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of what varies between runs, levers first."""
        return (*self.levers, *self.uncertain)


def read_study(file: File) -> Asked:
    """Read a study file; raises ScenarioError with everything that is wrong."""
    document = read_document(file, label_of(file))
    return _asked(document, file.parent)


def parse_study(text: str, folder: File, label: str = "study.toml") -> Asked:
    """Read the text of a study file."""
    return _asked(parse(text, label), folder)


@dataclass(slots=True)
class _Draft:
    document: Document
    folder: File
    issues: list[Issue]
    problems: list[Problem]


def _asked(document: Document, folder: File) -> Asked:
    draft = _Draft(document, folder, [], [])
    data = document.data
    draft.issues += (unknown_key((key,), KEYS) for key in data if key not in KEYS)
    title = _title(data, draft)
    scenarios = _scenarios(data, draft)
    months = _months(data, next(iter(scenarios.values()), None), draft)
    tables = {key: _table(data, key, draft) for key in TABLES}
    design = _design(tables["design"], tables["uncertain"], draft)
    record = _record(tables["record"], draft)
    if not scenarios:  # without one, nothing else can be told right from wrong
        _raise_problems(draft)
    bases = _set(tables["set"], scenarios, draft)
    paths, levers, uncertain = _dials(tables, bases, draft)
    if len(scenarios) > 1:
        levers = {SCENARIO: tuple(scenarios), **levers}
    outcomes = _outcomes(tables["outcomes"], scenarios, months, draft)
    claims = _claims(data.get("claims", []), {*levers, *uncertain}, outcomes, draft)
    _raise_problems(draft)
    return Asked(
        title=title,
        text=document.text,
        folder=folder,
        scenarios={name: Scenario.model_validate(base) for name, base in bases.items()},
        months=months,
        levers=levers,
        uncertain=uncertain,
        paths=paths,
        design=design,
        record=record,
        outcomes=outcomes,
        claims=claims,
    )


def _raise_problems(draft: _Draft) -> None:
    found = [*draft.problems, *map(draft.document.problem, draft.issues)]
    if found:
        unique = {(p.code, p.place, p.message): p for p in found}
        own = draft.document.label
        raise ScenarioError(
            sorted(
                unique.values(), key=lambda p: (p.place.file != own, p.place.line, p.place.column)
            )
        )


def _wrong(path: Path, given: Any, expected: str, help_: str | None = None) -> Issue:
    message = f"`{dotted(path)}` is {shown(given)}; expected {expected}"
    return Issue(code="E013", path=path, message=message, help=help_)


# The top of the file


def _title(data: Mapping[str, Any], draft: _Draft) -> str:
    title = data.get("title")
    if title is None:
        draft.issues.append(lacks((), "title", 'title = "What does ... change?"'))
    elif not isinstance(title, str) or not title.strip() or "\n" in title:
        draft.issues.append(_wrong(("title",), title, "a text in quotes, on one line"))
    return title if isinstance(title, str) else ""


def _table(data: Mapping[str, Any], key: str, draft: _Draft) -> dict[str, Any]:
    table = data.get(key, {})
    if isinstance(table, dict):
        return table
    draft.issues.append(_wrong((key,), table, "a table", f"write its keys below `[{key}]`"))
    return {}


def _scenarios(data: Mapping[str, Any], draft: _Draft) -> dict[str, Scenario]:
    given = data.get(SCENARIO)
    if given is None:
        draft.issues.append(lacks((), SCENARIO, 'scenario = "duopoly"'))
        return {}
    sources = given if isinstance(given, list) else [given]
    if not sources or not all(isinstance(source, str) and source for source in sources):
        draft.issues.append(_wrong((SCENARIO,), given, "a name in quotes, or an array of names"))
        return {}
    found: dict[str, Scenario] = {}
    for number, source in enumerate(sources):
        place = (SCENARIO, number) if isinstance(given, list) else (SCENARIO,)
        scenario = _scenario(source, place, draft)
        if scenario is not None and scenario.name in found:
            message = f"two scenarios are called {shown(scenario.name)}"
            draft.issues.append(Issue(code="E021", path=place, message=message))
        elif scenario is not None:
            found[scenario.name] = scenario
    return found


def _scenario(source: str, place: Path, draft: _Draft) -> Scenario | None:
    """Read a scenario by its embedded name or from a file beside the study."""
    file = source if source in embedded() else draft.folder / source
    if isinstance(file, File) and not file.is_file():
        message = f"`{dotted(place)}` is {shown(source)}, but there is no such scenario or file"
        near = meant(source, embedded(), "'")
        known = f"(embedded: {', '.join(embedded())}; a file is looked for beside the study)"
        help_ = f"{near}  {known}" if near else known
        draft.issues.append(Issue(code="E020", path=place, message=message, help=help_))
        return None
    try:
        return read_scenario(file).scenario
    except ScenarioError as error:
        draft.problems += error.problems
        return None


def _months(data: Mapping[str, Any], scenario: Scenario | None, draft: _Draft) -> int:
    most = scenario.months if scenario else 600
    if "months" in data and "until" in data:
        message = "`months` and `until` both say how long a run is"
        draft.issues.append(Issue(code="E021", path=("until",), message=message, at="key"))
    elif "until" in data:
        return _until(data["until"], scenario, draft)
    months = data.get("months", most)
    raised = _table(data, "set", draft).get("months")
    most = raised if isinstance(raised, int) else most
    if type(months) is not int or not 1 <= months <= most:
        help_ = "for a longer horizon say `months` under [set]" if type(months) is int else None
        draft.issues.append(_wrong(("months",), months, f"a whole number from 1 to {most}", help_))
        return most
    return months


def _until(until: Any, scenario: Scenario | None, draft: _Draft) -> int:
    month = month_of(until, scenario) if scenario and isinstance(until, str) else None
    if scenario and (month is None or not 0 <= month < scenario.months):
        last = date_of(scenario.start, scenario.months - 1)
        expected = f"a month from {scenario.start:%Y-%m} to {last:%Y-%m}, in quotes"
        draft.issues.append(_wrong(("until",), until, expected))
        return scenario.months
    return (month or 0) + 1


# What is set and what varies


def _set(
    given: dict[str, Any], scenarios: Mapping[str, Scenario], draft: _Draft
) -> dict[str, dict[str, Any]]:
    """Return every scenario's plain data with what the study sets."""
    bases = {name: scenario.model_dump() for name, scenario in scenarios.items()}
    for name, base in bases.items():
        for path, value in dials.stated(given, base, "set", draft.issues).items():
            problems = list(dials.value_problems(base, path, value, ("set", *path)))
            draft.issues += problems
            if not problems:
                base = dials.changed(base, path, value)
        bases[name] = base
    return bases


type _Dials = tuple[
    dict[str, Path], dict[str, tuple[Value, ...]], dict[str, Range | tuple[Value, ...]]
]


def _dials(tables: Mapping[str, Any], bases: dict[str, dict[str, Any]], draft: _Draft) -> _Dials:
    paths: dict[str, Path] = {}
    kept: dict[str, dict[str, Any]] = {"levers": {}, "uncertain": {}}
    for table, found in kept.items():
        for base in bases.values():
            for path, value in dials.stated(tables[table], base, table, draft.issues).items():
                name, place = dotted(path), (table, *path)
                if table == "uncertain" and name in kept["levers"]:
                    message = f"`{name}` is a lever and uncertain at once"
                    draft.issues.append(Issue(code="E021", path=place, message=message, at="key"))
                found[name] = _dial(value, path, place, base, draft)
                paths[name] = path
    return paths, kept["levers"], kept["uncertain"]


def _dial(
    value: Any, path: Path, place: Path, base: dict[str, Any], draft: _Draft
) -> Range | tuple[Value, ...] | None:
    """Return the values of a dial: a list of them, or a range."""
    if isinstance(value, dict) and place[0] == "uncertain":
        return _range(value, path, place, base, draft)
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_VALUES:
        forms = "an array of values"
        if place[0] == "uncertain":
            forms += " or { from = ..., to = ... }"
        draft.issues.append(_wrong(place, value, forms))
        return None
    problems = [
        issue
        for number, each in enumerate(value)
        for issue in dials.value_problems(base, path, each, (*place, number))
    ]
    draft.issues += problems
    if problems:
        return None
    values = tuple(dials.plain_value(path, each) for each in value)
    if len({repr(each) for each in values}) < len(values):
        message = f"`{dotted(place)}` names a value twice"
        draft.issues.append(Issue(code="E021", path=place, message=message))
    return values


def _range(
    value: dict[str, Any], path: Path, place: Path, base: dict[str, Any], draft: _Draft
) -> Range | None:
    shape = shape_at(path)
    if not isinstance(shape, Leaf) or not shape.is_number:
        draft.issues.append(_wrong(place, value, "an array: only numbers have ranges"))
        return None
    given = {k: float(v) if type(v) is int else v for k, v in value.items()}
    found = part_of(Range, given, place, draft.issues)
    if found is None:
        return None
    kind = int if shape.kind == "whole" else float
    for key, bound in (("from", found.low), ("to", found.high)):
        whole = bound if kind is float or bound != int(bound) else int(bound)
        draft.issues += dials.value_problems(base, path, whole, (*place, key))
    if found.low >= found.high:
        expected = f"more than `from`, which is {shown(found.low)}"
        draft.issues.append(_wrong((*place, "to"), found.high, expected))
    if found.scale == "log" and found.low <= 0:
        draft.issues.append(_wrong((*place, "from"), found.low, "more than 0 on a log scale"))
    return found


# Design and record


def _design(given: Any, uncertain: Mapping[str, Any], draft: _Draft) -> Design:
    found = part_of(Design, given, ("design",), draft.issues)
    if found is None:
        return Design()
    if found.method in SAMPLED and not uncertain:
        message = f"a {found.method} design needs something uncertain to spread its points over"
        help_ = 'add [uncertain], or choose method = "grid" to try the levers alone'
        path = ("design", "method")
        draft.issues.append(Issue(code="E023", path=path, message=message, help=help_))
    elif found.method in SAMPLED and found.points is None:
        draft.issues.append(lacks(("design",), "points", "points = 64"))
    elif found.method not in SAMPLED and found.points is not None:
        message = f"`design.points` means nothing to a {found.method} design"
        draft.issues.append(
            Issue(code="E010", path=("design", "points"), message=message, at="key")
        )
    if (found.method == "file") != (found.file is not None):
        draft.issues.append(_file_problem(found))
    elif found.file is not None and not (draft.folder / found.file).is_file():
        path = ("design", "file")
        draft.issues.append(_wrong(path, found.file, "a file beside the study"))
    return found


def _file_problem(design: Design) -> Issue:
    if design.file is None:
        return lacks(("design",), "file", 'file = "points.csv"')
    message = f"`design.file` means nothing to a {design.method} design"
    return Issue(code="E010", path=("design", "file"), message=message, at="key")


def _record(given: Any, draft: _Draft) -> Record:
    found = part_of(Record, given, ("record",), draft.issues) or Record()
    for number, name in enumerate(found.columns):
        if name not in OBSERVABLES:
            path = ("record", "columns", number)
            draft.issues.append(none_of(path, name, tuple(OBSERVABLES), "observable"))
    return found


# Outcomes and claims


def _outcomes(
    given: dict[str, Any], scenarios: Mapping[str, Scenario], months: int, draft: _Draft
) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for name, value in given.items():
        path = ("outcomes", name)
        if not OUTCOME_NAME.match(name):
            message = f"{shown(name)} is no usable name of an outcome"
            help_ = "names are made of a-z, 0-9 and _, and begin with a letter"
            draft.issues.append(
                Issue(code="E014", path=path, message=message, help=help_, at="key")
            )
        outcome = part_of(Outcome, value, path, draft.issues)
        if outcome is not None:
            found[name] = outcome
            for scenario in scenarios.values():
                draft.issues += _outcome_problems(outcome, path, scenario, months)
    return found


def _outcome_problems(
    outcome: Outcome, path: Path, scenario: Scenario, months: int
) -> Iterator[Issue]:
    item = OBSERVABLES.get(outcome.observable)
    if item is None:
        place = (*path, "observable")
        yield none_of(place, outcome.observable, tuple(OBSERVABLES), "observable")
        return
    yield from _index_problems(outcome, item, path, scenario)
    if outcome.at is not None and outcome.over is not None:
        message = f"`{dotted(path)}` says `at` and `over`; one of them chooses the months"
        yield Issue(code="E021", path=(*path, "over"), message=message, at="key")
    elif outcome.at not in (None, "end"):
        month = month_of(outcome.at or "", scenario)
        if month is None or not 0 <= month < months:
            last = date_of(scenario.start, months - 1)
            expected = f'"end" or a month from {scenario.start:%Y-%m} to {last:%Y-%m}'
            yield _wrong((*path, "at"), outcome.at, expected)


def _index_problems(
    outcome: Outcome, item: Observable, path: Path, scenario: Scenario
) -> Iterator[Issue]:
    """Check that an outcome names the lab or cloud that its observable is about."""
    known = {"lab": tuple(scenario.labs), "cloud": tuple(scenario.clouds)}
    for position, key in enumerate(("of", "on")):
        given = getattr(outcome, key)
        if position >= len(item.index):
            if given is not None:
                message = f"`{dotted((*path, key))}` means nothing: `{item.name}` has no such part"
                yield Issue(code="E010", path=(*path, key), message=message, at="key")
        elif given is None:
            names = known[item.index[position]]
            yield lacks(path, key, f"{key} = {shown(next(iter(names), '*'))}")
        elif given != "*" and given not in known[item.index[position]]:
            yield none_of((*path, key), given, known[item.index[position]], item.index[position])


_NAMING = (("levers",), ("uncertain",), ("outcomes",))
"""Tables whose mistakes may be why a claim's name is unknown."""


def _claims(
    given: Any, dials_: Iterable[str], outcomes: Mapping[str, Outcome], draft: _Draft
) -> tuple[Claim, ...]:
    if not isinstance(given, list):
        draft.issues.append(_wrong(("claims",), given, "tables", "write `[[claims]]` before each"))
        return ()
    known = (*outcomes, *dials_)
    spoiled = any(issue.path[:1] in _NAMING for issue in draft.issues)
    found = []
    for number, value in enumerate(given):
        path = ("claims", number)
        claim = part_of(Claim, value, path, draft.issues)
        if claim is not None:
            problems = _claim_problems(claim, path, known, tuple(outcomes))
            draft.issues += (p for p in problems if not (spoiled and p.code == "E020"))
            found.append(claim)
    return tuple(found)


def _claim_problems(
    claim: Claim, path: Path, known: tuple[str, ...], outcomes: tuple[str, ...]
) -> Iterator[Issue]:
    for key, text in (("test", claim.test), ("when", claim.when)):
        if text is None:
            continue
        try:
            used = list(names_in(read_test(text) if key == "test" else condition(text)))
        except NotAStatement as error:
            yield _wrong(
                (*path, key),
                str(error),
                "NAME > NUMBER, comparisons joined by `and`, or NAME rises with PARAMETER",
            )
            continue
        if key == "test" and not set(used) & set(outcomes) and set(used) <= set(known):
            message = f"`{dotted((*path, key))}` names no outcome, so no run could answer it"
            yield Issue(code="E023", path=(*path, key), message=message)
        for name in used:
            if name not in known:
                yield none_of((*path, key), name, known, "outcome or parameter")
