from dataclasses import replace

import numpy as np
import pytest

from offtake.model.books import Books
from offtake.model.clauses import Ramp, TakeOrPay
from offtake.model.contracts import Contract, Pool, Site, Stage
from offtake.model.dealing import FirstRefusal, SupplyExclusivity
from offtake.model.events import (
    Advanced,
    Agreed,
    Cancelled,
    Claim,
    Ended,
    Energised,
    Entered,
    Lapsed,
    Noticed,
    Opened,
    Posted,
    Posting,
    Reserved,
    Signed,
    Stepped,
    Terminated,
    Withdrawn,
)

POOL = Pool(cloud="Cloud", region="home", chip="gpu")
SITE = Site(
    name="site",
    pool=POOL,
    capacity_kw=100,
    stage=Stage.ENERGISED,
    opened=-1.0,
    promised=0.0,
    landlord=None,
    rent_usd_per_kw_month=0.0,
)
CONTRACT = Contract(
    name="one",
    buyer="Lab A",
    pool=POOL,
    capacity_kw=60,
    h100e_per_mw=1_000.0,
    price_usd_per_h100e_hour=2.0,
    signed=0.0,
    start=1.0,
    end=4.0,
    take_or_pay=TakeOrPay(floor=1.0),
)


@pytest.fixture
def books() -> Books:
    books = Books(
        labs=["Lab A", "Lab B"],
        clouds=["Cloud"],
        pools=[POOL],
        theta=np.array([1_000.0]),
        priority=np.array([1]),
        horizon=6,
    )
    for name in ("Lab A", "Lab B", "Cloud", "Landlord"):
        books.apply(Entered(name=name, kind="x", deposits_cents=1_000, cause="test"), 0.0)
    return books


def pay(cents: int, label: str = "compute") -> Posted:
    return Posted(postings=(Posting("Lab A", "Cloud", cents, label),), cause="test")


def test_a_posting_moves_money_and_makes_none(books: Books):
    books.apply(pay(300), 1.0)
    assert (books.deposits["Lab A"], books.deposits["Cloud"]) == (700, 1_300)
    assert sum(books.deposits.values()) == 4_000


def test_chips_and_shells_become_capital_of_the_payer(books: Books):
    books.apply(pay(300, "chips"), 1.0)
    books.apply(pay(200, "shell"), 1.0)
    books.apply(pay(100, "rent"), 1.0)
    assert books.capital["Lab A"] == 500


def test_a_claim_that_is_settled_is_gone(books: Books):
    owed = Claim("Cloud", "Lab A", "arrears", 50)
    books.apply(Posted(postings=(), claims=(owed,), cause="test"), 1.0)
    assert (books.held("Cloud"), books.owed("Lab A", "arrears")) == (50, 50)
    assert books.arrears_since == {"Lab A": 1.0}
    books.apply(Posted(postings=(), claims=(owed._replace(cents=-50),), cause="test"), 2.0)
    assert books.claims == {}
    assert books.arrears_since == {}


def test_arrears_count_from_the_first_month_they_stand(books: Books):
    owed = Posted(postings=(), claims=(Claim("Cloud", "Lab A", "arrears", 50),), cause="test")
    books.apply(owed, 1.0)
    books.apply(owed, 2.0)
    assert books.arrears_since == {"Lab A": 1.0}


def test_an_energised_site_is_promised_and_stands(books: Books):
    books.apply(Opened(site=SITE, cause="test"), 0.0)
    assert books.energised_kw.tolist() == [100]
    assert books.free_kw()[0].tolist() == [100] * 6


def test_a_leased_site_is_promised_from_its_month_on(books: Books):
    site = replace(SITE, stage=Stage.LEASED, promised=2.5)
    books.apply(Opened(site=site, cause="test"), 0.0)
    assert books.promised_kw[0].tolist() == [0, 0, 0, 100, 100, 100]
    assert books.energised_kw.tolist() == [0]


def test_a_letter_of_intent_promises_nothing(books: Books):
    books.apply(Opened(site=replace(SITE, stage=Stage.LOI, promised=2.0), cause="test"), 0.0)
    assert not books.promised_kw.any()
    assert books.created_kw == 100


def test_a_delay_moves_the_promise(books: Books):
    site = replace(SITE, stage=Stage.BUILDING, promised=1.0)
    books.apply(Opened(site=site, cause="test"), 0.0)
    books.apply(Advanced(site=replace(site, promised=4.0), cause="test"), 0.0)
    assert books.promised_kw[0].tolist() == [0, 0, 0, 0, 100, 100]


def test_a_site_energised_early_is_free_from_then_on(books: Books):
    site = replace(SITE, stage=Stage.POWERED, promised=4.0, own_kw=30)
    books.apply(Opened(site=site, cause="test"), 0.0)
    books.apply(Energised(site="site", cause="test"), 2.0)
    assert books.energised_kw.tolist() == [100]
    assert books.own_kw.tolist() == [30]
    assert books.free_kw()[0].tolist() == [-30, -30, 70, 70, 70, 70]


def test_a_cancelled_site_returns_its_shell(books: Books):
    books.apply(Opened(site=replace(SITE, stage=Stage.LEASED, landlord="Landlord"), cause="t"), 0.0)
    books.apply(Cancelled(site="site", cause="test"), 1.0)
    assert books.shells_kw == {"Landlord": 100}
    assert books.cancelled_kw == 100
    assert not books.promised_kw.any()


