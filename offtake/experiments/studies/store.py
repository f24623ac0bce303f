"""A study's folder: immutable parts named by their content; a part that is there is finished.

`runs/` holds a block's rows and is written last: it names the other parts of the block, and its
presence is the commit. What is done is what stands there; no ledger can disagree with it.
"""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from offtake.experiments.results import FolderTaken, ResultsDamaged
from offtake.experiments.studies import durable
from offtake.experiments.studies.identity import hashed
from offtake.experiments.studies.parts import Outcome

SCHEMA = "offtake.study/1"
MANIFEST = "manifest.json"
PLAN = "plan.parquet"
SERIES = "series.parquet"
STUDY = "study.toml"
RUNS, TICKS, EVENTS, TIMES = "runs", "ticks", "events", "times"
PART = re.compile(r"(\d{6,})-([0-9a-f]{12})-([0-9a-f]{16})\.parquet\Z")
QUARANTINE, BUSY, LOCKS = "quarantine", "busy", "locks"
PILOT_RUNS = 20
PILOT_BLOCK = 5
OK = "ok"
ROW = {
    "run": pl.UInt32,
    "run_id": pl.Binary,
    "status": pl.String,
    "origin": pl.String,
    "error": pl.String,
}
"""Columns of a run's row before its outcomes."""
DETAILS = {"ticks": "ticks_part", "events": "events_part"}
"""Parts of a block that its rows name."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A part that is not what was written, or does not belong here."""

    part: str
    what: str


@dataclass(slots=True)
class Ledger:
    """What is finished, and what was found damaged on the way."""

    rows: pl.DataFrame
    damage: list[Damage] = field(default_factory=list)

    def done(self, *, with_failed: bool = True) -> pl.Series:
        """Return the ids of finished runs."""
        rows = self.rows if with_failed else self.rows.filter(status=OK)
        return rows["run_id"]


