"""Everything given before the first month: frozen data, every number with its unit in its name.

A `Scenario` is read from TOML by `offtake.model.reading`. The classes below are the schema: the
reference manual, the JSON Schema for editors and the messages about wrong keys are made from them.
"""

import datetime as dt
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .&'()-]{0,62}\Z")
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")

GPU = "gpu"
"""Class of chips that all software runs on and every cloud may use."""

Usd = Annotated[float, Field(ge=0, le=1e14)]
Positive = Annotated[float, Field(gt=0, le=1e9)]
NonNegative = Annotated[float, Field(ge=0, le=1e9)]
Share = Annotated[float, Field(ge=0, le=1)]
Signed = Annotated[float, Field(ge=-1e6, le=1e6)]
Months = Annotated[int, Field(ge=0, le=600)]
Mw = Annotated[float, Field(gt=0, le=1e6)]
Kind = Literal["hyperscaler", "neocloud", "captive", "self-builder"]
Assignable = Literal["none", "with-consent", "free"]
StageName = Literal["loi", "leased", "building", "powered", "energised"]
Instrument = Literal[
    "export-control",
    "permitting",
    "subsidy",
    "public-credit",
    "loan-guarantee",
    "backstop",
    "national-preference",
    "capital-screening",
    "antitrust",
    "signal",
]


class Part(BaseModel):
    """A table of a scenario: strict, frozen, unknown keys refused, only finite numbers."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
    )


class Demand(Part):
    """Final demand and the product market (dem-1 to dem-9)."""

    potential_users_million: Positive = 5000.0
    """Market potential M of the adoption curve, million users."""
    adopters_million: Positive = 2000.0
    """Users at the start, of any lab or of the outside good, million."""
    innovation_per_year: NonNegative = 0.01
    """Bass coefficient p, a year."""
    imitation_per_year: NonNegative = 0.30
    """Bass coefficient q, a year."""
    churn_per_month: Share = 0.05
    """Share mu of users that choose anew each month (dem-3)."""
    quality_return: Annotated[float, Field(ge=0, le=1.5)] = 0.30
    """Return beta of quality to the training stock (dem-2, dem-8)."""
    price_sensitivity_per_usd: Positive = 1.5
    """Logit price coefficient alpha, per USD a user-month."""
    unserved_penalty: NonNegative = 2.0
    """Utility omega lost when the whole load was unserved last month (dem-2)."""
    usage_growth_per_month: Signed = 0.07
    """Growth g_a of reference compute a user asks for, log points a month (dem-4)."""
    willingness_growth_per_month: Signed = 0.04
    """Growth g_v of what users would pay for a service as it does more, log points a month."""
    growth_half_life_months: Positive = 48.0
    """Months in which the growth of usage, willingness and efficiency halves."""
    efficiency_growth_per_month: Signed = 0.03
    """Growth g_eta of algorithmic efficiency of inference, log points a month (dem-4)."""
    training_efficiency_growth_per_month: Signed = 0.0
    """Growth g_alg of what an H100e-month of training yields, log points a month (dem-7)."""
    training_decay_per_month: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Depreciation d_K of the training stock, a month (dem-7)."""
    price_adjustment: Share = 0.10
    """Speed theta of the service price towards its target (dem-6)."""
    value_slope: Share = 0.50
    """Slope zeta of the marginal value of inference across the load (dem-9)."""
    conduct: Literal["calibrated", "bertrand"] = "calibrated"
    """Whether a lab's markup keeps its initial ratio to logit Bertrand-Nash, or equals it (dem-6)."""
    quality_noise_per_month: NonNegative = 0.02
    """Standard deviation of the monthly shock to a lab's appeal xi."""
    quality_persistence: Share = 0.95
    """Share of a shock to appeal that is still there a month later."""
    usage_noise_per_month: NonNegative = 0.02
    """Standard deviation of the common monthly shock to log usage."""


class Beliefs(Part):
    """Expectations (exp-1 to exp-5)."""

    learning: Share = 0.10
    """Speed lambda at which a growth belief moves to observed growth (exp-1)."""
    damping: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Damping phi_d of projected growth, a month (exp-2)."""
    growth_per_month: Signed = 0.05
    """Growth of need that everybody believes at the start, log points a month."""
    error_variance: NonNegative = 0.01
    """Variance of one-month-ahead log forecast errors believed at the start (exp-3)."""
    error_memory: Share = 0.90
    """Weight of the past in the moving variance of forecast errors (exp-3)."""
    price_reversion_per_month: NonNegative = 0.05
    """Speed kappa at which the spot price is believed to revert to long-run cost (exp-4)."""
    price_decline_per_year: Share = 0.25
    """Believed decline of the long-run cost of an H100e-hour, a year."""
    visibility: Share = 0.50
    """Share iota of rivals' pipeline that a cloud counts (exp-5)."""


