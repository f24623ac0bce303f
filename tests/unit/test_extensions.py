"""A package of somebody else adds a strategy, a clause and an observable through entry points."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import polars as pl
import pytest

import offtake as ot
from offtake.agents.labs import AskOnce
from offtake.model import observables, plugins
from offtake.model.clauses import RevenueShare
from offtake.model.events import Agreed, Defaulted, Posted
from offtake.model.market import Market
from offtake.model.named_clauses import known_clauses
from offtake.model.reading import check, load_scenario
from offtake.model.standing import Clause, ClauseView, Due
from tests.outside import FRUGAL, install

SIXTY = 60
FRUGAL_LAB = """
    format = 1
    name = "frugal"
    question = "What does a lab that covers only present need pay?"
    extends = "duopoly"
    months = 6

    [labs."Lab A".strategies]
    procurer = "cover-present-need"

    [agreements.lab-a-cloud-x.clauses.minimum-spend]
    usd_per_month = 300e6
"""


def look_again() -> None:
    for cached in (
        plugins.role,
        plugins.strategies_from_elsewhere,
        plugins.clauses_from_elsewhere,
        observables.load_observables,
    ):
        cached.cache_clear()


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder on the path into which packages may be installed."""
    site, table = tmp_path / "site", list(observables.TABLE)
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    known = set(sys.modules)
    look_again()
    yield site
    look_again()
    observables.TABLE[:] = table
    for module in set(sys.modules) - known:
        if str(site) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


@pytest.fixture
def frugal(outside: Path) -> Path:
    return install(FRUGAL, outside)


def written(folder: Path, text: str) -> Path:
    path = folder / "frugal.toml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def test_the_package_has_fewer_than_sixty_lines():
    files = [p for p in FRUGAL.iterdir() if p.is_file()]
    assert sum(len(p.read_text(encoding="utf-8").splitlines()) for p in files) < SIXTY


def test_a_scenario_names_what_the_package_adds(frugal: Path, tmp_path: Path):
    market = Market(load_scenario(written(tmp_path, FRUGAL_LAB)), rng=1)
    market.run_until(6)
    strategy = market.participants["Lab A"].strategies["procurer"]
    assert type(strategy) is importlib.import_module("offtake_frugal").CoverPresentNeed
    frames = market.frames()
    shown = frames["trajectories"].filter(observable="topped_up_usd", name="Lab A")
    paid = frames["flows"].filter(label="clause").sort("month")
    assert paid.select("payer", "payee").unique().rows() == [("Lab A", "Cloud X")]
    assert shown.sort("month")["value"].to_list() == (paid["usd_cents"] / 100).to_list()
    assert shown["unit"].unique().to_list() == ["usd"]


def test_the_clause_tops_the_bill_up_to_its_sum(frugal: Path, tmp_path: Path):
    result = ot.run(written(tmp_path, FRUGAL_LAB), months=2)
    between = pl.col("payer").eq("Lab A") & pl.col("payee").eq("Cloud X")
    due = result.frames["flows"].filter(between, pl.col("label").is_in(["compute", "clause"]))
    assert (
        due.group_by("month").agg(pl.col("usd_cents").sum())["usd_cents"].to_list()
        == [300_000_000_00] * 2
    )


def test_a_clause_of_a_contract_is_about_that_contract(frugal: Path, tmp_path: Path):
    text = FRUGAL_LAB.replace("agreements.lab-a-cloud-x", "contracts.x-a-base")
    market = Market(load_scenario(written(tmp_path, text)), rng=1)
    market.run_until(1)
    billed = 120 * 800 * 2.0 * 730.5
    (due,) = [p for p in market.books.postings if p.label == "clause"]
    assert due == ("Lab A", "Cloud X", round((300e6 - billed) * 100), "clause", "x-a-base")


def test_a_clause_of_a_contract_ends_with_it(frugal: Path, tmp_path: Path):
    text = FRUGAL_LAB.replace("agreements.lab-a-cloud-x", "contracts.y-b-base")
    text = text.replace("months = 6", "months = 14")
    market = Market(load_scenario(written(tmp_path, text)), rng=1)
    market.run_until(14)
    months = {
        time
        for time, event in market.books.journal
        if isinstance(event, Posted) and any(p.label == "clause" for p in event.postings)
    }
    assert months == {float(m) for m in range(1, 13)}  # the contract ends on 1 January 2026


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ("minimum-spend", "minimum-spent", "E012", "did you mean 'minimum-spend'?"),
        ("usd_per_month", "usd_a_month", "E010", "did you mean `usd_per_month`?"),
        ("    usd_per_month = 300e6\n", "", "E011", "lacks the required key `usd_per_month`"),
        ("300e6", '"300 million"', "E013", "300_000_000"),
        ("300e6", "-1.0", "E013", "at least 0"),
        ("300e6", '{ value = 300e6, unit = "mw" }', "E032", "usd_per_month"),
    ],
)
def test_a_clause_that_cannot_be_used_is_explained(
    frugal: Path, tmp_path: Path, old: str, new: str, code: str, says: str
):
    assert old in FRUGAL_LAB
    problems = check(written(tmp_path, FRUGAL_LAB.replace(old, new)))
    told = [f"{p.message} {p.help}" for p in problems if p.code == code]
    assert len(told) == 1, problems
    assert says in told[0]
    place = next(p.place for p in problems if p.code == code)
    assert place.file.endswith("frugal.toml")
    assert place.line >= 11


