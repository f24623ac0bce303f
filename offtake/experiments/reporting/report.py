"""What a report on results says: answer, charts, contracts, events, assumptions, provenance, trust."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any

import altair as alt
import polars as pl

from offtake.experiments import charts
from offtake.experiments.charts.difference import difference
from offtake.experiments.charts.events import without_event_list
from offtake.experiments.comparison import Comparison, compare, label
from offtake.experiments.comparison_text import sentence, sign_text
from offtake.experiments.explaining.explanation import Explanation, NothingToExplain, explain
from offtake.experiments.explaining.removals import KINDS, removal
from offtake.experiments.explaining.replay import OtherModel, Replay, replay, same_run
from offtake.experiments.explaining.steps import deals_waterfall
from offtake.experiments.explaining.wording import headline, text
from offtake.experiments.figures import bare, signed, written
from offtake.experiments.holdings import in_force
from offtake.experiments.inputs import changes_text
from offtake.experiments.look import Tone
from offtake.experiments.reporting.answers import answer, trust
from offtake.experiments.reporting.assumptions import (
    Swing,
    confidence_counts,
    known,
    swing_of,
    swings,
    uncertain,
)
from offtake.experiments.reporting.document import (
    Document,
    figure,
    listing,
    paragraph,
    preformatted,
    table,
)
from offtake.experiments.reporting.pictures import Picture, picture
from offtake.experiments.results import Result
from offtake.experiments.summary import (
    CAUTION,
    first_supplier,
    focal,
    largest_contracts,
    median_seed,
)
from offtake.experiments.tariffs import owning_cost, vintage_prices
from offtake.model.reading import Reading

CONTRACTS_SHOWN = 12
DIFFERENCES_SHOWN = 15
ASSUMPTIONS_SHOWN = 12
EFFECTS_RUN = 6
SCREENED = 4
KW_PER_MW = 1_000

NUMBERED = paragraph(
    "Numbers on the charts are the dated events that are listed under the first of them.", "note"
)

type Say = Callable[[str], None]
type Draw = Callable[[], alt.TopLevelMixin]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a report takes the time for."""

    scenario: str | None = None
    """File or name of the first result's scenario, where its own name does not find it."""
    replays: bool = True
    """Whether runs are made again, to explain and to measure what events did."""
    events: int = EFFECTS_RUN
    """Events whose effect is measured, at most."""
    screened: int = SCREENED
    """Assumptions run at both ends of their range."""
    workers: int = 1
    say: Say = lambda _: None


def report(results: Sequence[Result], options: Options | None = None) -> str:
    """Return a report on results as one HTML page that needs no network and no script.

    Parameters
    ----------
    results
        The first is told in full; the others are held against it, seed by seed.
    options
        What to take the time for.
    """
    options = options or Options()
    first, others = results[0], results[1:]
    reading = known(first, options.scenario)
    given = first.manifest["scenario"]
    page = Document(
        title=f"{label(first)}: {given['question']}",
        version=first.manifest["offtake"],
        header=_header(first, others),
    )
    page.add("answer", "Answer", _answer(first))
    page.add("charts", "Charts", [*(figure(one) for one in pictures(first, options.say)), NUMBERED])
    comparisons = [compare(first, other) for other in others]
    for number, (one, other) in enumerate(zip(comparisons, others, strict=True), start=1):
        page.add(
            f"against-{number}", f"{one.other} against {one.base}", _comparison(one, other, options)
        )
    page.add("contracts", "Largest contracts", _contracts(first))
    again = _again(first, options)
    page.add("events", "Events and what they did", _events(first, again, options))
    page.add("why", "Why it came about", _why(first, again, options))
    page.add("assumptions", "Assumptions that matter most", _assumptions(first, reading, options))
    page.add("trust", "How far to trust it", _trust(first, reading))
    page.add("provenance", "Where it comes from", _provenance(results, reading))
    return page.html()


def _header(first: Result, others: Sequence[Result]) -> list[str]:
    given = first.manifest["scenario"]
    beside = f", against {', '.join(label(other) for other in others)}" if others else ""
    runs = len(first.seeds)
    return [
        f"<h1>{escape(given['question'])}</h1>",
        paragraph(
            f"Scenario {label(first)}{beside}; {runs} run{'s' if runs > 1 else ''} of "
            f"{first.manifest['months']} months from {given['start']}, information up to {given['cutoff']}.",
            "quiet",
        ),
    ]