class Procurement(Part):
    """How labs buy (pro-1 to pro-6)."""

    lots_months: tuple[Annotated[int, Field(ge=1, le=120)], ...] = (1, 12, 24)
    """Start of each lot of a tender, months ahead (pro-3)."""
    threshold: Share = 0.15
    """Gap as a share of need above which a lab tenders (pro-3)."""
    coverage_floor: Share = 0.50
    """Least quantile of need that a lab wants covered by contract (pro-1)."""
    affordability: NonNegative = 2.0
    """Multiple kappa of resources that take-or-pay obligations may reach (pro-6)."""
    renegotiation_per_year: Share = 0.10
    """Probability that a supplier reopens a contract, a year; enters psi (pro-5)."""
    porting_usd_per_h100e: NonNegative = 500.0
    """One-off cost of moving to a cloud the lab does not use yet, USD per H100e (pro-5)."""
    margin_months: Months = 12
    """Months of expected gross margin counted among a lab's resources (pro-6)."""


class PaymentTerms(Part):
    """Terms of payment and delivery of one contract, or of all contracts signed in the run (1.7)."""

    makeup_months: Months = 0
    """Months in which compute paid for under take-or-pay and not used may be used without further payment;
    0 for no such right."""
    escalator_per_year: Annotated[float, Field(ge=-0.5, le=1)] = 0.0
    """Change of the price on each anniversary of the start, a year."""
    price_index: Literal["none", "contract-price", "chip"] = "none"
    """What the price follows on each anniversary: nothing, the public index of contract prices, or the price
    of the newest chips per H100e."""
    price_change_least_per_year: Annotated[float, Field(ge=-1, le=10)] | None = None
    """Least relative change of the price on an anniversary, for example -0.05; no floor where not given."""
    price_change_most_per_year: Annotated[float, Field(ge=-1, le=10)] | None = None
    """Largest relative change of the price on an anniversary; no cap where not given."""
    seller_termination_months: NonNegative | None = None
    """Fee for which the cloud may leave, months of the full bill at the start of the term; it falls evenly to
    nothing at the end. The cloud may not leave where not given."""
    seller_notice_months: Months = 6
    """Months a contract goes on after the cloud has given notice."""
    delay_share: Share = 0.0
    """Damages for each day of delay, share of what the compute missing on it would have cost."""
    delay_cure_days: Annotated[float, Field(ge=0, le=3650)] = 30.0
    """Days after the start for which no damages are due."""
    delay_cap_share: Share = 0.10
    """Most that all damages for delay may come to, share of the contract's nominal value."""
    long_stop_months: NonNegative | None = None
    """Months after the start from which the lab may walk away free from a contract that is not delivered;
    never where not given."""
    long_stop_share: Share = 0.5
    """Share of the capacity in force below which a contract counts as not delivered for that."""


class Negotiation(PaymentTerms):
    """The clause menu, the clearing and the price (bar-1 to bar-4); terms of contracts signed in the run."""

    terms_months: tuple[Annotated[int, Field(ge=1, le=600)], ...] = (12, 24, 36, 60, 84, 120, 180)
    """Contract terms on the menu, months."""
    take_or_pay: tuple[Share, ...] = (0.0, 0.5, 0.7, 0.8, 0.9, 1.0)
    """Take-or-pay floors on the menu, share of delivered capacity."""
    prepayment: tuple[Annotated[float, Field(ge=0, le=0.5)], ...] = (0.0, 0.15, 0.25)
    """Prepayments on the menu, share of the nominal contract value of the first year."""
    smallest_mw: NonNegative = 0.5
    """Least size of a contract, MW of IT load; smaller remainders wait for the next tender."""
    increment_usd_per_h100e_hour: Positive = 0.01
    """Smallest price step of the ascending clearing (bar-3)."""
    termination_months: NonNegative = 600.0
    """Fee for leaving a contract signed in the run, months of the take-or-pay bill, at most what is left."""
    value_volatility_per_year: Positive = 0.30
    """Volatility sigma_V of the value of capacity; enters hurdles and take-or-pay (cst-5, cap-4)."""
    bargainer: str = "outside-options"
    """Protocol that prices a match: one of ours, or of an installed package (bar-1, bar-4)."""
    protocol: dict[str, Any] = Field(default_factory=dict)
    """Settings of that protocol by name, for example `deadline_months = 6` of `tactics`."""
    bid_cost_usd: Usd = 0.0
    """Cost of preparing a bid that a holder of first refusal may match (B13)."""
    assignability: Assignable = "none"
    """Whether buyers may let compute of contracts signed in the run, and pass these contracts on."""
    spot_auction: Literal["uniform", "k-double", "mcafee"] = "uniform"
    """Protocol of the spot auctions: the middle of the clearing interval, a share of it, or McAfee's."""
    spot_k: Share = 0.5
    """Weight of the upper end of the clearing interval in the price of a k-double auction."""
    exclusivity: tuple[Literal["none", "supply"], ...] = ("none",)
    """Exclusivity on the menu of contracts signed in the run: taken where it raises the pair's surplus."""
    first_refusal: tuple[bool, ...] = (False,)
    """First refusal on the menu of contracts signed in the run: taken where it raises the pair's surplus."""
    first_refusal_days: Annotated[int, Field(ge=1, le=365)] = 30
    """Days that the holder of a first refusal from the menu has to match."""
    sealed_bids: bool = False
    """Whether who bids against a first refusal bids its best reply to a holder of unknown cost (B13)."""
    most_favoured: bool = False
    """Whether prices of contracts signed in the run follow down to those of like contracts signed later."""
    cross_default: bool = False
    """Whether contracts signed in the run may be ended, and their floor claimed, when the lab defaults."""
    benchmark_every_months: Annotated[int, Field(ge=0, le=600)] = 6
    """Months between two comparisons with the efficient allocation; 0 for none."""


