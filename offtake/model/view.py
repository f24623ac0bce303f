"""What a participant may see: frozen views of the frozen state, one kind for each role.

A view holds what the participant owns or is told and what is public. Arrays are read only. Hidden
things (clocks that have not rung, others' cash and beliefs) are in no view.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from offtake.model.clause_worth import Kind
from offtake.model.contracts import Pool, Site
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.scenario import GPU, Beliefs, Building, Finance, Negotiation, Procurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Rules of the market that everybody knows."""

    beliefs: Beliefs
    procurement: Procurement
    negotiation: Negotiation
    building: Building
    finance: Finance
    terms: np.ndarray
    """Terms on the menu, months."""
    floors: np.ndarray
    """Take-or-pay floors on the menu."""
    decline_per_month: float
    """Believed decline of the price of compute, log points a month."""
    replacements: tuple[float, ...]
    """Believed price of chips after each life of those before, relative to the first, where it is dated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What leaving one contract now would save a lab, and cost it."""

    contract: str
    gain_usd: float
    """Present value of the best use without it less the best use with it."""
    fee_usd: float
    walks: bool = False
    """Whether it is left free because its long stop has passed; what was prepaid then comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """What giving notice of one contract now would cost a cloud, and what it could earn instead."""

    contract: str
    h100e: float
    notice_months: int
    kept_usd: float
    """Present value of what the contract would still earn after the notice, running cost paid."""
    elsewhere_usd: float
    """Present value of what the same capacity would earn at the going price, if all of it is sold."""
    fee_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabView:
    """What a lab sees when it plans its demand."""

    name: str
    time: float
    rules: Rules
    cash_usd: float
    runway_months: float
    resources_usd: float
    """Cash, committed tranches and expected gross margin (pro-6)."""
    obligations_usd: float
    """Present value of take-or-pay it has signed already."""
    need_h100e: float
    """Compute it could use now: inference load and training."""
    load_h100e: float
    """Inference part of the need."""
    growth_per_month: float
    """Believed growth of need (exp-1)."""
    variance: float
    """Believed variance of one-month log forecast errors (exp-3)."""
    covered_h100e: np.ndarray
    """Compute its contracts promise, by months ahead."""
    inference_value: float
    """v^I of the first unit of load, USD per H100e-hour (dem-9)."""
    training_value: float
    """v^T, USD per H100e-hour (dem-9)."""
    fixed_value: float
    """Value for benchmark strategies, USD per H100e-hour; 0 when the value curve holds."""
    value_slope: float
    """zeta (dem-9)."""
    contract_price: float
    """Public index of contract prices, start price, USD per H100e-hour."""
    spot_price: float
    """USD per H100e-hour."""
    discount_per_year: float
    leavings: tuple[Leaving, ...]
    """Contracts in force that can be left for less than what is still owed."""
    invites: tuple[str, ...]
    by_purpose: bool = False
    """Whether an exclusivity binds one purpose only, so that it tenders for each apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What clouds are told of the lots on tender: arrays by lot."""

    lab: np.ndarray
    """Index of the lab."""
    start_months: np.ndarray
    h100e: np.ndarray
    hazard_per_month: np.ndarray
    """Public credit of the buyer: believed hazard of failure."""
    use: np.ndarray
    """Probability of use by term and floor, shape (lots, terms, floors)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOption:
    """A place where a cloud could build: cost of new capacity there."""

    pool: Pool
    pool_index: int
    h100e_per_mw: float
    lead_months: float
    """Months from signature to the promised energisation."""
    chips_usd_per_h100e: float
    shell_usd_per_h100e: float
    """0 where a shell is let."""
    running_usd_per_h100e_hour: float
    """Power and operation."""
    landlord: str | None
    rent_usd_per_kw_month: float
    room_kw: int
    """What money, shells and rules allow now."""
    replacements: tuple[float, ...]
    """Believed price of chips after each life of those before, relative to the first (chp-1)."""
    class_: str = GPU
    """Class of its chips."""
    porting_usd_per_h100e_hour: float = 0.0
    """What the labs it hopes to win would lose by porting to the class, on average (chp-2)."""
    letter_room_kw: int = 0
    """The same with the shells of all landlords of the region, who compete for letters of intent."""

    @property
    def rent_usd_per_h100e_hour(self) -> float:
        """Rent of the shell, spread over its compute."""
        return self.rent_usd_per_kw_month * 1000 / self.h100e_per_mw / HOURS_PER_MONTH


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCost:
    """What a site of one's own still costs, and would cost to run, per H100e."""

    pool_index: int
    h100e: float
    ahead: int
    """Months to its promised energisation."""
    remaining_usd: float
    """Chips and, where it is not paid yet, the shell."""
    running_usd_per_hour: float
    """Power, operation and rent."""
    fee_usd: float
    """Fee for giving it up."""
    outdated: bool
    """Whether a newer generation of chips can be had on the day it is powered."""
    unfitted: float = 1.0
    """Share of its chips that are still to come."""
    holding_usd: float = 0.0
    """What moving its deadline once costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A shell that has been given up, as a cloud sees it that may take it over (cap-6)."""

    site: Site
    """The site as it would be the cloud's, at the reserve rent; clocks are hidden."""
    cost: SiteCost
    """What it would still cost, and cost to run without rent."""
    reserve_usd_per_kw_month: float
    """The landlord's outside rent: no lower bid is accepted."""
    won_h100e: float
    """What the cloud has taken over in this month already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Favoured:
    """A contract whose price follows down to that of a like one its cloud signs later."""

    lab: int
    """Index of the customer."""
    pool_index: int
    price: float
    """Fixed price, USD per H100e-hour."""
    months: float
    """Its whole term."""
    months_left: float
    h100e: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudView:
    """What a cloud sees when it prices, plans and builds."""

    name: str
    index: int
    time: float
    kind: str
    rules: Rules
    cash_usd: float
    spendable_usd: float
    """Cash and a year's other cash flow, less what its pipeline still costs."""
    discount_per_year: float
    transfer_markup: float
    pools: tuple[int, ...]
    """Indices of its pools."""
    theta: np.ndarray
    """H100e per kW of those pools."""
    running: np.ndarray
    """Avoidable cost of those pools, USD per H100e-hour (cst-1)."""
    free_kw: np.ndarray
    """Uncommitted capacity of those pools by months ahead."""
    sites: tuple[Site, ...]
    """Its sites in the pipeline; clocks are hidden."""
    options: tuple[BuildOption, ...]
    demand_h100e: np.ndarray
    """Uncovered need it expects to win, by months ahead."""
    rivals_h100e: np.ndarray
    """Rivals' free capacity that it sees and that would meet the same demand, by months ahead."""
    contract_price: float
    spot_price: float
    idle_share: float
    """Share of its energised capacity that nobody uses."""
    floor_usd_per_h100e_hour: float
    """Fixed floor for benchmark strategies."""
    trigger: float
    """V/I at which a merchant project starts (row D1)."""
    abandon: float
    """V/X below which a project is cancelled (row D2)."""
    costs: Mapping[str, SiteCost]
    """Costs of each of its sites in the pipeline."""
    backstop_margin: tuple[float, ...] = ()
    """What a government's backstop earns it above running cost, USD per free H100e-hour, by its pools."""
    favoured: tuple[Favoured, ...] = ()
    """What it has promised to most-favoured customers, the highest price first."""
    refusals: tuple[int, ...] = ()
    """Labs that must notify it of others' offers, by index."""
    own_free_h100e: np.ndarray
    """Its uncommitted capacity by months ahead, H100e."""
    exits: tuple[Exit, ...] = ()
    """Contracts in force that it may leave, and has given no notice of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassChoice:
    """What adopting a custom class of chips now would bring a cloud (chp-2)."""

    chip_class: str
    saving_usd_per_h100e_hour: float
    """Full cost with GPUs less full cost with the class and porting, on the day it is ready."""
    volume_h100e: float
    """Need it expects to win then from labs that can use the class."""
    nre_usd: float
    development_months: int
    worth_months: float
    """Present value now of 1 a month over the life of chips, from the day the class is ready."""
    trigger: float
    """beta1 / (beta1 - 1) (row D1)."""
    breakeven_h100e: float
    """Volume from which adopting pays now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionView:
    """What a cloud sees when it can adopt a class of chips."""

    name: str
    time: float
    rules: Rules
    cash_usd: float
    choices: tuple[ClassChoice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverView:
    """What one side of an exclusivity or a first refusal sees when both talk about giving it up."""

    name: str
    kind: Kind
    """What is in force: the point of disagreement."""
    instead: tuple[Kind, ...]
    """What may take its place."""
    later_h100e: np.ndarray
    """What the lab has yet to buy while the clause runs, by months ahead from the next on."""
    served: np.ndarray
    """Part of it that the holder could serve, by months ahead."""
    lab_power: float
    """b, the lab's bargaining power against the holder alone (bar-2)."""
    dependence: float
    """psi, USD per H100e-hour (pro-5)."""
    wait: float
    """Part of a contract's life that a window of first refusal takes."""
    contract_price: float
    """Public index of contract prices, start price, USD per H100e-hour."""
    own_price: float
    """What the lab would pay, or what the holder avoids by not running, USD per H100e-hour."""
    weights: np.ndarray
    """Hours of a month, discounted at one's own rate and with the believed fall of prices, by month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvestorView:
    """What an investor sees when a lab looks for money."""

    name: str
    time: float
    finance: Finance
    cash_usd: float
    committed_usd: float
    hurdle_per_year: float
    lab: str
    asked_usd: float
    forward_revenue_usd: float
    """Believed revenue of the next twelve months."""
    growth_per_year: float
    returned_per_usd: float = 0.0
    """Present value of contract margin that it expects back for each USD put in (fin-6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastView:
    """What a lab learns about its own need in a month."""

    name: str
    rules: Beliefs
    growth_per_month: float
    variance: float
    need_before_h100e: float
    need_h100e: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernmentView:
    """What a government sees when it decides on policy."""

    name: str
    time: float
    scheduled: Mapping[str, tuple[float, float]]
    """Its dated policies: from when until when."""
    in_force: frozenset[str]
    hhi: float
    """Herfindahl-Hirschman index of delivered compute by cloud, in [0, 1]."""
    instruments: Mapping[str, str] = field(default_factory=dict)
    """Instrument of each of its policies; those that are drafts are scheduled from infinity on."""
    foreign_share: float = 0.0
    """Part of energised capacity at home that is owned from abroad, in [0, 1]."""
    scarcity: float = 0.0
    """Share of labs' need that no compute meets, in [0, 1]."""
    draw: float = 0.0
    """A number drawn for the government and the month, uniform on [0, 1): for a decision by chance."""
