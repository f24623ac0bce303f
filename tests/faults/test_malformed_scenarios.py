"""Scenarios that are wrong, one way each: refused with a code, a line and a helping word."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.model.problems import CODES, ScenarioError
from offtake.model.reading import read

CORPUS = Path(__file__).parent / "corpus"
GOOD = (CORPUS / "good.toml").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(CORPUS / "sources.toml", tmp_path)
    shutil.copy(CORPUS / "good.toml", tmp_path)
    return tmp_path


def problems_of(folder: Path, content: str | bytes, name: str = "bad.toml"):
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ScenarioError) as caught:
        read(file)
    return caught.value.problems


def spoilt(*edits: tuple[str, str]) -> str:
    text = GOOD
    for old, new in edits:
        assert old in text, f"the good scenario no longer has {old!r}"
        text = text.replace(old, new, 1)
    return text


def _negotiation(lines: str, code: str, word: str, under: str | None):
    """Return an edit that adds a table of rules for negotiations."""
    table = f'[negotiation]\nsource = "handbook"\n{lines}\n\n[building]'
    return "[building]", table, code, word, under


ONE_EDIT = {
    # what: (old, new, code, words of the message or help, text under the carets)
    "text for a number": ("= 10_000_000_000", '= "10bn"', "E013", "10_000_000_000", '"10bn"'),
    "text with a unit": ("capacity_mw = 60", 'capacity_mw = "0.06 GW"', "E013", "e.g. 60", None),
    "true for a number": ("busy = 0.9", "busy = true", "E013", "is true", "true"),
    "nan": ("busy = 0.9", "busy = nan", "E013", "is nan", "nan"),
    "infinity": ("busy = 0.9", "busy = inf", "E013", "is inf", "inf"),
    "overflow": ("cash_usd = 1e10", "cash_usd = 1e400", "E013", "is inf", "1e400"),
    "minus zero": ("busy = 0.9", "busy = -0.0", "E013", "without a sign", "-0.0"),
    "huge integer": ("= 300\n", f"= {'1' * 400}\n", "E013", "too many digits", None),
    "4,300 digits": ("= 300\n", f"= {'1' * 5000}\n", "E003", "cannot be read", None),
    "negative MW": ("capacity_mw = 60", "capacity_mw = -40", "E013", "greater than 0", "-40"),
    "negative price": ("month = 180", "month = -1", "E013", "greater than 0", None),
    "percent": ("take_or_pay = 0.8", "take_or_pay = 80", "E013", "80 % is 0.8", "80"),
    "fraction of a month": ("months = 24", "months = 24.5", "E013", "whole number", "24.5"),
    "no months": ("months = 24", "months = 0", "E013", "at least 1", "0"),
    "quoted date": ("= 2023-01-01", '= "2023-01-01"', "E013", "without quotes", '"2023-01-01"'),
    "no such day": ("= 2023-01-01", '= "2023-02-30"', "E013", "no such day", '"2023-02-30"'),
    "date with an hour": ("= 2023-01-01", "= 2023-01-01T00:00:00", "E013", "day alone", None),
    "true for the format": ("format = 1", "format = true", "E013", "expected 1", "true"),
    "another format": ("format = 1", "format = 2", "E013", "expected 1", "2"),
    "misspelt kind": ('"hyperscaler"', '"hyperscaller"', "E012", "'hyperscaler'?", None),
    "misspelt key": ("pue =", "puee =", "E010", "did you mean `pue`?", "puee"),
    "misspelt table": ("[events.leak]", "[event.leak]", "E010", "`events`", "event"),
    "key of another table": ("pue = 1.2", "pue = 1.2\nkind = 1", "E010", "[clouds.NAME]", "kind"),
    "missing key": ("pue = 1.2\n", "", "E011", "lacks the required key `pue`", "regions.Texas"),
    "missing name": ('name = "good"\n', "", "E011", "`name`", None),
    "array for tables": ("[investors.Seed]", "[[investors]]", "E013", "investors.NAME", None),
    "plain for an array": ('["Nimbus", "Cumulus"]', '"Nimbus"', "E013", "[", '"Nimbus"'),
    "dangling cloud": ('["Nimbus", ', '["Nimbuss", ', "E020", "'Nimbus'?", '"Nimbuss"'),
    "dangling owner": ("Seed = 0.5", "Sead = 0.5", "E020", "'Seed'?", None),
    "dangling government": ('domestic_to = "US"', 'domestic_to = "UK"', "E020", "US", '"UK"'),
    "dangling policy": ('policy = "permits"', 'policy = "permit"', "E020", "permits", None),
    "key twice": ("busy = 0.9", "busy = 0.9\nbusy = 1", "E021", "given twice", "busy"),
    "table twice": ("[sites.cumulus-1]", "[sites.nimbus-1]", "E021", "given twice", None),
    "inline key twice": ("low = 9_000", "low = 9_000, low = 1", "E021", "given twice", "low"),
    "no source": ('[building]\nsource = "handbook"', "[building]", "E030", "judgement", None),
    "unknown source": ('source = "filing", date', 'source = "fling", date', "E031", "filing", None),
    "wrong unit": ('"usd_per_kw"', '"usd_per_mw"', "E032", "usd_per_kw", '"usd_per_mw"'),
    "below its range": ("low = 12", "low = 33", "E033", "below its own low = 33", "30"),
    "above its range": ("high = 48", "high = 24", "E033", "above its own high = 24", "30"),
    "range turned round": ("low = 12", "low = 60", "E033", "low = 60 above high = 48", "60"),
    "unknown key in a long form": ("low = 12", "lowest = 12", "E010", "`low`", "lowest"),
    "long form without a value": ("{ value = 30, ", "{ ", "E011", "`value`", "grid_mean_months"),
    "guess of a confidence": ('"low", source', '"lo", source', "E012", "'low'?", '"lo"'),
    "syntax": ("busy = 0.9", "busy 0.9", "E002", "after a key", "0"),
    "two points": ("busy = 0.9", "busy = 0.9.1", "E002", "after a statement", "."),
    "unquoted text": ('"Texas"\navail', "Texas\navail", "E002", "stands in quotes", "T"),
    "open string": ('name = "good"', 'name = "good', "E002", "this is not TOML", None),
    "NUL": ("busy = 0.9", "busy = 0.9 # \0", "E003", "U+0000", None),
    "bidi override": ('"a forecast', '"a \u202eforecast', "E003", "U+202E RIGHT-TO-LEFT", None),
    "escaped bidi": ('"a forecast', '"a \\u202eforecast', "E003", "U+202E", None),
    "escaped escape": ('"a forecast', '"a \\u001b[31m', "E003", "U+001B", None),
    "bare carriage return": ("busy = 0.9", "busy = 0.9 # \r#", "E003", "U+000D", None),
    "zero-width space": ('"Does a', '"Does\u200b a', "E003", "U+200B ZERO WIDTH SPACE", None),
    "look-alike in a bare key": (
        "[investors.S",
        "[investors.\u0405",
        "E002",
        "U+0405 CYRILLIC",
        "\u0405",
    ),
    "look-alike in a name": ("[investors.Seed]", '[investors."\u0405eed"]', "E014", "U+0405", None),
    "look-alike in a reference": (
        'investor = "Seed"',
        'investor = "\u0405eed"',
        "E020",
        "U+0405",
        None,
    ),
    "dots and slashes": ("[sites.cumulus-1]", '[sites."../x"]', "E014", "hyphens", None),
    "line break in a name": ("[sites.cumulus-1]", '[sites."a\\n"]', "E014", "U+000A", None),
    "absolute path for a name": ('name = "good"', 'name = "/etc/x"', "E014", "hyphens", None),
    "device for a name": ('name = "good"', 'name = "con"', "E014", "device", '"con"'),
    "device for a lab": ("[labs.'Borealis & Co']", "[labs.AUX]", "E014", "device", "labs.AUX"),
    "empty name": ("[sites.cumulus-1]", '[sites.""]', "E014", "63 characters", None),
    "code in a value": ("busy = 0.9", "busy = \"__import__('os')\"", "E013", "a number", None),
    "plug-in path": ("busy = 0.9", 'busy = 0.9\nplugin = "x.py"', "E010", "plugin", "plugin"),
    "extends nothing": ("months = 24", 'extends = "x"\nmonths = 24', "E040", "no embedded", '"x"'),
    "extends a number": ("months = 24", "extends = 3\nmonths = 24", "E040", "a name", "3"),
    "extends upwards": ("months = 24", 'extends = "../x.toml"', "E040", "out of the folder", None),
    "extends a root": ("months = 24", 'extends = "/etc/x.toml"', "E040", "out of the folder", None),
    "extends a home": ("months = 24", 'extends = "~root/x.toml"', "E040", "no such file", None),
    "extends itself": ("months = 24", 'extends = "bad.toml"', "E040", "circle", '"bad.toml"'),
    "remove in a root": ("months = 24", 'months = 24\nremove = ["sites.x"]', "E041", "", None),
    "remove a number": ("months = 24", "months = 24\nremove = 3", "E013", "array of paths", "3"),
    "misspelt protocol": _negotiation(
        'bargainer = "tactic"', "E012", "did you mean 'tactics'?", '"tactic"'
    ),
    "setting of another protocol": _negotiation(
        "protocol = { spread = 1.0 }", "E010", "allowed here: lab_power", "spread"
    ),
    "misspelt setting": _negotiation(
        'bargainer = "tactics"\nprotocol = { lab_bta = 0.5 }', "E010", "`lab_beta`", "lab_bta"
    ),
    "setting out of its range": _negotiation(
        'bargainer = "tactics"\nprotocol.lab_beta = -0.5', "E013", "greater than 0", "-0.5"
    ),
    "text for a setting": _negotiation(
        'bargainer = "rubinstein"\nprotocol.rounds = "ten"', "E013", "a whole number", '"ten"'
    ),
    "setting that is no choice": _negotiation(
        'bargainer = "tactics"\nprotocol.lab_tactic = "tat-for-tit"', "E012", "'tit-for-tat'?", None
    ),
}


@pytest.mark.parametrize("what", ONE_EDIT)
def test_one_mistake_is_refused_at_its_place_with_help(folder, what):
    old, new, code, words, marked = ONE_EDIT[what]
    problems = problems_of(folder, spoilt((old, new)))
    first = next((p for p in problems if p.code == code), None)
    assert first, f"no {code} among {[str(p) for p in problems]}"
    assert words in str(first)
    assert first.place.file.endswith("bad.toml")
    if marked:
        place = first.place
        assert place.text[place.column - 1 :][: place.length] == marked


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a" + ".a" * 20_000 + " = 1\n", "more than 8 dots"),
        ("[a" + ".a" * 12 + "]\n", "more than 8 dots"),
        ("a = " + "[" * 30_000 + "]" * 30_000 + "\n", "nested more than 16 deep"),
        ("a = " + "{ a = " * 17 + "1" + " }" * 17 + "\n", "nested more than 16 deep"),
        ("a = 0x" + "f" * 70_000 + "\n", "more than 64_000 bytes"),
        ("a = '''" + "x\n" * 600_000 + "'''\n", "larger than 1_048_576 bytes"),
        ("\n".join(f"k{n} = 1" for n in range(100_000)), "larger than 1_048_576 bytes"),
        ('a = """' + '\\"""' * 12_000, "this is not TOML"),
    ],
    ids=["dots", "header dots", "arrays", "tables", "hex", "string", "keys", "open string"],
)
def test_a_toml_bomb_is_refused_before_it_is_parsed(folder, content, words):
    (problem, *_) = problems_of(folder, content)
    assert problem.code in ("E002", "E003")
    assert words in problem.message


def test_many_unknown_keys_end_in_twenty_problems_and_a_count(folder):
    text = spoilt(("busy = 0.9", "\n".join(f"key{n} = 1" for n in range(3_000))))
    file = folder / "bad.toml"
    file.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        read(file)
    assert str(caught.value).count("error[") == 20
    assert str(caught.value).endswith(
        f"and 980 more\n\n1000 errors or more in {file}; nothing was run."
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (GOOD.encode("utf-16"), "looks like UTF-16"),
        (GOOD.encode() + b"# \xff", "byte 0xFF is not UTF-8"),
        (b"", "lacks the required keys"),
    ],
    ids=["utf-16", "latin", "empty"],
)
def test_bytes_that_are_no_scenario_are_refused(folder, content, words):
    assert words in problems_of(folder, content)[0].message


@pytest.mark.parametrize("source", ["no.toml", "", "no-such-name", "a\0b.toml", "/", "~root/x"])
def test_a_source_that_is_no_file_is_refused(source):
    with pytest.raises(ScenarioError) as caught:
        read(source)
    assert caught.value.problems[0].code == "E001"


def test_a_link_out_of_the_folder_may_not_be_extended(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "good.toml"
    outside.write_text(GOOD)
    (folder / "link.toml").symlink_to(outside)
    (problem,) = problems_of(
        folder, 'format = 1\nname = "b"\nquestion = "?"\nextends = "link.toml"\n'
    )
    assert problem.code == "E040"


def test_a_circle_of_extends_is_refused_with_both_places(folder):
    (folder / "other.toml").write_text('name = "other"\nextends = "bad.toml"\n')
    (problem,) = problems_of(folder, 'name = "bad"\nquestion = "?"\nextends = "other.toml"\n')
    assert (problem.code, problem.place.line) == ("E040", 2)
    assert problem.place.file.endswith("other.toml")
    assert problem.also
    assert (problem.also.file, problem.also.line) == (str(folder / "bad.toml"), 3)


def test_a_broken_base_is_reported_in_the_base(folder):
    (folder / "base.toml").write_text("months = = 3\n")
    (problem,) = problems_of(folder, 'name = "bad"\nquestion = "?"\nextends = "base.toml"\n')
    assert (problem.code, Path(problem.place.file).name) == ("E002", "base.toml")


def test_broken_sources_are_reported_beside_the_rest(folder):
    (folder / "sources.toml").write_text('[handbook]\ntitel = "x"\n[filing]\ntitle = 3\n')
    found = {(p.code, Path(p.place.file).name) for p in problems_of(folder, GOOD)}
    assert {("E010", "sources.toml"), ("E011", "sources.toml"), ("E013", "sources.toml")} <= found


SCRAPS = [b"[[", b"[labs]\n", b"{}", b"[]", b"= {", b'"', b"'''", b"\n[x.y]\n", b" = 2025-13-01"]


def outcome(file: Path) -> ScenarioError | None:
    try:
        read(file)
    except ScenarioError as error:
        return error
    return None


@given(st.data())
def test_no_mutilation_ends_in_anything_but_a_reading_or_problems(tmp_path_factory, data):
    content = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        end = min(len(content), at + data.draw(st.integers(0, 40)))
        content[at:end] = data.draw(st.one_of(st.binary(max_size=4), st.sampled_from(SCRAPS)))
    folder = tmp_path_factory.mktemp("mutilated")
    shutil.copy(CORPUS / "sources.toml", folder)
    (folder / "bad.toml").write_bytes(content)
    error = outcome(folder / "bad.toml")
    lines = content.count(b"\n") + 1
    for problem in error.problems if error else ():
        assert problem.code in CODES
        assert 1 <= problem.place.line <= lines


def test_more_labs_than_can_be_run_are_refused_by_a_stated_limit(folder):
    (problem,) = problems_of(folder, GOOD + "".join(f"[labs.a{n}]\n" for n in range(10_000)))
    assert problem.message == "`labs` has 10_002 entries; expected at most 200"
