"""Small valid scenarios drawn by Hypothesis, and what tests ask of a market that has run."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from offtake.model.market import Market
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.policy_checks import KEYS
from offtake.model.scenario import (
    Agreement,
    Building,
    Chip,
    ChipClass,
    Cloud,
    ContractGiven,
    DatedEvent,
    Demand,
    Finance,
    Government,
    GuaranteeGiven,
    Instrument,
    Investor,
    Kind,
    Lab,
    Landlord,
    Lender,
    Negotiation,
    PolicyGiven,
    Region,
    Scenario,
    SiteGiven,
    TrancheGiven,
    WarrantGiven,
)

START = dt.date(2025, 1, 1)
TABLES = (
    "regions",
    "chips",
    "classes",
    "labs",
    "clouds",
    "landlords",
    "investors",
    "lenders",
    "governments",
    "agreements",
    "contracts",
    "sites",
    "tranches",
    "guarantees",
    "warrants",
    "policies",
    "events",
)
PROTOCOLS: list[tuple[str, dict[str, Any]]] = [
    ("outside-options", {}),
    ("threat-point", {}),
    ("rubinstein", {"rounds": 3}),
    ("nash-in-nash", {}),
    ("nash-in-nash", {"replacement": True}),
    ("tactics", {"deadline_months": 5.5, "rounds": 10}),
    ("tactics", {"lab_tactic": "resource", "cloud_tactic": "tit-for-tat", "rounds": 10}),
    ("request-for-proposals", {}),
    ("request-for-proposals", {"format": "second-price"}),
    ("private-information", {}),
]
OLD_H100E_PER_MW = 800.0
PRICE_USD_PER_H100E_HOUR = 2.0
USER_PRICE_USD = 2.5
INFERENCE_SHARE = 0.4
IDLE: dict[str, Any] = {"training_revenue_share": 0.02, "training_funding_share": 0.0}
"""A lab that hardly trains: without a return to quality it leaves compute idle that it pays for."""


HOMES = [None, "State", "Abroad"]
MEASURES: dict[str, tuple[Instrument, dict[str, Any]]] = {
    "grants": ("subsidy", {"capex_share": 0.3}),
    "credit": ("public-credit", {"credit_share": 0.4, "credit_rate_per_year": 0.03}),
    "cover": ("loan-guarantee", {"loss_cover": 0.8}),
    "backstop": ("backstop", {"price_usd_per_h100e_hour": 1.0, "most_h100e": 3e4}),
    "home-first": ("national-preference", {"least_domestic_share": 0.6}),
    "screening": ("capital-screening", {"largest_foreign_share": 0.2, "review_months": 2.5}),
    "competition": (
        "antitrust",
        {
            "longest_exclusivity_months": 3.0,
            "bars_first_refusal": True,
            "largest_interlocking_share": 0.3,
            "merger_hhi": 0.2,
        },
    ),
}
"""Instruments of governments that act beside chips and permits."""


OWN_SILICON = Chip.model_validate(
    {
        "released": dt.date(2023, 1, 1),
        "h100e_per_mw": 1_500.0,
        "price_usd_per_h100e": 12_000.0,
        "class": "own",
    }
)


def day(months: int, of_month: int = 1) -> dt.date:
    """Return a day some months after the start of every generated scenario."""
    year, month = divmod(START.month - 1 + months, 12)
    return dt.date(START.year + year, month + 1, of_month)


@st.composite
def scenarios(
    draw: st.DrawFn,
    *,
    exclusive: bool = False,
    first_refusal: bool = False,
    months: int = 15,
    least_cash_usd: float = 1e8,
) -> Scenario:
    """Draw a market of two to four labs and clouds whose contracts fit what is built."""
    regions = ["north", "south"][: draw(st.integers(1, 2))]
    labs = [f"Lab {c}" for c in "ABCD"[: draw(st.integers(2, 4))]]
    clouds = [f"Cloud {c}" for c in "PQRS"[: draw(st.integers(2, 4))]]
    sites: dict[str, SiteGiven] = {}
    contracts: dict[str, ContractGiven] = {}
    sellers: dict[str, Cloud] = {}
    mw_of = dict.fromkeys(labs, 0)
    for number, cloud in enumerate(clouds):
        buyers = [
            lab for i, lab in enumerate(labs) if i % len(clouds) == number or draw(st.booleans())
        ]
        stands_mw = draw(st.integers(60, 300))
        sold_mw = stands_mw * draw(st.integers(4, 10)) // 10
        region = draw(st.sampled_from(regions))
        sites[f"s-{number}"] = SiteGiven(
            cloud=cloud, region=region, chip="old", capacity_mw=float(stands_mw), stage="energised"
        )
        for lab in buyers:
            part_mw = sold_mw // len(buyers)
            mw_of[lab] += part_mw
            contracts[f"c-{number}-{lab[-1].lower()}"] = draw(_running(lab, cloud, region, part_mw))
        if draw(st.booleans()):
            _add_next(draw, number, cloud, region, labs, sites, contracts)
        if draw(st.booleans()):
            sites[f"l-{number}"] = SiteGiven(
                cloud=cloud, region=region, capacity_mw=80.0, stage="loi", landlord="Landlord"
            )
        if draw(st.booleans()):
            sites[f"b-{number}"] = SiteGiven(
                cloud=cloud,
                region=region,
                capacity_mw=60.0,
                stage=draw(st.sampled_from(["leased", "building", "powered"])),
                landlord="Landlord",
                construction_months=6.0,
                grid_months=float(draw(st.integers(1, 12))),
            )
        sellers[cloud] = draw(_seller(stands_mw - sold_mw, labs, buyers))
    if draw(st.booleans()):
        sellers["Venture"] = draw(_venture(labs, clouds))
        sites["v-0"] = SiteGiven(
            cloud="Venture",
            region=regions[0],
            capacity_mw=60.0,
            stage=draw(st.sampled_from(["leased", "building"])),
            landlord="Landlord",
        )
    buyers_ = {lab: draw(_buyer(max(mw_of[lab], 20), least_cash_usd)) for lab in labs}
    users = sum(lab.users_million for lab in buyers_.values())
    classes = draw(_classes(clouds))
    return Scenario(
        format=1,
        name="generated",
        question="What must hold whatever is given?",
        start=START,
        months=draw(st.integers(6, months)),
        cutoff=START,
        demand=Demand(
            potential_users_million=10 * users,
            adopters_million=2 * users,
            quality_return=draw(st.sampled_from([0.3, 0.3, 0.0])),
        ),
        building=Building(
            lease_months=draw(st.sampled_from([2, 18])),
            holding_share=draw(st.sampled_from([0.0, 0.25])),
            defer_months=draw(st.sampled_from([1, 6])),
        ),
        regions={name: draw(_region()) for name in regions},
        chips={
            "old": Chip(
                released=dt.date(2023, 1, 1),
                h100e_per_mw=OLD_H100E_PER_MW,
                price_usd_per_h100e=36_000.0,
            ),
            "new": Chip(
                released=day(draw(st.integers(2, 9))),
                h100e_per_mw=1_600.0,
                price_usd_per_h100e=18_000.0,
            ),
            **({"own": OWN_SILICON} if "own" in classes else {}),
        },
        classes=classes,
        labs=buyers_,
        clouds=sellers,
        landlords={
            "Landlord": Landlord(
                cash_usd=1e9,
                region=draw(st.sampled_from(regions)),
                available_mw=50.0,
                new_mw_per_year=200.0,
                rent_usd_per_kw_month=130.0,
            ),
            "Vehicle": Landlord(
                cash_usd=0.0, region=regions[0], available_mw=0.0, rent_usd_per_kw_month=130.0
            ),
        },
        investors={
            "Fund": Investor(
                cash_usd=10e9,
                assets_usd=draw(st.sampled_from([0.0, 2e9])),
                joins_rounds=True,
                borrowing_limit=draw(st.sampled_from([0.0, 0.5])),
                home=draw(st.sampled_from(HOMES)),
            ),
            "Backer": Investor(
                cash_usd=3e9,
                joins_rounds=True,
                returns_from={clouds[0]: draw(st.sampled_from([0.5, 1.0]))},
                compute_share=draw(st.sampled_from([0.0, 0.7])),
            ),
        },
        lenders={"Lender": Lender(cash_usd=20e9)},
        governments={
            "State": Government(
                cash_usd=draw(st.sampled_from([1e6, 5e8])),
                budget_usd_per_year=draw(st.sampled_from([0.0, 1e9])),
                strategies=draw(st.sampled_from([{}, {"regulator": "react-to-market"}])),
            ),
            "Abroad": Government(cash_usd=0.0),
        },
        agreements=draw(_agreements(labs, clouds, exclusive, first_refusal)),
        contracts=contracts,
        sites=sites,
        tranches=draw(_tranches(labs, clouds)),
        guarantees=draw(_guarantees(labs, clouds)),
        warrants=draw(_warrants(labs, clouds)),
        policies=draw(_policies(regions, clouds)),
        events=draw(_events()),
        negotiation=draw(_negotiation()),
        finance=draw(_finance()),
    )


@st.composite
def _finance(draw: st.DrawFn) -> Finance:
    """Draw terms of debt: plain ones as often as any other."""
    if draw(st.booleans()):
        return Finance()
    return Finance(
        debt_term_months=draw(st.sampled_from([6, 60])),
        debt_amortisation=draw(st.sampled_from(["level", "straight"])),
        debt_interest_only_months=draw(st.sampled_from([0, 3])),
        debt_balloon_share=draw(st.sampled_from([0.0, 0.5])),
        lender_recovery=draw(st.sampled_from([1.0, 0.4])),
        refinances=draw(st.booleans()),
        covenant_dscr=draw(st.sampled_from([0.0, 1.5])),
        covenant_remedy=draw(st.sampled_from(["stop-draws", "reprice", "accelerate"])),
        covenant_cure_months=draw(st.sampled_from([0, 3])),
        debt_secured=draw(st.booleans()),
        renegotiates=draw(st.booleans()),
        restructuring_majority=draw(st.sampled_from([0.5, 1.0])),
        restructuring_extension_months=draw(st.sampled_from([0, 12])),
    )


@st.composite
def _negotiation(draw: st.DrawFn) -> Negotiation:
    return Negotiation(
        exclusivity=draw(st.sampled_from([("none",), ("none", "supply")])),
        first_refusal=draw(st.sampled_from([(False,), (False, True)])),
        sealed_bids=draw(st.booleans()),
        bid_cost_usd=draw(st.sampled_from([0.0, 1e6])),
        most_favoured=draw(st.booleans()),
        cross_default=draw(st.booleans()),
        assignability=draw(st.sampled_from(["none", "free"])),
        spot_auction=draw(st.sampled_from(["uniform", "k-double", "mcafee"])),
        spot_k=draw(st.sampled_from([0.0, 0.3])),
        **draw(_terms()),
        **draw(_protocol()),
    )


@st.composite
def _running(draw: st.DrawFn, lab: str, cloud: str, region: str, part_mw: int) -> ContractGiven:
    return ContractGiven(
        lab=lab,
        cloud=cloud,
        region=region,
        chip="old",
        capacity_mw=float(part_mw),
        price_usd_per_h100e_hour=PRICE_USD_PER_H100E_HOUR,
        start=dt.date(2024, 1, 1),
        end=day(draw(st.integers(3, 40)), draw(st.sampled_from([1, 16]))),
        take_or_pay=draw(st.sampled_from([0.0, 0.5, 0.8, 1.0])),
        prepayment_usd=draw(st.sampled_from([0.0, 1e8])),
        **draw(_terms()),
        assignability=draw(st.sampled_from(["none", "with-consent", "free"])),
        most_favoured=draw(st.booleans()),
        cross_default=draw(st.booleans()),
    )


@st.composite
def _terms(draw: st.DrawFn) -> dict[str, Any]:
    """Draw terms of payment and delivery: about half of the contracts have the plain ones."""
    kinds = draw(st.sets(st.sampled_from(["make-up", "moves", "seller leaves", "damages", "stop"])))
    terms: dict[str, Any] = {}
    if "make-up" in kinds:
        terms |= {"makeup_months": draw(st.sampled_from([1, 3, 12]))}
    if "moves" in kinds:
        terms |= {
            "escalator_per_year": draw(st.sampled_from([-0.1, 0.0, 0.05])),
            "price_index": draw(st.sampled_from(["none", "contract-price", "chip"])),
            "price_change_least_per_year": draw(st.sampled_from([None, -0.05])),
            "price_change_most_per_year": draw(st.sampled_from([None, 0.02])),
        }
    if "seller leaves" in kinds:
        terms |= {
            "seller_termination_months": draw(st.sampled_from([0.0, 6.0])),
            "seller_notice_months": draw(st.sampled_from([0, 2, 6])),
        }
    if "damages" in kinds:
        terms |= {
            "delay_share": draw(st.sampled_from([0.5, 1.0])),
            "delay_cure_days": draw(st.sampled_from([0.0, 45.0])),
            "delay_cap_share": draw(st.sampled_from([0.01, 0.1])),
        }
    if "stop" in kinds:
        terms |= {"long_stop_months": draw(st.sampled_from([1.0, 4.0]))}
    return terms


def _add_next(
    draw: st.DrawFn,
    number: int,
    cloud: str,
    region: str,
    labs: list[str],
    sites: dict[str, SiteGiven],
    contracts: dict[str, ContractGiven],
) -> None:
    """Add a site that is being built, and a contract that waits for it."""
    mw = draw(st.integers(20, 120))
    sites[f"n-{number}"] = SiteGiven(
        cloud=cloud,
        region=region,
        chip="new",
        capacity_mw=float(mw),
        stage=draw(st.sampled_from(["leased", "building", "powered"])),
        construction_months=float(draw(st.integers(1, 12))),
        grid_months=float(draw(st.integers(1, 12))),
    )
    contracts[f"d-{number}"] = ContractGiven(
        lab=draw(st.sampled_from(labs)),
        cloud=cloud,
        region=region,
        chip="new",
        capacity_mw=float(mw // 2),
        price_usd_per_h100e_hour=1.25,
        start=day(draw(st.integers(1, 8)), draw(st.sampled_from([1, 10]))),
        end=day(30),
        take_or_pay=0.8,
        ramp_months=draw(st.integers(0, 4)),
        prepayment_usd=draw(st.sampled_from([0.0, 5e7])),
        **draw(_terms()),
    )


@st.composite
def _seller(draw: st.DrawFn, spare_mw: int, labs: list[str], buyers: list[str]) -> Cloud:
    kinds: list[Kind] = ["hyperscaler", "hyperscaler", "neocloud", "captive"]
    kind = draw(st.sampled_from(kinds))
    return Cloud(
        kind=kind,
        cash_usd=draw(st.sampled_from([1e8, 3e9, 20e9])),
        other_cash_flow_usd_per_year=draw(st.sampled_from([0.0, 5e9])),
        own_use_mw=float(spare_mw // draw(st.integers(1, 3))),
        own_share_of_new=draw(st.sampled_from([0.0, 0.3])),
        debt_share=draw(st.sampled_from([0.0, 0.8])),
        site_vehicle=draw(st.sampled_from([None, None, "Vehicle"])),
        debt_usd=draw(st.sampled_from([0.0, 1e9])),
        priority=(buyers or labs)[0] if kind == "captive" else None,
        owners={"Fund": 0.5} if kind == "captive" else {},
        home=draw(st.sampled_from(HOMES)),
        **(draw(_deed()) if kind == "captive" else {}),
    )


@st.composite
def _venture(draw: st.DrawFn, labs: list[str], clouds: list[str]) -> Cloud:
    """Draw a venture that may form, or is only a label."""
    return Cloud(
        kind="captive",
        cash_usd=0.0,
        priority=labs[0],
        owners={"Fund": 0.6, labs[0]: 0.4},
        commitments={"Fund": 3e9, labs[0]: 5e8},
        debt_share=0.5,
        formation=day(draw(st.integers(0, 6)), draw(st.sampled_from([1, 9]))),
        formation_probability=draw(st.sampled_from([0.0, 0.5, 1.0])),
        label_over=draw(st.sampled_from([(), (), (clouds[0],)])),
    )


@st.composite
def _deed(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "commitments": draw(st.sampled_from([{}, {"Fund": 2e9}])),
        "consent": draw(st.sampled_from([0.0, 1.0])),
        "sells_surplus": draw(st.booleans()),
    }


@st.composite
def _buyer(draw: st.DrawFn, mw: int, least_cash_usd: float) -> Lab:
    h100e = mw * OLD_H100E_PER_MW
    cost_usd = h100e * PRICE_USD_PER_H100E_HOUR * HOURS_PER_MONTH
    users = draw(st.sampled_from([0.8, 1.3, 2.0])) * cost_usd / USER_PRICE_USD / 1e6
    return Lab(
        home="State",
        cash_usd=draw(st.sampled_from([least_cash_usd, 2e9, 2e10])),
        users_million=users,
        price_usd_per_user_month=USER_PRICE_USD,
        compute_h100e_hours_per_user=INFERENCE_SHARE * h100e * HOURS_PER_MONTH / (users * 1e6),
        training_h100e=(1 - INFERENCE_SHARE) * h100e,
        parent_funding_usd_per_year=draw(st.sampled_from([0.0, 1e9])),
        overhead_revenue_share=draw(st.sampled_from([0.25, 0.25, 0.7])),
        **draw(st.sampled_from([{}, {}, IDLE])),
    )


@st.composite
def _protocol(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a protocol, the default as often as all others together."""
    name, protocol = draw(st.sampled_from([*PROTOCOLS, *[PROTOCOLS[0]] * (len(PROTOCOLS) - 2)]))
    return {"bargainer": name, "protocol": protocol}


