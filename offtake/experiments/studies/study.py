"""A study in Python: the mirror of its file, and the folder in which its runs are."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import polars as pl

from offtake.experiments.results import ResultsDamaged
from offtake.experiments.studies.compaction import Compacted, compact
from offtake.experiments.studies.naming import MODEL
from offtake.experiments.studies.opening import check_free, default_folder, opened
from offtake.experiments.studies.parts import Claim, Design, Outcome, Range, Record, Value
from offtake.experiments.studies.plan import Plan, plan_of
from offtake.experiments.studies.reading import TABLES, Asked, parse_study, read_study
from offtake.experiments.studies.store import (
    OK,
    RUNS,
    SERIES,
    STUDY,
    TICKS,
    Ledger,
    Store,
)
from offtake.experiments.studies.sweep import (
    Progress,
    Shard,
    Watch,
    claimed,
    opening,
    shard_block_runs,
    sweep,
)
from offtake.experiments.studies.work import Job, never
from offtake.experiments.studies.writing import toml_of
from offtake.model.problems import dotted

STEM = "study"


class NotRun(ValueError):  # noqa: N818 - read as a sentence
    """A study has no folder yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A question put to a scenario many times, with what varies, what is kept and what is claimed.

    `set`, `levers` and `uncertain` name keys of the scenario by their dotted path, for example
    ``{"demand.churn_per_month": (0.02, 0.05)}``.

    Examples
    --------
    >>> study = Study(
    ...     title="Does churn matter?",
    ...     scenario=("duopoly",),
    ...     months=3,
    ...     levers={"demand.churn_per_month": (0.02, 0.08)},
    ... )
    >>> study.plan().runs
    16
    """

    title: str
    scenario: tuple[str, ...]
    months: int | None = None
    until: str | None = None
    set: Mapping[str, Any] = field(default_factory=dict)
    levers: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    uncertain: Mapping[str, Range | tuple[Value, ...]] = field(default_factory=dict)
    design: Design = field(default_factory=Design)
    record: Record = field(default_factory=Record)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    file: Path | None = field(default=None, compare=False)
    """File it was read from."""
    folder: Path | None = field(default=None, compare=False)
    """Folder of its runs."""

    @classmethod
    def from_toml(cls, file: str | Path) -> Self:
        """Read a study file; raises ScenarioError with everything that is wrong."""
        asked = read_study(Path(file))
        return cls(
            **_fields(tomllib.loads(asked.text.removeprefix("\ufeff")), asked), file=Path(file)
        )

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open the folder of a study that was begun."""
        folder = Path(folder)
        store = Store(folder)
        text = (folder / STUDY).read_text("utf-8") if store.manifest else ""
        return cls(**_told(tomllib.loads(text), store.manifest), file=folder / STUDY, folder=folder)

    def to_toml(self) -> str:
        """Return the study as the text of its file."""
        paths = {name: getattr(self, name) for name in ("set", "levers", "uncertain")}
        names = ("title", "months", "until", "design", "record", "outcomes", "claims")
        rest = {name: getattr(self, name) for name in names}
        scenario = self.scenario[0] if len(self.scenario) == 1 else list(self.scenario)
        return toml_of({**rest, "scenario": scenario, **paths})

    def asked(self) -> Asked:
        """Return the study, checked against its scenarios."""
        if self.file is not None and self.folder is None:
            return read_study(self.file)
        return parse_study(self.to_toml(), self.file.parent if self.file else Path())

    def plan(self, *, model: str = MODEL) -> Plan:
        """Lay out the runs of the study."""
        return plan_of(self.asked(), model=model)

    def run(
        self,
        out: str | Path | None = None,
        *,
        engine: Any = "processes",
        workers: int = 1,
        address: str | None = None,
        shard: Shard | None = None,
        keep_going: bool = False,
        retry: bool = False,
        seconds_a_run: float | None = None,
        mb_a_run: float | None = None,
        model: str = MODEL,
        stop: Callable[[], bool] = never,
        watch: Watch = lambda _: None,
        told: Callable[[Progress], object] = lambda _: None,
    ) -> Self:
        """Make the runs that are missing and return the study with its folder.

        Parameters
        ----------
        out
            Folder of the runs; by default ``results/NAME-HASH``. The same call goes on with a
            folder that was begun, and adds what a longer study wants.
        engine
            ``"processes"``, ``"here"``, ``"ray"``, ``"futures"``, the name of an engine of another
            package, an engine, or any executor of `concurrent.futures`.
        workers
            Processes.
        address
            The cluster of ``"ray"``, such as ``"ray://head:10001"``; without one it starts on this
            machine. ``"MODULE:NAME"`` of what makes the executor of ``"futures"``.
        shard
            (3, 64) for the third of 64 parts, where several machines share the work.
        keep_going
            Whether to go on when the first runs fail alike.
        retry
            Whether runs that failed are made again.
        seconds_a_run, mb_a_run
            Limits of a run; one that passes them is a row of its own kind.
        model
            ``"module:name"`` of what is run, for tests of designs.
        stop, watch, told
            Asked between months whether to stop; told after each block; told at the end.
        """
        asked = self.asked()
        plan = plan_of(asked, model=model)
        folder = Path(out) if out is not None else self.folder or default_folder(self._stem(), plan)
        block = shard_block_runs(plan.runs, shard[1]) if shard else None
        check_free(folder)
        job = Job(
            folder=folder.absolute(),
            model=model,
            seconds_a_run=seconds_a_run,
            mb_a_run=mb_a_run,
            retry=retry,
        )
        with claimed(folder, shard):
            with opening(folder):
                store = opened(asked, plan, folder, model=model, block=block)
            progress = sweep(
                store,
                job,
                engine=engine,
                workers=workers,
                address=address,
                shard=shard,
                keep_going=keep_going,
                stop=stop,
                watch=watch,
            )
        told(progress)
        return replace(self, folder=folder)

    def _stem(self) -> str:
        return self.file.stem if self.file else STEM

    @property
    def store(self) -> Store:
        """The folder of the runs."""
        if self.folder is None:
            raise NotRun("this study has no runs yet: call run(), or open its folder")
        return Store(self.folder)

    def ledger(self, *, deep: bool = False) -> Ledger:
        """Return what is finished and what is damaged."""
        return self.store.ledger(deep=deep)

    def runs(self) -> pl.LazyFrame:
        """Return one row a finished run: its point, its parameters, how it ended, its outcomes."""
        store, ledger = self.store, self.ledger()
        if ledger.damage:
            raise _damaged(self, ledger)
        hidden = ("run", "ticks_part", "events_part")
        plan = store.plan().filter("wanted").drop("wanted")
        rows = plan.join(ledger.rows.lazy().drop(hidden), on="run_id", maintain_order="left")
        return rows.with_columns(pl.col("run_id").bin.encode("hex"))

    def ticks(self) -> pl.LazyFrame:
        """Return the months of the good runs, one row a run, month and series."""
        store, ledger = self.store, self.whole_ledger()
        good = ledger.rows.filter(status=OK)
        names = good["ticks_part"].drop_nulls().unique().sort().to_list()
        wanted = store.plan().filter("wanted").select("run")
        series = pl.scan_parquet(store.folder / SERIES)
        columns = ("run", "month", "observable", "name", "other", "value", "unit")
        if not names:
            empty = {"run": pl.UInt32, "month": pl.UInt16, "series": pl.UInt16, "value": pl.Float32}
            found = pl.LazyFrame(schema=empty)
        else:
            found = pl.concat([self._part(name, good) for name in names])
        found = found.join(wanted, on="run", how="semi", maintain_order="left")
        return found.join(series, on="series", maintain_order="left").select(columns)

    def whole_ledger(self) -> Ledger:
        """Return what is finished, every part of months found whole."""
        ledger = self.ledger(deep=True)
        if ledger.damage:
            raise _damaged(self, ledger)
        if self.store.manifest["level"] == "summary":
            raise NotRun('this study records no months; say level = "ticks" under [record]')
        return ledger

    def _part(self, name: str, good: pl.DataFrame) -> pl.LazyFrame:
        """Return the months of those runs that are told of by a part, and no other part."""
        own = good.lazy().filter(ticks_part=name).select("run")
        part = pl.scan_parquet(self.store.folder / TICKS / name)
        return part.join(own, on="run", how="semi", maintain_order="left")

    def failures(self) -> pl.DataFrame:
        """Return the runs that failed: where, why, and the command that repeats each."""
        told = self.ledger().rows.filter(pl.col("status") != OK).sort("run")
        repeat = pl.format("offtake study rerun {} --run {}", pl.lit(str(self.folder)), "run")
        return told.select("run", "status", "origin", "error", repeat=repeat)

    def compact(self) -> Compacted:
        """Make a few large parts of many small ones; what the runs say stays as it is."""
        with claimed(self.store.folder, None):
            return compact(self.store)

    def parts(self) -> Sequence[str]:
        """Return the names of the parts that tell of finished runs."""
        return self.store.parts(RUNS)


