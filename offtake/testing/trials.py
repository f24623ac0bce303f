"""Trials: a rule is played in small markets and watched at every call."""

import contextlib
import copy
import dataclasses
import datetime as dt
import gc
import os
import random
import sys
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel

from offtake.model.books import Books
from offtake.model.invariants import violations
from offtake.model.market import Market
from offtake.testing.markets import outcome, renamed, reordered, small_scenario

CLOCKS = frozenset(
    getattr(time, name)
    for kind in ("time", "monotonic", "perf_counter", "process_time")
    for name in (kind, f"{kind}_ns")
)
CALENDARS = frozenset({"datetime.now", "datetime.utcnow", "datetime.today", "date.today"})
NOSY = frozenset({gc.get_objects, gc.get_referrers})
KEPT = 24
"""Calls of a rule that are kept and repeated when the market has changed."""
type Validate = Callable[[str, Sequence[Any], Any], Iterable[str]]
type Enter = Callable[[Market, "Watched"], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One thing that is asked of a rule; calling it raises an `AssertionError` if it fails."""

    name: str
    run: Callable[[], Iterable[str]]

    def __call__(self) -> None:
        """Run the check."""
        found = list(dict.fromkeys(self.run()))
        if found:
            raise AssertionError(f"{self.name}: " + "\n".join(found))

    def __str__(self) -> str:
        """Return its name, for parametrised tests."""
        return self.name


def run_all(checks: Iterable[Check]) -> None:
    """Run checks and report every one that fails."""
    failed = []
    for check in checks:
        try:
            check()
        except AssertionError as error:
            failed.append(str(error))
    if failed:
        raise AssertionError("\n".join(failed))


class Watched:
    """A rule that is called like the one it stands for, while everything it does is looked at."""

    def __init__(self, rule: Any, trial: "Trial") -> None:
        self.rule, self.trial = rule, trial

    def __call__(self, *seen: Any) -> Any:
        """Ask the rule itself: a strategy."""
        return self.trial.asked(self.rule, "__call__", seen, {})

    def __getattr__(self, name: str) -> Any:
        """Return a field of the rule, or one of its questions: a clause or a policy."""
        found = getattr(self.rule, name)
        if not callable(found) or name.startswith("_"):
            return found
        return lambda *seen, **named: self.trial.asked(self.rule, name, seen, named)


class Trial:
    """What came of playing a rule in some markets; played when it is first asked."""

    def __init__(self, rule: Any, *, enter: Enter, validate: Validate, markets: int) -> None:
        self.rule, self.name = rule, _name(rule)
        self.enter, self.validate = enter, validate
        self.numbers = range(1, markets + 1)
        self.found: dict[str, list[str]] = {}
        self.calls: list[tuple[str, Sequence[Any], Mapping[str, Any], Any]] = []
        self.markets: list[Market] = []
        self._played = False

    def asked(self, rule: Any, question: str, seen: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Pass a question on twice, and note what the rule does besides answering."""
        ask = getattr(rule, question)
        before, own = picture((seen, named)), picture(rule)
        kept = (copy.deepcopy(seen), dict(named)) if len(self.calls) < KEPT else None
        with self._guarded():
            answer = _listed(ask(*seen, **named))
        if picture((seen, named)) != before:
            self._note(
                "pure",
                "changes what it is shown; copy an array before you change it: `array.copy()`",
            )
        if picture(rule) != own:
            self._note(
                "pure",
                "changes itself when it is asked; keep no state: what it must remember has to be in "
                "what it is shown",
            )
        if picture(_listed(ask(*seen, **named))) != picture(answer):
            self._note(
                "pure",
                "answers the same question in two ways; let the answer depend on the fields and on what "
                "is shown only",
            )
        if kept is not None:
            self.calls.append((question, *kept, picture(answer)))
        for problem in self.validate(question, (*seen, *named.values()), answer):
            self._note("answers", problem)
        return answer

    def play(self) -> "Trial":
        """Play every market once."""
        if not self._played:
            self._played = True
            for number in self.numbers:
                self._run(number)
        return self

    def problems(self, kind: str) -> Iterator[str]:
        """Yield what was noted under a kind of problem."""
        yield from self.play().found.get(kind, ())

    def _run(self, number: int) -> None:
        market = Market(small_scenario(number), rng=number)
        self.enter(market, Watched(self.rule, self))
        try:
            market.run_until(market.setup.scenario.months)
        except Exception as error:
            self._note("runs", f"ends market {number} in month {market.time:g}: {error!r}")
            return
        self.markets.append(market)

    def _note(self, kind: str, problem: str) -> None:
        self.found.setdefault(kind, []).append(f"{self.name} {problem}")

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Note clocks that are read and chance that is drawn while the rule answers."""
        chance, before = _chance(), sys.getprofile()
        sys.setprofile(self._look)
        try:
            yield
        finally:
            sys.setprofile(before)
        if _chance() != chance:
            self._note("alone", _NO_CHANCE)

    def _look(self, frame: types.FrameType, event: str, called: Any) -> None:
        if event != "c_call":
            return
        owner = getattr(called, "__self__", None)
        if (isinstance(called, types.BuiltinFunctionType) and called in CLOCKS) or (
            isinstance(owner, type)
            and issubclass(owner, dt.date)
            and getattr(called, "__qualname__", "") in CALENDARS
        ):
            self._note("alone", "reads the clock; take the time from what it is shown: `view.time`")
        elif called is os.urandom or isinstance(owner, random.SystemRandom):
            self._note("alone", _NO_CHANCE)
        elif isinstance(called, types.BuiltinFunctionType) and called in NOSY:
            self._note("alone", "looks for objects it was not given; use what it is shown")


_NO_CHANCE = (
    "draws chance; answer without it, or derive a draw from what is shown with "
    "offtake.model.chance.stream(seed, purpose, view.name), the seed being a field"
)


def _chance() -> tuple[object, bytes, object]:
    numpy_state: Any = np.random.get_state()  # noqa: NPY002 - to see who uses it
    return random.getstate(), numpy_state[1].tobytes(), numpy_state[2:]


def _listed(answer: Any) -> Any:
    return list(answer) if isinstance(answer, Iterator) else answer


def _name(rule: Any) -> str:
    return getattr(rule, "__name__", type(rule).__name__)


def picture(value: Any) -> Any:
    """Return a value's contents, to compare them later bit for bit."""
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, value.tobytes())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((f.name, picture(getattr(value, f.name))) for f in dataclasses.fields(value))
        return (type(value).__name__, *fields, picture(getattr(value, "__dict__", None)))
    if isinstance(value, BaseModel):
        return repr(value)
    if isinstance(value, Mapping):
        return tuple((repr(k), picture(v)) for k, v in value.items())
    if isinstance(value, set | frozenset):
        return tuple(sorted(repr(v) for v in value))
    if isinstance(value, list | tuple):
        return tuple(picture(v) for v in value)
    if isinstance(value, types.FunctionType):
        cells = [c.cell_contents for c in value.__closure__ or ()]
        return (value.__qualname__, picture(cells), picture(vars(value)))
    if hasattr(value, "__dict__") and not isinstance(value, type | types.ModuleType):
        return (type(value).__name__, picture(vars(value)))
    return repr(value)


