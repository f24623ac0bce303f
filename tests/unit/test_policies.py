import datetime as dt
from dataclasses import replace

import pytest

from offtake.model.contracts import Stage
from offtake.model.market import Market
from offtake.model.policies import ExportControl, Permitting, Place, Shipment, Signal, policy
from offtake.model.reading import load_scenario
from offtake.model.scenario import PolicyGiven

DUOPOLY = load_scenario("duopoly")
CONTROL = ExportControl(
    name="no-chips", destinations=("south",), exempt_parents=("Ally",), quota_h100e_per_year=0.0
)
PERMITTING = Permitting(name="fast", regions=("south",), multiplier=0.5)


def shipment(
    destination: str = "south", parent: str = "Other", chip: str = "new", chip_class: str = "gpu"
) -> Shipment:
    """Return chips on their way to a site."""
    return Shipment(destination=destination, parent=parent, chip=chip, chip_class=chip_class)


@pytest.mark.parametrize(
    ("destination", "parent", "forbidden"),
    [("south", "Other", True), ("south", "Ally", False), ("north", "Other", False)],
)
def test_an_export_control_forbids_by_destination_and_parent(destination, parent, forbidden):
    found = CONTROL.objection(shipment(destination, parent), 1.0)
    assert (found is not None) is forbidden


def test_a_quota_is_met_to_its_brim():
    quota = replace(CONTROL, quota_h100e_per_year=100.0)
    assert quota.objection(shipment(), 100.0) is None
    assert quota.objection(shipment(), 100.1) is not None


def test_a_control_may_cover_some_classes_or_some_generations_only():
    gpus = replace(CONTROL, classes=("gpu",))
    assert gpus.objection(shipment(), 1.0) is not None
    assert gpus.objection(shipment(chip_class="own"), 1.0) is None
    newest = replace(CONTROL, chips=("new",))
    assert newest.objection(shipment(), 1.0) is not None
    assert newest.objection(shipment(chip="old"), 1.0) is None


def test_a_class_may_have_a_quota_of_its_own():
    own = replace(CONTROL, quota_h100e_per_year=10.0, quotas_h100e_per_year={"own": 100.0})
    assert (own.quota_of("own"), own.quota_of("gpu")) == ("own", "")
    assert own.objection(shipment(chip_class="own"), 100.0) is None
    assert own.objection(shipment(), 10.1) is not None


def test_permitting_moves_the_grid_clock_of_its_regions():
    south, north = (Place(region=region, cloud="Any") for region in ("south", "north"))
    assert (PERMITTING.grid_multiplier(south), PERMITTING.grid_multiplier(north)) == (0.5, 1.0)
    assert PERMITTING.objection(shipment(), 1.0) is None


def test_a_signal_has_no_instrument():
    signal = Signal(name="words")
    assert signal.objection(shipment(), 1.0) is None
    assert signal.grid_multiplier(Place(region="south", cloud="Any")) == 1.0


@pytest.mark.parametrize(
    ("instrument", "kind"),
    [("export-control", ExportControl), ("permitting", Permitting), ("signal", Signal)],
)
def test_a_table_becomes_the_policy_of_its_instrument(instrument, kind):
    given = PolicyGiven(government="State", instrument=instrument, effective=dt.date(2025, 1, 1))
    assert isinstance(policy("x", given), kind)


def with_policy(**terms: object) -> Market:
    given = PolicyGiven.model_validate(
        {"government": "Government", "effective": dt.date(2025, 1, 1), **terms}
    )
    return Market(DUOPOLY.model_copy(update={"policies": {"rule": given}}), rng=1)


def test_a_faster_grid_shortens_what_is_left_of_a_grid_clock():
    still = Market(DUOPOLY.model_copy(update={"policies": {}}), rng=1).books.sites["y-2"]
    faster = with_policy(instrument="permitting", regions=("home",), grid_multiplier=0.5)
    assert faster.books.sites["y-2"].grid_at == pytest.approx(still.grid_at / 2)
    assert faster.books.sites["y-2"].construction_at == still.construction_at


def test_export_control_keeps_powered_sites_dark():
    market = with_policy(instrument="export-control", destinations=("home",))
    market.run_until(20)
    stages = {site.stage for site in market.books.sites.values() if site.opened >= 0}
    assert market.books.sites["y-2"].stage is Stage.POWERED
    assert Stage.ENERGISED not in stages
    assert market.books.energised_kw.sum() == 410_000


def test_an_exempt_parent_builds_on():
    market = with_policy(
        instrument="export-control", destinations=("home",), exempt_parents=("Cloud Y",)
    )
    market.run_until(20)
    assert market.books.sites["y-2"].stage is Stage.ENERGISED
