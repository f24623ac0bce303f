"""Asking a result why: the run in question is found, made again up to the signature, and read."""

import math

from offtake.experiments.explaining.replay import replay, same_run
from offtake.experiments.explaining.why import NoSuchContract, Why, unknown, why_of
from offtake.experiments.results import Result


def why(result: Result, contract: str, seed: int | None) -> Why:
    """Return why a contract was signed in a run of a result; in the first that has it, if none is named."""
    rows = result.contracts.filter(contract=contract)
    if seed is not None:
        if seed not in result.seeds:
            some = ", ".join(map(str, result.seeds[:12]))
            raise NoSuchContract(f"seed {seed} is not among the runs; there are {some}")
        rows = rows.filter(seed=seed)
    if rows.is_empty():
        raise unknown(
            contract, result.contracts if seed is None else result.contracts.filter(seed=seed)
        )
    first = rows.sort("seed").row(0, named=True)
    months = min(math.floor(first["signed_month"]) + 1, result.manifest["months"])
    again = replay(result.scenario, first["seed"], max(months, 1), watched={first["buyer"]})
    same_run(result, again)
    return why_of(again, contract)