# What is asked of every rule


def common_checks(trial: Trial, *, names: bool = False) -> list[Check]:
    """Return the checks that hold for strategies, clauses and policies alike.

    `names` says that a rule may name participants.
    """
    return [
        Check("it stands still", lambda: frozen(trial.rule, trial.name)),
        Check("it holds nothing of the market", lambda: held(trial.rule, trial.name)),
        Check("it is asked", lambda: asked(trial)),
        Check("its answers are valid", lambda: trial.problems("answers")),
        Check("it is pure", lambda: trial.problems("pure")),
        Check("it reads no clock and draws no chance", lambda: trial.problems("alone")),
        Check("it conserves money and MW", lambda: conserved(trial)),
        Check("it knows only what it is shown", lambda: blind(trial)),
        Check("it is deterministic", lambda: repeated(trial, names=names)),
    ]


def frozen(rule: Any, name: str) -> Iterator[str]:
    """Yield what is wrong with a rule that can be changed."""
    if isinstance(rule, types.FunctionType):
        return
    parameters = getattr(type(rule), "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        yield f"{name} can be changed; declare it @dataclass(frozen=True, slots=True, kw_only=True)"
        return
    for field in dataclasses.fields(rule):
        kind = type(getattr(rule, field.name)).__name__
        if kind in ("list", "set", "ndarray", "bytearray"):
            yield (
                f"{name}.{field.name} is a {kind}, which can be changed; use a tuple or a frozenset, "
                "and keep no state"
            )


def held(rule: Any, name: str) -> Iterator[str]:
    """Yield what of a market can be reached from a rule."""
    seen, stack = set(), [rule, *vars(type(rule)).values()]
    while stack:
        value = stack.pop()
        if id(value) in seen or isinstance(value, str | bytes | int | float | np.ndarray):
            continue
        seen.add(id(value))
        if isinstance(value, Market | Books):
            yield (
                f"{name} holds a {type(value).__name__}; what a participant may know is in what it is "
                "shown, and nothing else"
            )
            continue
        stack += _reached(value)


def _reached(value: Any) -> list[Any]:
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        used = [value.__globals__.get(name) for name in value.__code__.co_names]
        return [*cells, *used, *(value.__defaults__ or ())]
    if isinstance(value, types.MethodType):
        return [value.__self__, value.__func__]
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, type | types.ModuleType):
        return []
    if dataclasses.is_dataclass(value):
        return [getattr(value, f.name) for f in dataclasses.fields(value)]
    return list(getattr(value, "__dict__", {}).values())


