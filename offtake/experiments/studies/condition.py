"""The state of a study's folder: counts, failures, slow runs, and whether its bits still hold."""

from typing import Any

import polars as pl

from offtake.experiments.studies.identity import fingerprint, versions
from offtake.experiments.studies.naming import MODEL
from offtake.experiments.studies.store import EVENTS, OK, RUNS, TICKS, TIMES, Store, spans
from offtake.experiments.studies.study import Study
from offtake.experiments.studies.trial import Made
from offtake.experiments.studies.work import Job, bench_of, never
from offtake.model.chance import order

SLOWEST = 3
SPANS_SHOWN = 5


class NoSuchRun(ValueError):  # noqa: N818 - read as a sentence
    """A study has no run of this number."""


def condition_of(study: Study) -> dict[str, Any]:
    """Count what is done, and group what failed."""
    store, ledger = study.store, study.ledger()
    plan = store.plan().filter("wanted").select("run", "run_id").collect()
    rows = ledger.rows.join(plan, on="run_id", how="semi", maintain_order="left")
    statuses = rows.group_by("status").len().sort("status")
    return {
        "schema": "offtake.study-status/1",
        "title": study.title,
        "wanted": plan.height,
        "done": rows.height,
        "statuses": dict(statuses.iter_rows()),
        "failures": _failures(study, rows.filter(pl.col("status") != OK)),
        "slowest": _slowest(store),
        "damage": [{"part": each.part, "what": each.what} for each in ledger.damage],
    }


def _failures(study: Study, rows: pl.DataFrame) -> list[dict[str, Any]]:
    keys = ["status", "origin", "error"]
    found = []
    for group in rows.sort("run").partition_by(keys, maintain_order=True):
        runs = group["run"].to_list()
        shown = list(spans(runs))
        more = f" and {len(shown) - SPANS_SHOWN} more" if len(shown) > SPANS_SHOWN else ""
        found.append(
            {
                **group.select(keys).row(0, named=True),
                "count": len(runs),
                "runs": ", ".join(shown[:SPANS_SHOWN]) + more,
                "repeat": f"offtake study rerun {study.folder} --run {runs[0]}",
            }
        )
    return sorted(found, key=lambda each: (-each["count"], each["error"]))


def _slowest(store: Store) -> list[dict[str, Any]]:
    files = sorted((store.folder / TIMES).glob("*.parquet"))
    if not files:
        return []
    times = pl.concat([pl.read_parquet(file) for file in files])
    return times.sort("seconds", "run", descending=True).head(SLOWEST).to_dicts()


def again(study: Study, number: int) -> tuple[dict[str, Any], Made, bool | None]:
    """Make one run again in this process; tell whether it agrees with what is stored."""
    store = study.store
    planned = store.plan().filter(run=number).collect()
    if planned.is_empty():
        count = store.plan().select(pl.len()).collect().item()
        raise NoSuchRun(f"{study.folder} has no run {number}; its runs are 0 to {count - 1}")
    row = planned.row(0, named=True)
    model = store.manifest["model"]
    made = bench_of(Job(folder=store.folder.absolute(), model=known_model(model))).make(row, never)
    stored = study.ledger().rows.filter(run=number, status=OK)
    if stored.is_empty():
        return row, made, None
    return row, made, _agrees(store, made, stored)


def known_model(model: str) -> str:
    """Return the model of a folder, if it is ours: no folder decides what code is run."""
    if model != MODEL:
        raise NoSuchRun(f"this folder was made with another model, {model}; run it from Python")
    return model


def _agrees(store: Store, made: Made, stored: pl.DataFrame) -> bool:
    fresh = pl.DataFrame([made.row], schema=store.schema)
    kept = ["status", *store.outcomes]
    return fresh.select(kept).equals(stored.select(kept))


def verified(study: Study, runs: int) -> dict[str, Any]:
    """Check every part, and make a few of the good runs again."""
    store, ledger = study.store, study.ledger(deep=True)
    good = ledger.rows.filter(status=OK)["run"].sort().to_list()
    picked = sorted(good, key=lambda run: order(0, "verify", run))[:runs]
    differ = [run for run in sorted(picked) if again(study, run)[2] is False]
    return {
        "schema": "offtake.study-verify/1",
        "parts": sum(len(store.parts(kind)) for kind in (RUNS, TICKS, EVENTS)),
        "damage": [{"part": each.part, "what": each.what} for each in ledger.damage],
        "compared": len(picked),
        "differ": differ,
        "same_versions": store.manifest["versions"] == versions(),
        "same_code": store.manifest.get("fingerprint") == fingerprint(store.manifest["model"]),
    }