def _answer(first: Result) -> list[str]:
    return [*(paragraph(line, "lead") for line in answer(first)), paragraph(CAUTION, "note")]


def marks_of(result: Result) -> list[tuple[date, str]]:
    """Return the dated events of a result's scenario."""
    return sorted((event.on, event.what) for event in result.scenario.events.values())


def pictures(result: Result, say: Say = lambda _: None) -> list[Picture]:
    """Return every chart of a result as a picture; events are listed under the first."""
    found = []
    for name, draw in drawings(result).items():
        say(f"drawing {name}")
        chart = draw()
        found.append(picture(without_event_list(chart) if found else chart, name))
    return found


def drawings(result: Result) -> dict[str, Draw]:
    """Return what draws each chart of a result, by a name that can be that of a file."""
    rows, marks, lab = result.trajectories, marks_of(result), focal(result.scenario)
    tones = charts.company_tones(rows, lab=lab)
    dates = rows["date"].unique().sort()

    def network(when: date) -> alt.TopLevelMixin:
        held = in_force(result.contracts, result.events, when)
        return charts.network(held, when, tones=tones)

    def prices() -> alt.TopLevelMixin:
        owning = owning_cost(result.scenario, rows)
        vintages = vintage_prices(result.scenario, result.contracts, rows)
        return charts.prices(rows, marks, owning=owning, vintages=vintages)

    return {
        "dependence": lambda: charts.dependence(rows, marks, lab, tones=tones),
        "shares": lambda: charts.market_shares(rows, marks, tones=tones),
        "matrix": lambda: charts.dependence_matrix(rows),
        "network-halfway": lambda: network(dates[len(dates) // 2]),
        "network": lambda: network(dates[-1]),
        "prices": prices,
        "capacity": lambda: charts.capacity(rows, marks),
        "stranded": lambda: charts.stranded(rows, marks),
        "funding": lambda: charts.funding(rows, marks),
        "concentration": lambda: charts.concentration(rows, marks),
    }


# --- against another scenario -----------------------------------------------------------------------


def _comparison(one: Comparison, other: Result, options: Options) -> list[str]:
    options.say(f"drawing {one.other} against {one.base}")
    lab = focal(other.scenario)
    cloud = first_supplier(other, lab)
    told = [sentence(one.of("dependence", lab, cloud), one.base, one.other)]
    moved = [each for each in one.differences if each.higher or each.lower]
    told += [sentence(each, one.base, one.other) for each in moved[:2] if each.name != lab]
    return [
        paragraph(other.manifest["scenario"]["question"], "lead"),
        paragraph(" ".join(told)),
        "<h3>What differs in the inputs</h3>",
        listing(changes_text(list(one.changes))) if one.changes else paragraph("Nothing."),
        figure(picture(difference(one), "Differences")),
        _differences(one),
        figure(picture(_dependence(other, lab), "Dependence")),
    ]


def _dependence(result: Result, lab: str) -> alt.TopLevelMixin:
    rows = result.trajectories
    tones = charts.company_tones(rows, lab=lab)
    return without_event_list(charts.dependence(rows, marks_of(result), lab, tones=tones))


def _differences(one: Comparison) -> str:
    moved = [each for each in one.differences if each.higher or each.lower][:DIFFERENCES_SHOWN]
    rows = [
        (
            each.label,
            written(each.base, each.unit),
            signed(each.mean, each.unit),
            ""
            if math.isnan(each.mean_low)
            else f"{bare(each.mean_low, each.unit)} to {bare(each.mean_high, each.unit)}",
            f"{bare(each.low, each.unit)} to {bare(each.high, each.unit)}",
            sign_text(each),
            "yes" if each.is_clear else "no",
        )
        for each in moved
    ]
    head = (
        "observable",
        one.base,
        "mean change",
        "95% interval",
        "nine pairs in ten",
        "pairs",
        "clear",
    )
    return table(head, rows, numbers=(1, 2, 3, 4, 5))


# --- contracts and events -----------------------------------------------------------------------------


def _contracts(first: Result) -> list[str]:
    lab = focal(first.scenario)
    seed = median_seed(first, lab)
    rows = largest_contracts(first, seed, CONTRACTS_SHOWN)
    if rows.is_empty():
        return []
    head = (
        "contract",
        "MW",
        "term",
        "USD per H100e-hour",
        "take-or-pay",
        "prepaid",
        "value",
        "state",
    )
    body = [
        (
            f"{row['buyer']} from {row['seller']}" + (" (one group)" if row["affiliate"] else ""),
            str(row["contract"]),
            f"{row['capacity_kw'] / KW_PER_MW:,.0f}",
            f"{row['start']:%Y-%m} to {row['end']:%Y-%m}",
            f"${row['price_usd_per_h100e_hour']:.2f}",
            f"{row['take_or_pay']:.0%}",
            f"${row['prepayment_usd'] / 1e9:.2f} bn",
            f"${row['value_usd'] / 1e9:,.1f} bn",
            str(row["state"]),
        )
        for row in rows.iter_rows(named=True)
    ]
    note = (
        f"Of the run with the median outcome (seed {seed}); price at signature, value over the stated term, "
        "state at the end of the run."
    )
    return [paragraph(note, "note"), table(head, body, numbers=(2, 4, 5, 6, 7))]


def _again(first: Result, options: Options) -> Replay | None:
    """Return the median run made again, or nothing if this version makes another one of it."""
    if not options.replays:
        return None
    seed = median_seed(first, focal(first.scenario))
    options.say(f"replaying seed {seed}")
    found = replay(first.scenario, seed, first.manifest["months"])
    try:
        same_run(first, found)
    except OtherModel as error:
        options.say(str(error))
        return None
    return found


def _events(first: Result, again: Replay | None, options: Options) -> list[str]:
    """List the dated events and policies with what they changed, where that was measured."""
    lab = focal(first.scenario)
    cloud = first_supplier(first, lab)
    scenario = first.scenario
    acting = {
        name
        for name, event in scenario.events.items()
        if event.usage_shock or event.efficiency_shock or event.growth_belief_per_month is not None
    } | {name for name, given in scenario.policies.items() if given.instrument != "signal"}
    rows = _dated(first, again)
    effects = _measured(first, again, rows, acting, lab, cloud, options)
    body = []
    for row in rows:
        what = row["target"]
        is_mark = row["kind"] == "Happened" and what not in acting
        effect = (
            "a mark: changes nothing by itself"
            if is_mark
            else effects.get(row["event"], "not measured")
        )
        said = (
            scenario.events[what].what
            if row["kind"] == "Happened"
            else f"{row['kind'].lower()}: {what}"
        )
        body.append((f"{row['date']}", said, effect))
    if not body:
        return []
    note = (
        f"Effect: how much more (or less) {lab} depends on {cloud} in the last month than in the same run "
        "(the median one) without the event, percentage points; then the contract price, USD."
    )
    return [paragraph(note, "note"), table(("date", "event", "effect"), body)]


def _dated(first: Result, again: Replay | None) -> list[dict[str, Any]]:
    """Return dated events and policies of the run, in order."""
    events = first.events.filter(seed=first.seeds[0]) if again is None else again.frames["events"]
    some = events.filter(pl.col("kind").is_in(list(KINDS)), pl.col("month") > 0)
    return list(some.unique("event").sort("event").iter_rows(named=True))


def _measured(
    first: Result,
    again: Replay | None,
    rows: Sequence[dict[str, Any]],
    acting: set[str],
    lab: str,
    cloud: str,
    options: Options,
) -> dict[int, str]:
    """Return the effect of events that act, by leaving each out of the median run."""
    if again is None:
        return {}
    last = first.manifest["months"] - 1
    chosen = [row for row in rows if row["target"] in acting]
    found = {}
    for row in chosen[: options.events]:
        options.say(f"replaying seed {again.seed} without {row['target']}")
        taken = removal(first.scenario, again.frames["events"], row["event"])
        other = replay(taken.scenario, again.seed, last + 1, without=taken.without)
        share = again.dependence(lab, cloud, last) - other.dependence(lab, cloud, last)
        price = _price(again, last) - _price(other, last)
        found[row["event"]] = f"{signed(share, 'share')}; {signed(price, 'usd_per_h100e_hour')}"
    return found


def _price(run: Replay, month: int) -> float:
    rows = run.frames["trajectories"].filter(observable="price_contract", month=month)
    value = rows["value"][0]
    return math.nan if value is None else float(value)


def _why(first: Result, again: Replay | None, options: Options) -> list[str]:
    if again is None:
        return []
    lab = focal(first.scenario)
    try:
        found = explain(first, lab, first_supplier(first, lab), seed=again.seed, say=options.say)
    except NothingToExplain:
        return []
    return explained(found, charts.company_tones(first.trajectories, lab=lab))


def explained(found: Explanation, tones: Mapping[str, Tone]) -> list[str]:
    """Return an explanation as parts of a page: the sentence, the waterfall, the whole text."""
    return [
        paragraph(headline(found), "lead"),
        figure(picture(deals_waterfall(found, tones), "What moved it")),
        preformatted(text(found)),
    ]


# --- assumptions, trust, provenance --------------------------------------------------------------------


def _assumptions(first: Result, reading: Reading | None, options: Options) -> list[str]:
    if reading is None:
        return [
            paragraph(
                "The file of this scenario is not at hand, or has changed since, so that the ranges of its "
                "numbers are not known; --scenario names it."
            )
        ]
    lab = focal(first.scenario)
    cloud = first_supplier(first, lab)
    ran: list[Swing] = []
    if options.replays and options.screened:
        ran = swings(
            first,
            reading,
            count=options.screened,
            scenario=options.scenario,
            workers=options.workers,
            say=options.say,
        )
    known_paths = {swing.path for swing in ran}
    rest = [
        swing_of(fact)
        for fact in uncertain(reading, ASSUMPTIONS_SHOWN)
        if fact.path not in known_paths
    ]
    body = [_swing_row(swing) for swing in [*ran, *rest][:ASSUMPTIONS_SHOWN]]
    note = (
        f"Rules with the widest stated range for their size. The first {len(ran)} were run at either "
        f"end of it, one at a time in the median run; the columns give {lab}'s dependence on {cloud} in "
        "the last month then. A screening study (offtake study) tells more."
    )
    head = ("assumption", "value", "range", "confidence", "at low end", "at high end", "note")
    return [paragraph(note, "note"), table(head, body, numbers=(1, 2, 4, 5))]


def _swing_row(swing: Swing) -> tuple[str, ...]:
    ends = ["" if end is None else f"{end:.0%}" for end in (swing.at_low, swing.at_high)]
    return (
        swing.path,
        f"{swing.value:g}",
        f"{swing.low:g} to {swing.high:g}",
        swing.confidence,
        *ends,
        swing.note or swing.source,
    )


def _trust(first: Result, reading: Reading | None) -> list[str]:
    counts = None if reading is None else confidence_counts(reading.facts)
    return [listing(trust(first, counts, 0 if reading is None else len(reading.facts)))]


def _provenance(results: Sequence[Result], reading: Reading | None) -> list[str]:
    rows = [
        (
            label(result),
            result.manifest["scenario"]["digest"],
            result.manifest["offtake"],
            _seeds_text(result.seeds),
            str(result.manifest["months"]),
            str(len(result.manifest["failures"])),
        )
        for result in results
    ]
    head = ("scenario", "digest", "offtake", "seeds", "months", "failed runs")
    commands = "\n".join(_command(result) for result in results)
    versions = ", ".join(
        f"{name} {number}" for name, number in results[0].manifest["versions"].items()
    )
    parts = [
        table(head, rows, numbers=(4, 5)),
        paragraph(
            f"Made with {versions}. The same version, scenario and seeds make the same tables:"
        ),
        preformatted(commands),
    ]
    if reading is not None:
        used = sorted({fact.source for fact in reading.facts} & reading.sources.keys())
        lines = [_source(key, reading) for key in used]
        parts += ["<h3>Sources of the numbers</h3>", listing(lines)] if lines else []
    return parts


def _source(key: str, reading: Reading) -> str:
    source = reading.sources[key]
    published = f", {source.published}" if source.published else ""
    return f"{source.title}{published} ({key}){': ' + source.url if source.url else ''}"


def _seeds_text(seeds: Sequence[int]) -> str:
    whole = list(seeds) == list(range(seeds[0], seeds[-1] + 1))
    return f"{seeds[0]} to {seeds[-1]}" if whole and len(seeds) > 2 else ", ".join(map(str, seeds))


def _command(result: Result) -> str:
    given, seeds = result.manifest["scenario"], result.seeds
    which = f"--seed {seeds[0]}" if len(seeds) == 1 else f"--seeds {seeds[-1]}"
    sets = "".join(f" --set {json.dumps(change)}" for change in given["overrides"])
    return f"offtake run {given['name']} {which} --months {result.manifest['months']}{sets} --out FOLDER"