class Building(Part):
    """Cost and time of capacity (cst-1 to cst-6, cap-1 to cap-7)."""

    order_months: Positive = 6.0
    """Months tau_b over which orders close the gap to desired capacity (cap-2)."""
    merchant_share: Share = 0.30
    """Share of the uncontracted forecast that a cloud builds for (cap-2)."""
    loi_months: Annotated[int, Field(ge=1, le=60)] = 4
    """Months a letter of intent stays open."""
    lease_months: Annotated[int, Field(ge=1, le=120)] = 18
    """Months within which construction on a lease must start, or the lease ends against its fee."""
    holding_share: Share = 0.25
    """Cost of deferring a letter or a lease, share of its rent for the months deferred (cap-5)."""
    defer_months: Annotated[int, Field(ge=1, le=60)] = 6
    """Months by which a deferral moves the deadline (cap-5)."""
    most_deferrals: Annotated[int, Field(ge=0, le=20)] = 2
    """How often one letter or lease can be deferred; 0 for never."""
    shell_usd_per_kw: Positive = 11_700.0
    """Building, mechanical and electrical plant of an owned site, USD per kW of IT load."""
    fee_loi: Share = 0.0
    """Fee for dropping a letter of intent, share of a year's rent."""
    fee_leased: NonNegative = 0.5
    """Fee for cancelling a signed lease, years of rent."""
    fee_building: NonNegative = 1.5
    """Fee for cancelling a site under construction, years of rent."""
    operations_share_per_year: Share = 0.05
    """Operation and maintenance, share of chip cost a year (U10)."""
    server_life_months: Annotated[int, Field(ge=12, le=240)] = 66
    """Useful life of chips and network, months."""
    busy: Annotated[float, Field(gt=0, le=1)] = 0.85
    """Share of hours that merchant capacity is expected to sell."""
    smallest_site_mw: Mw = 20.0
    """Least size of a new site, MW of IT load."""
    largest_site_mw: Mw = 300.0
    """Largest size of a new site, MW of IT load; larger needs become several sites."""
    head_start: Annotated[float, Field(gt=0, le=1)] = 0.6
    """Share of a region's clocks that a new site still has before it: land and queue places are held."""


class Finance(Part):
    """Rounds, debt and solvency (fin-1 to fin-6, ins-1)."""

    dscr: Annotated[float, Field(ge=1, le=10)] = 1.3
    """Debt-service cover that lenders ask for (fin-3)."""
    debt_term_months: Annotated[int, Field(ge=1, le=360)] = 60
    """Term of project debt, months."""
    debt_rate_per_year: Share = 0.11
    """Interest on project debt, a year, before what lenders add for the credit of tenants."""
    lender_recovery: Share = 1.0
    """Part of contracted cash flow that lenders expect to recover when a tenant fails: they add the rest,
    times the hazard of the tenants, to the rate; 1 for no spread (fin-3)."""
    debt_amortisation: Literal["level", "straight"] = "level"
    """How project debt is repaid: in level payments, or in equal parts of principal."""
    debt_interest_only_months: Months = 0
    """Months after the draw in which interest is paid and no principal."""
    debt_balloon_share: Share = 0.0
    """Part of the principal that is due in one sum at the end of the term."""
    refinances: bool = False
    """Whether borrowers replace a loan at its end, or when another is cheaper, as far as lenders lend."""
    refinancing_fee: Share = 0.01
    """Fee for a loan that replaces another, share of its principal."""
    covenant_dscr: NonNegative = 0.0
    """Cover of the next twelve months' debt service by contracted cash flow below which a borrower is in
    breach; 0 for no covenant."""
    covenant_remedy: Literal["stop-draws", "reprice", "accelerate"] = "stop-draws"
    """What follows on a breach: no further draws; also a higher rate; or, once it is not cured in time, all
    loans due at once."""
    covenant_cure_months: Months = 6
    """Months that a breach may last before loans are due at once."""
    covenant_margin_per_year: Share = 0.02
    """What a breach adds to the rate of each loan, once, a year."""
    base_hazard_per_month: Share = 0.001
    """Believed monthly hazard that a lab with ample runway fails."""
    runway_hazard: NonNegative = 0.02
    """Added hazard a month, divided by months of runway."""
    debt_secured: bool = False
    """Whether loans are secured by the site they pay for: if it is sold out of an estate, they are paid
    first."""
    grace_months: Annotated[int, Field(ge=0, le=24)] = 2
    """Months of arrears before default (ins-1)."""
    renegotiates: bool = False
    """Whether labs and clouds in arrears beyond grace talk with their creditors before they fail (ins-1)."""
    most_restructurings: Annotated[int, Field(ge=0, le=20)] = 1
    """How often one participant can be restructured."""
    restructuring_majority: Share = 0.667
    """Part of what is owed whose creditors must accept a plan; they bind the others."""
    restructuring_months: Annotated[int, Field(ge=1, le=360)] = 36
    """Months over which what is owed is repaid under a plan."""
    restructuring_extension_months: Months = 12
    """Months by which a contract is extended whose price a plan lowers."""
    revenue_multiple: NonNegative = 12.0
    """Post-money valuation of a round over forward yearly revenue, at no growth (fin-6)."""
    growth_multiple: NonNegative = 10.0
    """Added multiple per unit of yearly growth believed (fin-6)."""
    round_dilution: Share = 0.12
    """Largest share of a lab sold in one round."""
    round_interval_months: Annotated[int, Field(ge=1, le=120)] = 9
    """Least months between two rounds of a lab."""
    runway_target_months: Positive = 18.0
    """Runway below which a lab looks for a round."""
    draw_months: Positive = 24.0
    """Months over which a lab plans to spend its cash: the funding draw of (dem-7)."""