@st.composite
def _region(draw: st.DrawFn) -> Region:
    return Region(
        construction_mean_months=float(draw(st.integers(2, 15))),
        grid_mean_months=float(draw(st.integers(2, 25))),
        power_usd_per_kwh=draw(st.sampled_from([0.04, 0.09])),
        pue=1.2,
        domestic_to="State",
    )


@st.composite
def _agreements(
    draw: st.DrawFn, labs: list[str], clouds: list[str], exclusive: bool, first_refusal: bool
) -> dict[str, Agreement]:
    agreements = {}
    for number, lab in enumerate(labs):
        kinds = draw(st.sets(st.sampled_from(["exclusive", "refusal", "share"])))
        if number == 0:
            kinds |= {"exclusive"} if exclusive else set()
            kinds |= {"refusal"} if first_refusal else set()
        if not kinds:
            continue
        until = day(draw(st.integers(2, 30)), draw(st.sampled_from([1, 20])))
        agreements[f"a-{number}"] = Agreement(
            lab=lab,
            cloud=draw(st.sampled_from(clouds)),
            **(draw(_exclusivities(until, whole=exclusive)) if "exclusive" in kinds else {}),
            first_refusal_from=START if "refusal" in kinds else None,
            first_refusal_until=until if "refusal" in kinds else None,
            first_refusal_days=draw(st.sampled_from([10, 30, 75])),
            revenue_share=0.1 if "share" in kinds else 0.0,
            reach=draw(st.sampled_from([1.0, 0.7])) if "share" in kinds else 1.0,
            reach_until=draw(st.sampled_from([None, until])),
            waivable=not exclusive and bool(kinds - {"share"}) and draw(st.booleans()),
        )
    return agreements