def test_what_a_clause_itself_refuses_is_passed_on(outside: Path, tmp_path: Path):
    package(
        outside,
        "offtake.clauses",
        "picky",
        """
        from dataclasses import dataclass
        from offtake.model.standing import Clause

        @dataclass(frozen=True, slots=True, kw_only=True)
        class Picky(Clause):
            lab: str
            cloud: str
            share: float = 0.5

            def __post_init__(self):
                if self.share > 1:
                    raise ValueError(f"a share is at most 1, not {self.share:g}")
        """,
        "Picky",
    )
    text = FRUGAL_LAB.replace("minimum-spend", "picky").replace(
        "usd_per_month = 300e6", "share = 2"
    )
    text = text.replace('procurer = "cover-present-need"', "")
    (problem,) = check(written(tmp_path, text))
    assert problem.message.endswith("a share is at most 1, not 2")


def package(site: Path, group: str, name: str, code: str, member: str) -> None:
    """Install a package of one module that offers one thing."""
    project = site.parent / name
    project.mkdir()
    (project / f"offtake_{name}.py").write_text(dedent(code), encoding="utf-8")
    about = f'[project]\nname = "offtake-{name}"\nversion = "1.0"\n'
    points = f'[project.entry-points."{group}"]\n{name} = "offtake_{name}:{member}"\n'
    (project / "pyproject.toml").write_text(about + points, encoding="utf-8")
    install(project, site)


def test_what_is_no_clause_is_refused(outside: Path):
    package(outside, "offtake.clauses", "odd", "class Odd: ...", "Odd")
    with pytest.raises(
        TypeError, match=r"offtake_odd:Odd .* extends offtake.model.standing.Clause"
    ):
        known_clauses()


def test_what_is_no_observable_is_refused(outside: Path):
    package(outside, "offtake.observables", "odd", "def odd(market): ...", "odd")
    with pytest.raises(TypeError, match=r"offtake_odd:odd .* @observable"):
        Market(load_scenario("duopoly"), rng=1)


def test_an_observable_needs_a_meaning_and_a_name_of_its_own():
    with pytest.raises(ValueError, match="needs a docstring"):
        observables.observable("usd")(lambda market: market.burn_usd)

    def efficiency(market: Market) -> np.ndarray:
        """Something else."""
        return market.burn_usd

    with pytest.raises(ValueError, match="has the name of another one"):
        observables.observable("share")(efficiency)


def test_a_clause_of_the_model_comes_through_the_same_door(tmp_path: Path):
    old = "clauses.minimum-spend]\n    usd_per_month = 300e6"
    text = FRUGAL_LAB.replace('procurer = "cover-present-need"', "")
    named = text.replace(old, "clauses.revenue-share]\n    share = 0.2")
    key = text.replace(f".{old}", "]\n    revenue_share = 0.2")
    one, two = (Market(load_scenario(written(tmp_path, t)), rng=1) for t in (named, key))
    for market in (one, two):
        market.run_until(6)
    assert one.books.digest() == two.books.digest()
    assert any(p.label == "revenue share" for p in one.books.postings)
    assert set(known_clauses()) >= {"revenue-share"}


class Wrong(Clause):
    lab, cloud = "Lab A", "Cloud X"

    def __init__(self, *due: Due) -> None:
        self.due = due

    def owes(self, month: ClauseView):
        return self.due


@pytest.mark.parametrize(
    ("due", "says"),
    [
        (Due("Customers", "Lab A", 5), "between its own parties only"),
        (Due("Lab A", "Cloud Y", 5), "between its own parties only"),
        (Due("Lab A", "Lab A", 5), "between its own parties only"),
        (Due("Lab A", "Cloud X", -5), "exchange payer and payee"),
        (Due("Lab A", "Cloud X", 0.5), "whole cents"),  # type: ignore[arg-type]
    ],
)
def test_a_clause_moves_whole_cents_between_its_parties_only(due: Due, says: str):
    market = Market(load_scenario("duopoly"), rng=1)
    market.apply(Agreed(clause=Wrong(due), cause="test"))
    with pytest.raises(ValueError, match=says):
        market.run_until(1)


def test_a_clause_that_forbids_is_asked_who_may_sign():
    class NobodyElse(Wrong):
        def forbids(self, buyer: str, seller: str, time: float) -> bool:
            return buyer == "Lab A"

    market = Market(load_scenario("duopoly"), rng=1, strategies={"Lab A": {"procurer": AskOnce()}})
    market.apply(Agreed(clause=NobodyElse(), cause="test"))
    before = market.books.contracts.size
    market.run_until(12)
    signed = market.books.contracts.facts[before:]
    assert {c.buyer for c in signed} == {"Lab B"}


@pytest.mark.parametrize("failed", [False, True])
def test_a_party_that_has_failed_owes_nothing_by_its_clauses(failed: bool):
    market = Market(load_scenario("duopoly"), rng=1, check=False)
    clause = RevenueShare(lab="Lab A", cloud="Cloud X", share=0.5)
    market.apply(Agreed(clause=clause, cause="test"))
    if failed:
        market.apply(Defaulted(name="Lab A", cause="test"))
    market.run_until(1)
    assert any(p.label == "revenue share" for p in market.books.postings) is not failed
