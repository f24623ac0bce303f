"""Every strategy, clause and policy of offtake is what it asks of those of others."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from offtake.agents import clouds, governments, investors, labs
from offtake.model import clauses, dealing, policies
from offtake.model.clauses import RevenueShare
from offtake.model.dealing import DistributionExclusivity, FirstRefusal, SupplyExclusivity
from offtake.model.policies import (
    Antitrust,
    Backstop,
    CapitalScreening,
    ExportControl,
    LoanGuarantee,
    Located,
    NationalPreference,
    Permitting,
    Policy,
    PublicCredit,
    Signal,
    Subsidy,
)
from offtake.model.standing import Clause
from offtake.testing import check_clause, check_policy, check_strategy, strategy_checks
from offtake.testing.strategies import PORTS

STRATEGIES: list[Any] = [
    kind()
    for module in (labs, clouds, investors, governments)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if kind.__module__ == module.__name__ and hasattr(kind, "port")
]
CLAUSES: dict[str, Callable] = {
    "revenue share": partial(RevenueShare, share=0.1),
    "exclusivity": lambda lab, cloud: SupplyExclusivity(lab=lab, holder=cloud, until=4.0),
    "channel": lambda lab, cloud: DistributionExclusivity(
        lab=lab, holder=cloud, reach=0.8, until=4.0
    ),
    "first refusal": lambda lab, cloud: FirstRefusal(
        lab=lab, holder=cloud, since=0.0, until=4.0, window_days=30
    ),
}
POLICIES: dict[str, Policy] = {
    "quota": ExportControl(
        name="tested",
        destinations=("north",),
        exempt_parents=("Cloud P",),
        quota_h100e_per_year=1e5,
    ),
    "ban": ExportControl(
        name="tested", destinations=("north",), exempt_parents=(), quota_h100e_per_year=0.0
    ),
    "permits": Permitting(name="tested", regions=("north",), multiplier=0.5),
    "signal": Signal(name="tested"),
    "licence": ExportControl(
        name="tested",
        government="State",
        destinations=("north",),
        exempt_parents=(),
        quota_h100e_per_year=1e6,
        licence=2.0,
        tariff=0.1,
    ),
    "grants": Subsidy(name="tested", government="State", regions=("north",), capex_share=0.2),
    "credit": PublicCredit(
        name="tested", government="State", regions=("north",), share=0.3, rate_per_year=0.03
    ),
    "cover": LoanGuarantee(name="tested", government="State", regions=("north",), cover=0.5),
    "backstop": Backstop(
        name="tested",
        government="State",
        regions=("north",),
        price_usd_per_h100e_hour=1.0,
        quantity_h100e=1e4,
    ),
    "preference": NationalPreference(name="tested", government="State", least_domestic_share=0.5),
    "screening": CapitalScreening(name="tested", government="State", largest_foreign_share=0.1),
    "antitrust": Antitrust(
        name="tested", government="State", exclusivity_months=3.0, first_refusal_barred=True
    ),
}


def test_all_of_ours_are_here():
    assert {s.port for s in STRATEGIES} == set(PORTS)
    assert len(STRATEGIES) >= 12
    kinds = {
        member
        for module in (clauses, dealing)
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Clause) and member is not Clause
    }
    assert {type(kind(lab="Lab A", cloud="Cloud Q")) for kind in CLAUSES.values()} == kinds
    rules = {m for _, m in inspect.getmembers(policies, inspect.isclass) if hasattr(m, "counts")}
    assert {type(p) for p in POLICIES.values()} == rules - {Policy, Located}


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: type(strategy).__name__)
def test_strategies(strategy: Any):
    check_strategy(strategy, markets=1, hash_seeds=False)


@pytest.mark.parametrize("name", CLAUSES)
def test_clauses(name: str):
    check_clause(CLAUSES[name], markets=1)


@pytest.mark.parametrize("name", POLICIES)
def test_policies(name: str):
    check_policy(POLICIES[name], markets=1)


def test_a_default_holds_in_another_process_too():
    (check,) = [c for c in strategy_checks(labs.CoverNeed(), markets=1) if "sets" in c.name]
    check()
