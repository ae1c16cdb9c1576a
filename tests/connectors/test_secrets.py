"""Secrets are resolved late and blotted from texts in every form they may take."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.connectors.secrets import _PIECE_BYTES, VariableSecrets, _forms
from rollback.errors import InputError
from rollback.model.base import facts
from rollback.model.environment import Secret

KEY = Secret(variable="THE_KEY")
VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=12, max_size=40)


@given(VALUES, st.text(max_size=7))
def test_no_written_form_of_a_value_is_left(value: str, before: str) -> None:
    secrets = VariableSecrets({"THE_KEY": value})
    assert secrets.get(KEY) == value
    wrapped = f"{before}{value}{before}".encode(errors="replace")
    shown = [
        value,
        json.dumps({"a": value}),
        json.dumps({"a": value}, ensure_ascii=False),
        quote(value),
        quote(value, safe=""),
        urlencode({"a": value}),
        quote_plus(value),
        value.encode().hex(),
        repr({"a": value}),
    ]
    for text in shown:
        assert value not in secrets.redact(text)
        assert "[secret]" in secrets.redact(text)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert "[secret]" in secrets.redact(encode(wrapped).decode())


def test_what_was_never_given_out_is_not_known() -> None:
    secrets = VariableSecrets({"THE_KEY": "a-value-of-its-own"})
    assert secrets.redact("a-value-of-its-own") == "a-value-of-its-own"
    assert "a-value-of-its-own" not in repr(secrets)


def test_what_is_expected_is_blotted_before_anybody_asks_for_it() -> None:
    secrets = VariableSecrets({"THE_KEY": "a-value-of-its-own"})
    secrets.expect([KEY, Secret(variable="NOT_SET")])
    assert secrets.redact("said a-value-of-its-own") == "said [secret]"


def test_json_in_a_text_of_json_is_blotted_too() -> None:
    secrets = VariableSecrets({"THE_KEY": 'a "quoted\\\\ value'})
    secrets.expect([KEY])
    inner = json.dumps({"a": 'a "quoted\\\\ value'})
    assert secrets.redact(json.dumps(inner)) == json.dumps(json.dumps({"a": "[secret]"}))


@pytest.mark.parametrize("variables", [{}, {"THE_KEY": ""}, {"the_key": "x"}])
def test_a_variable_that_is_not_set_is_named(variables: dict[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        VariableSecrets(variables).get(KEY)
    assert "THE_KEY" in caught.value.reason


def test_values_that_overlap_leave_nothing_of_either() -> None:
    secrets = VariableSecrets({"A": "first-and-middle", "B": "middle-and-last"})
    for name in ("A", "B"):
        secrets.get(Secret(variable=name))
    assert secrets.redact("<first-and-middle-and-last>") == "<[secret]>"


@pytest.mark.parametrize("value", ["a-value-of-some-length", 'a "quoted" <value>'])
@pytest.mark.parametrize("shift", [0, 1, 9, 21, 22, 40])
def test_a_value_on_the_edge_of_two_pieces_is_found(value: str, shift: int) -> None:
    """What is large is searched piece by piece; a page may break anywhere."""
    secrets = VariableSecrets({"A": value})
    secrets.get(Secret(variable="A"))
    for written in (value, json.dumps(value)[1:-1], json.dumps(value)[1:-1].replace("<", r"\u003c")):
        before = b"x" * (2 * _PIECE_BYTES - shift)
        data = before + written.encode() + b"y" * 50
        with memoryview(data) as view:
            found = bytes(secrets.redact_bytes(view))
        assert found == before + b"[secret]" + b"y" * 50


def by_hand(values: list[str], text: str) -> str:
    """The text with every occurrence of every value blotted, letter by letter."""
    covered = [False] * len(text)
    begun = [False] * len(text)
    for value in values:
        for at in range(len(text)):
            if text.startswith(value, at):
                begun[at] = True
                covered[at : at + len(value)] = [True] * len(value)
    expected, inside = "", False
    spans: list[tuple[int, int]] = []
    for value in values:
        spans += [(at, at + len(value)) for at in range(len(text)) if text.startswith(value, at)]
    reach = 0
    for at, letter in enumerate(text):
        if covered[at]:
            if not inside or (begun[at] and at >= reach):
                expected += "[secret]"
            reach = max([reach, *(end for start, end in spans if start == at)])
            inside = True
        else:
            expected, inside = expected + letter, False
    return expected


@given(st.lists(st.text("ab", min_size=8, max_size=10), min_size=1, max_size=4), st.text("ab", max_size=60))
def test_bytes_are_blotted_as_by_hand(values: list[str], text: str) -> None:
    """Held against marking every byte of every occurrence, one by one."""
    variables = {f"S{number}": value for number, value in enumerate(values)}
    secrets = VariableSecrets(variables)
    for name in variables:
        secrets.get(Secret(variable=name))
    assert bytes(secrets.redact_bytes(text.encode())).decode() == by_hand(values, text)


@given(
    unit=st.text("ab+", min_size=1, max_size=3),
    letters=st.integers(150, 600),
    parts=st.lists(st.sampled_from(["all", "beginning", "end", "hex", "base64", "other"]), max_size=4),
    cut=st.integers(1, 140),
)
def test_a_value_that_repeats_itself_is_blotted_as_by_hand(
    unit: str, letters: int, parts: list[str], cut: int
) -> None:
    """From some length on another kind of search is made; both find the same."""
    value = (unit * letters)[:letters]
    secrets = VariableSecrets({"A": value})
    secrets.get(Secret(variable="A"))
    written = {
        "all": value,
        "beginning": value[:-cut],
        "end": value[cut:],
        "hex": value.encode().hex(),
        "base64": base64.b64encode(value.encode()).decode(),
        "other": "ab",
    }
    text = "|".join(written[part] for part in parts)
    assert secrets.redact(text) == by_hand(sorted(_forms(value)), text)


@pytest.mark.parametrize("value", ["a" * 20_000, "+" * 10_000, "0123456789abcdef\n" * 1_000])
def test_a_value_of_thousands_of_letters_that_repeats_itself_is_known_at_once(value: str) -> None:
    """With a table of states this does not end within minutes."""
    secrets = VariableSecrets({})
    secrets.know(value)
    assert secrets.redact(f"<{value}>") == "<[secret]>"
    assert secrets.redact(value[:-1]) == value[:-1] or "\n" in value


@pytest.mark.parametrize("value", ["hunter12", "hunter2+hunter2", "8 letter"])
def test_facts_hold_none_however_short(value: str) -> None:
    secrets = VariableSecrets({"ITS": value})
    secrets.expect([Secret(variable="ITS")])
    told = facts(slot="staging", percent=10, by=("x", f"{quote(value, safe='')} said it"), none=None)
    assert secrets.redact_facts(told) == facts(
        slot="staging", percent=10, by=("x", "[secret] said it"), none=None
    )
    untold = facts(slot="staging", percent=10)
    assert secrets.redact_facts(untold) is untold
    assert secrets.redact(f"slot {value}") == "slot [secret]"


def test_what_is_too_short_to_be_blotted_is_refused_and_not_repeated() -> None:
    secrets = VariableSecrets({"SHORT": "staging", "LONG": "hunter2+hunter2", "EMPTY": ""})
    secrets.expect([Secret(variable="EMPTY"), Secret(variable="NOT_SET"), Secret(variable="LONG")])
    secrets.refuse_short()
    secrets.expect([Secret(variable="SHORT")])
    with pytest.raises(InputError) as caught:
        secrets.refuse_short()
    assert caught.value.code == "secret.too-short"
    assert "SHORT" in caught.value.reason
    assert "LONG" not in caught.value.reason
    assert "staging" not in f"{caught.value}{caught.value.hint}"


def test_where_a_plan_is_applied_all_the_same_a_short_one_is_in_no_text() -> None:
    """What is decided by stays as it is: a rule of that name is still that rule."""
    secrets = VariableSecrets({"SHORT": "staging"})
    secrets.expect([Secret(variable="SHORT")])
    assert secrets.get(Secret(variable="SHORT")) == "staging"
    assert secrets.redact("slot staging") == "slot [secret]"
    assert secrets.redact_bytes(b'{"a":"staging"}') == b'{"a":"[secret]"}'
    assert secrets.redact_facts(facts(slot="staging")) == facts(slot="staging")


TRICKY = "k+/e&y<with>'letters=0123456789"


@pytest.mark.parametrize(
    "written",
    [
        TRICKY.replace("+", r"\u002B").replace("&", r"\u0026").replace("<", r"\u003c"),
        TRICKY.replace("/", r"\/"),
        "".join(f"\\u{ord(letter):04x}" for letter in TRICKY),
        TRICKY.replace("+", r"\\u002B").replace("/", r"\\/"),
        quote(TRICKY, safe="").replace("%2B", "%2b").replace("%2F", "%2f").replace("%26", "%26")
        .replace("%3C", "%3c").replace("%3E", "%3e").replace("%3D", "%3d"),
        TRICKY.encode().hex().upper(),
    ],
)  # fmt: skip
def test_no_way_of_writing_it_leads_past_a_blot(written: str) -> None:
    secrets = VariableSecrets({"KEY": TRICKY})
    secrets.get(Secret(variable="KEY"))
    other = rb'{"left":"a\u002Bb \/ \u00e9"}'
    line = b'{"a":"\\"","key":"%b"}' % written.encode()
    made = bytes(secrets.redact_bytes(line + b"\n" + other + b"\n"))
    assert made == b'{"a":"\\"","key":"[secret]"}\n' + other + b"\n"
    assert bytes(secrets.redact_bytes(memoryview(other))) == other


def test_each_line_of_a_value_of_several_is_blotted() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END KEY-----\n"
    secrets = VariableSecrets({"KEY": key})
    secrets.get(Secret(variable="KEY"))
    for line in key.splitlines()[1:3]:
        assert secrets.redact(f"at 10:02 {line} was read") == "at 10:02 [secret] was read"


PIN = "90817263"
TREES = st.recursive(
    st.integers() | st.sampled_from([int(PIN), -int(PIN), int(f"5{PIN}4"), float(f"0.{PIN}")]) | st.booleans()
    | st.text(max_size=9) | st.just(f"a {PIN}") | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4) | st.just(PIN), inner, max_size=4),
)  # fmt: skip


def without_pin(tree: object) -> object:
    """The dumb way: every text and number by itself."""
    if isinstance(tree, dict):
        return {key.replace(PIN, "[secret]"): without_pin(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [without_pin(value) for value in tree]
    if isinstance(tree, str):
        return tree.replace(PIN, "[secret]")
    return "[secret]" if PIN in json.dumps(tree) else tree


@given(st.lists(st.lists(TREES, max_size=4), min_size=1, max_size=3))
def test_lines_of_json_stay_json_where_a_number_is_a_secret(trees: list[list[object]]) -> None:
    secrets = VariableSecrets({"PIN": PIN})
    secrets.expect([Secret(variable="PIN")])
    lines = "\n".join(json.dumps(tree, ensure_ascii=False) for tree in trees)
    made = bytes(secrets.redact_bytes(lines.encode("utf-8", "surrogatepass"))).split(b"\n")
    assert [json.loads(line) for line in made] == [without_pin(tree) for tree in trees]


def test_a_number_among_facts_is_blotted_too() -> None:
    secrets = VariableSecrets({"PIN": PIN})
    secrets.expect([Secret(variable="PIN")])
    told = facts(count=int(PIN), counts=(1, int(PIN)), more=True, none=None, other=7)
    blotted = facts(count="[secret]", counts=(1, "[secret]"), more=True, none=None, other=7)
    assert secrets.redact_facts(told) == blotted
    assert secrets.redact_facts(facts(other=7)) == facts(other=7)
