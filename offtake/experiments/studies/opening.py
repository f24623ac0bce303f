"""Make a study's folder, or find that it is there and say what it still lacks."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from offtake.experiments.results import FolderTaken
from offtake.experiments.studies import durable
from offtake.experiments.studies.identity import fingerprint, machine, versions
from offtake.experiments.studies.naming import MODEL
from offtake.experiments.studies.parts import Range
from offtake.experiments.studies.plan import Plan, numbered
from offtake.experiments.studies.reading import OBSERVABLES, Asked
from offtake.experiments.studies.store import (
    LOCKS,
    MANIFEST,
    PILOT_RUNS,
    PLAN,
    SCHEMA,
    SERIES,
    STUDY,
    Store,
    other_study,
    put_manifest,
    read_manifest,
)

SHORT = 8


def default_folder(stem: str, plan: Plan) -> Path:
    """Return where the runs of a study go if nobody says otherwise."""
    return Path("results") / f"{stem}-{plan.family[:SHORT]}"


def check_free(folder: Path) -> None:
    """Refuse a folder that holds something else than a study."""
    if folder.exists() and not (folder / STUDY).exists():
        rest = [path for path in folder.iterdir() if path.name != LOCKS] if folder.is_dir() else [1]
        if rest:
            raise FolderTaken(f"{folder} exists and holds no study; name another folder with --out")


def opened(
    asked: Asked, plan: Plan, folder: Path, *, model: str = MODEL, block: int | None = None
) -> Store:
    """Make the folder of a study, or extend it by the runs it lacks."""
    if (folder / MANIFEST).exists():
        return _extended(asked, plan, folder, model, block)
    _put_tables(asked, plan, folder, plan.table.with_columns(wanted=True))
    put_manifest(folder, _manifest(asked, plan, model, block))
    return Store(folder)


def _extended(asked: Asked, plan: Plan, folder: Path, model: str, block: int | None) -> Store:
    manifest = read_manifest(folder)
    if manifest["family"] != plan.family:
        raise other_study(folder)
    known = pl.read_parquet(folder / PLAN).drop("wanted")
    new = plan.table.join(known, on="run_id", how="anti", maintain_order="left")
    grown = pl.concat([known, numbered(new, known.height)], how="vertical_relaxed")
    wanted = grown["run_id"].is_in(plan.table["run_id"].implode())
    _put_tables(asked, plan, folder, grown.with_columns(wanted=wanted))
    block = block if manifest["block_runs"] is None else manifest["block_runs"]
    renewed = _manifest(asked, plan, model, block)
    renewed["pilot_runs"] = manifest["pilot_runs"]
    put_manifest(folder, renewed)
    return Store(folder)


def _put_tables(asked: Asked, plan: Plan, folder: Path, table: pl.DataFrame) -> None:
    durable.put(folder / STUDY, asked.text.encode())
    durable.put(folder / PLAN, durable.parquet(table))
    durable.put(folder / SERIES, durable.parquet(series(asked, plan.columns)))
    for name, scenario in asked.scenarios.items():
        text = json.dumps(scenario.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
        durable.put(folder / "scenarios" / f"{name}.json", text.encode())


def _manifest(asked: Asked, plan: Plan, model: str, block: int | None) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "title": asked.title,
        "family": plan.family,
        "model": model,
        "fingerprint": fingerprint(model),
        "root_entropy": plan.root,
        "common_random_numbers": not asked.design.independent,
        "scenarios": list(asked.scenarios),
        "months": asked.months,
        "design": asked.design.model_dump(),
        "levers": {name: list(values) for name, values in asked.levers.items()},
        "uncertain": {name: _told(dial) for name, dial in asked.uncertain.items()},
        "paths": {name: list(path) for name, path in asked.paths.items()},
        "level": plan.level,
        "columns": list(plan.columns),
        "outcomes": {name: each.model_dump() for name, each in asked.outcomes.items()},
        "pilot_runs": 0 if block else min(PILOT_RUNS, plan.runs),
        "block_runs": block,
        "versions": versions(),
        "machine": machine(),
    }


def _told(dial: Any) -> Any:
    return dial.model_dump() if isinstance(dial, Range) else list(dial)


def series(asked: Asked, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return what is recorded each month, numbered: observable, name, other and unit."""
    rows: dict[tuple[str, str, str], str] = {}
    for column in columns:
        item = OBSERVABLES[column]
        for scenario in asked.scenarios.values():
            by = {"lab": sorted(scenario.labs), "cloud": sorted(scenario.clouds)}
            names = [by[kind] for kind in item.index] + [[""]] * (2 - len(item.index))
            rows |= {(column, name, other): item.unit for name in names[0] for other in names[1]}
    keys = sorted(rows)
    return pl.DataFrame(
        [(number, *key, rows[key]) for number, key in enumerate(keys)],
        schema={
            "series": pl.UInt16,
            "observable": pl.String,
            "name": pl.String,
            "other": pl.String,
            "unit": pl.String,
        },
        orient="row",
    )
