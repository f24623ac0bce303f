"""Policies: frozen data a government enacts by an event; institutions ask them pure questions (1.11).

Each instrument is one class. It overrides the questions that it has something to say to; to all others
it has the answer of `Policy`, which leaves everything alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from offtake.model.scenario import PolicyGiven


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Chips on their way to a site, as a policy sees them."""

    destination: str
    """Region."""
    parent: str
    """Ultimate parent of the cloud."""
    chip: str
    """Generation."""
    chip_class: str
    home: str | None = None
    """Jurisdiction of the ultimate parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a cloud builds, and which cloud it is: the class of a site."""

    region: str
    cloud: str
    kind: str = ""
    """Kind of the cloud."""
    home: str | None = None
    """Jurisdiction of the cloud's ultimate parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """A lab that would buy from a cloud."""

    lab_home: str | None
    foreign_part: float
    """Part of the cloud that is owned from outside the government's jurisdiction."""
    domestic_share: float
    """Share of the compute promised to the lab that comes from clouds that are not foreign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stake:
    """Equity that an investor would pay into an issuer."""

    issuer: str
    issuer_home: str | None
    investor_home: str | None
    interlocks: bool = False
    """Whether the investor's group owns, or holds equity of, a lab that competes with the issuer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """Capacity of another cloud that a cloud would take over."""

    share_before: float
    """Share of energised and firmly planned capacity that the acquirer has."""
    share_after: float
    hhi_before: float
    """Concentration of energised and firmly planned capacity among clouds."""
    hhi_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """A loan that a government offers for a site."""

    share: float
    """Of the outlay."""
    rate_per_year: float


