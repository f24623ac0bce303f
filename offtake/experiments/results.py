"""What runs leave behind: tables in memory, and a results folder that is whole or not there.

A folder is written under a temporary name beside its place, synced, and renamed when everything is
in it. A kernel lock on the temporary folder tells a run under way from the remains of a killed one.
"""

import errno
import io
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import polars as pl

from offtake.model.scenario import Scenario

if TYPE_CHECKING:
    from offtake.experiments.explaining.why import Why

try:
    import fcntl
except ImportError:  # not a POSIX system: two runs into one folder are not told apart
    fcntl = None

SCHEMA = "offtake.results/1"
TABLES = (
    "trajectories",
    "contracts",
    "sites",
    "flows",
    "balance_sheets",
    "flow_matrix",
    "events",
)
TRACED = "negotiations"
"""Table of a result whose negotiations were traced."""
MANIFEST = "manifest.json"
SCENARIO = "scenario.json"
PACKAGES = ("numpy", "polars", "mesa")
BYTES_PER_MB = 1_000_000

type Frames = dict[str, pl.DataFrame]


class FolderTaken(ValueError):  # noqa: N818 - read as a sentence
    """The results folder exists and holds something."""


class FolderInUse(RuntimeError):  # noqa: N818
    """Another process is writing this results folder."""


class CannotWrite(OSError):  # noqa: N818
    """There is no room or no right to write the results."""


class ResultsDamaged(ValueError):  # noqa: N818
    """A results folder is not what its manifest says, or of an unknown format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The tables of one or more runs of a scenario, and how they came about."""

    scenario: Scenario
    manifest: dict[str, Any]
    trajectories: pl.DataFrame
    contracts: pl.DataFrame
    sites: pl.DataFrame
    flows: pl.DataFrame
    balance_sheets: pl.DataFrame
    flow_matrix: pl.DataFrame
    events: pl.DataFrame
    negotiations: pl.DataFrame | None = None
    """Offer by offer, where negotiations were traced."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the runs, in order."""
        return tuple(self.manifest["seeds"])

    @property
    def frames(self) -> Frames:
        """The tables by name."""
        tables = {name: getattr(self, name) for name in (*TABLES, TRACED)}
        return {name: table for name, table in tables.items() if table is not None}

    def why(self, contract: str, *, seed: int | None = None) -> "Why":
        """Return why a contract was signed: terms, tender, rivals and the chain of causes.

        The run is made again, watched; `seed` is the first in which the contract was signed where it is
        not given.

        Raises
        ------
        NoSuchContract
            If no run (or not this one) has a contract of that name.
        OtherModel
            If this version does not repeat the run.
        """
        from offtake.experiments.explaining.asking import why

        return why(self, contract, seed)

    def write(self, folder: str | Path) -> Path:
        """Write the tables and their manifest into a new folder."""
        with claim(folder) as place:
            place.put(self)
            return place.commit()

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Read a results folder, checking every file against the manifest."""
        return _open(cls, Path(folder))

    def _repr_html_(self) -> str:
        given = self.manifest["scenario"]
        rows = "".join(
            f"<tr><td>{name}</td><td>{frame.height:,}</td></tr>"
            for name, frame in self.frames.items()
        )
        return (
            f"<p><b>{escape(given['name'])}</b>: {escape(given['question'])}<br>"
            f"{len(self.seeds)} runs, {self.manifest['months']} months</p>"
            f"<table><tr><th>table</th><th>rows</th></tr>{rows}</table>"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A run that did not finish."""

    seed: int
    kind: str
    """invariant, memory, error or killed."""
    message: str
    trace: str = ""
    evidence: Frames | None = None
    """The tables up to the failure, where they could still be read."""

    def as_dict(self) -> dict[str, Any]:
        """Return what a manifest tells of it."""
        return {"seed": self.seed, "kind": self.kind, "message": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """What came of the runs that were asked for."""

    result: Result | None
    """The finished runs, or None where none finished."""
    wanted: tuple[int, ...]
    failures: tuple[Failure, ...] = ()
    stopped: bool = False

    @property
    def finished(self) -> tuple[int, ...]:
        """Seeds of the runs that finished."""
        return () if self.result is None else self.result.seeds


def describe(
    scenario: Scenario,
    *,
    digest: str,
    seeds: tuple[int, ...],
    months: int,
    check: bool,
    overrides: tuple[str, ...] = (),
    failures: tuple[Failure, ...] = (),
) -> dict[str, Any]:
    """Return the manifest of a result: what it is, from what and with what it was made."""
    return {
        "schema": SCHEMA,
        "offtake": version("offtake"),
        "scenario": {
            "name": scenario.name,
            "question": scenario.question,
            "start": scenario.start.isoformat(),
            "cutoff": scenario.cutoff.isoformat(),
            "digest": digest,
            "overrides": list(overrides),
        },
        "seeds": list(seeds),
        "months": months,
        "checks": check,
        "failures": [failure.as_dict() for failure in failures],
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
        },
    }


