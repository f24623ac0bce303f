"""What a study found: claims with their verdicts, outcomes by lever, sensitivities, failures."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from offtake.experiments.studies.aggregate import Spread, spread, spreads
from offtake.experiments.studies.sensitivity import sensitivities
from offtake.experiments.studies.store import OK
from offtake.experiments.studies.study import Study
from offtake.experiments.studies.verdicts import Judgement, Verdict, judge
from offtake.experiments.summary import CAUTION, number

SCHEMA = "offtake.study-report/1"
MOST_COMBINATIONS = 12
SHORTEST = 12


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
        "bands": _bands(study),
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


def _bands(study: Study) -> list[dict[str, Any]]:
    """Return the spread of every recorded series in its last month."""
    if study.store.manifest["level"] == "summary":
        return []
    last = study.store.manifest["months"] - 1
    rows = study.ticks().filter(pl.col("month") == last).collect()
    keys = ["observable", "name", "other", "unit", "month"]
    return spreads(rows, keys).to_dicts()


def bands(study: Study, observable: str) -> pl.DataFrame:
    """Return the spread of an observable over the runs, month by month."""
    rows = study.ticks().filter(observable=observable).collect()
    return spreads(rows, ["observable", "name", "other", "unit", "month"])


# --- a page for people ----------------------------------------------------------------------------


def text(found: dict[str, Any]) -> str:
    """Return the report as text that fits a terminal."""
    blocks = [_head(found), _failures(found), _claims(found), _table(found), _indices(found)]
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
        dropped = f"; {row['dropped']} base rows dropped for failed runs" if row["dropped"] else ""
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