@st.composite
def _exclusivities(draw: st.DrawFn, until: dt.date, *, whole: bool) -> dict[str, Any]:
    scope = "all" if whole else draw(st.sampled_from(["all", "training", "inference", "region"]))
    return {
        "exclusive_until": until,
        "exclusive_scope": scope,
        "exclusive_region": "north" if scope == "region" else None,
        "breach_usd_per_h100e_hour": None
        if whole
        else draw(st.sampled_from([None, 0.0, 0.1, 0.5])),
    }


@st.composite
def _guarantees(draw: st.DrawFn, labs: list[str], clouds: list[str]) -> dict[str, GuaranteeGiven]:
    return {
        f"g-{n}": GuaranteeGiven(
            guarantor=draw(st.sampled_from(["Fund", clouds[0]])),
            debtor=draw(st.sampled_from([labs[0], clouds[-1], "Vehicle"])),
            limit_usd=draw(st.sampled_from([1e7, 5e9])),
            fee_per_year=draw(st.sampled_from([0.0, 0.02])),
            until=draw(st.sampled_from([None, day(6)])),
        )
        for n in range(draw(st.integers(0, 2)))
    }


@st.composite
def _warrants(draw: st.DrawFn, labs: list[str], clouds: list[str]) -> dict[str, WarrantGiven]:
    if not draw(st.booleans()):
        return {}
    return {
        "w-0": WarrantGiven(
            lab=draw(st.sampled_from(labs)),
            cloud=draw(st.sampled_from(clouds)),
            equity_usd=1e8,
            purchases_usd=draw(st.sampled_from([1e8, 1e10])),
            steps=draw(st.sampled_from([1, 7])),
            until=draw(st.sampled_from([None, day(5)])),
        )
    }


