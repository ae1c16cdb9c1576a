"""Values over several lines, held against an oracle that wrote them and knows where they stand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollback.evidence.redaction import Redaction
from rollback.evidence.spread import LINE_BYTES_MAX, WAITS_MAX, Spread, may_go_on

RULES = ("email", "user.*", "$.actor.name")
RULED = frozenset({"email", "user", "name"})
"""Names whose value is left out where it is spread: the path is not known then."""

NAMES = ("email", "user", "name", "Email", "id", "tags", 'e"mail', "x")
LEAVES = (
    *(None, True, 1, -5, 1.5, "", "]", "}", "[{", '"', "\\", "a: [", 'x", "y', "email", "user"),
    *("\n", "é\u2028", "\x00", "10:00", "[INFO]"),
)
BREAKS = ("", "", "", " ", "\n", "\n  ", "  \n\t", "\n\n", "\r\n")
BEGINNINGS = ("", "2026-11-23T10:0{}:00.123Z ", "[INFO] web_{}  | ", "10:0{}:00,{} WARN [t-{}] ")
NOISE = ("started in GET /x", "it's a \" odd one", ":-] hello", "", "at x.y(Z.java:5)")
SEEDS = st.integers(0, 2**63)


def value_of(chance: Random, depth: int = 0) -> Any:
    kind = chance.random()
    if depth > 3 or kind < 0.4:
        return chance.choice(LEAVES)
    inner = [value_of(chance, depth + 1) for _ in range(chance.randint(0, 4))]
    return inner if kind < 0.7 else {chance.choice(NAMES): one for one in inner}


@dataclass
class Writer:
    """The dumb oracle: writes token by token, and notes the lines from a ruled colon to its end."""

    chance: Random
    text: str = ""
    spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def line(self) -> int:
        return self.text.count("\n")

    def token(self, token: str) -> None:
        self.text += token + self.chance.choice(BREAKS)

    def value(self, value: Any) -> None:
        """One value, without what may follow it."""
        if isinstance(value, dict):
            self.token("{")
            for number, (name, child) in enumerate(value.items()):
                if number:
                    self.token(",")
                self.member(name, child)
            self.text += "}"
        elif isinstance(value, list):
            self.token("[")
            for number, child in enumerate(value):
                if number:
                    self.token(",")
                self.value(child)
                self.token("")
            self.text += "]"
        else:
            self.text += json.dumps(value, ensure_ascii=self.chance.random() < 0.5)

    def member(self, name: str, child: Any) -> None:
        named = self.line
        written = json.dumps(name)
        if self.chance.random() < 0.2:
            written = f'"\\u{ord(name[0]):04x}{written[2:]}'
        self.token(written)
        colon = self.line
        self.token(":")
        self.value(child)
        if name.lower() in RULED and named != self.line:
            self.spans.append((colon, self.line))
        self.token("")

    @property
    def hidden(self) -> set[int]:
        return {at for begins, ends in self.spans for at in range(begins, ends + 1)}


def hides(text: str, spread: Spread) -> list[int]:
    lines = text.encode("utf-8", "surrogatepass").split(b"\n")
    return [at for at, line in enumerate(lines) if spread.hides(line + b"\n", cut=False)]


@settings(max_examples=1000)
@given(SEEDS)
def test_exactly_the_lines_of_spread_values_are_hidden(seed: int) -> None:
    writer = Writer(Random(seed))
    for _ in range(3):
        writer.value(value_of(writer.chance))
        writer.text += "\n"
    spread = Spread(Redaction(RULES))
    assert hides(writer.text, spread) == sorted(writer.hidden), writer.text
    assert not spread.followed


@settings(max_examples=1000)
@given(SEEDS)
def test_lines_may_begin_with_a_time_and_others_may_write_between(seed: int) -> None:
    """A line of another's within a value is hidden too."""
    chance = Random(seed)
    writer, beginning = Writer(chance), chance.choice(BEGINNINGS)
    writer.value(value_of(chance))
    made: list[str] = []
    expected: list[int] = []

    def add(line: str, *, hidden: bool) -> None:
        expected.extend([len(made)] if hidden else [])
        made.append(beginning.replace("{}", str(len(made) % 10)) + line)

    for at, line in enumerate(writer.text.split("\n")):
        if chance.random() < 0.3:
            within = any(begins < at <= ends for begins, ends in writer.spans)
            add(chance.choice(NOISE), hidden=within)
        add(line, hidden=at in writer.hidden)
    assert hides("\n".join(made), Spread(Redaction(RULES))) == expected, "\n".join(made)


@settings(max_examples=300)
@given(SEEDS)
def test_a_log_whose_lines_are_texts_in_json_is_followed_alike(seed: int) -> None:
    """As container logs are written; what else stands in them is another matter."""
    writer = Writer(Random(seed))
    writer.value(value_of(writer.chance))
    lines = [json.dumps({"log": one + "\n", "stream": "stdout"}) for one in writer.text.split("\n")]
    found = hides("\n".join(lines), Spread(Redaction(RULES)))
    assert set(found) >= writer.hidden, writer.text
    assert found == sorted(writer.hidden), writer.text


PRETTY = '{\n "id": 1,\n "email": [\n  "a@b.c",\n  "d@e.f"\n ],\n "x": 1\n}\n'