class Region(Part):
    """Where sites stand: clocks and power."""

    construction_mean_months: Positive
    """Mean of the construction clock, months (cap-1)."""
    grid_mean_months: Positive
    """Mean of the grid clock, months (cap-1)."""
    clock_shape: Positive = 4.0
    """Shape of both gamma clocks (D11); 1 is exponential."""
    power_usd_per_kwh: NonNegative
    """Power, USD per kWh at the meter."""
    pue: Annotated[float, Field(ge=1, le=3)]
    """Meter power over IT power."""
    domestic_to: str | None = None
    """Government whose home market this is."""
    source: str | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None


class Chip(Part):
    """A generation of accelerators, with its place in the technology path (chp-1)."""

    released: dt.date
    """Day from which new sites can be fitted with it."""
    h100e_per_mw: Positive
    """Vintage index theta: H100-equivalents per MW of IT load."""
    price_usd_per_h100e: Positive
    """Accelerators, servers and network, USD per H100-equivalent."""
    class_: str = Field(default=GPU, alias="class")
    """Class it belongs to: `gpu`, or a custom class that software must be ported to."""
    source: str | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None


class ChipClass(Part):
    """A class of chips: how its price falls, how many there are, and who may use it (chp-1, chp-2)."""

    learning_rate: Annotated[float, Field(ge=0, le=0.9)] = 0.0
    """Part of the price that each doubling of the volume shipped takes off (chp-1); 0 leaves the stated
    prices of its generations as they are."""
    shipped_h100e: Positive = 1e6
    """Volume shipped before the start, H100-equivalents: where the stated prices hold."""
    world_h100e_per_month: NonNegative = 0.0
    """What others than the clouds of the scenario buy at the start, H100-equivalents a month."""
    world_growth_per_month: Signed = 0.0
    """Growth of what others buy, log points a month."""
    allotment_h100e_per_month: NonNegative | None = None
    """What its suppliers allot to the clouds of the scenario at the start, H100-equivalents a month;
    as much as is ordered where it is not given."""
    allotment_growth_per_month: Signed = 0.0
    """Growth of the allotment, log points a month."""
    owner: str | None = None
    """Cloud whose own silicon it is: nobody else may build with it."""
    nre_usd: Usd = 0.0
    """Non-recurring engineering that a cloud pays once to adopt it, USD."""
    development_months: Months = 0
    """Months from adoption to the first chips."""
    tranche: str | None = None
    """Tranche that must have been paid in full before anybody can adopt it."""
    venture: str | None = None
    """Cloud that must have `venture_mw` energised before anybody can adopt it."""
    venture_mw: NonNegative = 0.0
    """Scale at which the venture brings it to the market, MW energised."""
    porting_usd_per_h100e: NonNegative = 0.0
    """Cost of porting a lab's software, USD per H100-equivalent (chp-2)."""
    ported: Share = 1.0
    """Part of a lab's software that runs on it at the start, where the lab does not say; 0 to refuse it."""
    porting_half_months: Positive = 12.0
    """Months of running all its compute on the class after which a lab has ported half of what is left."""
    source: str | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None


class Participant(Part):
    """What every participant has."""

    cash_usd: Usd
    """Deposits at the start, USD."""
    parent: str | None = None
    """Group it belongs to; deals within a group are priced at transfer price."""
    home: str | None = None
    """Home jurisdiction: the name of a government."""
    strategies: dict[str, str] = Field(default_factory=dict)
    """Strategy by port, where it is not the default."""
    drawn_as: str | None = None
    """Name under which its draws and its place among equals stand; its own where it is not given. A
    participant that is renamed keeps its luck if it keeps this."""
    source: str | None = None
    """Source of every number in the table that does not name its own."""
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None


