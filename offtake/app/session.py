"""One user's session: a scenario, dials that were moved, a seed, and the player of the market they make."""

import io
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from offtake.app.dials import Dial, dials_of, overrides, scenario_file
from offtake.app.player import LARGEST_SEED, Player, Setting, Show
from offtake.experiments.results import TABLES, parquet
from offtake.model.chains import library_folder, parsed_path
from offtake.model.documents import LARGEST_BYTES, parse
from offtake.model.market import Market
from offtake.model.problems import ScenarioError
from offtake.model.reading import Reading, digest, names, read
from offtake.model.scenario import SLUG, Scenario
from offtake.model.showing import toml_value

FORMATS = ("parquet", "csv")
LOADED = "loaded"


class Session:
    """What one page holds; nothing of it is shared with another.

    Parameters
    ----------
    opened
        Name of an embedded scenario, or the path of the file the application was started with.
    seed
        Seed of the first run.
    show
        Is called with each frame of the player.
    """

    def __init__(self, opened: str, seed: int, show: Show) -> None:
        self._opened = opened
        self._folder: Path | None = None
        self.seed = seed
        self.moved: dict[str, Any] = {}
        self._take(opened)
        self.player = Player(self.setting, show)

    def _take(self, scenario: str) -> None:
        self.reading: Reading = read(scenario)
        self.scenario = scenario
        self.dials: tuple[Dial, ...] = dials_of(self.reading)
        self._by_path = {dial.path: dial for dial in self.dials}
        self.moved = {}

    @property
    def scenarios(self) -> tuple[str, ...]:
        """What can be chosen: the embedded scenarios, and the file it was started with."""
        embedded = names()
        return embedded if self._opened in embedded else (self._opened, *embedded)

    @property
    def setting(self) -> Setting:
        """What the next reset makes the market from."""
        changes = overrides(self.dials, self.moved)
        return Setting(scenario=self.scenario, overrides=changes, seed=self.seed)

    @property
    def command(self) -> str:
        """The command that makes the same run."""
        sets = "".join(f" --set '{change}'" for change in self.setting.overrides)
        return f"offtake run {self.scenario} --seed {self.seed}{sets}"

    def turn(self, path: str, value: Any) -> None:
        """Move a dial; at its baseline it counts as not moved.

        Raises
        ------
        ValueError
            If there is no such dial, or it cannot stand there.
        """
        dial = self._by_path.get(path)
        if dial is None:
            raise ValueError(f"there is no dial {path!r}")
        try:
            dial.override(value)
        except (TypeError, ValueError):
            raise ValueError(f"{dial.table}, {dial.label.lower()}, cannot be {value!r}") from None
        self.moved = {k: v for k, v in self.moved.items() if k != path}
        if value != dial.baseline:
            self.moved[path] = value

    def restore(self) -> None:
        """Put every dial back to its baseline."""
        self.moved = {}

    def sow(self, seed: Any) -> None:
        """Choose the seed of the next run, a whole number.

        Raises
        ------
        ValueError
            If it is none.
        """
        text = str(seed).strip()
        if not (text.isascii() and text.isdecimal()) or int(text) > LARGEST_SEED:
            raise ValueError(f"a seed is a whole number from 0 to {LARGEST_SEED}, not {text!r}")
        self.seed = int(text)

    def reset(self) -> None:
        """Begin again with the dials as they stand."""
        self.player.reset(self.setting)

    def choose(self, scenario: str) -> None:
        """Take another scenario from the list, all dials at its baseline, and begin."""
        if scenario not in self.scenarios:
            raise ValueError(f"{scenario!r} is not one of the scenarios to choose from")
        self._take(scenario)
        self.reset()

    def save(self, name: str) -> tuple[str, bytes]:
        """Return the dials as a scenario file that `offtake run` accepts: its name and its content."""
        base = self.scenario if self.scenario in names() else Path(self.scenario).name
        return f"{name}.toml", scenario_file(name, base, self.dials, self.moved).encode()

    def load(self, content: str) -> None:
        """Take a scenario that the user sends, under the limits of every scenario file, and begin.

        A file that only moves dials of its base moves these dials, so that the base stays what one
        compares with.

        Raises
        ------
        ScenarioError
            With everything that is wrong with it.
        ValueError
            If it is too large.
        """
        if len(content.encode()) > LARGEST_BYTES:
            raise ValueError(
                f"the file is larger than {LARGEST_BYTES:_} bytes, the most a scenario may have"
            )
        data = parse(content, LOADED).data
        name = data.get("name")
        stem = name if isinstance(name, str) and SLUG.match(name) else LOADED
        file = self._own_folder() / f"{stem}.toml"
        file.write_text(content, "utf-8")
        loaded = read(file)
        if not self._is_dials(data.get("extends"), loaded):
            self._take(str(file))
        self.reset()

    def _own_folder(self) -> Path:
        """Return a private folder for what is sent, beside copies of the file opened and its bases."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="offtake-page-"))
            for file in read(self._opened).files:
                if not file.resolve().is_relative_to(library_folder().resolve()):
                    shutil.copy(file, self._folder)
        return self._folder

    def _is_dials(self, base: Any, loaded: Reading) -> bool:
        """Take the base of a scenario that only moves its dials, with the dials moved."""
        known = {Path(name).name: name for name in self.scenarios}
        if base not in known:
            return False
        before = self.scenario, self.moved
        self._take(known[base])
        self.moved = standing(self.dials, loaded.scenario)
        renamed = loaded.scenario.model_copy(update={"name": self.reading.scenario.name})
        with suppress(ScenarioError):
            turned = read(self.scenario, overrides=self.setting.overrides)
            if turned.digest == digest(renamed):
                return True
        self._take(before[0])
        self.moved = before[1]
        return False

    def table(self, table: str, form: str) -> tuple[str, bytes]:
        """Return one table of the run so far as a file: its name and its content.

        Raises
        ------
        ValueError
            If there is no such table or format.
        """
        if table not in TABLES or form not in FORMATS:
            raise ValueError(f"no {table!r} as {form!r}; tables: {', '.join(TABLES)}")
        frame, month = self.player.ask(_table_of(table))
        name = f"{self.reading.scenario.name}-seed-{self.player.setting.seed}-month-{month}-{table}.{form}"
        if form == "parquet":
            return name, parquet(frame)
        text = io.BytesIO()
        frame.write_csv(text)
        return name, text.getvalue()

    def close(self) -> None:
        """Let go of the market and of what was sent."""
        self.player.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _table_of(table: str) -> Callable[[Market], Any]:
    return lambda market: (market.frames()[table], market.month)


def standing(dials: tuple[Dial, ...], scenario: Scenario) -> dict[str, Any]:
    """Return where dials stand in a scenario, those at their baseline left out."""
    found = {dial.path: _stands(dial, scenario) for dial in dials}
    at = {dial.path: dial.baseline for dial in dials}
    return {path: value for path, value in found.items() if value is not None and value != at[path]}


def _stands(dial: Dial, scenario: Scenario) -> Any:
    value: Any = scenario
    for part in parsed_path(dial.path):
        value = value.get(part) if isinstance(value, dict) else getattr(value, str(part), None)
    if dial.takes_out:
        return value is not None
    if value is None or isinstance(value, bool | str | int | float):
        return value
    return toml_value(value) if isinstance(value, tuple) else value.isoformat()
