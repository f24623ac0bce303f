"""Balance sheets and flows of every month: what everybody has and owes, and how it came so (1.12).

Both matrices are read from the journal after a run. Rows of claims and of money sum to zero over
participants; a flow of a month is the change of the item it belongs to, to the cent (Godley and Lavoie
2007).
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.books import CAPITAL
from offtake.model.events import Entered, Posted

if TYPE_CHECKING:
    import polars as pl

    from offtake.model.market import Market

ITEMS = (
    "deposits",
    "loan",
    "equity",
    "prepayment",
    "arrears",
    "other claims",
    "assets",
    "fixed capital",
)
"""Items of a balance sheet; what is owed is negative. Fixed capital is what chips and shells cost."""
NET_WORTH = "net worth"
UNPAIRED = frozenset({"fixed capital"})
"""Items that are made and not owed by anybody."""
OPENING = -1
"""Month of the balance sheet before the first month."""
CENTS = np.int64

type Flow = tuple[int, str, str, str, int]
"""Month, item, flow, name, cents."""


type Totals = dict[tuple[int, str, str, str], int]
"""Cents by month, item, flow and name."""


def accounts(market: "Market") -> "tuple[pl.DataFrame, pl.DataFrame]":
    """Return the balance sheets and the flow matrix of a market."""
    totals: Totals = {}
    for month, item, flow, name, cents in _flows(market):
        key = (month, item, flow, name)
        totals[key] = totals.get(key, 0) + cents
    return _balance_sheets(market, totals), _flow_matrix(market, totals)


def _flows(market: "Market") -> Iterator[Flow]:
    """Yield every change of every item, one side at a time."""
    for time, event in market.books.journal:
        match event:
            case Entered():
                yield OPENING, "deposits", "opening", event.name, event.deposits_cents
                yield OPENING, "assets", "opening", event.name, event.assets_cents
            case Posted():
                opens = time == 0 and event.cause.startswith("scenario")
                month = OPENING if opens else max(int(-(-time // 1)) - 1, 0)
                yield from _of_entry(month, event)
            case _:
                pass


def _of_entry(month: int, entry: Posted) -> Iterator[Flow]:
    for payer, payee, cents, label, _ in entry.postings:
        yield month, "deposits", label, payer, -cents
        yield month, "deposits", label, payee, cents
        if label in CAPITAL:
            yield month, "fixed capital", label, payer, cents
        elif label == "site sale":
            yield month, "fixed capital", label, payer, cents
            yield month, "fixed capital", label, payee, -cents
        elif label == "asset sale":
            yield month, "assets", label, payee, -cents
            yield month, "assets", label, payer, cents
    for holder, issuer, kind, cents, _ in entry.claims:
        item = kind if kind in ITEMS else "other claims"
        flow = _change_of_claim(month, entry, cents)
        yield month, item, flow, holder, cents
        yield month, item, flow, issuer, -cents


def _change_of_claim(month: int, entry: Posted, cents: int) -> str:
    if month == OPENING:
        return "opening"
    if entry.cause.startswith("restructuring:"):
        return "rescheduled"
    if cents > 0:
        return "new claims"
    return "written off" if entry.cause.startswith("event:") else "claims settled"


def _balance_sheets(market: "Market", totals: Totals) -> "pl.DataFrame":
    """Return what everybody has and owes at the end of each month, every item of everybody."""
    import polars as pl

    names = sorted(market.books.kinds)
    row = {name: i for i, name in enumerate(names)}
    column = {item: i for i, item in enumerate(ITEMS)}
    last = market.month
    changes = np.zeros((last + 1, len(names), len(ITEMS)), dtype=CENTS)
    for (month, item, _, name), cents in totals.items():
        if month < last:
            changes[month + 1, row[name], column[item]] += cents
    stocks = np.cumsum(changes, axis=0)
    stocks = np.concatenate([stocks, stocks.sum(axis=2, keepdims=True)], axis=2)
    at = np.indices(stocks.shape, dtype=np.uint32).reshape(3, -1)
    return pl.DataFrame(
        {
            "month": at[0].astype(np.int64) + OPENING,
            "name": pl.Series(names, dtype=pl.String).gather(at[1]),
            "role": pl.Series([market.books.kinds[n] for n in names]).gather(at[1]),
            "item": pl.Series([*ITEMS, NET_WORTH]).gather(at[2]),
            "usd_cents": stocks.ravel(),
        }
    )


def _flow_matrix(market: "Market", totals: Totals) -> "pl.DataFrame":
    """Return by month, item and flow what each participant gained or lost; zeros are left out."""
    import polars as pl

    kinds = market.books.kinds
    found = sorted((key, cents) for key, cents in totals.items() if cents and key[0] != OPENING)
    columns = list(zip(*(key for key, _ in found), strict=True)) or [()] * 4
    return pl.DataFrame(
        {
            "month": pl.Series(columns[0], dtype=pl.Int64),
            "item": pl.Series(columns[1], dtype=pl.String),
            "flow": pl.Series(columns[2], dtype=pl.String),
            "name": pl.Series(columns[3], dtype=pl.String),
            "role": pl.Series([kinds[name] for name in columns[3]], dtype=pl.String),
            "usd_cents": pl.Series([cents for _, cents in found], dtype=pl.Int64),
        }
    )


def unbalanced(sheets: "pl.DataFrame", matrix: "pl.DataFrame") -> list[str]:
    """Return what does not close in the two tables of one run, to the cent; nothing if all does."""
    return [*_open_rows(sheets, matrix), *_open_columns(sheets, matrix), *_wrong_worth(sheets)]


def _open_rows(sheets: "pl.DataFrame", matrix: "pl.DataFrame") -> Iterator[str]:
    """Find claims or money that are one's gain and nobody's loss."""
    import polars as pl

    paired = ~pl.col("item").is_in([*UNPAIRED, NET_WORTH])
    opening = sheets.filter(paired, month=OPENING).group_by("item").agg(pl.col("usd_cents").sum())
    declared = dict(opening.filter(pl.col("item").is_in(["deposits", "assets"])).iter_rows())
    stocks = sheets.filter(paired).group_by("month", "item").agg(pl.col("usd_cents").sum())
    for month, item, cents in stocks.sort("month", "item").iter_rows():
        if cents != declared.get(item, 0):
            yield f"{item} of month {month} sum to {cents} cents, not {declared.get(item, 0)}"
    rows = matrix.filter(paired).group_by("month", "item", "flow").agg(pl.col("usd_cents").sum())
    for month, item, flow, cents in rows.sort("month", "item", "flow").iter_rows():
        if cents:
            yield f"{flow} of {item} in month {month} sums to {cents} cents, not 0"


def _open_columns(sheets: "pl.DataFrame", matrix: "pl.DataFrame") -> Iterator[str]:
    """Find items that changed by something else than what flowed into them."""
    import polars as pl

    key = ["month", "name", "item"]
    flowed = matrix.group_by(key).agg(pl.col("usd_cents").sum().alias("flowed"))
    changed = (
        sheets.filter(pl.col("item") != NET_WORTH)
        .sort("month")
        .with_columns(pl.col("usd_cents").diff().over("name", "item").alias("changed"))
        .filter(pl.col("month") > OPENING)
    )
    both = changed.join(flowed, on=key, how="full", coalesce=True).fill_null(0)
    for row in both.filter(pl.col("changed") != pl.col("flowed")).sort(key).iter_rows(named=True):
        yield (
            f"{row['item']} of {row['name']} changed by {row['changed']} cents in month "
            f"{row['month']}, {row['flowed']} flowed"
        )


def _wrong_worth(sheets: "pl.DataFrame") -> Iterable[str]:
    """Find net worth that is not what one has less what one owes."""
    import polars as pl

    signed = pl.when(pl.col("item") == NET_WORTH).then(-1).otherwise(1) * pl.col("usd_cents")
    sums = sheets.group_by("month", "name").agg(signed.sum().alias("left"))
    for month, name, left in sums.filter(pl.col("left") != 0).sort("month", "name").iter_rows():
        yield f"net worth of {name} in month {month} is off by {left} cents"
