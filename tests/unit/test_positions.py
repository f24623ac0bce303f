"""The finder of positions, compared with what `tomllib` reads."""

import tomllib

from hypothesis import assume, given
from hypothesis import strategies as st

from offtake.model.positions import Span, find_positions

BARE = st.text("abzAZ09-_", min_size=1, max_size=4)
ANY_TEXT = st.text("ab\"\\'#[]{}=,.\n\t é", max_size=6)


def basic(text: str) -> str:
    for raw, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(raw, escaped)
    return f'"{text}"'


def string_forms(text: str) -> list[str]:
    forms = [basic(text), f'"""{basic(text)[1:-1]}"""', f'"""\n{basic(text)[1:-1]}"""']
    if "'" not in text and "\n" not in text:
        forms.append(f"'{text}'")
    if "'" not in text:
        forms.append(f"'''\n{text}'''")
    if '"' not in text and "\\" not in text:
        forms.append(f'"""\n{text}"""')
    return forms


@st.composite
def strings(draw):
    return draw(st.sampled_from(string_forms(draw(ANY_TEXT))))


@st.composite
def keys(draw, taken: set[str]):
    name = draw(st.one_of(BARE, ANY_TEXT).filter(lambda n: n not in taken))
    taken.add(name)
    forms = [basic(name)]
    if name and all(c in "abzAZ09-_" for c in name):
        forms.append(name)
    if "'" not in name and "\n" not in name:
        forms.append(f"'{name}'")
    return draw(st.sampled_from(forms))


SCALARS = st.one_of(
    st.sampled_from(["1", "-2_000", "0xFF", "1.5e3", "inf", "nan", "true", "false"]),
    st.sampled_from(["2025-01-31", "07:32:00", "1979-05-27 07:32:00Z", "1979-05-27T07:32:00.5"]),
    strings(),
)
GAPS = st.sampled_from(["", " ", "\t"])
BREAKS = st.sampled_from(["", " ", "\n", " # a ] comment, }\n  "])


@st.composite
def arrays(draw, values):
    gap = draw(BREAKS)
    items = draw(st.lists(values, max_size=3))
    comma = "," if items and draw(st.booleans()) else ""
    return f"[{gap}{f'{gap},{gap}'.join(items)}{gap}{comma}{gap}]"


@st.composite
def inline_tables(draw, values):
    taken: set[str] = set()
    pairs = [f"{draw(keys(taken))} = {draw(values)}" for _ in range(draw(st.integers(0, 3)))]
    gap = draw(GAPS)
    return f"{{{gap}{', '.join(pairs)}{gap}}}"


VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(arrays(inner), inline_tables(inner)), max_leaves=6
)


@st.composite
def bodies(draw):
    taken: set[str] = set()
    lines = []
    for _ in range(draw(st.integers(0, 3))):
        key = draw(keys(taken))
        for _ in range(draw(st.integers(0, 2))):
            key += f"{draw(GAPS)}.{draw(GAPS)}{draw(keys(set()))}"
        comment = draw(st.sampled_from(["", " # [not.a] table", "\t"]))
        lines.append(f"{draw(GAPS)}{key}{draw(GAPS)}={draw(GAPS)}{draw(VALUES)}{comment}\n")
    return "".join(lines)


@st.composite
def documents(draw):
    text = draw(bodies())
    taken: set[str] = set()
    for _ in range(draw(st.integers(0, 4))):
        header = draw(keys(taken))
        if draw(st.booleans()):
            for _ in range(draw(st.integers(1, 2))):
                text += f"[[ x{len(taken)}q ]]\n{draw(bodies())}"
                text += f"[ x{len(taken)}q . {draw(keys(set()))} ]\n{draw(bodies())}"
        else:
            deeper = f".{draw(keys(set()))}" if draw(st.booleans()) else ""
            text += f"[{header}{deeper}]\n{draw(bodies())}"
    return text


def leaves_and_tables(data, path=()):
    if isinstance(data, dict):
        items = data.items()
    elif isinstance(data, list):
        items = enumerate(data)
    else:
        items = ()
    for key, value in items:
        yield (*path, key), value
        yield from leaves_and_tables(value, (*path, key))


def parses(text: str):
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


@given(documents())
def test_every_path_is_found_and_its_span_reads_back_as_its_value(text):
    data = parses(text)
    assume(data is not None)  # two generated keys may collide
    assert data is not None
    lines = text.split("\n")
    found = find_positions(text)
    assert not found.repeated
    for path, value in leaves_and_tables(data):
        if isinstance(value, dict | list):
            assert path in found.values or path in found.tables or path in found.keys
            continue
        span = found.values[path]
        token = lines[span.line - 1][span.column - 1 : span.column - 1 + span.length]
        again = parses(f"x = {token}")
        if again is not None:  # a string over several lines is marked on its first
            assert repr(again["x"]) == repr(value)


def test_a_dotted_and_quoted_key_is_found_part_by_part():
    found = find_positions('[labs."Aster AI"]\na.b = 1\n')
    assert found.tables["labs", "Aster AI"] == Span(line=1, column=2, length=15)
    assert found.keys["labs", "Aster AI", "a", "b"] == Span(line=2, column=3, length=1)
    assert found.values["labs", "Aster AI", "a", "b"] == Span(line=2, column=7, length=1)


def test_elements_of_arrays_of_tables_are_numbered():
    found = find_positions("[[x]]\na = 1\n[[x]]\na = 2\n[x.y]\nb = 3\n")
    assert found.values["x", 1, "a"].line == 4
    assert found.values["x", 1, "y", "b"].line == 6


def test_what_stands_before_a_syntax_error_is_found():
    found = find_positions("a = 1\nb 2\nc = 3\n")
    assert list(found.values) == [("a",)]


def test_a_key_given_twice_is_reported_with_both_places():
    found = find_positions("a = 1\nb = 2\na = 3\n")
    assert [(p, first.line, second.line) for p, first, second in found.repeated] == [(("a",), 1, 3)]


def test_escapes_in_quoted_keys_are_understood():
    assert ("é\t",) in find_positions('"\\u00e9\\t" = 1\n').values