@st.composite
def _tranches(draw: st.DrawFn, labs: list[str], clouds: list[str]) -> dict[str, TrancheGiven]:
    return {
        f"t-{n}": TrancheGiven(
            investor="Fund",
            issuer=draw(st.sampled_from(labs)),
            due=day(draw(st.integers(0, 12)), draw(st.sampled_from([1, 11]))),
            amount_usd=2e9,
            reduced_usd=draw(st.sampled_from([0.0, 5e8])),
            condition=draw(st.sampled_from(["none", "governance", "listing"])),
            probability=0.5,
            waits_months=draw(st.sampled_from([0, 3])),
            syndicate=draw(st.sampled_from([{}, {"Backer": 0.3}])),
            underwritten=draw(st.booleans()),
            compute_share=draw(st.sampled_from([0.0, 0.5])),
            compute_from=clouds[0],
        )
        for n in range(draw(st.integers(0, 3)))
    }


@st.composite
def _classes(draw: st.DrawFn, clouds: list[str]) -> dict[str, ChipClass]:
    """Draw how GPUs are priced and allotted, and a custom class that pays at once or never."""
    classes = {}
    if draw(st.booleans()):
        classes["gpu"] = ChipClass(
            learning_rate=draw(st.sampled_from([0.0, 0.2])),
            world_h100e_per_month=1e5,
            allotment_h100e_per_month=draw(st.sampled_from([None, 0.0, 1e4, 1e6])),
        )
    if draw(st.booleans()):
        venture = draw(st.sampled_from([None, clouds[-1]]))
        classes["own"] = ChipClass(
            learning_rate=0.1,
            allotment_h100e_per_month=draw(st.sampled_from([None, 5e3])),
            owner=draw(st.sampled_from([None, clouds[0]])),
            nre_usd=draw(st.sampled_from([0.0, 1e7, 1e13])),
            development_months=draw(st.integers(0, 4)),
            venture=venture,
            venture_mw=draw(st.sampled_from([50.0, 400.0])) if venture else 0.0,
            porting_usd_per_h100e=draw(st.sampled_from([0.0, 2_000.0])),
            ported=draw(st.sampled_from([0.0, 0.2, 1.0])),
            porting_half_months=3.0,
        )
    return classes