class Lab(Participant):
    """A buyer of compute that sells AI services."""

    users_million: Positive
    """Users at the start, million."""
    price_usd_per_user_month: Positive
    """Service price at the start, USD a user-month (imputed where the service is free)."""
    compute_h100e_hours_per_user: Positive
    """Inference a user asks for at the start, H100e-hours a month."""
    training_h100e: NonNegative
    """Compute the lab trains with at the start, H100e."""
    training_revenue_share: NonNegative = 0.5
    """Share rho of revenue that goes into training (dem-7)."""
    training_funding_share: NonNegative | None = None
    """Share rho_f of the funding draw that goes into training (dem-7); where it is not given, what
    makes the first month's budget pay for `training_h100e`."""
    momentum: Signed = 0.0
    """Log points by which appeal stands above what would keep the present share of users."""
    parent_funding_usd_per_year: Usd = 0.0
    """Money a parent puts in each year, USD."""
    parent_funding_growth_per_year: Signed = 0.0
    """Growth of that money, a year."""
    overhead_revenue_share: NonNegative = 0.25
    """Costs other than compute, share of revenue."""
    discount_per_year: Share = 0.12
    """Discount rate, a year."""
    invites: tuple[str, ...] = ()
    """Clouds it buys from; empty for all."""
    value_usd_per_h100e_hour: NonNegative = 0.0
    """Fixed value of compute for the benchmark strategies; 0 to use the value curve (dem-9)."""
    porting_usd_per_h100e_hour: dict[str, Signed] = Field(default_factory=dict)
    """Extra cost of a cloud to this lab, USD per H100e-hour, by cloud."""
    ported: dict[str, Share] = Field(default_factory=dict)
    """Part of its software that runs on a class of chips at the start, by class; 0 to refuse the class."""


class Cloud(Participant):
    """A seller of compute that builds or leases sites."""

    kind: Kind
    """hyperscaler, neocloud, captive (joint venture) or self-builder."""
    discount_per_year: Share = 0.09
    """Cost of capital, a year."""
    other_cash_flow_usd_per_year: Usd = 0.0
    """Cash from other business that it may invest, USD a year."""
    other_cash_flow_growth_per_year: Signed = 0.0
    """Growth of that cash flow, a year."""
    own_use_mw: NonNegative = 0.0
    """Energised capacity kept for its own products, MW of IT load."""
    own_share_of_new: Share = 0.0
    """Share of its own-account sites that its own products will take."""
    serves: tuple[str, ...] = ()
    """Labs it may sell to; empty for all."""
    priority: str | None = None
    """Lab with first call on capacity (captive and self-builder)."""
    owners: dict[str, Share] = Field(default_factory=dict)
    """Owners' shares of a joint venture."""
    consent: Share = 0.0
    """Part of a joint venture whose owners must agree before it builds; 0 where nobody is asked."""
    commitments: dict[str, Usd] = Field(default_factory=dict)
    """Equity that its owners pay in when it is called for a site, USD, by owner."""
    formation: dt.date | None = None
    """Day on which it is formed or not; where it is not given, it is there at the start."""
    formation_probability: Share = 1.0
    """Chance that it is formed."""
    formation_condition: str | None = None
    """Name of the condition its formation hangs on, for tranches that hang on the same one."""
    label_over: tuple[str, ...] = ()
    """Clouds over whose contracts with the priority lab the venture is only a name: it owns, signs and
    builds nothing itself."""
    transfer_markup: NonNegative = 0.10
    """Margin over full cost within a group or a venture (fin-4)."""
    sells_surplus: bool = True
    """Whether capacity its priority lab leaves free may be sold to others."""
    regions: tuple[str, ...] = ()
    """Regions where it builds; empty for all."""
    debt_share: Share = 0.0
    """Largest share of a project financed by debt."""
    site_vehicle: str | None = None
    """Landlord that buys the chips of its sites with the loan and lets them to it: the debt is then off its
    balance sheet, and without recourse to it."""
    debt_usd: Usd = 0.0
    """Debt at the start, USD, owed to the lender with most cash."""
    debt_rate_per_year: Share = 0.11
    """Interest on that debt, a year."""
    debt_months: Annotated[int, Field(ge=1, le=360)] = 60
    """Months over which it is repaid."""
    floor_usd_per_h100e_hour: NonNegative = 0.0
    """Fixed price floor for the benchmark strategies; 0 to price by cost."""


class Landlord(Participant):
    """Lets shells in a region."""

    region: str
    available_mw: NonNegative
    """Shells that can be let at the start, MW of IT load."""
    new_mw_per_year: NonNegative = 0.0
    """Shells that come to the market each year, MW of IT load."""
    rent_usd_per_kw_month: Positive
    """Reserve rent: the least it lets a shell for, USD per kW of IT load a month."""


