"""What a study found: claims with their verdicts, outcomes by lever, sensitivities, failures."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from offtake.experiments.studies.aggregate import Spread, spread
from offtake.experiments.studies.bands import bands
from offtake.experiments.studies.boxes import Box, box
from offtake.experiments.studies.parts import Claim
from offtake.experiments.studies.sensitivity import sensitivities
from offtake.experiments.studies.statements import Trend, condition, holds, read_test
from offtake.experiments.studies.store import OK
from offtake.experiments.studies.study import Study
from offtake.experiments.studies.verdicts import Judgement, Verdict, judge
from offtake.experiments.summary import CAUTION, number

SCHEMA = "offtake.study-report/1"
MOST_COMBINATIONS = 12
SHORTEST = 12
MONTHS_SHOWN = 4
MOST_SERIES = 24


def document(study: Study) -> dict[str, Any]:
    """Return the report as one JSON document."""
    rows = study.runs().collect()
    good = rows.filter(status=OK)
    return {
        "schema": SCHEMA,
        "title": study.title,
        "conditional": CAUTION,
        "runs": _counts(study, rows),
        "claims": [_told(each) for each in judgements(study, good)],
        "outcomes": list(_outcomes(study, good)),
        "sensitivity": sensitivities(study, rows),
        "boxes": _boxes(study, good),
        "bands": _bands(study, good),
        "failures": study.failures().to_dicts(),
        "versions": study.store.manifest["versions"],
    }


def _counts(study: Study, rows: pl.DataFrame) -> dict[str, int]:
    wanted = study.store.plan().filter("wanted").select(pl.len()).collect().item()
    good = rows.filter(status=OK).height
    return {"wanted": wanted, "ok": good, "failed": rows.height - good}


def judgements(study: Study, good: pl.DataFrame) -> list[Judgement]:
    """Return what the good runs say about every claim."""
    rows = good.to_dicts() if study.claims else []
    levers = list(study.store.manifest["levers"])
    return [judge(claim, rows, levers) for claim in study.claims]


def _told(judgement: Judgement) -> dict[str, Any]:
    return {**asdict(judgement), "verdict": str(judgement.verdict)}


def _outcomes(study: Study, good: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield every outcome over all futures, for each combination of the levers."""
    levers = list(study.store.manifest["levers"])
    groups = good.sort("lever", "run").partition_by("lever", maintain_order=True)
    for name in study.outcomes:
        for group in groups:
            told: Spread | None = spread(group[name].to_list())
            setting = {lever: group[lever][0] for lever in levers}
            yield {"outcome": name, "levers": setting, **(asdict(told) if told else {"runs": 0})}