@st.composite
def _policies(draw: st.DrawFn, regions: list[str], clouds: list[str]) -> dict[str, PolicyGiven]:
    policies = {}
    if draw(st.booleans()):
        policies["faster-grid"] = PolicyGiven(
            government="State",
            instrument="permitting",
            effective=day(draw(st.integers(0, 6)), 6),
            until=draw(st.sampled_from([None, day(9)])),
            regions=(regions[0],),
            grid_multiplier=draw(st.sampled_from([0.5, 2.0])),
        )
    if draw(st.booleans()):
        policies["no-chips"] = PolicyGiven(
            government="State",
            instrument="export-control",
            effective=day(draw(st.integers(0, 6))),
            destinations=(regions[-1],),
            exempt_parents=(clouds[0],),
            chips=draw(st.sampled_from([(), ("new",)])),
            quota_h100e_per_year=draw(st.sampled_from([0.0, 1e5])),
            quota_months=draw(st.sampled_from([3, 12])),
            licence_months=draw(st.sampled_from([0.0, 2.5])),
            tariff_share=draw(st.sampled_from([0.0, 0.25])),
        )
    for name in draw(st.sets(st.sampled_from(sorted(MEASURES)), max_size=3)):
        instrument, terms = MEASURES[name]
        place = {"regions": tuple(regions)} if "regions" in KEYS[instrument] else {}
        drafted = draw(st.booleans()) and instrument in ("antitrust", "capital-screening")
        policies[name] = PolicyGiven(
            government="State",
            instrument=instrument,
            effective=None if drafted else day(draw(st.integers(0, 6))),
            draft=drafted,
            until=draw(st.sampled_from([None, day(9)])),
            **place,
            **terms,
        )
    return policies


