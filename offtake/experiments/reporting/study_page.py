"""The page of a study: claims with their verdicts, outcomes, what drives them, what failed."""

from collections.abc import Sequence
from typing import Any

from offtake.experiments.reporting.document import (
    Document,
    listing,
    paragraph,
    preformatted,
    table,
)
from offtake.experiments.studies.report import document
from offtake.experiments.studies.study import Study
from offtake.experiments.summary import CAUTION, number

FAILURES_SHOWN = 10


def study_report(study: Study) -> str:
    """Return what a study found as one HTML page that needs no network and no script."""
    found = document(study)
    runs = found["runs"]
    page = Document(
        title=found["title"],
        version=found["versions"].get("offtake", ""),
        header=[
            _title(found["title"]),
            paragraph(f"A study of {runs['wanted']:,} runs, {runs['ok']:,} of them made.", "quiet"),
        ],
    )
    page.add("claims", "Claims", _claims(found["claims"]))
    page.add("outcomes", "Outcomes", _outcomes(found["outcomes"]))
    page.add("sensitivity", "What drives them", _sensitivity(found["sensitivity"]))
    page.add("failures", "Runs that failed", _failures(found["failures"]))
    page.add("trust", "How far to trust it", _trust(found))
    return page.html()


def _title(text: str) -> str:
    return paragraph(text).replace("<p>", "<h1>").replace("</p>", "</h1>")


def _claims(claims: Sequence[dict[str, Any]]) -> list[str]:
    if not claims:
        return []
    head = ("claim", "verdict", "holds in", "interval", "asked for")
    rows = [
        (
            str(claim["say"]),
            str(claim["verdict"]),
            f"{claim['held']:,} of {claim['of']:,}",
            f"{claim['low']:.0%} to {claim['high']:.0%}" if claim["of"] else "",
            f"{claim['asked']:.0%}",
        )
        for claim in claims
    ]
    return [table(head, rows, numbers=(2, 3, 4))]


def _outcomes(outcomes: Sequence[dict[str, Any]]) -> list[str]:
    if not outcomes:
        return []
    rows = [
        (
            str(row["outcome"]),
            _setting(row["levers"]),
            *(number(row[key]) if row["runs"] else "" for key in ("median", "low", "high")),
            str(row["runs"]),
        )
        for row in outcomes
    ]
    head = ("outcome", "with", "median", "5%", "95%", "runs")
    return [table(head, rows, numbers=(2, 3, 4, 5))]


def _sensitivity(rows: Sequence[dict[str, Any]]) -> list[str]:
    parts = []
    for row in rows:
        columns = list(dict.fromkeys(key for values in row["indices"].values() for key in values))
        body = [
            (name, *(f"{values[key]:.2f}" if key in values else "" for key in columns))
            for name, values in row["indices"].items()
        ]
        parts.append(
            paragraph(f"{row['outcome']} by {row['method']} {_setting(row['levers'])}".rstrip())
        )
        parts.append(table(("assumption", *columns), body, numbers=range(1, len(columns) + 1)))
        if row["seed_share"] is not None:
            parts.append(
                paragraph(f"Chance alone moves {row['seed_share']:.0%} of the variance.", "note")
            )
    return parts


def _setting(levers: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in levers.items())


def _failures(failures: Sequence[dict[str, Any]]) -> list[str]:
    if not failures:
        return []
    told = [f"run {each['run']}: {each['error']}" for each in failures[:FAILURES_SHOWN]]
    return [
        paragraph(f"{len(failures):,} runs failed and are left out above."),
        listing(told),
        preformatted("\n".join(str(each["repeat"]) for each in failures[:FAILURES_SHOWN])),
    ]


def _trust(found: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return [
        paragraph(CAUTION),
        paragraph(
            "A verdict counts futures of the study's design, not their probability: it says how often a "
            "claim holds where the uncertain numbers are drawn from their stated ranges."
        ),
        paragraph(f"Made with {versions}.", "quiet"),
    ]