@dataclass(slots=True)
class Place:
    """A results folder in the making, under its temporary name."""

    target: Path
    path: Path
    done: bool = False
    _needed: int = field(default=0)

    def put(self, result: Result) -> None:
        """Write the tables, the scenario and the manifest."""
        files = {f"{name}.parquet": parquet(frame) for name, frame in result.frames.items()}
        files[SCENARIO] = result.scenario.model_dump_json(indent=1).encode()
        listed = {
            name: {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in files.items()
        }
        manifest = {**result.manifest, "files": listed}
        files[MANIFEST] = (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
        self.write(files)

    def put_evidence(self, failure: Failure) -> None:
        """Write what is left of a run that broke a rule of the model."""
        folder = f"evidence/seed-{failure.seed}"
        frames = failure.evidence or {}
        files = {f"{folder}/{name}.parquet": parquet(frame) for name, frame in frames.items()}
        self.write({**files, f"{folder}/failure.txt": failure.trace.encode()})

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write and sync files, by name below the folder."""
        self._needed += sum(map(len, files.values()))
        for name, content in files.items():
            with self.writing(name):
                place = self.path / name
                place.parent.mkdir(parents=True, exist_ok=True)
                _write(place, content)

    def commit(self) -> Path:
        """Give the folder its name; from here on it is there."""
        with self.writing("the folder"):
            for name in sorted(path for path in self.path.rglob("*") if path.is_dir()):
                _sync(name)
            _sync(self.path)
            try:
                self.path.rename(self.target)
            except OSError as error:
                if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                    raise _taken(self.target) from None
                raise
            self.done = True
        try:
            _sync(self.target.parent)
        except OSError as error:
            said = f"{self.target} is written, but may not outlive a power cut: {error.strerror}"
            raise CannotWrite(error.errno, said) from error
        return self.target

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Turn the system's refusals into one that says what was being written where."""
        try:
            yield
        except OSError as error:
            raise CannotWrite(
                error.errno,
                f"cannot write {what} of {self.target}: {error.strerror or error}"
                f"{self._advice(error)}; nothing was kept",
            ) from error

    def _advice(self, error: OSError) -> str:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return ""
        return f" (needs about {max(self._needed / BYTES_PER_MB, 0.1):.1f} MB)"


@contextmanager
def claim(folder: str | Path) -> Iterator[Place]:
    """Reserve a results folder; without `commit`, nothing is left of it."""
    target = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve() would follow a symlink
    if _occupied(target):
        raise _taken(target)
    path = target.with_name(f".{target.name}.partial")
    place = Place(target=target, path=path)
    lock = _reserve(place)
    try:
        yield place
    finally:
        if not place.done:
            shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def free_folder(parent: str | Path, name: str) -> Path:
    """Return the first of name, name-2, name-3 ... that is not taken."""
    parent, number = Path(parent), 1
    while _occupied(parent / _numbered(name, number)):
        number += 1
    return parent / _numbered(name, number)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _occupied(target: Path) -> bool:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        return True
    return target.is_dir() and any(target.iterdir())


def _taken(target: Path) -> FolderTaken:
    other = free_folder(target.parent, target.name)
    return FolderTaken(
        f"{target} exists and is not empty; results are never overwritten. "
        f"Name another folder, for example --out {other}, or remove this one"
    )


def _reserve(place: Place) -> int:
    """Make the temporary folder and lock it; remains of a killed process are cleared."""
    with place.writing("the folder"):
        place.target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            place.path.mkdir(exist_ok=True)
            lock = os.open(place.path, os.O_RDONLY)
            _lock(lock, place.target)
            with suppress(FileNotFoundError):  # renamed by its owner between the two calls
                if _same(lock, place.path):
                    break
            os.close(lock)
        for remains in place.path.iterdir():
            shutil.rmtree(remains) if remains.is_dir() else remains.unlink()
    return lock


def _same(opened: int, path: Path) -> bool:
    return os.path.samestat(os.fstat(opened), path.stat())


def _lock(opened: int, target: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(opened)
        raise FolderInUse(
            f"another process is writing {target}; wait for it, or name another folder with --out"
        ) from None


def parquet(frame: pl.DataFrame) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(opened, left) :]
        os.fsync(opened)
    finally:
        os.close(opened)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _open[R: Result](kind: type[R], folder: Path) -> R:
    manifest = _manifest(folder)
    contents = {name: _content(folder, name, facts) for name, facts in manifest["files"].items()}
    tables = [name for name in (*TABLES, TRACED) if f"{name}.parquet" in contents]
    frames = {name: pl.read_parquet(io.BytesIO(contents[f"{name}.parquet"])) for name in tables}
    scenario = Scenario.model_validate_json(contents[SCENARIO])
    return kind(scenario=scenario, manifest=manifest, **frames)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ResultsDamaged(f"{folder} is no results folder: it has no {MANIFEST}") from None
    except ValueError as error:
        raise ResultsDamaged(f"{path} is not JSON: {error}") from None
    written = manifest.get("schema") if isinstance(manifest, dict) else None
    if written != SCHEMA:
        raise ResultsDamaged(f"{path} is of format {written!r}; this offtake reads {SCHEMA!r}")
    missing = {SCENARIO, *(f"{name}.parquet" for name in TABLES)} - set(manifest.get("files", ()))
    if missing:
        raise ResultsDamaged(f"{path} does not list {', '.join(sorted(missing))}")
    return manifest


def _content(folder: Path, name: str, facts: dict[str, Any]) -> bytes:
    if Path(name).name != name:
        raise ResultsDamaged(f"{folder / MANIFEST} names a file outside its folder: {name}")
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise ResultsDamaged(f"{folder / name} cannot be read: {error.strerror}") from None
    if sha256(content).hexdigest() != facts["sha256"]:
        raise ResultsDamaged(
            f"{folder / name} is not the file that was written: its content has changed. "
            "Run the scenario again, or restore the file"
        )
    return content
