"""Balance sheets and flows close to the cent, whoever fails (economics, section 1.12)."""

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings

from offtake.model.accounts import ITEMS, NET_WORTH, unbalanced
from offtake.model.events import Defaulted
from offtake.model.market import Market
from offtake.model.reading import load_scenario
from offtake.model.scenario import Scenario
from tests.generated import played, scenarios

FEW = settings(max_examples=25)


def tables(market: Market) -> tuple[pl.DataFrame, pl.DataFrame]:
    frames = market.frames()
    return frames["balance_sheets"], frames["flow_matrix"]


@FEW
@given(scenarios(least_cash_usd=1e6))
def test_balance_sheets_and_flows_close_to_the_cent(scenario: Scenario):
    assert unbalanced(*tables(played(scenario))) == []


@FEW
@given(scenarios(least_cash_usd=1e6))
def test_the_last_balance_sheet_is_that_of_the_books(scenario: Scenario):
    market = played(scenario)
    sheets, _ = tables(market)
    last = sheets.filter(month=market.month - 1)
    of = {(n, i): c for n, i, c in last.select("name", "item", "usd_cents").iter_rows()}
    books = market.books
    for name in books.kinds:
        assert of[name, "deposits"] == books.deposits[name]
        assert of[name, "fixed capital"] == books.capital[name]
        for kind in ("loan", "equity", "prepayment", "arrears"):
            assert of[name, kind] == books.held(name, kind) - books.owed(name, kind)
        assert of[name, NET_WORTH] == sum(of[name, item] for item in ITEMS)


def test_a_year_of_defaults_closes_too():
    scenario = load_scenario("duopoly")
    poor = {n: lab.model_copy(update={"cash_usd": 0.0}) for n, lab in scenario.labs.items()}
    needy = {n: lab.model_copy(update={"overhead_revenue_share": 5.0}) for n, lab in poor.items()}
    market = played(
        scenario.model_copy(update={"labs": needy, "investors": {}, "tranches": {}}), months=12
    )
    assert [e.name for _, e in market.books.journal if isinstance(e, Defaulted)]
    sheets, matrix = tables(market)
    assert unbalanced(sheets, matrix) == []
    assert not matrix.filter(flow="written off").is_empty()


def one_more(frame: pl.DataFrame, **where: object) -> pl.DataFrame:
    """Return a table with one cent more in the first row that fits."""
    rows = frame.with_row_index()
    first = rows.filter(**where)["index"][0]
    more = pl.col("usd_cents") + (pl.col("index") == first).cast(pl.Int64)
    return rows.with_columns(usd_cents=more).drop("index")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s, m: (one_more(s, item="deposits", month=2), m), "deposits of month 2 sum"),
        (lambda s, m: (one_more(s, item="loan", month=2), m), "loan of month 2 sum"),
        (lambda s, m: (one_more(s, item="fixed capital", month=2), m), "changed by"),
        (lambda s, m: (one_more(s, item=NET_WORTH, month=2), m), "off by -1 cents"),
        (lambda s, m: (s, one_more(m, item="deposits", month=2)), "in month 2 sums to 1 cents"),
        (lambda s, m: (s, one_more(m, item="fixed capital")), "flowed"),
    ],
)
def test_a_cent_from_nowhere_is_found(change: Callable, said: str):
    """The negative control: each table, each kind of item."""
    sheets, matrix = change(*tables(played(load_scenario("duopoly"), months=12)))
    assert any(said in line for line in unbalanced(sheets, matrix))