class Investor(Participant):
    """Puts equity into labs and ventures."""

    hurdle_per_year: Share = 0.20
    """Return it asks for, a year (fin-6)."""
    assets_usd: Usd = 0.0
    """Liquid assets it can sell, USD."""
    inflow_usd_per_year: Usd = 0.0
    """Money its own backers add each year, USD."""
    haircut: Share = 0.10
    """Discount when assets are sold."""
    joins_rounds: bool = False
    """Whether it takes part in rounds beyond its commitments."""
    borrowing_limit: Share = 0.0
    """Part of its liquid assets that it can borrow against before it sells any."""
    returns_from: dict[str, Share] = Field(default_factory=dict)
    """Clouds whose margin on a lab's contracts counts among its returns, with its part in that margin: it
    then puts more into the lab (fin-6)."""
    compute_share: Share = 0.0
    """Part of what it puts into a lab in a round that the lab spends at once on prepaid compute of the first
    cloud of `returns_from`: equity for compute."""


class Lender(Participant):
    """Lends existing deposits against contracted cash flow (fin-3)."""


class Government(Participant):
    """Enacts policies, and pays for them with what it has."""

    budget_usd_per_year: Usd = 0.0
    """Money that taxpayers add each year for its policies, USD."""


class Agreement(Part):
    """A standing agreement of a lab with a cloud: clauses above single contracts."""

    lab: str
    cloud: str
    exclusive_from: dt.date | None = None
    """Day on which supply exclusivity begins; where it is not given, it is in force at the start."""
    exclusive_until: dt.date | None = None
    """Day on which supply exclusivity ends."""
    exclusive_scope: Literal["all", "training", "inference", "region"] = "all"
    """What the lab buys from the holder only: all compute, that for one purpose, or that in one region."""
    exclusive_region: str | None = None
    """Region that an exclusivity of scope "region" binds."""
    breach_usd_per_h100e_hour: NonNegative | None = None
    """Liquidated damages for signing with others, start price, USD per H100e-hour of the contract, due at
    signature; where it is not given, exclusivity cannot be broken."""
    waivable: bool = False
    """Whether lab and cloud re-bargain exclusivity and first refusal when they cost the lab more than they
    are worth to the cloud."""
    first_refusal_from: dt.date | None = None
    first_refusal_until: dt.date | None = None
    first_refusal_days: Annotated[int, Field(ge=1, le=365)] = 30
    """Days the holder has to match."""
    revenue_share: Share = 0.0
    """Share of the lab's revenue paid to the cloud."""
    revenue_share_until: dt.date | None = None
    reach: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the channel-weighted market the lab may sell to while the channel is exclusive (dem-2)."""
    reach_from: dt.date | None = None
    """Day on which the exclusive channel begins; where it is not given, it is in force at the start."""
    reach_until: dt.date | None = None
    """Day on which the exclusive channel ends; with the revenue share where it is not given."""
    clauses: dict[str, dict[str, NonNegative]] = Field(default_factory=dict)
    """Further clauses between the two, by name, each with its own numbers."""
    source: str | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None


class ContractGiven(PaymentTerms):
    """A capacity contract in force, or signed before the start."""

    lab: str
    cloud: str
    region: str
    chip: str
    capacity_mw: Mw
    """Full capacity, MW of IT load."""
    price_usd_per_h100e_hour: NonNegative
    """Price at the start of the contract, or of the scenario if that is later."""
    start: dt.date
    end: dt.date
    take_or_pay: Share = 0.0
    """Floor, share of delivered capacity."""
    ramp_months: Months = 0
    """Months over which capacity steps up evenly to its full amount."""
    prepayment_usd: Usd = 0.0
    """Prepaid and not yet drawn down at the start, USD."""
    termination_months: NonNegative = 600.0
    """Fee for leaving early, months of the take-or-pay bill, at most what is left of it."""
    most_favoured: bool = False
    """Whether its price follows down to that of a like contract the cloud signs later."""
    cross_default: bool = False
    """Whether the cloud may end it and claim what is left of the floor when the lab defaults elsewhere."""
    cross_default_with: tuple[str, ...] = ()
    """Participants whose failure counts as a default of the lab; needs `cross_default`."""
    clauses: dict[str, dict[str, NonNegative]] = Field(default_factory=dict)
    """Further clauses that run while the contract does, by name, each with its own numbers."""
    assignability: Assignable = "none"
    """Whether the lab may let compute it does not use, and pass the contract on: not, if the cloud does
    not object to the new buyer, or freely."""
    source: str | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.end <= self.start:
            raise ValueError(
                f"a contract must end after it starts: starts {self.start}, ends {self.end}"
            )
        return self


class SiteGiven(Part):
    """A site that stands, or is in the pipeline, at the start."""

    cloud: str
    region: str
    capacity_mw: Mw
    """MW of IT load."""
    stage: StageName
    chip: str | None = None
    """Chip it is fitted with; for a site in the pipeline the newest at energisation."""
    landlord: str | None = None
    """Landlord that lets it; none for an owned site."""
    construction_months: NonNegative | None = None
    """Mean months of construction left; the region's where not given."""
    grid_months: NonNegative | None = None
    """Mean months to grid power left; the region's where not given."""
    rent_usd_per_kw_month: NonNegative | None = None
    source: str | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None