@dataclass(frozen=True)
class Store:
    """A study's folder, whoever wrote it."""

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the folder holds and with what it was made."""
        return read_manifest(self.folder)

    @cached_property
    def outcomes(self) -> dict[str, Outcome]:
        """The outcomes that every run is asked for."""
        given = self.manifest["outcomes"]
        return {name: Outcome.model_validate(each) for name, each in given.items()}

    @property
    def schema(self) -> dict[str, Any]:
        """Columns of the parts in `runs/`."""
        return {
            **ROW,
            **dict.fromkeys(self.outcomes, pl.Float64),
            **dict.fromkeys(DETAILS.values(), pl.String),
        }

    def plan(self) -> pl.LazyFrame:
        """Return the plan, runs that are no longer asked for included."""
        return pl.scan_parquet(self.folder / PLAN)

    def rows_of(self, block: int) -> pl.DataFrame:
        """Return the rows of the plan that make up a block."""
        first, last = self.span(block)
        return self.plan().slice(first, last - first).collect()

    def span(self, block: int) -> tuple[int, int]:
        """Return the first run of a block, and the first that follows it.

        The pilot's blocks are small, for nobody knows yet how long a run takes.
        """
        pilot, size = self.manifest["pilot_runs"], self.manifest["block_runs"]
        pilots = -(-pilot // PILOT_BLOCK)
        if block < pilots:
            return block * PILOT_BLOCK, min((block + 1) * PILOT_BLOCK, pilot)
        first = pilot + (block - pilots) * size
        return first, first + size

    def block_of(self) -> pl.Expr:
        """Return the block of a run."""
        pilot, size = self.manifest["pilot_runs"], self.manifest["block_runs"] or 1
        pilots, run = -(-pilot // PILOT_BLOCK), pl.col("run").cast(pl.Int64)
        later = pilots + (run - pilot) // size
        return pl.when(run < pilot).then(run // PILOT_BLOCK).otherwise(later)

    # Parts

    def put_part(self, kind: str, block: int, ids: list[bytes], frame: pl.DataFrame) -> str:
        """Write a part and return its name, which tells its block, its runs and its content."""
        content = durable.parquet(frame)
        name = f"{block:06d}-{ids_hash(ids)}-{durable.content_hash(content)}.parquet"
        durable.put(self.folder / kind / name, content)
        return name

    def parts(self, kind: str) -> list[str]:
        """Return the names of the parts of a kind, in order."""
        folder = self.folder / kind
        names = (file.name for file in folder.iterdir()) if folder.is_dir() else ()
        return sorted(name for name in names if PART.match(name))

    def content(self, kind: str, name: str) -> bytes | Damage:
        """Return the bytes of a part, or what is wrong with them."""
        try:
            content = (self.folder / kind / name).read_bytes()
        except OSError as error:
            return Damage(f"{kind}/{name}", f"cannot be read: {error.strerror}")
        found = PART.match(name)
        if found is None or durable.content_hash(content) != found[3]:
            return Damage(f"{kind}/{name}", "its content is not what was written")
        return content

    def ledger(self, *, deep: bool = False) -> Ledger:
        """Read what is finished; `deep` also reads every part that the rows name."""
        ledger = Ledger(pl.DataFrame(schema=self.schema))
        known = self.plan().select("run", "run_id").collect()
        frames = []
        for name in self.parts(RUNS):
            found = self.part_rows(name, known, deep=deep)
            if isinstance(found, Damage):
                ledger.damage.append(found)
            else:
                frames.append(found)
        if frames:
            ledger.rows = _one_row_each(pl.concat(frames), ledger.damage)
        return ledger

    def part_rows(
        self, name: str, known: pl.DataFrame, *, deep: bool = False
    ) -> pl.DataFrame | Damage:
        """Return the rows of a part, or why it does not count."""
        content = self.content(RUNS, name)
        if isinstance(content, Damage):
            return content
        rows = pl.read_parquet(io.BytesIO(content))
        if dict(rows.schema) != dict(pl.Schema(self.schema)):
            return Damage(f"{RUNS}/{name}", "it belongs to another study")
        if rows.join(known, on=["run", "run_id"], how="anti").height:
            return Damage(f"{RUNS}/{name}", "its runs are not in the plan of this study")
        for kind, column in DETAILS.items():
            for part in rows[column].drop_nulls().unique().to_list():
                problem = self._detail_problem(kind, part, deep=deep)
                if problem:
                    return problem
        return rows

    def _detail_problem(self, kind: str, part: str, *, deep: bool) -> Damage | None:
        if not deep:
            there = PART.match(part) and (self.folder / kind / part).is_file()
            return None if there else Damage(f"{kind}/{part}", "it is gone")
        content = self.content(kind, part)
        return content if isinstance(content, Damage) else None

    # Runs that must not be tried again

    def quarantine(self, run: int, status: str, error: str) -> None:
        """Note that a run ended its process, so that nobody tries it again."""
        content = json.dumps({"run": run, "status": status, "error": error}) + "\n"
        durable.put(self.folder / QUARANTINE / f"{run:08d}.json", content.encode())

    def quarantine_noted(self, block: int, status: str, error: str) -> bool:
        """Give up the run that a worker noted before it ended; tell whether it noted one."""
        busy = self.busy_file(block)
        run = busy.read_text() if busy.exists() else ""
        if run:
            self.quarantine(int(run), status, error)
        return bool(run)

    def quarantined(self) -> dict[int, dict[str, Any]]:
        """Return the runs that ended their process."""
        folder = self.folder / QUARANTINE
        files = sorted(folder.glob("*.json")) if folder.is_dir() else ()
        notes = (json.loads(file.read_text("utf-8")) for file in files)
        return {note["run"]: note for note in notes}

    def release(self) -> None:
        """Let runs that ended their process be tried again."""
        for file in (self.folder / QUARANTINE).glob("*.json"):
            file.unlink()

    def busy_file(self, block: int) -> Path:
        """Return the file in which a worker notes the run it is making."""
        return self.folder / BUSY / f"{block:06d}"


def ids_hash(ids: list[bytes]) -> str:
    """Return what the name of a part says of its runs."""
    return hashed(b"".join(ids).hex(), size=6).hex()


def _one_row_each(rows: pl.DataFrame, damage: list[Damage]) -> pl.DataFrame:
    """Return one row a run, a good one before a failed one; two good ones must be equal."""
    results = [name for name in rows.columns if name not in DETAILS.values()]
    good = rows.filter(status=OK).select(results).unique()
    twice = good.filter(pl.col("run").is_duplicated())["run"].unique().sort().to_list()
    damage += [Damage(f"run {run}", "two parts tell different results") for run in twice]
    ranked = rows.sort(pl.col("run"), pl.col("status") != OK, *results[2:], *DETAILS.values())
    return ranked.unique("run", keep="first", maintain_order=True)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a study's folder."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ResultsDamaged(f"{folder} is no folder of a study: it has no {MANIFEST}") from None
    except (OSError, ValueError) as error:
        raise ResultsDamaged(f"{path} cannot be read: {error}") from None
    written = manifest.get("schema") if isinstance(manifest, dict) else None
    if written != SCHEMA:
        raise ResultsDamaged(f"{path} is of format {written!r}; this offtake reads {SCHEMA!r}")
    return manifest


def put_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest."""
    text = json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n"
    durable.put(folder / MANIFEST, text.encode())


def other_study(folder: Path) -> FolderTaken:
    """Say that a folder holds a study whose runs are not comparable."""
    return FolderTaken(
        f"{folder} holds runs of another study, or of this one before its scenario, months, seed, "
        "parameters, record or outcomes changed, or of another offtake; "
        "they are never mixed. Name another folder with --out"
    )


def series_of(store: Store) -> pl.DataFrame:
    """Return the series that months are recorded of, by number."""
    return pl.read_parquet(store.folder / SERIES)


def spans(numbers: list[int]) -> Iterator[str]:
    """Yield consecutive numbers as text, for messages.

    Examples
    --------
    >>> list(spans([1, 2, 3, 7]))
    ['1-3', '7']
    """
    first = last = None
    for number in [*numbers, None]:
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None:
            yield f"{first}" if first == last else f"{first}-{last}"
        first = last = number
