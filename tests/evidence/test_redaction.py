"""Field rules, held against documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.evidence.redaction import Redaction, one_line


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