class TrancheGiven(Part):
    """A dated, conditional promise of equity (fin-1)."""

    investor: str
    issuer: str
    due: dt.date
    amount_usd: Usd
    reduced_usd: Usd = 0.0
    """What is paid when the condition is not met."""
    condition: Literal["none", "governance", "energised-mw", "revenue", "policy", "listing"] = (
        "none"
    )
    at_least: Usd = 0.0
    """Threshold of the condition: MW energised for the issuer, or USD of run-rate."""
    venture: str | None = None
    """Cloud whose energised MW count; the issuer's own where it is not given."""
    waits_months: Months = 0
    """Months after its date for which it waits for its condition, before it is reduced or lapses."""
    syndicate: dict[str, Share] = Field(default_factory=dict)
    """Other investors that pay a part of it, by name; the rest is the investor's own."""
    underwritten: bool = False
    """Whether the investor pays what members of its syndicate cannot."""
    compute_share: Share = 0.0
    """Part that a lab spends at once on prepaid compute of `compute_from`: equity for compute."""
    compute_from: str | None = None
    """Cloud whose compute that is."""
    policy: str | None = None
    """Policy that must be in force, for condition = "policy"."""
    probability: Share = 1.0
    """Chance that a governance condition is met when the tranche falls due."""
    condition_name: str | None = None
    """Name of the condition, for tranches that hang on the same one."""
    source: str | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None


class GuaranteeGiven(Part):
    """A party's promise to pay what a debtor does not (1.9)."""

    guarantor: str
    debtor: str
    limit_usd: Usd
    """Most that it can be called for in all, USD."""
    beneficiary: str | None = None
    """Creditor it is given to; all of the debtor's where it is not given."""
    fee_per_year: Share = 0.0
    """What the debtor pays for it, share of what can still be called, a year."""
    from_: dt.date | None = Field(default=None, alias="from")
    """Day from which it runs; the start where it is not given."""
    until: dt.date | None = None
    """Day on which it ends; never where it is not given."""
    source: str | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None


class WarrantGiven(Part):
    """Equity of a cloud that a lab earns by what it buys (1.9)."""

    lab: str
    cloud: str
    equity_usd: Usd
    """Value of the equity in all when it is granted, USD."""
    purchases_usd: Annotated[float, Field(gt=0, le=1e14)]
    """Payments for compute at which all of it has been earned, USD."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 1
    """Equal parts in which it is earned."""
    until: dt.date | None = None
    """Day on which what has not been earned lapses; never where it is not given."""
    source: str | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None


class PolicyGiven(Part):
    """An action of a government: dated, or drafted for its own decision (1.11).

    Each instrument has keys of its own; a key of another one is refused.
    """

    government: str
    instrument: Instrument
    effective: dt.date | None = None
    """Day on which it comes into force; a draft has none."""
    until: dt.date | None = None
    draft: bool = False
    """Whether it is not dated: it comes into force when its government's strategy enacts it."""
    destinations: tuple[str, ...] = ()
    """Regions an export control applies to."""
    parents: tuple[str, ...] = ()
    """Ultimate parents an export control applies to; empty for all."""
    exempt_parents: tuple[str, ...] = ()
    """Ultimate parents it does not apply to."""
    exempt_homes: tuple[str, ...] = ()
    """Governments whose companies an export control or a screening of capital does not apply to: allies."""
    classes: tuple[str, ...] = ()
    """Classes of chips an export control applies to; empty for all."""
    chips: tuple[str, ...] = ()
    """Generations an export control applies to; empty for all."""
    quota_h100e_per_year: NonNegative = 0.0
    """Chips that may still go to the destinations, H100e a year."""
    quota_by_class_h100e_per_year: dict[str, NonNegative] = Field(default_factory=dict)
    """Quota of a class of its own, H100e a year, by class; the other classes share the common one."""
    quota_months: Annotated[int, Field(ge=1, le=120)] = 12
    """Months over which quotas are counted, each with its part of the year: 3 for quotas by quarter."""
    licence_months: NonNegative = 0.0
    """Months that a licence takes from the day a site is planned, or the control comes into force."""
    tariff_share: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Duty on chips that may still go to the destinations, share of their price; its government has it."""
    regions: tuple[str, ...] = ()
    """Regions in which permits, a subsidy, credit, a guarantee or a backstop hold."""
    kinds: tuple[Kind, ...] = ()
    """Kinds of clouds for whose sites they hold; empty for all."""
    clouds: tuple[str, ...] = ()
    """Clouds for whose sites they hold; empty for all."""
    homes: tuple[str, ...] = ()
    """Governments for whose companies' sites they hold; empty for all."""
    grid_multiplier: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Factor on the mean of the grid clock of sites not yet powered."""
    capex_share: Share = 0.0
    """Subsidy: share of chips and shells that the government pays while it has money."""
    credit_share: Share = 0.0
    """Public credit: share of the outlay for chips that the government lends while it has money."""
    credit_rate_per_year: Share = 0.04
    """Interest on public credit, a year; it is repaid over `finance.debt_term_months`."""
    loss_cover: Share = 0.0
    """Guarantee: share of lenders' losses on loans for chips that the government bears."""
    price_usd_per_h100e_hour: NonNegative = 0.0
    """Backstop: price at which the government buys compute that nobody takes, USD per H100e-hour."""
    most_h100e: NonNegative = 0.0
    """Backstop: compute that it buys at most, H100e."""
    least_domestic_share: Share = 0.0
    """National preference: share of its compute that a lab at home must have from clouds that are not foreign
    before it may sign with foreign ones."""
    controlling_part: Share = 0.5
    """National preference: foreign-owned part from which a cloud counts as foreign."""
    issuers: tuple[str, ...] = ()
    """Labs and clouds at home whose equity is screened; empty for all."""
    largest_foreign_share: Share = 1.0
    """Screening: largest share of the equity paid in or promised that foreign capital may hold together."""
    review_months: NonNegative = 0.0
    """Screening: months that a foreign tranche waits for its review."""
    longest_exclusivity_months: NonNegative | None = None
    """Antitrust: longest time that exclusivity on supply may run, months; 0 bans it; none where not given."""
    limits_channels: bool = False
    """Antitrust: whether exclusive channels of distribution may run no longer than that either."""
    bars_first_refusal: bool = False
    """Antitrust: whether rights of first refusal are void."""
    largest_interlocking_share: Share = 1.0
    """Antitrust: largest share of a lab's equity paid in or promised for an investor whose group owns, or
    holds equity of, a competing lab."""
    merger_hhi: Share | None = None
    """Antitrust: concentration of capacity above which no cloud may take over what others gave up."""
    merger_share: Share | None = None
    """Antitrust: share of capacity above which it may not."""
    merger_rise: Share = 0.01
    """Antitrust: rise of the concentration up to which acquisitions are let pass."""
    source: str | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None