def test_a_site_opened_in_the_run_takes_a_shell(books: Books):
    books.shells_kw["Landlord"] = 150
    site = replace(SITE, stage=Stage.LEASED, landlord="Landlord", opened=1.0)
    books.apply(Opened(site=site, cause="test"), 1.0)
    assert books.shells_kw == {"Landlord": 50}


def test_a_signed_contract_commits_its_months(books: Books):
    books.apply(Opened(site=SITE, cause="test"), 0.0)
    books.apply(Signed(contract=CONTRACT, cause="test"), 0.0)
    assert books.committed_kw[0].tolist() == [0, 60, 60, 60, 0, 0]
    assert books.free_kw()[0].tolist() == [100, 40, 40, 40, 100, 100]
    assert books.covered_h100e[0].tolist() == [0, 60, 60, 60, 0, 0]
    assert not books.active_rows().size


def test_a_ramp_commits_step_by_step(books: Books):
    books.apply(Signed(contract=replace(CONTRACT, ramp=Ramp(months=3)), cause="test"), 0.0)
    assert books.committed_kw[0].tolist() == [0, 20, 40, 60, 0, 0]


def test_a_contract_delivers_from_its_step_to_its_end(books: Books):
    books.apply(Opened(site=SITE, cause="test"), 0.0)
    books.apply(Signed(contract=CONTRACT, cause="test"), 0.0)
    books.apply(Stepped(contract="one", capacity_kw=60, cause="test"), 1.0)
    assert books.contracts.delivered_kw[:1].tolist() == [60]
    books.apply(Ended(contract="one", cause="test"), 4.0)
    assert books.contracts.delivered_kw[:1].tolist() == [0]
    assert books.contracts.state == ["ended"]
    assert books.contracts.delivered_kw_months[0] == 60 * 3


def test_delivery_is_rationed_with_first_call_served_first(books: Books):
    books.apply(Opened(site=SITE, cause="test"), 0.0)
    other = replace(CONTRACT, name="two", buyer="Lab B", capacity_kw=80)
    for contract in (CONTRACT, other):
        books.apply(Signed(contract=contract, cause="test"), 0.0)
        books.apply(
            Stepped(contract=contract.name, capacity_kw=contract.capacity_kw, cause="test"), 1.0
        )
    assert books.contracts.delivered_kw[:2].tolist() == [20, 80]


def test_nothing_is_delivered_from_what_is_kept(books: Books):
    books.apply(Opened(site=SITE, cause="test"), 0.0)
    books.apply(Reserved(pool_index=0, capacity_kw=70, cause="test"), 0.0)
    books.apply(Signed(contract=CONTRACT, cause="test"), 0.0)
    books.apply(Stepped(contract="one", capacity_kw=60, cause="test"), 1.0)
    assert books.contracts.delivered_kw[:1].tolist() == [30]


def test_a_terminated_contract_releases_what_is_ahead(books: Books):
    books.apply(Signed(contract=CONTRACT, cause="test"), 0.0)
    books.apply(Stepped(contract="one", capacity_kw=60, cause="test"), 1.0)
    books.apply(Terminated(contract="one", by="Lab A", cause="test"), 2.0)
    assert books.committed_kw[0].tolist() == [0, 60, 0, 0, 0, 0]
    assert books.contracts.state == ["terminated"]


def test_an_offer_under_notice_is_in_escrow_until_it_is_withdrawn(books: Books):
    notice = Noticed(contract=CONTRACT, holder="x", closes=0.5, match=None, cause="test")
    books.apply(notice, 0.0)
    assert books.committed_kw[0, 1] == 60
    books.apply(Withdrawn(contract="one", cause="test"), 0.5)
    assert not books.committed_kw.any()
    assert not books.notices


def test_an_offer_that_goes_ahead_is_committed_once(books: Books):
    books.apply(Noticed(contract=CONTRACT, holder="x", closes=0.5, match=None, cause="test"), 0.0)
    books.apply(Signed(contract=CONTRACT, offer="one", cause="test"), 0.5)
    assert books.committed_kw[0].tolist() == [0, 60, 60, 60, 0, 0]


def test_standing_clauses_hold_while_they_are_agreed(books: Books):
    exclusive = SupplyExclusivity(lab="Lab A", holder="Cloud", until=3.0)
    refusal = FirstRefusal(lab="Lab A", holder="Cloud", since=0.0, until=3.0, window_days=30)
    for clause in (exclusive, refusal):
        books.apply(Agreed(clause=clause, cause="test"), 0.0)
    assert books.forbids("Lab A", "Other", 2.9) == exclusive
    assert books.forbids("Lab A", "Other", 3.0) is None
    assert books.forbids("Lab A", "Cloud", 1.0) is None
    assert books.forbids("Lab B", "Other", 1.0) is None
    assert books.first_refusal("Lab A", "Other", 1.0) == refusal
    books.apply(Lapsed(clause=exclusive, cause="test"), 1.0)
    assert books.forbids("Lab A", "Other", 1.0) is None


def test_columns_grow_with_the_number_of_contracts(books: Books):
    for number in range(600):
        books.apply(Signed(contract=replace(CONTRACT, name=str(number)), cause="test"), 0.0)
    assert books.contracts.size == 600
    assert books.contracts.price[599] == 2.0
    assert books.committed_kw[0, 1] == 600 * 60