@st.composite
def _events(draw: st.DrawFn) -> dict[str, DatedEvent]:
    if not draw(st.booleans()):
        return {}
    return {
        "shock": DatedEvent(
            on=day(draw(st.integers(1, 8)), draw(st.sampled_from([1, 20]))),
            what="usage changes",
            usage_shock=draw(st.sampled_from([-0.5, 0.5])),
            duration_months=draw(st.sampled_from([None, 3])),
            lists=draw(st.sampled_from([None, "Lab A"])),
        )
    }


# What a run is asked


def played(scenario: Scenario, *, seed: int = 1, months: float | None = None, **how: Any) -> Market:
    """Return the market of a scenario after some months, by default all of them."""
    market = Market(scenario, rng=seed, **how)
    market.run_until(scenario.months if months is None else months)
    return market


def by_name(names: Sequence[str], values: Sequence[float] | np.ndarray) -> list[float]:
    """Return values of participants in the order of their names."""
    return [value for _, value in sorted(zip(names, values, strict=True))]


def reordered(scenario: Scenario, order: Any) -> Scenario:
    """Return the scenario with the entries of every table in another order."""
    tables = {
        t: {n: getattr(scenario, t)[n] for n in order(list(getattr(scenario, t)))} for t in TABLES
    }
    return scenario.model_copy(update=tables)


def digest(market: Market) -> str:
    """Return a hash of everything that was recorded, bit for bit."""
    found = hashlib.sha256()
    for name, months in market.recorder.values.items():
        found.update(name.encode())
        for values in months:
            found.update(values.tobytes())
    for time, event in market.books.journal:
        found.update(repr((time, type(event).__name__)).encode())
        for field in type(event).__dataclass_fields__:
            found.update(_bytes(getattr(event, field)))
    found.update(repr(sorted(market.books.deposits.items())).encode())
    return found.hexdigest()


def _bytes(value: Any) -> bytes:
    return value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()


def renamed(scenario: Scenario, names: dict[str, str]) -> Scenario:
    """Return the scenario with participants under other names, wherever they are named."""

    def change(value: Any) -> Any:
        if isinstance(value, str):
            return names.get(value, value)
        if isinstance(value, dict):
            return {change(k): v if k == "drawn_as" else change(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(change(v) for v in value)
        return value

    return Scenario.model_validate(change(scenario.model_dump()))