class DatedEvent(Part):
    """Something that happens on a known date: a shock, a piece of news, a mark on the charts."""

    on: dt.date
    what: str
    usage_shock: Annotated[float, Field(gt=-1, le=10)] = 0.0
    """Lasting relative change of usage by all users, for example -0.5."""
    duration_months: Annotated[int, Field(ge=1, le=600)] | None = None
    """Months after which the shock is undone; never where not given."""
    growth_belief_per_month: Signed | None = None
    """Growth of its own need that `lab` believes from then on (a plan or a forecast)."""
    lab: str | None = None
    fails: str | None = None
    """Lab or cloud that defaults once the bills of the month are settled, whatever it has in hand."""
    efficiency_shock: Annotated[float, Field(gt=-1, le=100)] = 0.0
    """Lasting relative rise of inference efficiency, for example 9.0 for ten times."""
    lists: str | None = None
    """Lab or cloud whose shares are listed from then on."""
    listing_probability: Share = 1.0
    """Chance that they are."""
    source: str | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None


class Scenario(Part):
    """A market before its first month, and what will happen to it on known dates."""

    format: Literal[1]
    name: str
    question: str
    extends: str | None = None
    start: dt.date
    months: Annotated[int, Field(ge=1, le=600)]
    cutoff: dt.date
    """Date its information ends; nothing dated later may stand in it."""
    source: str | None = None
    """Source of rules that do not name their own."""
    confidence: Literal["high", "medium", "low"] | None = None
    date: dt.date | None = None
    note: str | None = None
    demand: Demand = Demand()
    beliefs: Beliefs = Beliefs()
    procurement: Procurement = Procurement()
    negotiation: Negotiation = Negotiation()
    building: Building = Building()
    finance: Finance = Finance()
    regions: dict[str, Region]
    chips: dict[str, Chip]
    classes: dict[str, ChipClass] = Field(default_factory=dict)
    labs: dict[str, Lab]
    clouds: dict[str, Cloud]
    landlords: dict[str, Landlord] = Field(default_factory=dict)
    investors: dict[str, Investor] = Field(default_factory=dict)
    lenders: dict[str, Lender] = Field(default_factory=dict)
    governments: dict[str, Government] = Field(default_factory=dict)
    agreements: dict[str, Agreement] = Field(default_factory=dict)
    contracts: dict[str, ContractGiven] = Field(default_factory=dict)
    sites: dict[str, SiteGiven] = Field(default_factory=dict)
    tranches: dict[str, TrancheGiven] = Field(default_factory=dict)
    guarantees: dict[str, GuaranteeGiven] = Field(default_factory=dict)
    warrants: dict[str, WarrantGiven] = Field(default_factory=dict)
    policies: dict[str, PolicyGiven] = Field(default_factory=dict)
    events: dict[str, DatedEvent] = Field(default_factory=dict)
