"""What is asked of a strategy: valid proposals for its port, and nothing but proposals."""

import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from offtake.model.contracts import Stage
from offtake.model.market import Market
from offtake.model.proposals import (
    Adopt,
    Cancel,
    Column,
    Enact,
    Forecast,
    Fund,
    GiveNotice,
    OpenSite,
    Quote,
    Repeal,
    SitePlan,
    Tender,
)
from offtake.model.seeing import AHEAD
from offtake.model.view import CloudView
from offtake.testing.markets import outcome, small_scenario
from offtake.testing.trials import Check, Trial, common_checks, run_all

PORTS = (
    "forecaster",
    "procurer",
    "pricer",
    "builder",
    "adopter",
    "bidder",
    "waiver",
    "financier",
    "regulator",
)
"""Where strategies belong."""
OTHER_SEED = "1"
"""Hash seed of the other process; this one's is drawn when it starts."""
OTHER_SEED = "1"
"""Hash seed of the other process; that of this one was drawn when it started."""
ROUNDING = 1 + 1e-9


def check_strategy(strategy: Any, *, markets: int = 2, hash_seeds: bool = True) -> None:
    """Raise an `AssertionError` with everything that is wrong with a strategy.

    Parameters
    ----------
    strategy
        An instance, as a market would be given it; its `port` says where it belongs.
    markets
        In how many small markets it is played by every participant of its role.
    hash_seeds
        Whether a market is also run in another process, where sets have another order; for strategies
        that another process can import.
    """
    run_all(strategy_checks(strategy, markets=markets, hash_seeds=hash_seeds))


def strategy_checks(strategy: Any, *, markets: int = 2, hash_seeds: bool = True) -> list[Check]:
    """Return the checks one by one, for `pytest.mark.parametrize("check", ..., ids=str)`."""
    port = getattr(strategy, "port", None)
    if port not in PORTS:
        return [Check("it has a port", lambda: [_no_port(strategy, port)])]

    def enter(market: Market, rule: Any) -> None:
        _take_part(market, port, rule)

    def validate(question: str, seen: Sequence[Any], answer: Any) -> Iterator[str]:
        return VALID[port](*seen, answer)

    trial = Trial(strategy, enter=enter, validate=validate, markets=markets)
    checks = common_checks(trial)
    if hash_seeds and _travels(strategy):
        checks.append(Check("sets have no order", lambda: _elsewhere(trial, port)))
    return checks


def _take_part(market: Market, port: str, rule: Any) -> None:
    """Let everybody who has the port decide by the rule."""
    for participant in market.participants.values():
        if port in participant.strategies:
            participant.strategies[port] = rule
        if port == "bidder" and "builder" in participant.strategies:
            participant.strategies["builder"] = GiveUpWhatIsLet()


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUpWhatIsLet:
    """Give up every shell that is let, so that others may bid for it."""

    port: ClassVar[str] = "builder"

    def __call__(self, view: CloudView) -> Iterator[Cancel]:
        """Return the end of leases."""
        let = (site for site in view.sites if site.landlord and site.stage is Stage.LEASED)
        return (Cancel(site=site.name, reason="others may have it") for site in let)


def _no_port(strategy: Any, port: object) -> str:
    name = type(strategy).__name__
    return f"{name}.port is {port!r}; write `port: ClassVar[str] = ...`, one of {', '.join(PORTS)}"


# Another process


def _travels(strategy: Any) -> bool:
    try:
        pickle.dumps(strategy)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return type(strategy).__module__ != "__main__"


