"""How much each deal moved a dependence: exact, month by month, in the order in which it happened."""

import math

import polars as pl

from offtake.experiments.explaining.replay import SPOT

EFFECTS = {
    "contract": str,
    "seller": str,
    "way": str,
    "month": int,
    "h100e": float,
    "effect": float,
}


def deal_effects(
    deliveries: pl.DataFrame, lab: str, cloud: str, *, since: int = 0, until: int
) -> pl.DataFrame:
    """Split the change of a lab's dependence on a cloud into what each contract did.

    Parameters
    ----------
    deliveries
        Of a replay.
    lab, cloud
        Whose dependence on whom.
    since, until
        Months between which the change is split, counted from 0.

    Returns
    -------
    A row for each contract and way (`more` or `less` delivered; spot of a cloud: `net`): the month in
    which it moved most, what it added (H100e) and its effect, share points. Effects add up to the change.

    Notes
    -----
    With share ``s = A / T`` the change of a month is exactly ``sum_i d_i (1[i in A] - m(s)) / m(T)`` over
    the changes ``d_i`` of deliveries, where m is the mean of both months: no order of contracts matters
    within a month. Months are chained (Bennet 1920; Divisia).
    """
    rows = deliveries.filter(pl.col("month").is_between(since, until), buyer=lab)
    months = {
        month: {(c, s): h for c, s, h in part.select("contract", "seller", "h100e").iter_rows()}
        for (month,), part in rows.group_by("month")
    }
    moved: dict[tuple[str, str, str], list[tuple[int, float, float]]] = {}
    for month in range(since + 1, until + 1):
        before, after = months.get(month - 1, {}), months.get(month, {})
        for (contract, seller), change, effect in _changes(before, after, cloud):
            way = NET if contract == SPOT else "more" if change > 0 else "less"
            moved.setdefault((contract, seller, way), []).append((month, change, effect))
    found = [
        (
            contract,
            seller,
            way,
            max(parts, key=lambda part: abs(part[2]))[0],
            math.fsum(part[1] for part in parts),
            math.fsum(part[2] for part in parts),
        )
        for (contract, seller, way), parts in moved.items()
    ]
    table = pl.DataFrame(found, schema=EFFECTS, orient="row")
    return table.sort(pl.col("effect").abs(), "contract", "way", descending=[True, False, False])


NET = "net"
"""Way of spot, which comes and goes: its rises and falls are added up."""

type Delivered = dict[tuple[str, str], float]


def _changes(before: Delivered, after: Delivered, cloud: str):
    """Yield what changed between two months, and its effect on the share of a cloud."""
    totals = [math.fsum(month.values()) for month in (before, after)]
    own = [math.fsum(h for (_, s), h in month.items() if s == cloud) for month in (before, after)]
    shares = [a / t if t > 0 else 0.0 for a, t in zip(own, totals, strict=True)]
    mean_total, mean_share = sum(totals) / 2, sum(shares) / 2
    for key in dict.fromkeys([*before, *after]):
        change = after.get(key, 0.0) - before.get(key, 0.0)
        if change and mean_total > 0:
            yield key, change, change * ((key[1] == cloud) - mean_share) / mean_total


def grouped(effects: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return the largest effects as they are, and the rest added up as one row a supplier."""
    head = effects.filter(pl.col("contract") != SPOT).head(count)
    tail = effects.join(
        head.select("contract", "seller", "way"), on=["contract", "seller", "way"], how="anti"
    )
    rest = [
        (
            f"{part.height} other changes" if part.height > 1 else str(part["contract"][0]),
            str(seller),
            "",
            int(part["month"][0]),
            math.fsum(part["h100e"].to_list()),
            math.fsum(part["effect"].to_list()),
        )
        for (seller,), part in tail.sort("seller").group_by("seller", maintain_order=True)
    ]
    return pl.concat([head, pl.DataFrame(rest, schema=EFFECTS, orient="row")])