def _bands(study: Study, good: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the spread of every recorded series, month by month, at each combination of levers."""
    if study.store.manifest["level"] == "summary":
        return []
    levers = list(study.store.manifest["levers"])
    settings = good.select("lever", *levers).unique("lever").sort("lever").to_dicts()
    if not 1 < len(settings) <= MOST_COMBINATIONS:
        return bands(study).to_dicts()
    return [
        {"levers": {lever: setting[lever] for lever in levers}, **row}
        for setting in settings
        for row in bands(study, lever=setting["lever"]).iter_rows(named=True)
    ]


def _boxes(study: Study, good: pl.DataFrame) -> list[dict[str, Any]]:
    """Return for each claim what the futures have in common in which it fails, or holds if few."""
    rows = good.to_dicts() if study.claims and study.uncertain else []
    found = (_boxed(claim, rows, list(study.uncertain)) for claim in study.claims)
    return [each for each in found if each is not None]


def _boxed(claim: Claim, rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any] | None:
    test, when = read_test(claim.test), condition(claim.when)
    if isinstance(test, Trend):
        return None
    answers = [(holds(test, row), row) for row in rows if holds(when, row)]
    known = [(answer, row) for answer, row in answers if answer is not None]
    fails = sum(not answer for answer, _ in known)
    looked_for = fails > len(known) / 2  # the rarer kind is what needs a reason
    kind = [answer is looked_for for answer, _ in known]
    found: Box | None = box({name: [row[name] for _, row in known] for name in names}, kind)
    if found is None:
        return None
    return {"say": claim.say, "kind": "holds" if looked_for else "fails", **asdict(found)}


# --- a page for people ----------------------------------------------------------------------------


def text(found: dict[str, Any]) -> str:
    """Return the report as text that fits a terminal."""
    blocks = [
        *(_head(found), _failures(found), _claims(found), _where(found)),
        *(_table(found), _indices(found), _months(found)),
    ]
    return "\n\n".join("\n".join(block) for block in [*blocks, [CAUTION]] if block)


def _head(found: dict[str, Any]) -> list[str]:
    runs = found["runs"]
    left = runs["wanted"] - runs["ok"] - runs["failed"]
    missing = f", {left:,} not made yet" if left else ""
    return [found["title"], f"{runs['ok']:,} of {runs['wanted']:,} runs{missing}"]


def _failures(found: dict[str, Any]) -> list[str]:
    failed = found["failures"]
    if not failed:
        return []
    first = failed[0]
    return [
        f"{len(failed):,} runs failed and are left out everywhere below, for example",
        f"  run {first['run']}: {first['error']}",
        f"  repeat: {first['repeat']}",
    ]


def _claims(found: dict[str, Any]) -> list[str]:
    lines = ["Claims"] if found["claims"] else []
    for claim in found["claims"]:
        lines += [f"  {claim['verdict']:<12}  {claim['say']}", f"    {_grounds(claim)}"]
    return lines


def _grounds(claim: dict[str, Any]) -> str:
    if not claim["of"]:
        return "no run answers it"
    share = f"holds in {claim['held']:,} of {claim['of']:,} futures"
    said = f"{share} [{claim['low']:.0%}-{claim['high']:.0%}], asked for {claim['asked']:.0%}"
    if claim["runs_needed"]:
        said += f"; about {claim['runs_needed']:,} runs would settle it"
    elif claim["verdict"] == Verdict.INCONCLUSIVE:
        said += "; so close that more runs would hardly settle it"
    if claim["holds_at"] is not None:
        said += f"; it would hold at {number(claim['holds_at'])}"
    return said


def _where(found: dict[str, Any]) -> list[str]:
    """Say in which futures claims fail, or hold."""
    lines = ["Where claims fail or hold (boxes found by PRIM)"] if found["boxes"] else []
    for each in found["boxes"]:
        limits = " and ".join(_limit(name, limit) for name, limit in each["limits"].items())
        lines += [
            f"  it {each['kind']} where {limits}",
            f"    {each['density']:.0%} of the futures in there, and {each['coverage']:.0%} of all "
            f"futures in which it {each['kind']}: {each['say']}",
        ]
    return lines


def _limit(name: str, limit: dict[str, Any]) -> str:
    if limit["among"] is not None:
        return f"{name} is {' or '.join(limit['among'])}"
    least = f"{number(limit['low'])} <= " if limit["low"] is not None else ""
    most = f" <= {number(limit['high'])}" if limit["high"] is not None else ""
    return f"{least}{name}{most}"


def _table(found: dict[str, Any]) -> list[str]:
    rows = found["outcomes"]
    if not rows:
        return []
    lines = ["Outcomes: median [5-95% of runs]"]
    for row in rows:
        setting = ", ".join(f"{name} = {value}" for name, value in row["levers"].items())
        shown = _spread(row) if row["runs"] else "no value in any run"
        lines.append(f"  {row['outcome']:<{SHORTEST}}  {shown}  {setting}".rstrip())
    return lines


def _spread(row: dict[str, Any]) -> str:
    return f"{number(row['median'])} [{number(row['low'])}-{number(row['high'])}]"


def _indices(found: dict[str, Any]) -> list[str]:
    rows: Sequence[dict[str, Any]] = found["sensitivity"]
    lines = []
    for row in rows:
        what = f"; {row['dropped']} {row['dropped_of']} left out whole for failed runs"
        dropped = what if row["dropped"] else ""
        setting = ", ".join(f"{name} = {value}" for name, value in row["levers"].items())
        lines.append(
            f"Sensitivity of {row['outcome']} ({row['method']}{dropped}) {setting}".rstrip()
        )
        for name, values in row["indices"].items():
            told = "  ".join(f"{key} {value:.2f}" for key, value in values.items())
            lines.append(f"  {name}  {told}")
        if row["seed_share"] is not None:
            lines.append(f"  chance alone moves {row['seed_share']:.0%} of the variance")
    return lines


def _months(found: dict[str, Any]) -> list[str]:
    """Show some months of each series; every month is in the JSON document."""
    rows = found["bands"]
    if not rows:
        return []
    series: dict[str, dict[int, str]] = {}
    for row in rows:
        setting = ", ".join(f"{key} = {value}" for key, value in row.get("levers", {}).items())
        of = " ".join(word for word in (row["name"], row["other"]) if word)
        key = "  ".join(word for word in (row["observable"], of, setting) if word)
        series.setdefault(key, {})[row["month"]] = _spread(row)
    months = shown_months(sorted({row["month"] for row in rows}))
    lines = ["Bands: median [5-95% of runs] by month since the start; all of them with --json"]
    for key, told in sorted(series.items())[:MOST_SERIES]:
        cells = [f"{month}: {told[month]}" for month in months if month in told]
        lines += [f"  {key}", f"    {'   '.join(cells)}"]
    if len(series) > MOST_SERIES:
        lines.append(f"  ... and {len(series) - MOST_SERIES} more")
    return lines


def shown_months(months: list[int]) -> list[int]:
    """Return a few months from the first to the last, evenly apart.

    Examples
    --------
    >>> shown_months(list(range(72)))
    [0, 24, 47, 71]
    """
    if len(months) <= MONTHS_SHOWN:
        return months
    step = (len(months) - 1) / (MONTHS_SHOWN - 1)
    return [months[round(step * place)] for place in range(MONTHS_SHOWN)]
