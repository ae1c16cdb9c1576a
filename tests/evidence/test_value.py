"""A value followed: what is passed over at once is what would be followed token by token."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given, settings

from rollback.evidence import value
from rollback.evidence.redaction import Redaction
from rollback.evidence.sources.lines import line, text_line
from rollback.evidence.spread import Spread
from rollback.evidence.value import Broken, Value
from tests.evidence.test_spread import SEEDS

TOKENS = (
    *("{", "}", "[", "]", ",", ":", " ", "\t", '"a"', '"b\\"c"', '"{"', "1", "-1.5e3", "01", "NaN"),
    *("true", "null", "x", '"', "\\", "12a", "[1,2]", '{"a":1}', '{"a":[1,{}]}', "[[],[1,]]"),
    *('"a":1,', '"a":"b"', '"c",', "é", "\u0661", "[" * 7, "]" * 7, "\u2003", '"\t"'),
)
WANTS = {"[": "vf,", "{": "nvc,"}


def followed(text: str, open_: str, wants: str) -> tuple[object, str, str]:
    made = Value(open_, wants)
    try:
        end: object = made.run(text, 0)
    except Broken as broken:
        end = f"broken by {broken.begins}"
    return end, made.open, made.wants


@settings(max_examples=3000)
@given(SEEDS)
def test_what_is_passed_over_at_once_is_followed_alike_token_by_token(seed: int) -> None:
    chance = Random(seed)
    text = "".join(chance.choice(TOKENS) for _ in range(chance.randint(0, 12)))
    open_ = "".join(chance.choice("[{") for _ in range(chance.randint(0, 3)))
    wants = chance.choice(WANTS[open_[-1]]) if open_ else "v"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(value, "DEPTH_MAX", 8)
        at_once = followed(text, open_, wants)
        patch.setattr(value, "_WHOLE_MAX", -1)
        patch.setattr(value, "_ALONE", {})
        assert followed(text, open_, wants) == at_once, text


@settings(max_examples=500)
@given(SEEDS)
def test_a_line_of_text_is_written_alike(seed: int) -> None:
    chance = Random(seed)
    text = "".join(chr(chance.choice([chance.randrange(128), chance.randrange(0x11000)])) for _ in range(9))
    assert text_line('"at":7,"file":"a"', text) == line({"at": 7, "file": "a", "text": text})


def test_where_nothing_ends_it_is_not_looked_for_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []
    scan = value._SCAN

    def counted(text: str, start: int) -> tuple[object, int]:
        tried.append(start)
        found: tuple[object, int] = scan(text, start)
        return found

    monkeypatch.setattr(value, "_SCAN", counted)
    assert Value().run("[1," * 900, 0) is None
    assert len(tried) == 3


@pytest.mark.parametrize(("depth", "end"), [(8, 16), (9, "broken by ")])
def test_brackets_are_counted_where_they_are_whole_on_a_line(
    monkeypatch: pytest.MonkeyPatch, depth: int, end: object
) -> None:
    monkeypatch.setattr(value, "DEPTH_MAX", 8)
    assert followed("[" * depth + "]" * depth, "", "v")[0] == end


def test_names_without_values_cost_by_the_line_and_not_by_its_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who writes a log could keep the one who captures it busy, and a halt with it."""
    matched = 0
    token = value.TOKEN

    class Counting:
        def match(self, text: str, at: int) -> re.Match[str] | None:
            nonlocal matched
            matched += 1
            return token.match(text, at)

    monkeypatch.setattr(value, "TOKEN", Counting())
    names = 3_000
    for one in (b'"email":,', b'"email":[,]'):
        matched = 0
        Spread(Redaction(("email",))).hides(one * names + b"x\n", cut=False)
        assert matched < names * 300


@pytest.mark.parametrize("line", ['{"a":1SPACESx', '{"a"SPACESx', '{"a":SPACESx', "[1SPACESx", "[1,SPACESx"])
def test_a_long_row_of_spaces_is_gone_through_once(line: str) -> None:
    """Tried in every way, a million of them would take hours."""
    open_, rest = line[0], line[1:].replace("SPACES", " " * 10**6)
    assert followed(rest, open_, "n" if open_ == "{" else "v")[0] == "broken by x"