def _elsewhere(trial: Trial, port: str) -> Iterator[str]:
    if list(trial.problems("runs")):
        return
    done = subprocess.run(
        [sys.executable, "-c", "from offtake.testing.strategies import answer; answer()"],
        input=pickle.dumps((trial.rule, port)),
        env={
            **os.environ,
            "PYTHONHASHSEED": OTHER_SEED,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        capture_output=True,
        check=False,
    )
    if done.returncode:
        yield f"{trial.name} does not run in another process: {done.stderr.decode()[-300:]}"
    elif done.stdout.decode().strip() != _outcome(trial.rule, port):
        yield (
            f"{trial.name}: a market ends differently where sets have another order; sort what has no "
            "order of its own before you go through it"
        )


def answer() -> None:
    """Write what a market comes to with the strategy that is read: the other side of `_elsewhere`."""
    sys.stdout.write(_outcome(*pickle.loads(sys.stdin.buffer.read())))


def _outcome(strategy: Any, port: str) -> str:
    given = small_scenario(1)
    market = Market(given, rng=1)
    _take_part(market, port, strategy)
    market.run_until(given.months)
    return repr(outcome(market))


# Valid proposals


def _finite(*numbers: object) -> bool:
    return all(isinstance(n, int | float | np.number) and math.isfinite(n) for n in numbers)


def _forecast(view: Any, answer: Any) -> Iterator[str]:
    if not isinstance(answer, Forecast):
        yield f"answers {answer!r}; a forecaster answers a Forecast"
    elif not _finite(answer.growth_per_month, answer.variance) or answer.variance <= 0:
        yield f"believes {answer}; growth is finite, the variance greater than 0"


def _tender(view: Any, answer: Any) -> Iterator[str]:
    if answer is None:
        return
    if not isinstance(answer, Tender):
        yield f"answers {answer!r}; a procurer answers a Tender, or None"
        return
    if answer.lab != view.name:
        yield f"tenders for {answer.lab!r} but is asked as {view.name!r}; use `view.name`"
    for lot in answer.lots:
        if not isinstance(lot.start_months, int) or not 0 <= lot.start_months <= AHEAD:
            yield f"asks for a start in {lot.start_months!r} months; whole months, at most {AHEAD}"
        if not _finite(lot.h100e, lot.value) or lot.h100e <= 0 or lot.value < 0:
            yield f"asks for {lot}; `h100e` is greater than 0, `value` at least 0, both finite"
    if strange := set(answer.terminate) - {x.contract for x in view.leavings}:
        yield f"leaves {sorted(strange)}; only contracts among `view.leavings` can be left"


def _quote(view: Any, ask: Any, answer: Any) -> Iterator[str]:
    if not isinstance(answer, Quote):
        yield f"answers {answer!r}; a pricer answers a Quote"
        return
    if answer.cloud != view.name:
        yield f"quotes for {answer.cloud!r} but is asked as {view.name!r}; use `view.name`"
    sold: dict[int, np.ndarray] = {}
    for column in answer.columns:
        wrong = _column(view, ask, column)
        if wrong:
            yield wrong
        elif column.option is None:
            sold[column.pool_index] = sold.get(column.pool_index, 0.0) + column.room_h100e
    for pool, room in sold.items():
        k = view.pools.index(pool)
        free = np.maximum(view.free_kw[k, ask.start_months], 0) * view.theta[k]
        if (room > free * ROUNDING + 1e-6).any():
            yield f"offers {room.max():.0f} H100e of a pool of which {free.max():.0f} are free then"


def _column(view: Any, ask: Any, column: Column) -> str | None:
    if column.option is None and column.pool_index not in view.pools:
        return (
            f"offers pool {column.pool_index}, which is not its own; use an index of `view.pools`"
        )
    if column.option is not None and column.option not in view.options:
        return "offers to build where it cannot; use an option of `view.options`"
    if column.room_h100e.shape != ask.h100e.shape or column.capital.shape != ask.use.shape:
        return (
            f"gives room {column.room_h100e.shape} and capital {column.capital.shape}; expected "
            f"{ask.h100e.shape}, by lot, and {ask.use.shape}, by lot, term and floor"
        )
    numbers = (column.room_h100e, column.capital, column.running)
    if not all(np.isfinite(n).all() for n in numbers) or (column.room_h100e < 0).any():
        return "gives room or costs that are not finite, or room below 0"
    if column.option is not None:
        most = column.option.room_kw * column.option.h100e_per_mw / 1000
        if (column.room_h100e > most * ROUNDING).any():
            return f"offers to build more than its means allow, {most:.0f} H100e (`option.room_kw`)"
    return None


def _plans(view: Any, answer: Any) -> Iterator[str]:
    own = {site.name for site in view.sites}
    leaves = {way_out.contract for way_out in view.exits}
    for plan in answer:
        if not isinstance(plan, SitePlan):
            yield f"answers {plan!r}; a builder answers plans for sites"
        elif isinstance(plan, GiveNotice):
            if plan.contract not in leaves:
                yield f"leaves {plan.contract!r}; only contracts among `view.exits` can be left"
        elif not isinstance(plan, OpenSite):
            if plan.site not in own:
                yield f"plans {plan.site!r}, a site of somebody else; plan only those of `view.sites`"
        elif plan.option not in view.options:
            yield "opens a site where it cannot; use an option of `view.options`"
        elif (
            not isinstance(plan.capacity_kw, int) or not 0 < plan.capacity_kw <= plan.option.room_kw
        ):
            yield f"opens {plan.capacity_kw!r} kW; whole kW, at most `option.room_kw`"


def _adoptions(view: Any, answer: Any) -> Iterator[str]:
    for adopted in answer:
        if not isinstance(adopted, Adopt):
            yield f"answers {adopted!r}; an adopter answers Adopt"
        elif adopted.chip_class not in {choice.chip_class for choice in view.choices}:
            yield f"adopts {adopted.chip_class!r}, which it cannot; use classes of `view.choices`"


def _bid(view: Any, slot: Any, answer: Any) -> Iterator[str]:
    if answer is not None and not (_finite(answer) and answer >= 0):
        yield f"bids {answer!r}; a rent of at least 0 USD per kW-month, or None"


def _waiver(view: Any, answer: Any) -> Iterator[str]:
    if answer is None:
        return
    if not isinstance(answer, tuple) or len(answer) != len(view.instead) or not _finite(*answer):
        yield f"answers {answer!r}; finite USD for each of `view.instead`, in a tuple, or None"


def _fund(view: Any, answer: Any) -> Iterator[str]:
    if answer is None:
        return
    if not isinstance(answer, Fund):
        yield f"answers {answer!r}; a financier answers a Fund, or None"
    elif (answer.investor, answer.lab) != (view.name, view.lab):
        yield f"funds {answer.lab!r} as {answer.investor!r}; use `view.name` and `view.lab`"
    elif not _finite(answer.usd) or not 0 < answer.usd <= max(view.cash_usd, 0.0):
        yield f"offers {answer.usd!r} USD; more than 0 and at most `view.cash_usd`"


def _changes(view: Any, answer: Any) -> Iterator[str]:
    for change in answer:
        if not isinstance(change, Enact | Repeal):
            yield f"answers {change!r}; a regulator answers Enact and Repeal"
        elif change.policy not in view.scheduled:
            yield f"changes {change.policy!r}, not its own; use names of `view.scheduled`"


VALID: dict[str, Callable[..., Iterator[str]]] = {
    "forecaster": _forecast,
    "procurer": _tender,
    "pricer": _quote,
    "builder": _plans,
    "adopter": _adoptions,
    "bidder": _bid,
    "waiver": _waiver,
    "financier": _fund,
    "regulator": _changes,
}
"""What each port's answers must be, given what was seen."""
