"""A run made again, watched: what every contract delivers, and what was on every table."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from offtake.experiments.explaining.tables import BIDS, Listener
from offtake.experiments.results import Result
from offtake.model.market import Market
from offtake.model.omissions import Omission
from offtake.model.scenario import Scenario

SPOT = "spot"
DELIVERIES = {"month": int, "contract": str, "buyer": str, "seller": str, "h100e": float}


class OtherModel(ValueError):  # noqa: N818 - read as a sentence
    """A replay does not repeat the stored run: another version, or other strategies, made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One run with all that is needed to explain it."""

    seed: int
    scenario: Scenario
    frames: dict[str, pl.DataFrame]
    """The tables of the run, as in a result."""
    deliveries: pl.DataFrame
    """H100e by month, contract, buyer and seller; what is bought on spot as contract `spot`."""
    bids: pl.DataFrame
    """What each cloud had for each lot of the labs watched, and why it did or did not get it."""

    def dependence(self, lab: str, cloud: str, month: int) -> float:
        """Return the share of a lab's delivered compute that comes from a cloud in a month."""
        rows = self.frames["trajectories"].filter(
            observable="dependence", name=lab, other=cloud, month=month
        )
        return float(rows["value"][0])


def replay(
    scenario: Scenario,
    seed: int,
    months: int,
    *,
    without: Collection[Omission] = (),
    watched: Collection[str] = (),
) -> Replay:
    """Run a scenario for some months, watching what contracts deliver and what labs are offered.

    Parameters
    ----------
    scenario
        What to run.
    seed
        Of the run.
    months
        How many.
    without
        What is left out.
    watched
        Labs whose tenders are kept.
    """
    market = Market(scenario, rng=seed, check=False, without=without)
    listener = Listener(market, frozenset(watched))
    if watched:
        market.traces = listener
    delivered: list[pl.DataFrame] = []
    for month in range(months):
        market.step()
        delivered.append(_delivered(market, month))
    market.traces = None
    return Replay(
        seed=seed,
        scenario=scenario,
        frames=market.frames(),
        deliveries=pl.concat(delivered),
        bids=pl.DataFrame(listener.heard, schema=BIDS, orient="row", infer_schema_length=None),
    )


def _delivered(market: Market, month: int) -> pl.DataFrame:
    """Return what each contract delivered in a month, and what came from elsewhere, by lab and cloud."""
    setup, c = market.setup, market.books.contracts
    by_contract = market.delivered_h100e
    n = len(by_contract)
    assert market.books.served is not None
    rest = np.array(market.books.served.delivered_h100e, dtype=float)
    rows = []
    for row in np.flatnonzero(by_contract > 0).tolist():
        lab, cloud = int(c.lab[row]), int(setup.pool_cloud[c.pool[row]])
        h100e = float(by_contract[row])
        rest[lab, cloud] -= h100e
        rows.append((month, c.facts[row].name, setup.labs[lab], setup.clouds[cloud], h100e))
    assert n <= c.size
    for i, lab in enumerate(setup.labs):
        for j, cloud in enumerate(setup.clouds):
            if abs(rest[i, j]) > 1e-6 * max(1.0, math.fsum(by_contract.tolist())) / 1e3:
                rows.append((month, SPOT, lab, cloud, float(rest[i, j])))
    return pl.DataFrame(rows, schema=DELIVERIES, orient="row")


def same_run(result: Result, again: Replay) -> None:
    """Check that a replay repeats the stored journal event by event.

    Raises
    ------
    OtherModel
        If it does not, with the first event that differs.
    """
    until = int(again.frames["trajectories"]["month"].to_numpy().max()) + 1
    stored = result.events.filter(pl.col("month") <= until, seed=again.seed)
    fresh = again.frames["events"].filter(pl.col("month") <= until)
    if stored.equals(fresh):
        return
    both = min(stored.height, fresh.height)
    at = next((i for i in range(both) if stored.row(i) != fresh.row(i)), both)
    made, now = result.manifest["offtake"], "this one"
    raise OtherModel(
        f"the run of seed {again.seed} cannot be repeated: its journal and that of a replay part at event "
        f"{at} of {stored.height}. The results were made by offtake {made}, or with other strategies, than "
        f"{now}; run the scenario again with --out FOLDER and explain that"
    )