def asked(trial: Trial) -> Iterator[str]:
    """Yield whether the markets ask a rule at all: what is never asked is not checked."""
    if not trial.play().calls and not list(trial.problems("runs")):
        yield f"{trial.name} is never asked in {len(trial.numbers)} small markets; ask for more `markets`"


def conserved(trial: Trial) -> Iterator[str]:
    """Yield what does not hold in the markets played, and whether a created cent would be seen."""
    yield from trial.problems("runs")
    for market in trial.play().markets:
        yield from (f"{trial.name}: {problem}" for problem in violations(market))
        somebody = next(iter(market.books.deposits))
        market.books.deposits[somebody] += 1
        if not any(problem.startswith("I1") for problem in violations(market)):
            yield f"{trial.name}: a created cent is no longer seen; invariants must stay as they are"
        market.books.deposits[somebody] -= 1


def blind(trial: Trial) -> Iterator[str]:
    """Yield whether answers change when the markets do and what is shown does not."""
    for market in trial.play().markets:
        _poison(market)
    for question, seen, named, answer in trial.calls:
        try:
            now = picture(_listed(getattr(trial.rule, question)(*seen, **named)))
        except Exception as error:
            now = repr(error)
        if now != answer:
            yield (
                f"{trial.name} answers the same question differently when the market around it has "
                "changed; use what it is shown, and nothing else"
            )
            return


def _poison(market: Market) -> None:
    """Turn everything that could be looked up in a market upside down."""
    books = market.books
    books.deposits = {name: -cents - 1 for name, cents in books.deposits.items()}
    for array in (books.energised_kw, books.committed_kw, books.promised_kw, books.covered_h100e):
        array[...] = -7
    books.failed |= set(market.setup.labs)
    books.sites.clear()
    books.served = books.believed = None


def repeated(trial: Trial, *, names: bool) -> Iterator[str]:
    """Yield whether a market ends otherwise when it is run again, reordered or renamed."""
    if list(trial.problems("runs")):
        return
    given = small_scenario(1)
    first = _ends(trial, given)
    for how, other in (
        ("a second time", given),
        ("with participants in another order", reordered(given)),
        ("with participants of other names", given if names else renamed(given)),
    ):
        if _ends(trial, other) != first:
            yield (
                f"{trial.name}: the same market run {how} ends differently; sort what has no order of "
                "its own, such as a set, keep no state, and look at no names"
            )
            return


def _ends(trial: Trial, given: Any) -> object:
    market = Market(given, rng=1)
    trial.enter(market, trial.rule)
    try:
        market.run_until(given.months)
    except Exception as error:
        return type(error)
    return outcome(market)