def test_without_rules_nothing_is_hidden() -> None:
    assert hides(PRETTY, Spread(Redaction())) == []
    assert hides(PRETTY, Spread(Redaction(("other",)))) == []
    assert hides(PRETTY, Spread(Redaction(("email",)))) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    "line",
    [
        '"email": [FILTERED], and so on',
        '"email": {"id": [REDACTED]}',
        'said "email": must be given',
        'payload="{\\"email\\": [\\"a ] b\\", 1], \\"x\\": {" level=info',
        '{"email": ["a"], "x": {}} {"email": {}}',
        'broken off: "email": "a@b',
    ],
)
def test_what_ends_on_its_line_or_is_no_value_hides_nothing_after_it(line: str) -> None:
    spread = Spread(Redaction(("email",)))
    assert hides(f"{line}\nnext\n", spread) == []
    assert not spread.followed


@pytest.mark.parametrize(
    "text",
    [
        '"email": [truncated by who wrote it',
        '"email": ["a", "b',
        '"email": ["a ] b',
        '"email": [\n"a" "b"\n]',
        '"email": [\n{"a": 1]\n]',
        '"email": [\n"a\nb"\n]',
        'payload="{\\"email\\": [\\"a ] b\\", 1',
        '{"log":"\\"email\\": [\\n"}\n{"log":"\\"half \\n"}',
    ],
)
def test_where_nobody_knows_its_end_all_that_follows_is_hidden(text: str) -> None:
    spread = Spread(Redaction(("email",)))
    lines = [*text.split("\n"), "next", "{}", "]", "}"]
    found = hides("\n".join(lines), spread)
    assert found == list(range(found[0], len(lines)))
    assert '"email' in lines[found[0]].replace("\\", "")
    assert spread.followed


def test_brackets_are_counted_up_to_a_bound() -> None:
    for depth, lost in ((1000, False), (1001, True)):
        spread = Spread(Redaction(("email",)))
        assert hides('"email": ' + "[" * depth, spread) == [0]
        assert spread.lost == lost


USERS = 'first\n"users": [\n{"email": "a@b.c"},\n{"id": 1},\n{"email": "d@e.f"}\n]\n{"email": "no user\'s"}\n'


def test_a_field_within_another_is_found_on_a_line_of_its_own() -> None:
    """Alone such a line does not show that it stands in `users`."""
    for rule, hidden in (
        ("users.email", [2, 4]),
        ("users.*.email", [2, 4]),
        ("other.email", []),
        ("$.users.email", []),
    ):
        assert hides(USERS, Spread(Redaction((rule,)))) == hidden


def test_a_value_that_has_no_end_is_told() -> None:
    spread = Spread(Redaction(("email",)))
    assert hides(PRETTY[: PRETTY.index(" ],")], spread) == [2, 3, 4, 5]
    assert spread.followed
    assert not spread.lost


def test_a_name_and_colon_without_any_value_are_waited_for_a_while() -> None:
    spread = Spread(Redaction(("email",)))
    lines = [
        'failed on field "email":',
        *["plain words follow"] * (WAITS_MAX + 3),
        '"email": ["a"]',
    ]
    assert hides("\n".join(lines), spread) == list(range(WAITS_MAX + 2))
    assert not spread.followed


def long(*pieces: bytes) -> tuple[Spread, list[bool]]:
    spread = Spread(Redaction(("email",)))
    return spread, [spread.hides(piece, cut=True) for piece in pieces]


def test_a_long_line_is_followed_through_its_pieces() -> None:
    """Wherever it is cut, in the name too; the pieces themselves are left out by who reads."""
    for before in (b"", b"x" * 70_000):
        spread, _ = long(before + b' "ema', b'il": ', b'[ "a@', b'b.c",\n')
        assert spread.hides(b'"d@e.f"\n', cut=False)
        assert spread.hides(b"], 1\n", cut=False)
        assert not spread.hides(b"next\n", cut=False)


@pytest.mark.parametrize("named", [b'"email": [', b""])
def test_of_a_line_too_long_to_be_held_nobody_knows_the_end_where_it_names_a_field(
    named: bytes,
) -> None:
    half = b"x" * (LINE_BYTES_MAX // 2 + 10)
    spread, _ = long(half, half, named[:5], named[5:], half, b"\n")
    assert spread.hides(b"next\n", cut=False) == bool(named)
    assert spread.lost == bool(named)
    assert len(spread._held) == 0


@pytest.mark.parametrize(
    "line", ['"a@b.c",', "]", "2026-11-23T10:00:00Z   5", "10:00 11:00 },", "10:00", "", "{"]
)
def test_a_line_that_may_belong_to_what_was_cut_off_is_told(line: str) -> None:
    assert may_go_on(line.encode())


@pytest.mark.parametrize("line", ['{"a": 1}', "GET /x 200", "2026-11-23T10:00:00Z started", "a"])
def test_a_line_that_stands_alone_is_told(line: str) -> None:
    assert not may_go_on(line.encode())


def test_what_is_held_is_bounded() -> None:
    spread = Spread(Redaction(("email",)))
    for _ in range(200):
        spread.hides(b"y" * 2**17, cut=True)
        assert len(spread._held) <= LINE_BYTES_MAX
