"""Reading scenario files: bases, overrides, sources, digests, and text again."""

import datetime as dt
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.model.problems import ScenarioError, dotted
from offtake.model.reading import (
    PARAMETER_COLUMNS,
    check,
    load_scenario,
    names,
    parameter_rows,
    read,
    schema,
    show,
    skeleton,
)
from offtake.model.scenario import Beliefs, Scenario
from offtake.model.shapes import known_units, units_of

CORPUS = Path(__file__).parents[1] / "faults" / "corpus"
GOOD = (CORPUS / "good.toml").read_text()
HEAD = 'format = 1\nname = "child"\nquestion = "What if?"\nextends = "good.toml"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(CORPUS / "sources.toml", tmp_path)
    shutil.copy(CORPUS / "good.toml", tmp_path)
    return tmp_path


def child(folder: Path, body: str, head: str = HEAD) -> Path:
    (folder / "child.toml").write_text(head + body)
    return folder / "child.toml"


def facts_of(file: Path, **options):
    return {fact.path: fact for fact in read(file, **options).facts}


# Values and facts


def test_plain_and_long_numbers_become_plain_values(folder):
    scenario = load_scenario(folder / "good.toml")
    assert scenario.building.shell_usd_per_kw == 11_700.0
    assert scenario.regions["Texas"].grid_mean_months == 30.0
    assert scenario.labs["Aster"].invites == ("Nimbus", "Cumulus")


def test_a_fact_keeps_what_its_long_form_says(folder):
    fact = facts_of(folder / "good.toml")["regions.Texas.grid_mean_months"]
    assert (fact.value, fact.unit, fact.low, fact.high) == (30, "months", 12, 48)
    assert (fact.source, fact.confidence, fact.date) == ("judgement", "low", None)


def test_a_fact_takes_source_and_date_from_its_table(folder):
    fact = facts_of(folder / "good.toml")["labs.Aster.porting_usd_per_h100e_hour.Cumulus"]
    assert (fact.source, fact.date) == ("handbook", dt.date(2025, 1, 1))
    assert fact.unit == "usd_per_h100e_hour"


def test_a_number_takes_the_source_of_the_file_last(folder):
    text = GOOD.replace('[building]\nsource = "handbook"', "[building]")
    text = text.replace("months = 24", 'months = 24\nsource = "judgement"')
    (folder / "good.toml").write_text(text)
    facts = facts_of(folder / "good.toml")
    assert facts["building.busy"].source == "judgement"
    assert facts["regions.Texas.pue"].source == "handbook"


def test_arrays_of_numbers_and_dates_may_be_long(folder):
    text = GOOD + '[negotiation]\nterms_months = { value = [12, 24], source = "judgement" }\n'
    text = text.replace("= 2026-01-01\nfirst", '= { value = 2026-01-01, source = "filing" }\nfirst')
    (folder / "good.toml").write_text(text)
    reading = read(folder / "good.toml")
    assert reading.scenario.negotiation.terms_months == (12, 24)
    assert reading.scenario.agreements["nimbus-aster"].exclusive_until == dt.date(2026, 1, 1)


@pytest.mark.parametrize("unit", ["usd_per_kw", "USD per kW", "usd/kw"])
def test_a_unit_may_be_spelt_as_people_do(folder, unit):
    (folder / "good.toml").write_text(GOOD.replace('"usd_per_kw"', f'"{unit}"'))
    assert check(folder / "good.toml") == []


def test_every_number_of_the_schema_ends_with_a_known_unit_or_is_pure():
    assert units_of("porting_usd_per_h100e_hour") == ("usd_per_h100e_hour",)
    assert units_of("operations_share_per_year") == ("per_year", "share_per_year")
    assert units_of("pue") == ("share", "ratio", "1")
    assert {"usd", "mw", "months", "per_year", "usd_per_kw_month"} <= set(known_units())