def _damaged(study: Study, ledger: Ledger) -> ResultsDamaged:
    first = ledger.damage[0]
    more = f" and {len(ledger.damage) - 1} more" if len(ledger.damage) > 1 else ""
    return ResultsDamaged(
        f"{study.folder}/{first.part}{more}: {first.what}. "
        "`offtake study verify` lists everything; running the study again mends it"
    )


def _fields(data: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    levers = {name: values for name, values in asked.levers.items() if name in asked.paths}
    return {
        **_common(data),
        "levers": levers,
        "uncertain": asked.uncertain,
        "design": asked.design,
        "record": asked.record,
        "outcomes": asked.outcomes,
        "claims": asked.claims,
    }


def _told(data: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a study whose scenario file need not be there any more."""
    paths = manifest["paths"]
    return {
        **_common(data),
        "levers": {n: tuple(v) for n, v in manifest["levers"].items() if n in paths},
        "uncertain": {n: _dial(v) for n, v in manifest["uncertain"].items()},
        "design": Design.model_validate(manifest["design"]),
        "record": Record.model_validate(_tuples(data.get("record", {}))),
        "outcomes": {n: Outcome.model_validate(v) for n, v in manifest["outcomes"].items()},
        "claims": tuple(Claim.model_validate(each) for each in data.get("claims", [])),
    }


def _common(data: Mapping[str, Any]) -> dict[str, Any]:
    given = data["scenario"]
    return {
        "title": data["title"],
        "scenario": (given,) if isinstance(given, str) else tuple(given),
        "months": data.get("months"),
        "until": data.get("until"),
        "set": dict(_leaves(data.get(TABLES[0], {}))),
    }


def _leaves(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        here = (*path, key)
        found += _leaves(value, here) if isinstance(value, dict) else [(dotted(here), value)]
    return found


def _dial(value: Any) -> Range | tuple[Value, ...]:
    return Range.model_validate(value) if isinstance(value, dict) else tuple(value)


def _tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
