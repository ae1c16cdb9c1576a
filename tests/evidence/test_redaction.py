"""Field rules, held against documents."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.evidence.redaction import Redaction, one_line
from rollback.model.environment import Evidence


def redacted(rules: tuple[str, ...], value: Any) -> Any:
    return json.loads(Redaction(rules, b"key").line(json.dumps(value).encode()))


DOCUMENT = {
    "email": "a@example.net",
    "user": {"email": "a@example.net", "name": "Ana"},
    "orders": [{"user": {"name": "Ana"}}, {"note": None}],
}


@pytest.mark.parametrize(
    ("rule", "left", "gone"),
    [
        ("email", ["Ana"], ["example.net"]),
        ("user.name", ["example.net"], ["Ana"]),
        ("$.user.name", ["Ana"], []),
        ("$.email", ["Ana", "a@example.net"], []),
        ("$.orders[*].user.name", ["Ana"], []),
        ("orders.*.name", ["Ana"], []),
        ("user", [], ["Ana"]),
        ("orders", ["Ana"], ["note"]),
        ("$.orders[0].user.name", ["Ana"], []),
    ],
)
def test_a_rule_takes_out_what_it_names(rule: str, left: list[str], gone: list[str]) -> None:
    text = json.dumps(redacted((rule,), DOCUMENT))
    assert text.count("[redacted ") >= 1
    assert all(one in text for one in left)
    assert not [one for one in gone if one in text]


def test_an_anchored_rule_is_one_place() -> None:
    made = redacted(("$.email",), DOCUMENT)
    assert made["email"].startswith("[redacted ")
    assert made["user"] == DOCUMENT["user"]


def test_equal_values_stay_equal_under_one_key_and_only_there() -> None:
    made = redacted(("email",), DOCUMENT)
    assert made["email"] == made["user"]["email"]
    other = json.loads(Redaction(("email",), b"other").line(json.dumps(DOCUMENT).encode()))
    assert other["email"] != made["email"]


def test_without_rules_a_line_is_left_byte_for_byte() -> None:
    raw = b'{"b": 1.0e5,\t"a" :2}'
    assert Redaction().line(raw) == raw


def test_a_document_over_several_lines_becomes_one() -> None:
    assert one_line(b'{"a":\r\n1}') == b'{"a":1}'
    assert one_line(b"no\njson") == b'{"text":"no\\njson"}'
    assert one_line(b'{"a" : 1}') == b'{"a" : 1}'


def test_what_cannot_be_searched_is_not_kept_under_rules() -> None:
    assert b"a@example.net" not in Redaction(("email",), b"k").line(b"email=a@example.net")


@pytest.mark.parametrize("rules", [(), ("email",)])
def test_a_document_nested_too_deep_is_no_error(rules: tuple[str, ...]) -> None:
    assert Redaction(rules, b"k").line(one_line(b"[" * 90_000 + b"\n" + b"]" * 90_000))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=12,
)


def fields_named(value: Any, name: str) -> list[Any]:
    if isinstance(value, dict):
        own = [value[name]] if name in value else []
        return own + [one for child in value.values() for one in fields_named(child, name)]
    if isinstance(value, list):
        return [one for child in value for one in fields_named(child, name)]
    return []


@given(JSON)
def test_no_field_of_that_name_keeps_its_value(value: Any) -> None:
    kept = fields_named(redacted(("a",), value), "a")
    assert all(one is None or str(one).startswith("[redacted ") for one in kept)
    assert redacted(("absent",), value) == value


def plainly(value: Any, rules: tuple[str, ...], path: tuple[str, ...] = ()) -> Any:
    """What rules take out, told the long way."""
    if isinstance(value, list):
        return [plainly(one, rules, path) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: "gone"
        if child is not None and any(_fits(rule, (*path, name)) for rule in rules)
        else plainly(child, rules, (*path, name))
        for name, child in value.items()
    }


def _fits(rule: str, path: tuple[str, ...]) -> bool:
    names = rule.removeprefix("$.").split(".")
    if len(names) > len(path) or (rule.startswith("$.") and len(names) != len(path)):
        return False
    return all(one in ("*", name) for one, name in zip(names[::-1], path[::-1], strict=False))


def _without_digests(value: Any) -> Any:
    text = json.dumps(value)
    return json.loads(re.sub(r"\[redacted [0-9a-f]{16}\]", "gone", text))


NAMES = st.sampled_from(["a", "b", "c", "\u00e9", "a.b", 'q"', "s/", "\n"])
RULE = st.lists(st.sampled_from(["a", "b", "*", "\u00e9", 'q"', "s/"]), min_size=1, max_size=3)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
        max_leaves=14,
    ),
    st.lists(st.tuples(st.booleans(), RULE), min_size=1, max_size=3),
    st.booleans(),
)
def test_rules_say_the_same_however_they_are_looked_for(
    value: Any, drawn: list[tuple[bool, list[str]]], ascii_only: bool
) -> None:
    rules = tuple(("$." if anchored else "") + ".".join(names) for anchored, names in drawn)
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    content = raw + b"\n" + b'{"other":1}\n'
    first, other, _ = Redaction(rules, b"key").lines(content).split(b"\n")
    assert first == Redaction(rules, b"key").line(raw)
    assert _without_digests(json.loads(first)) == plainly(value, rules)
    assert _without_digests(json.loads(other)) == plainly({"other": 1}, rules)


def test_what_no_rule_names_is_left_byte_for_byte() -> None:
    raw = b'{"price": 1.50e3, "note":"\\t", "big":123456789012345678901234567890}'
    assert Redaction(("email",), b"k").line(raw) == raw
    opened = Redaction(("email",), b"k").line(raw[:-1] + b',"email":"a@example.net"}')
    assert b"1.50e3" in opened
    assert b"123456789012345678901234567890" in opened
    assert b"example.net" not in opened


@pytest.mark.parametrize(
    "raw",
    [
        b'{"email":"a@example.net","email":null}',
        b'{"user":{"email":"a@example.net"},"user":1}',
        b'{"\\u0065mail":"a@example.net"}',
        b'{"email":"a@example.net"',
        b'{"email":"a@example.net","x":NaN}',
        b'{"email":"a@example.net"} \xff',
    ],
)
def test_no_way_of_writing_it_leads_past_a_rule(raw: bytes) -> None:
    assert b"example.net" not in Redaction(("email",), b"k").line(raw)
    assert b"example.net" not in Redaction(("email",), b"k").lines(raw + b"\n")


def test_equal_values_are_equal_however_they_are_written() -> None:
    kept = Redaction(("a",), b"k")
    one, other = json.loads(kept.line(b'{"a":"\\u0041"}')), json.loads(kept.line(b'{"a":"A"}'))
    assert one == other
    assert json.loads(kept.line(b'{"a":{"x":1,"b":2}}')) == json.loads(
        kept.line(b'{"a": {"b":2, "x":1}}')
    )


ANA = "ana@example.net"


@pytest.mark.parametrize(
    "value",
    [
        {"Email": ANA},
        {"EMAIL": [ANA]},
        {"body": json.dumps({"email": ANA, "left": 1})},
        {"body": json.dumps({"Email": ANA})},
        {"body": json.dumps([{"user": json.dumps({"email": ANA})}])},
        {"body": json.dumps(json.dumps({"email": ANA}))},
        {"text": f"10:02 INFO {json.dumps({'email': ANA})} sent"},
        {"text": f"one {{ two {json.dumps({'a': {'email': ANA}})}, {json.dumps({'email': ANA})}"},
        {"text": f'cut short: {{"x":1,"email" : "{ANA}'},
        {"text": "{" * 70 + json.dumps({"email": ANA})},
        {"body": json.dumps({"email": ANA}).replace("email", "\\u0065mail")},
        {"body": json.dumps({"email": ANA}, indent=2)},
        {"text": f'  "email": "{ANA}",'},
        {"text": f'"Email" : "{ANA}"'},
        {"text": f'"\\u0065mail": "{ANA}"'},
        {"text": f'"a": 1, "email": "{ANA}"'},
        {"text": f'"a\\"b": "\\"", "email": ["{ANA}"'},
        {"text": f'"one" and two" and "email": "{ANA}"'},
        {"text": '"x": 1, ' * 70 + f'"email": "{ANA}"'},
        {"text": f'"body": "{{\\"email\\": \\"{ANA}\\"}}",'},
    ],
    ids=str,
)
def test_a_field_leaves_by_no_other_door(value: Any) -> None:
    for ascii_only in (True, False):
        raw = json.dumps(value, ensure_ascii=ascii_only).encode()
        made = Redaction(("email",), b"key").lines(raw + b"\n")
        assert b"example.net" not in made
        assert b"[redacted " in made
        json.loads(made)


def test_json_in_a_text_keeps_what_no_rule_names() -> None:
    body = json.dumps({"email": ANA, "left": [1, "two"]})
    made = redacted(("email",), {"body": body})
    inner = json.loads(made["body"])
    assert inner["left"] == [1, "two"]
    assert inner["email"] == redacted(("email",), {"email": ANA})["email"]
    said = ('the field "email" is wanted', '{"note": "an \\"email\\" came"}', '  "kind": "email",')
    for text in (*said, body):
        kept = {"text": text}
        assert redacted(("phone",), kept) == kept
        assert text is body or redacted(("email",), kept) == kept


def test_a_member_in_a_text_stands_below_its_name() -> None:
    """As a line of pretty-printed JSON has it."""
    redaction = Redaction(("tags.id",), b"key")
    line = json.dumps({"text": '10:00 "tags": {"id": 5, "x": 1},'}).encode()
    found = json.loads(redaction.line(line))["text"]
    assert found.startswith('10:00 "tags": {"id":"[redacted ')
    assert found.endswith('"x":1},')
    other = json.dumps({"text": '10:00 "other": {"id": 5},'}).encode()
    assert json.loads(redaction.line(other)) == json.loads(other)


def test_what_is_not_utf_8_is_not_read_as_something_else() -> None:
    raw = json.dumps({"email": ANA}).encode("utf-16-le")
    made = Redaction(("email",), b"k").line(raw)
    assert json.loads(made)["unreadable"] is True


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "SECRET"}',
        'said {"a": ["SECRET"]}',
        '[{"b": "SECRET"}] x',
        'broken off {"a": "SECRET',
        '{"a": {"b": 1}, "c": "SECRET"',
    ],
)
def test_any_field_of_another_is_found_in_json_in_its_text_too(text: str) -> None:
    for value in ({"user": text}, {"x": [{"User": [text]}]}):
        made = redacted(("user.*",), value)
        assert "SECRET" not in json.dumps(made)
        assert redacted(("other.*",), value) == value


@pytest.mark.parametrize(
    "rule",
    ["", "$", "$.", "...", "[*]", "$['user'].email", "user[name]", "/user/email", "**.email", "a.**"],
)
def test_a_rule_that_would_match_nothing_is_refused(rule: str) -> None:
    """Nobody would see that nothing is redacted before it cannot be any more."""
    with pytest.raises(ValueError, match="is no path of names"):
        Evidence(redact=("email", rule))


@pytest.mark.parametrize("rule", ["email", "$.a.b", "a[*].b", "a[0].b", "$[*].a", "*", "a.*", "e-mail", "\u00e9"])
def test_a_path_of_names_is_a_rule(rule: str) -> None:
    assert Evidence(redact=(rule,)).redact == (rule,)


@pytest.mark.parametrize("half", ["\\ud83d", "\\uDE00", "\\ud83d\\ud83d", "x\\\\\\ud83d"])
def test_half_a_letter_costs_no_more_than_itself(half: str) -> None:
    """The service gives what was put in; a reader that refuses it would leave all of it out."""
    raw = f'{{"a":"{half}","b":1.50e3,"c":"\\ud83d\\ude00\\\\ud83d","email":"{ANA}"}}'.encode()
    made = Redaction(("email",), b"k").line(raw)
    assert ANA.encode() not in made
    assert b"1.50e3" in made
    assert json.loads(made)["c"] == "\U0001f600\\ud83d"
    assert "\ufffd" in json.loads(made)["a"]
    assert json.loads(made)["email"].startswith("[redacted ")