def test_byte_order_mark_and_carriage_returns_change_nothing(folder):
    before = read(folder / "good.toml").digest
    (folder / "good.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert read(folder / "good.toml").digest == before


def test_all_sources_of_a_scenario_come_with_it(folder):
    sources = read(folder / "good.toml").sources
    assert sources["filing"].published == dt.date(2025, 4, 30)
    assert set(sources) == {"filing", "handbook"}


# Bases


def test_a_child_changes_what_it_states_and_keeps_the_rest(folder):
    reading = read(child(folder, "[labs.Aster]\ncash_usd = 5\n"))
    assert reading.scenario.labs["Aster"].cash_usd == 5.0
    assert reading.scenario.labs["Aster"].users_million == 300.0
    assert [f.name for f in reading.files] == ["child.toml", "good.toml"]


def test_a_changed_number_without_a_source_is_a_what_if(folder):
    facts = facts_of(child(folder, "[labs.Aster]\ncash_usd = 5\nusers_million = 300\n"))
    assert facts["labs.Aster.cash_usd"].source == "what-if"
    assert facts["labs.Aster.users_million"].source == "handbook"


def test_a_changed_number_keeps_no_range_of_its_base(folder):
    facts = facts_of(child(folder, "[regions.Texas]\ngrid_mean_months = { value = 60 }\n"))
    assert facts["regions.Texas.grid_mean_months"].high is None


def test_removed_entries_are_gone_with_their_facts(folder):
    reading = read(child(folder, 'remove = ["tranches.seed-1", "events.\'leak\'"]\n'))
    assert not reading.scenario.tranches
    assert not reading.scenario.events
    assert not [f for f in reading.facts if f.path.startswith("tranches")]


def test_removing_what_is_referred_to_is_a_dangling_reference_in_the_base(folder):
    (problem,) = check(child(folder, 'remove = ["policies.permits"]\n'))
    assert (problem.code, Path(problem.place.file).name) == ("E020", "good.toml")


def test_an_unknown_path_to_remove_is_refused_with_the_nearest(folder):
    (problem,) = check(child(folder, 'remove = ["tranches.seed-2"]\n'))
    assert problem.code == "E041"
    assert problem.help == "did you mean `tranches.seed-1`?"


def test_a_child_says_its_own_name_and_question(folder):
    (problem,) = check(child(folder, "", 'format = 1\nextends = "good.toml"\n'))
    assert (problem.code, problem.message) == ("E011", "the scenario lacks `name` and `question`")


def test_a_misspelt_entry_of_the_base_is_recognised(folder):
    problems = check(child(folder, "[labs.Astor]\ncash_usd = 5\n"))
    assert "did you mean `labs.Aster`?" in str(problems[0])


def test_a_grandchild_may_extend_a_child(folder):
    child(folder, "[labs.Aster]\ncash_usd = 5\n")
    head = HEAD.replace("good.toml", "child.toml").replace('"child"', '"grandchild"')
    (folder / "grandchild.toml").write_text(head + "[labs.Aster]\nusers_million = 7\n")
    lab = load_scenario(folder / "grandchild.toml").labs["Aster"]
    assert (lab.cash_usd, lab.users_million) == (5.0, 7.0)


def test_a_base_may_be_an_embedded_scenario_and_lends_its_sources(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    body = '[labs.Aster]\ncash_usd = { value = 5, source = "filing" }\n'
    file = child(elsewhere, body, HEAD.replace("good.toml", "good"))
    assert read(file, library=folder).scenario.labs["Aster"].cash_usd == 5.0


def test_embedded_names_leave_out_the_sources(folder):
    assert names(folder) == ("good",)


def test_an_unknown_name_is_refused_with_the_nearest(folder):
    with pytest.raises(ScenarioError, match="did you mean 'good'"):
        read("goood", library=folder)


# Overrides


def test_overrides_are_laid_over_in_order(folder):
    overrides = ["labs.Aster.cash_usd=1e9", "labs.'Borealis & Co'.cash_usd=5"]
    overrides += ["clouds.Nimbus.kind=neocloud", "labs.Aster.cash_usd=2_000"]
    scenario = load_scenario(folder / "good.toml", overrides=overrides)
    assert scenario.labs["Aster"].cash_usd == 2_000.0
    assert scenario.labs["Borealis & Co"].cash_usd == 5.0
    assert scenario.clouds["Nimbus"].kind == "neocloud"


def test_an_override_may_set_a_day_and_remove_an_entry(folder):
    overrides = ["agreements.nimbus-aster.exclusive_until=2030-12-31", 'remove=["events.leak"]']
    scenario = load_scenario(folder / "good.toml", overrides=overrides)
    assert scenario.agreements["nimbus-aster"].exclusive_until == dt.date(2030, 12, 31)
    assert not scenario.events


def test_an_overridden_number_is_a_what_if(folder):
    facts = facts_of(folder / "good.toml", overrides=["building.busy=0.5"])
    assert facts["building.busy"].source == "what-if"


@pytest.mark.parametrize(
    ("override", "code", "words"),
    [
        ("labs.Aster.cash_us=1", "E010", "did you mean `cash_usd`?"),
        ("labs.Aster.cash_usd=2.1bn", "E013", "e.g. 2_100_000_000"),
        ("labs.Aster.cash_usd=true", "E013", "is true"),
        ("labs.Astr.cash_usd=1", "E011", "did you mean `labs.Aster`?"),
        ("clouds.Nimbus.kind=neoclowd", "E012", "did you mean 'neocloud'?"),
        ("labs.Aster.home=USA", "E020", "did you mean 'US'?"),
        ("labs.Aster", "E002", "PATH=VALUE"),
        ("[labs.Aster]", "E002", "PATH=VALUE"),
        ("months=1\nname='x'", "E002", "PATH=VALUE"),
        ("extends='x'", "E040", "cannot be overridden"),
        ("a.a.a.a.a.a.a.a.a.a=1", "E003", "more than 8 dots"),
    ],
)
def test_a_wrong_override_is_refused_as_the_file_would_be(folder, override, code, words):
    with pytest.raises(ScenarioError) as caught:
        read(folder / "good.toml", overrides=["months=12", override])
    (problem, *_) = caught.value.problems
    assert problem.code == code
    assert problem.place.file == "--set 2"
    assert words in str(problem)


# Digests and text


def test_the_digest_knows_no_comments_notes_sources_or_order(folder):
    before = read(folder / "good.toml").digest
    first, *tables = GOOD.split("\n\n")
    text = "\n\n".join([first, *reversed(tables)]).replace('"filing"', '"handbook"')
    text = text.replace("pue = 1.2", 'pue = { value = 1.2, note = "as built" } # comment')
    (folder / "good.toml").write_text(text)
    assert read(folder / "good.toml").digest == before


def test_the_digest_knows_every_number(folder):
    before = read(folder / "good.toml").digest
    assert read(folder / "good.toml", overrides=["building.busy=0.91"]).digest != before
    assert read(folder / "good.toml", overrides=["building.busy=0.90"]).digest == before
    assert len(before) == 32


def test_what_is_shown_reads_back_as_the_same_scenario(folder):
    reading = read(child(folder, "[labs.Aster]\ncash_usd = 5\n"), overrides=["building.busy=0.5"])
    (folder / "shown.toml").write_text(show(reading))
    again = read(folder / "shown.toml")
    assert again.digest == reading.digest
    assert {f.path: f.source for f in again.facts} == {f.path: f.source for f in reading.facts}


def test_parameter_rows_hold_stated_numbers_and_defaults(folder):
    rows = {
        row[0]: dict(zip(PARAMETER_COLUMNS, row, strict=True))
        for row in parameter_rows(read(folder / "good.toml"))
    }
    assert rows["building.busy"]["source"] == "handbook"
    assert rows["beliefs.damping"]["source"] == "default"
    assert rows["beliefs.damping"]["value"] == Beliefs().damping


def test_a_skeleton_reads_without_a_complaint(folder):
    text = skeleton("my-question", "good", library=folder)
    (folder / "my-question.toml").write_text(text)
    assert text.startswith("#:schema ")
    assert read(folder / "my-question.toml", library=folder).scenario.name == "my-question"


def test_a_skeleton_needs_a_usable_name(folder):
    with pytest.raises(ScenarioError, match="no usable name"):
        skeleton("../x", "good", library=folder)


def test_the_schema_for_editors_takes_plain_and_long_numbers():
    text = schema()
    pue = text["$defs"]["Region"]["properties"]["pue"]
    assert [option.get("type", option.get("$ref")) for option in pue["anyOf"]] == [
        "number",
        "#/$defs/LongForm",
    ]
    assert {"remove", "extends", *Scenario.model_fields} <= text["properties"].keys()
    assert "source" in text["$defs"]["Demand"]["properties"]
    assert json.loads(json.dumps(text)) == text


def test_problems_are_plain_data_too(folder):
    (folder / "good.toml").write_text(GOOD.replace("pue = 1.2", "pue = 9"))
    (problem,) = check(folder / "good.toml")
    assert problem.as_dict() == {
        "code": "E013",
        "meaning": "a value of the wrong kind or out of range",
        "file": str(folder / "good.toml"),
        "line": 19,
        "column": 7,
        "length": 1,
        "path": "regions.Texas.pue",
        "message": "`regions.Texas.pue` is 9; expected a number at least 1 and at most 3",
        "help": None,
        "also": None,
    }


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_a_path_is_written_as_toml_reads_it(path):
    data = tomllib.loads(f"{dotted(path)} = 1")
    for part in path:
        data = data[part]
    assert data == 1


def test_reading_needs_no_heavy_library():
    code = (
        "import sys; import offtake.model.reading; "
        "print(*{'numpy', 'polars', 'mesa', 'scipy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", names())
def test_every_embedded_scenario_reads_without_a_complaint(name):
    assert read(name).scenario.name == name