COMMON = ""
"""Quota of the classes of chips that have none of their own."""
YEAR = 12.0
"""Months over which a quota is counted unless a policy says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What institutions ask every policy in force; it leaves everything alone unless it says otherwise."""

    name: str
    government: str = ""
    """Government that enacts it, pays for it, and takes what it brings."""

    # Chips

    def counts(self, shipment: Shipment) -> bool:
        """Return whether the policy limits a shipment."""
        return False

    def objection(self, shipment: Shipment, h100e: float) -> str | None:
        """Return why a shipment may not be fitted, if it may not.

        `h100e` is what would have been fitted under the same quota within its period.
        """
        return None

    def quota_of(self, chip_class: str) -> str:
        """Return under which quota a class of chips falls: its own, or the common one."""
        return COMMON

    def yearly_h100e(self, quota: str) -> float:
        """Return how much compute may be fitted a year under a quota, H100e."""
        return math.inf

    def period_months(self) -> float:
        """Return the months over which quotas are counted."""
        return YEAR

    def licence_months(self, shipment: Shipment) -> float:
        """Return how long a licence for a shipment takes, months."""
        return 0.0

    def tariff_share(self, shipment: Shipment) -> float:
        """Return the duty on a shipment, share of its price."""
        return 0.0

    # Sites

    def grid_multiplier(self, place: Place) -> float:
        """Return the factor on the mean of the grid clock of sites at a place."""
        return 1.0

    def grant_share(self, place: Place) -> float:
        """Return what the government pays of chips and shells at a place, share of their price."""
        return 0.0

    def credit(self, place: Place) -> Credit | None:
        """Return the loan that the government offers for sites at a place, if it does."""
        return None

    def loss_cover(self, place: Place) -> float:
        """Return which share of a lender's loss on loans for sites at a place the government bears."""
        return 0.0

    def floor_usd_per_h100e_hour(self, place: Place) -> float:
        """Return at what price the government buys compute that nobody takes at a place; 0 for not at all."""
        return 0.0

    def most_h100e(self) -> float:
        """Return how much compute that nobody takes the government buys at most, H100e."""
        return 0.0

    # Capital and competition

    def objection_to_supply(self, supply: Supply) -> str | None:
        """Return why a lab may not buy from a cloud, if it may not."""
        return None

    def largest_stake(self, stake: Stake) -> float:
        """Return the largest share of an issuer's equity that capital like an investor's may hold."""
        return 1.0

    def counted_together(self) -> bool:
        """Return whether that limit is on all capital like it together, not on each group of investors."""
        return False

    def review_months(self, stake: Stake) -> float:
        """Return how long a payment of equity waits for its review, months."""
        return 0.0

    def longest_exclusivity_months(self) -> float:
        """Return how long an exclusivity may run, months; infinity for as long as agreed."""
        return math.inf

    def limits_channels(self) -> bool:
        """Return whether that limit holds for exclusive channels of distribution as well."""
        return False

    def bars_first_refusal(self) -> bool:
        """Return whether rights of first refusal are void."""
        return False

    def objection_to_acquisition(self, acquisition: Acquisition) -> str | None:
        """Return why capacity may not be taken over, if it may not."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Located(Policy):
    """A policy for some classes of sites: regions, kinds of clouds, clouds, homes of their parents."""

    regions: tuple[str, ...] = ()
    """Regions it holds in."""
    kinds: tuple[str, ...] = ()
    """Kinds of clouds it holds for; empty for all."""
    clouds: tuple[str, ...] = ()
    """Clouds it holds for; empty for all."""
    homes: tuple[str, ...] = ()
    """Jurisdictions of clouds' ultimate parents it holds for; empty for all."""

    def covers(self, place: Place) -> bool:
        """Return whether the policy holds for sites at a place."""
        return (
            place.region in self.regions
            and (not self.kinds or place.kind in self.kinds)
            and (not self.clouds or place.cloud in self.clouds)
            and (not self.homes or place.home in self.homes)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportControl(Policy):
    """Chips may not go to some destinations, unless the ultimate parent is exempt (1.11).

    What may go beyond that is bounded by a quota, waits for a licence and pays a duty.
    """

    destinations: tuple[str, ...]
    exempt_parents: tuple[str, ...]
    quota_h100e_per_year: float
    parents: tuple[str, ...] = ()
    """Ultimate parents it covers; empty for all."""
    exempt_homes: tuple[str, ...] = ()
    """Jurisdictions whose parents are exempt."""
    classes: tuple[str, ...] = ()
    """Classes it covers; empty for all."""
    chips: tuple[str, ...] = ()
    """Generations it covers; empty for all."""
    quotas_h100e_per_year: Mapping[str, float] = field(default_factory=dict)
    """Quotas of their own, by class."""
    quota_months: float = YEAR
    """Months over which quotas are counted."""
    licence: float = 0.0
    """Months that a licence takes."""
    tariff: float = 0.0
    """Duty, share of the price."""

    def counts(self, shipment: Shipment) -> bool:
        """Return whether the control covers a shipment."""
        return (
            shipment.destination in self.destinations
            and shipment.parent not in self.exempt_parents
            and (not self.parents or shipment.parent in self.parents)
            and shipment.home not in self.exempt_homes
            and (not self.classes or shipment.chip_class in self.classes)
            and (not self.chips or shipment.chip in self.chips)
        )

    def objection(self, shipment: Shipment, h100e: float) -> str | None:
        """Return the control's objection: to any chips, or to those beyond the quota."""
        if not self.counts(shipment):
            return None
        quota = self.yearly_h100e(self.quota_of(shipment.chip_class)) * self.quota_months / YEAR
        if h100e <= quota and quota > 0:
            return None
        return f"{self.name}: no more chips for {shipment.parent} in {shipment.destination}"

    def quota_of(self, chip_class: str) -> str:
        """Return the class's own quota, if it has one."""
        return chip_class if chip_class in self.quotas_h100e_per_year else COMMON

    def yearly_h100e(self, quota: str) -> float:
        """Return the quota."""
        return self.quotas_h100e_per_year.get(quota, self.quota_h100e_per_year)

    def period_months(self) -> float:
        """Return the months over which quotas are counted."""
        return self.quota_months

    def licence_months(self, shipment: Shipment) -> float:
        """Return the months that a licence takes for what the control covers."""
        return self.licence if self.counts(shipment) else 0.0

    def tariff_share(self, shipment: Shipment) -> float:
        """Return the duty on what the control covers."""
        return self.tariff if self.counts(shipment) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitting(Located):
    """The grid clock runs faster or slower for some classes of sites: permits and the queue (cap-1)."""

    multiplier: float

    def grid_multiplier(self, place: Place) -> float:
        """Return the factor on the mean of the grid clock."""
        return self.multiplier if self.covers(place) else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subsidy(Located):
    """The government pays a share of chips and shells: it lowers I in the hurdle (cst-4, cst-5; 1.11)."""

    capex_share: float

    def grant_share(self, place: Place) -> float:
        """Return the share."""
        return self.capex_share if self.covers(place) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicCredit(Located):
    """The government lends a share of the outlay beyond what lenders would (fin-3; 1.11)."""

    share: float
    rate_per_year: float

    def credit(self, place: Place) -> Credit | None:
        """Return the loan on offer."""
        offered = Credit(share=self.share, rate_per_year=self.rate_per_year)
        return offered if self.covers(place) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoanGuarantee(Located):
    """The government bears a share of lenders' losses, who then lend more (fin-3; 1.11)."""

    cover: float

    def loss_cover(self, place: Place) -> float:
        """Return the share of the loss."""
        return self.cover if self.covers(place) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backstop(Located):
    """The government buys compute that nobody takes, at a floor price (the W of bar-1; 1.11)."""

    price_usd_per_h100e_hour: float
    quantity_h100e: float

    def floor_usd_per_h100e_hour(self, place: Place) -> float:
        """Return the floor price."""
        return self.price_usd_per_h100e_hour if self.covers(place) else 0.0

    def most_h100e(self) -> float:
        """Return the largest quantity."""
        return self.quantity_h100e


@dataclass(frozen=True, slots=True, kw_only=True)
class NationalPreference(Policy):
    """Labs at home sign with foreign clouds only while enough of their compute is domestic (1.11)."""

    least_domestic_share: float
    controlling_part: float = 0.5
    """Foreign-owned part from which a cloud counts as foreign."""

    def objection_to_supply(self, supply: Supply) -> str | None:
        """Return the objection to a foreign cloud."""
        foreign = supply.foreign_part > 0 and supply.foreign_part >= self.controlling_part
        enough = supply.domestic_share >= self.least_domestic_share
        if supply.lab_home != self.government or not foreign or enough:
            return None
        return f"{self.name}: less than {self.least_domestic_share:g} of its compute is domestic"


@dataclass(frozen=True, slots=True, kw_only=True)
class CapitalScreening(Policy):
    """Security screening of foreign capital: a largest share, and a review before money moves (1.11)."""

    largest_foreign_share: float
    review: float = 0.0
    """Months that a review takes."""
    issuers: tuple[str, ...] = ()
    """Issuers it covers; empty for all at home."""
    exempt_homes: tuple[str, ...] = ()
    """Jurisdictions whose capital is not screened."""

    def screens(self, stake: Stake) -> bool:
        """Return whether the policy covers a payment of equity."""
        abroad = stake.investor_home not in (None, self.government, *self.exempt_homes)
        covered = stake.issuer in self.issuers if self.issuers else True
        return abroad and covered and stake.issuer_home == self.government

    def largest_stake(self, stake: Stake) -> float:
        """Return the largest share of equity that foreign capital may hold together."""
        return self.largest_foreign_share if self.screens(stake) else 1.0

    def counted_together(self) -> bool:
        """Return that the limit is on foreign capital as a whole."""
        return True

    def review_months(self, stake: Stake) -> float:
        """Return how long foreign capital waits."""
        return self.review if self.screens(stake) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Antitrust(Policy):
    """Bounds on exclusivity, first refusal, interlocking stakes and acquisitions (1.11).

    References
    ----------
    Aghion and Bolton 1987 and Rasmusen, Ramseyer and Wiley 1991 on exclusivity; section 8 of the Clayton
    Act on interlocks; the merger guidelines of the US agencies of 2023, guideline 1: presumed harm where the
    index ends above 0.18 and rises by more than 0.01, or the share ends above 0.30 at such a rise.
    """

    exclusivity_months: float = math.inf
    channels: bool = False
    """Whether exclusive channels of distribution are bounded like exclusivity on supply."""
    first_refusal_barred: bool = False
    interlocking_share: float = 1.0
    """Largest share of a lab's equity for who holds a competing one."""
    merger_hhi: float = math.inf
    merger_share: float = math.inf
    merger_rise: float = 0.0
    """Least rise of the index that counts."""

    def largest_stake(self, stake: Stake) -> float:
        """Return the largest share of equity for an investor in a competitor."""
        return self.interlocking_share if stake.interlocks else 1.0

    def longest_exclusivity_months(self) -> float:
        """Return the longest time that an exclusivity may run."""
        return self.exclusivity_months

    def limits_channels(self) -> bool:
        """Return whether channels are bounded as well."""
        return self.channels

    def bars_first_refusal(self) -> bool:
        """Return whether rights of first refusal are void."""
        return self.first_refusal_barred

    def objection_to_acquisition(self, acquisition: Acquisition) -> str | None:
        """Return the objection to an acquisition that concentrates the market too much."""
        too_high = acquisition.hhi_after > self.merger_hhi
        too_large = acquisition.share_after > self.merger_share
        rises = acquisition.hhi_after - acquisition.hhi_before > self.merger_rise
        if not (rises and (too_high or too_large)):
            return None
        return f"{self.name}: it would concentrate capacity to {acquisition.hhi_after:.3f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal(Policy):
    """Words without an instrument: a mark on the charts."""


def policy(name: str, given: PolicyGiven) -> Policy:
    """Return the policy of a scenario's table."""
    who = {"name": name, "government": given.government}
    where = {key: getattr(given, key) for key in ("regions", "kinds", "clouds", "homes")}
    match given.instrument:
        case "export-control":
            return _export_control(name, given)
        case "permitting":
            return Permitting(**who, **where, multiplier=given.grid_multiplier)
        case "subsidy":
            return Subsidy(**who, **where, capex_share=given.capex_share)
        case "public-credit":
            rate = given.credit_rate_per_year
            return PublicCredit(**who, **where, share=given.credit_share, rate_per_year=rate)
        case "loan-guarantee":
            return LoanGuarantee(**who, **where, cover=given.loss_cover)
        case "backstop":
            return Backstop(
                **who,
                **where,
                price_usd_per_h100e_hour=given.price_usd_per_h100e_hour,
                quantity_h100e=given.most_h100e,
            )
        case "national-preference":
            return NationalPreference(
                **who,
                least_domestic_share=given.least_domestic_share,
                controlling_part=given.controlling_part,
            )
        case "capital-screening":
            return CapitalScreening(
                **who,
                largest_foreign_share=given.largest_foreign_share,
                review=given.review_months,
                issuers=given.issuers,
                exempt_homes=given.exempt_homes,
            )
        case "antitrust":
            return _antitrust(name, given)
        case "signal":
            return Signal(**who)


def _export_control(name: str, given: PolicyGiven) -> ExportControl:
    return ExportControl(
        name=name,
        government=given.government,
        destinations=given.destinations,
        exempt_parents=given.exempt_parents,
        quota_h100e_per_year=given.quota_h100e_per_year,
        parents=given.parents,
        exempt_homes=given.exempt_homes,
        classes=given.classes,
        chips=given.chips,
        quotas_h100e_per_year=given.quota_by_class_h100e_per_year,
        quota_months=float(given.quota_months),
        licence=given.licence_months,
        tariff=given.tariff_share,
    )


def _antitrust(name: str, given: PolicyGiven) -> Antitrust:
    longest, hhi, share = (
        math.inf if limit is None else limit
        for limit in (given.longest_exclusivity_months, given.merger_hhi, given.merger_share)
    )
    return Antitrust(
        name=name,
        government=given.government,
        exclusivity_months=longest,
        channels=given.limits_channels,
        first_refusal_barred=given.bars_first_refusal,
        interlocking_share=given.largest_interlocking_share,
        merger_hhi=hhi,
        merger_share=share,
        merger_rise=given.merger_rise,
    )
