"""Parts of a scenario that contradict each other."""

import shutil
from pathlib import Path

import pytest

from offtake.model.problems import ScenarioError
from offtake.model.reading import check, read

CORPUS = Path(__file__).parents[1] / "faults" / "corpus"
GOOD = (CORPUS / "good.toml").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(CORPUS / "sources.toml", tmp_path)
    return tmp_path


def problems_of(folder: Path, *edits: tuple[str, str], extra: str = ""):
    text = GOOD
    for old, new in edits:
        assert old in text, f"the good scenario no longer has {old!r}"
        text = text.replace(old, new, 1)
    (folder / "bad.toml").write_text(text + extra)
    return check(folder / "bad.toml")


CONTRADICTIONS = {
    "middle of a month": ("2025-01-01\nmonths", "2025-01-15\nmonths", "E022", "start", "first day"),
    "fact after the cut-off": (
        "2025-03-31", "2025-07-01", "E022", 'labs."Borealis & Co".cash_usd.date', "2025-06-30",
    ),
    "table after the cut-off": (
        "\ndate = 2025-01-01", "\ndate = 2026-01-01", "E022", "labs.Aster.date", "the cut-off",
    ),
    "policy after the cut-off": (
        "effective = 2025-05-01", "effective = 2026-05-01", "E022", "policies.permits.effective",
        "after the cut-off",
    ),
    "event after the cut-off": (
        "on = 2025-02-21", "on = 2025-07-21", "E022", "events.leak.on", "judgement",
    ),
    "policy ends first": (
        "effective = 2025-05-01", "effective = 2025-05-01\nuntil = 2025-04-01", "E022",
        "policies.permits.until", "not after `effective`",
    ),
    "contract ends first": (
        "end = 2029-01-01", "end = 2023-01-01", "E022", "contracts.nimbus-aster.end", "end after",
    ),
    "contract over": (
        "end = 2029-01-01", "end = 2025-01-01", "E022", "contracts.nimbus-aster.end", "is already",
    ),
    "first refusal ends first": (
        "until = 2030-01-01", "until = 2025-06-01", "E022",
        "agreements.nimbus-aster.first_refusal_until", "not after `first_refusal_from`",
    ),
    "price floor above its cap": (
        "end = 2029-01-01",
        "end = 2029-01-01\nprice_change_least_per_year = 0.1\nprice_change_most_per_year = 0.05",
        "E023", "contracts.nimbus-aster.price_change_least_per_year", "not above its cap",
    ),
    "exclusivity ends first": (
        "exclusive_until = 2026-01-01", "exclusive_until = 2026-01-01\nexclusive_from = 2026-02-01",
        "E022", "agreements.nimbus-aster.exclusive_until", "not after `exclusive_from`",
    ),
    "exclusive in no region": (
        "exclusive_until = 2026-01-01", 'exclusive_until = 2026-01-01\nexclusive_scope = "region"',
        "E023", "agreements.nimbus-aster.exclusive_scope", "names none",
    ),
    "a region that is not bound": (
        "exclusive_until = 2026-01-01", 'exclusive_until = 2026-01-01\nexclusive_region = "Texas"',
        "E023", "agreements.nimbus-aster.exclusive_region", "scope 'all'",
    ),
    "damages for nothing": (
        "exclusive_until = 2026-01-01", "breach_usd_per_h100e_hour = 0.5",
        "E023", "agreements.nimbus-aster.breach_usd_per_h100e_hour", "no exclusivity",
    ),
    "reach without a revenue share": (
        "exclusive_until = 2026-01-01", "reach = 0.9",
        "E023", "agreements.nimbus-aster.reach", "shares no revenue",
    ),
    "reach beyond its revenue share": (
        "exclusive_until = 2026-01-01",
        "reach = 0.9\nrevenue_share = 0.1\nreach_until = 2029-01-01\n"
        "revenue_share_until = 2028-01-01",
        "E022", "agreements.nimbus-aster.reach_until", "after `revenue_share_until`",
    ),
    "parties without a cross-default": (
        "end = 2029-01-01", 'end = 2029-01-01\ncross_default_with = ["Seed"]',
        "E023", "contracts.nimbus-aster.cross_default_with", "has no cross-default",
    ),
    "cross-default with itself": (
        "end = 2029-01-01",
        'end = 2029-01-01\ncross_default = true\ncross_default_with = ["Aster"]',
        "E023", "contracts.nimbus-aster.cross_default_with", "own parties",
    ),
    "more than the whole": ("Aster = 0.4", "Aster = 0.6", "E023", "clouds.Cumulus.owners", "1.1"),
    "captive of nobody": ('priority = "Aster"\n', "", "E023", "clouds.Cumulus", "add `priority"),
    "energised without a chip": (
        'stage = "energised"\nchip = "hopper"', 'stage = "energised"', "E023", "sites.nimbus-1",
        "has no chip",
    ),
    "equity to itself": (
        'investor = "Seed"', 'investor = "Cumulus"', "E023", "tranches.seed-1.investor", "itself",
    ),
    "more when it fails": (
        "reduced_usd = 1e9", "reduced_usd = 6e9", "E023", "tranches.seed-1.reduced_usd", "6e+09",
    ),
    "no policy to wait for": (
        'policy = "permits"\n', "", "E023", "tranches.seed-1.condition", "names none",
    ),
    "no threshold": (
        'condition = "policy"', 'condition = "revenue"', "E023", "tranches.seed-1.condition",
        "no threshold",
    ),
    "policy without a date": (
        "effective = 2025-05-01\n", "", "E011", "policies.permits.effective", "draft = true",
    ),
    "draft with a date": (
        "effective = 2025-05-01", "effective = 2025-05-01\ndraft = true", "E023",
        "policies.permits.draft", "comes into force on 2025-05-01",
    ),
    "key of another instrument": (
        "grid_multiplier = 0.8", "capex_share = 0.8", "E023", "policies.permits.capex_share",
        "a key of subsidy",
    ),
    "policy that does nothing": (
        'instrument = "permitting"\neffective = 2025-05-01\nregions = ["Texas"]\ngrid_multiplier = 0.8',
        'instrument = "antitrust"\neffective = 2025-05-01', "E023", "policies.permits",
        "add one of `longest_exclusivity_months`",
    ),
    "policy without money": (
        'instrument = "permitting"\neffective = 2025-05-01\nregions = ["Texas"]\ngrid_multiplier = 0.8',
        'instrument = "subsidy"\neffective = 2025-05-01\nregions = ["Texas"]\ncapex_share = 0.3',
        "E023", "policies.permits.government", "budget_usd_per_year",
    ),
    "allies of nobody": (
        "grid_multiplier = 0.8", 'grid_multiplier = 0.8\nhomes = ["USA"]', "E020",
        "policies.permits.homes[0]", "'US'",
    ),
    "sold twice at the start": (
        "capacity_mw = 60", "capacity_mw = 101", "E024", "contracts.nimbus-aster.capacity_mw",
        "100 MW of 'hopper' energised",
    ),
    "own use of sold capacity": (
        "own_use_mw = 20", "own_use_mw = 41", "E024", "clouds.Nimbus.own_use_mw", "at most 40 MW",
    ),
    "promise without a site": (
        "capacity_mw = 100\nprice", "capacity_mw = 101\nprice", "E024",
        "contracts.cumulus-aster.capacity_mw", "promise 101 MW",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_a_contradiction_is_refused(folder, what):
    old, new, code, path, words = CONTRADICTIONS[what]
    (problem,) = problems_of(folder, (old, new))
    assert (problem.code, problem.path) == (code, path)
    assert words in str(problem)


def test_a_lab_must_invite_a_cloud_that_serves_it(folder):
    edits = [
        ('invites = ["Nimbus", "Cumulus"]', 'invites = ["Nimbus"]'),
        ("own_use_mw = 20", 'serves = ["Borealis & Co"]'),
    ]
    (problem,) = problems_of(folder, *edits)
    assert (problem.code, problem.path) == ("E023", "labs.Aster.invites")


def test_a_contract_on_its_ramp_takes_only_what_is_ramped_up(folder):
    edits = [
        ("capacity_mw = 60", "capacity_mw = 100\nramp_months = 24"),
        ("own_use_mw = 20", "own_use_mw = 50"),
    ]  # twelve of twenty-four months have passed: 50 MW
    assert problems_of(folder, *edits) == []


def test_a_contract_that_ends_frees_its_capacity_for_a_later_one(folder):
    later = GOOD[GOOD.index("[contracts.cumulus-aster]") : GOOD.index("[sites.nimbus-1]")]
    later = later.replace("cumulus-aster", "cumulus-again")
    later = later.replace("2031-01-01", "2033-01-01").replace("2026-01-01", "2031-01-01")
    assert problems_of(folder, extra=later) == []


def test_two_agreements_of_a_pair_are_refused_with_both_places(folder):
    extra = '[agreements.second]\nlab = "Aster"\ncloud = "Nimbus"\nsource = "filing"\n'
    (problem,) = problems_of(folder, extra=extra)
    assert (problem.code, problem.path) == ("E021", "agreements.second")
    assert problem.also
    assert problem.also.text == "[agreements.nimbus-aster]"


def test_two_participants_of_one_name_are_refused_with_both_places(folder):
    extra = '[lenders.Aster]\ncash_usd = 1\nsource = "filing"\n'
    (problem,) = problems_of(folder, extra=extra)
    assert (problem.code, problem.path) == ("E021", "lenders.Aster")
    assert problem.also
    assert problem.also.text == "[labs.Aster]"


def test_what_is_judged_may_happen_after_the_cut_off(folder):
    edits = [
        ("on = 2025-02-21", "on = 2027-02-21"),
        ('month = 0.06\nsource = "handbook"', 'month = 0.06\nsource = "judgement"'),
    ]
    assert problems_of(folder, *edits) == []


def test_a_what_if_may_enact_policies_after_the_cut_off(folder):
    (folder / "good.toml").write_text(GOOD)
    (folder / "child.toml").write_text(
        'format = 1\nname = "child"\nquestion = "?"\nextends = "good.toml"\n'
        "[policies.permits]\neffective = 2026-05-01\n"
    )
    assert check(folder / "child.toml") == []


def test_a_wrong_number_hides_no_dangling_reference_in_the_same_table(folder):
    edits = [('cloud = "Cumulus"\nregion', 'cloud = "Cumulos"\nregion'), ("= 60", "= -60")]
    assert [p.code for p in problems_of(folder, *edits)] == ["E013", "E020"]


def test_capacity_is_not_counted_while_a_site_is_wrong(folder):
    edits = [('stage = "energised"', 'stage = "energized"')]
    assert [p.code for p in problems_of(folder, *edits)] == ["E012"]


def test_many_mistakes_are_reported_at_once_in_the_order_of_lines(folder):
    edits = [("pue = 1.2", "pue = 0.2"), ("busy = 0.9", "bussy = 0.9"), ("on = 2025", "on = 2029")]
    problems = problems_of(folder, *edits)
    assert [p.code for p in problems] == ["E010", "E013", "E022"]
    assert [p.place.line for p in problems] == sorted(p.place.line for p in problems)


def test_the_message_reads_as_designed(folder):
    (folder / "bad.toml").write_text(GOOD.replace("pue = 1.2", "puee = 1.2", 1))
    with pytest.raises(ScenarioError) as caught:
        read(folder / "bad.toml")
    text = str(caught.value).replace(str(folder / "bad.toml"), "bad.toml")
    assert text == (
        "error[E010]: unknown key `puee` in `regions.Texas`\n"
        "   --> bad.toml:19:1\n"
        "   |\n"
        "19 | puee = 1.2\n"
        "   | ^^^^\n"
        "   = help: did you mean `pue`?  (it is required)\n"
        "\n"
        "1 error in bad.toml; nothing was run."
    )


def test_two_participants_with_the_same_draws_are_refused(folder):
    extra = '[lenders.Bank]\ncash_usd = 1\nsource = "filing"\ndrawn_as = "Aster"\n'
    (problem,) = problems_of(folder, extra=extra)
    assert (problem.code, problem.path) == ("E021", "lenders.Bank")
    assert "has the draws of `labs.Aster`" in problem.message


# Classes of chips

OWN = '[classes.own]\nnre_usd = 1e9\nsource = "filing"\n'
OWN_CHIP = (
    '[chips.own-1]\nclass = "own"\nreleased = 2024-01-01\nh100e_per_mw = 900\n'
    'price_usd_per_h100e = 9_000\nsource = "filing"\n'
)
RULE = (
    '[policies.rule]\ngovernment = "US"\ninstrument = "export-control"\neffective = 2025-05-01\n'
    'destinations = ["Texas"]\nsource = "filing"\n'
)
WRONG_CLASSES = {
    "unknown class": (OWN_CHIP.replace('"own"', '"gpuu"'), "chips.own-1.class", "'gpu'?"),
    "class without chips": (OWN, "classes.own", "no generation of chips"),
    "unknown owner": (OWN_CHIP + OWN + 'owner = "Nimbuss"\n', "classes.own.owner", "'Nimbus'?"),
    "unknown tranche": (OWN_CHIP + OWN + 'tranche = "seed-9"\n', "classes.own.tranche", "seed-1"),
    "venture without a scale": (
        OWN_CHIP + OWN + 'venture = "Cumulus"\n', "classes.own.venture", "venture_mw",
    ),
    "scale of nobody": (OWN_CHIP + OWN + "venture_mw = 9\n", "classes.own.venture_mw", "of nobody"),
    "GPUs with engineering": (
        '[classes.gpu]\nnre_usd = 1e9\nsource = "filing"\n', "classes.gpu.nre_usd", "everybody",
    ),
    "own silicon of another": (
        OWN_CHIP + OWN + 'owner = "Nimbus"\n[sites.x]\ncloud = "Cumulus"\nregion = "Texas"\n'
        'chip = "own-1"\ncapacity_mw = 5\nstage = "leased"\nsource = "filing"\n',
        "sites.x.chip", "own silicon of 'Nimbus'",
    ),
    "rule for an unknown class": (
        RULE + 'classes = ["gpus"]\n', "policies.rule.classes[0]", "'gpu'?",
    ),
    "rule for an unknown generation": (
        RULE + 'chips = ["hoper"]\n', "policies.rule.chips[0]", "'hopper'?",
    ),
    "quota of a class that is free": (
        OWN_CHIP + OWN + RULE + 'classes = ["gpu"]\nquota_by_class_h100e_per_year = { own = 5 }\n',
        "policies.rule.quota_by_class_h100e_per_year.own", "leaves free",
    ),
    "learning all at once": (
        '[classes.gpu]\nlearning_rate = 1.0\nsource = "filing"\n', "classes.gpu.learning_rate",
        "at most 0.9",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_CLASSES)
def test_a_class_of_chips_that_cannot_be_is_refused(folder, what):
    extra, path, words = WRONG_CLASSES[what]
    (problem,) = problems_of(folder, extra=extra)
    assert problem.path == path
    assert words in str(problem)


def test_a_class_that_fits_is_accepted(folder):
    rule = RULE + 'classes = ["own"]\nquota_by_class_h100e_per_year = { own = 5 }\n'
    gpus = (
        '[classes.gpu]\nlearning_rate = 0.2\nallotment_h100e_per_month = 1e5\nsource = "filing"\n'
    )
    assert problems_of(folder, extra=OWN_CHIP + OWN + rule + gpus) == []


def test_without_a_gpu_a_scenario_is_refused(folder):
    found = problems_of(folder, ("[chips.hopper]", '[chips.hopper]\nclass = "own"'), extra=OWN)
    assert any("no generation of class 'gpu'" in str(problem) for problem in found)


def test_a_lab_cannot_say_how_far_it_has_ported_to_gpus(folder):
    (problem,) = problems_of(
        folder, ("training_h100e = 50_000", "training_h100e = 50_000\nported = { gpu = 0.5 }")
    )
    assert problem.path == "labs.Aster.ported.gpu"
    assert "all software runs on GPUs" in str(problem)


def test_what_can_be_waived_must_be_there(folder):
    edits = [
        ("exclusive_until = 2026-01-01\n", "waivable = true\n"),
        ("first_refusal_from = 2026-01-01\n", ""),
        ("first_refusal_until = 2030-01-01\n", ""),
    ]
    (problem,) = problems_of(folder, *edits)
    assert (problem.code, problem.path) == ("E023", "agreements.nimbus-aster.waivable")


def test_an_unknown_region_of_an_exclusivity_is_refused(folder):
    old = "exclusive_until = 2026-01-01"
    new = old + '\nexclusive_scope = "region"\nexclusive_region = "Texs"'
    (problem,) = problems_of(folder, (old, new))
    assert (problem.code, problem.path) == ("E020", "agreements.nimbus-aster.exclusive_region")
    assert "Texas" in str(problem)


# Money

GUARANTEE = (
    '[guarantees.comfort]\nguarantor = "Seed"\ndebtor = "Aster"\nlimit_usd = 1e9\n'
    'source = "filing"\n'
)
WARRANT = (
    '[warrants.volume]\nlab = "Aster"\ncloud = "Nimbus"\nequity_usd = 1e8\n'
    'purchases_usd = 1e9\nsource = "filing"\n'
)
WRONG_MONEY = {
    "own guarantor": (
        GUARANTEE.replace('"Seed"', '"Aster"'), "guarantees.comfort.guarantor", "its own debts",
    ),
    "unknown guarantor": (
        GUARANTEE.replace('"Seed"', '"Sead"'), "guarantees.comfort.guarantor", "'Seed'?",
    ),
    "guarantee ends first": (
        GUARANTEE + "from = 2025-06-01\nuntil = 2025-05-01\n", "guarantees.comfort.until",
        "not after `from`",
    ),
    "warrant of an unknown cloud": (
        WARRANT.replace('"Nimbus"', '"Nimbos"'), "warrants.volume.cloud", "'Nimbus'?",
    ),
    "warrant for nothing": (
        WARRANT.replace("purchases_usd = 1e9", "purchases_usd = 0"),
        "warrants.volume.purchases_usd", "greater than 0",
    ),
}  # fmt: skip
WRONG_PROMISES = {
    "too large a syndicate": ("syndicate = { Nimbus = 0.7, Aster = 0.6 }", "syndicate", "1.3"),
    "a lead in its own syndicate": ("syndicate = { Seed = 0.2 }", "syndicate.Seed", "a party of"),
    "compute of nobody": ("compute_share = 0.5", "compute_share", "of nobody"),
    "unknown venture": ('venture = "Nimbis"', "venture", "'Nimbus'?"),
}


@pytest.mark.parametrize("what", WRONG_MONEY)
def test_an_instrument_that_nobody_could_honour_is_refused(folder, what):
    extra, path, words = WRONG_MONEY[what]
    (problem,) = problems_of(folder, extra=extra)
    assert problem.path == path
    assert words in str(problem)


@pytest.mark.parametrize("what", WRONG_PROMISES)
def test_a_promise_that_contradicts_itself_is_refused(folder, what):
    line, path, words = WRONG_PROMISES[what]
    old = 'investor = "Seed"\n'
    (problem,) = problems_of(folder, (old, f"{old}{line}\n"))
    assert problem.path == f"tranches.seed-1.{path}"
    assert words in str(problem)


def test_instruments_that_fit_are_accepted(folder):
    old = 'investor = "Seed"\n'
    more = 'syndicate = { Nimbus = 0.2 }\ncompute_share = 0.5\ncompute_from = "Nimbus"\n'
    assert problems_of(folder, (old, old + more), extra=GUARANTEE + WARRANT) == []


def test_an_investor_paid_in_compute_of_nobody_is_refused(folder):
    (problem,) = problems_of(
        folder, ("[investors.Seed]\n", "[investors.Seed]\ncompute_share = 0.5\n")
    )
    assert problem.path == "investors.Seed.compute_share"
    assert "returns_from" in str(problem)


WRONG_VENTURES = {
    "equity of nobody's": ("commitments = { Nimbus = 1e9 }", "commitments.Nimbus", "owns no part"),
    "label of itself": ('label_over = ["Cumulus"]', "label_over", "contracts of nobody"),
    "label over an unknown cloud": ('label_over = ["Nimbis"]', "label_over[0]", "'Nimbus'?"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_VENTURES)
def test_a_venture_that_contradicts_itself_is_refused(folder, what):
    line, path, words = WRONG_VENTURES[what]
    found = problems_of(folder, ("[clouds.Cumulus]\n", f"[clouds.Cumulus]\n{line}\n"))
    problem = next(p for p in found if p.path == f"clouds.Cumulus.{path}")
    assert words in str(problem)


def test_consent_is_asked_of_owners(folder):
    edit = ("[clouds.Nimbus]\n", "[clouds.Nimbus]\nconsent = 0.5\n")
    (problem,) = problems_of(folder, edit)
    assert problem.path == "clouds.Nimbus.consent"


def test_what_stands_belongs_to_no_venture_that_is_not_formed(folder):
    later = "[clouds.Cumulus]\nformation = 2025-03-01\n"
    found = problems_of(folder, ("[clouds.Cumulus]\n", later))
    assert {p.path for p in found} == {"contracts.cumulus-aster.cloud"}
    assert all("is not formed at the start" in str(p) for p in found)
