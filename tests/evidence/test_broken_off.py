"""Values broken off by who logged them: what follows is kept again, and nothing of them ever is.

The oracle is dumb: it writes a log whose ruled values alone hold the letter Q, and looks for it.
"""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from rollback.evidence.records import Beginning
from rollback.evidence.redaction import Redaction
from rollback.evidence.sources import app_service, files
from rollback.evidence.spread import Spread
from tests.evidence.pipeline import Kept
from tests.evidence.sources.test_spread_values import RULES, a_file, planted, taken
from tests.evidence.test_spread import BEGINNINGS, SEEDS, Writer, hides, value_of

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.evidence.source import Read

NOISE = ("started in GET /x", "it's odd", "", "at x.y(Z.java:5)", "disk is full")
NAMED = ("email", "user", "tags", "id", '"x', "name", "\\u")
FEW = Redaction(("email",))


def secret(value: Any, *, inside: bool = False) -> Any:
    """Every text that `planted` planted is made of one letter."""
    if isinstance(value, dict):
        return {name: secret(child) for name, child in value.items()}
    if isinstance(value, list):
        return [secret(child) for child in value]
    return "Q" * 9 if isinstance(value, str) and value.startswith("planted") else value


def record(chance: Random, number: int) -> dict[str, Any]:
    """One record, of which some of a value is a tree of records that begin as it does."""

    def some(depth: int) -> Any:
        if depth and chance.random() < 0.6:
            return {"n": chance.randint(0, 9), "at": "t", "email": [some(depth - 1), some(0)]}
        return chance.choice(["one", ["two", 3], {"x": "four"}])

    more = {chance.choice("abc"): value_of(chance) for _ in range(2)}
    inner = {"body": json.dumps({"email": some(1)})} if chance.random() < 0.3 else {}
    return {"n": number, "at": "t", **inner, "email": some(2), **more}


def log_of(chance: Random) -> str:
    """Records of a line or of several, some cut off at a size or anywhere; lines of others between."""
    beginning = chance.choice(BEGINNINGS)
    size = chance.choice([10**6, 10**6, chance.randint(20, 120)])
    lines: list[str] = []
    for number in range(chance.randint(3, 30)):
        if chance.random() < 0.2:
            lines.append(chance.choice(NOISE))
            continue
        value = secret(planted(record(chance, number)))
        text = json.dumps(value)
        if chance.random() < 0.2:
            writer = Writer(chance)
            writer.value(value)
            text = writer.text
        elif chance.random() < 0.2:  # each element on a line of its own, as some databases write
            text = text.replace("}, {", chance.choice(["},\n{", "}\n,{", "}\n,\n{"])).replace(
                "[{", "[\n{"
            ).replace("}]", "}\n]")
        if chance.random() < 0.3:
            text = text[: chance.randint(0, len(text))]
        lines += text.split("\n")
    begins = [beginning.replace("{}", str(at % 10)) for at in range(len(lines))]
    return "".join(f"{one}{cut(line, size)}\n" for one, line in zip(begins, lines, strict=True))


def cut(line: str, size: int) -> str:
    """As a logger cuts lines that are too long for it.

    A value whose name, colon or first bracket is gone nobody finds: those are not cut off.
    """
    gone = line[max(0, size - 24) :].lower()
    named = any(name in gone for name in NAMED) or not line[:size].strip()
    return line if named else line[:size]


def texts(read: list[Read]) -> bytes:
    return b"".join(one + b"\n" for one in read if isinstance(one, bytes))


@settings(max_examples=500, deadline=None)
@given(SEEDS)
def test_nothing_of_a_value_is_kept_wherever_it_was_broken_off(seed: int) -> None:
    log = log_of(Random(seed)).encode("utf-8", "surrogatepass")
    fields = Redaction(RULES, b"key")
    made = app_service._log_lines(log, "web", bytes, fields)
    assert b"Q" not in fields.lines(texts(made)), log.decode()


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SEEDS)
def test_a_death_forgets_nothing_of_what_was_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(files, "PAGE_BYTES", 64)
    path = tmp_path / "app.log"
    path.write_text(log_of(Random(seed)))
    clean = Kept()
    expected = taken(a_file(path, *RULES), clean)
    assert b"Q" not in b"".join(clean.lines(expected))
    notes = tmp_path / f"notes-{seed}"
    for dies_at in range(1, len(clean.puts) + 1):
        sink = Kept(fails_at=dies_at)
        with pytest.raises(KeyboardInterrupt):
            taken(a_file(path, *RULES), sink, notes)
        sink.fails_at = 0
        again = taken(a_file(path, *RULES), sink, notes)
        assert (again.chunks, again.reason) == (expected.chunks, expected.reason)
        notes.unlink()


ONE, TWO = '{"n":2,"at":"t","x":"yes"}', '{"n":3,"at":"t","x":"no"}'


@pytest.mark.parametrize("before", ["", "2026-11-23T10:00:00.123Z INFO "])
@pytest.mark.parametrize("cut", ['"email":["a@b","c', '"email":{"a":1,', '"email":[{"n":5,"m'])
def test_a_record_that_was_broken_off_takes_two_after_it_along(before: str, cut: str) -> None:
    """The first of two whole ones may be the last of a list; the second is none of it."""
    lines = [ONE, f'{{"n":1,"at":"t",{cut}', TWO, *[ONE, TWO] * 3]
    found = hides("\n".join(before + one for one in lines), Spread(FEW))
    assert found in ([1, 2], [1, 2, 3])


def test_a_body_that_was_broken_off_within_a_text_is_over_too() -> None:
    body = json.dumps({"n": 1, "at": "t", "body": '{"email": ["a@b", "c@d"]}'})
    spread = Spread(FEW)
    assert hides("\n".join([ONE, body[:-8], ONE, TWO, ONE]), spread) == [1, 2]
    assert spread.broken_off
    assert not spread.followed


@pytest.mark.parametrize(
    "after",
    [
        [TWO, "]}", TWO, "]}"],
        [TWO, ",", TWO, ","],
        [TWO, ONE + ",", TWO, ONE + ","],
        ['{"other":1,"at":2}', '{"other":1,"at":2}'],
        ["{}", "[]", "{}"],
        ['{"n":2,"at":"t","x":"just as long..."}'] * 3,
        [TWO, '"half', TWO],
    ],
)
def test_while_what_comes_may_be_of_the_value_it_is_left_out(after: list[str]) -> None:
    lines = ['{"n":1,"at":"t","email":["a@b","c@d.ef', *after]
    assert hides("\n".join(lines), Spread(FEW)) == list(range(len(lines)))


def test_lines_of_others_stand_between() -> None:
    lines = ['{"n":1,"at":"t","email":["a@b","c', "words", TWO, "", "words", ONE, "words", TWO]
    assert hides("\n".join(lines), Spread(FEW)) == [0, 1, 2, 3, 4]


def test_a_source_says_that_something_was_broken_off(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    lines = [ONE, '{"n":1,"at":"t","email":["Q","Q', TWO, ONE, TWO]
    path.write_text("".join(f"{line}\n" for line in lines))
    sink = Kept()
    window = taken(a_file(path, "email"), sink)
    kept = [json.loads(line).get("text") for line in sink.lines(window)]
    assert kept == [ONE, None, None, ONE, TWO]
    assert window.completeness == "partial"
    assert window.reason.endswith("was left out with what follows it, up to where records are whole again")


def test_a_record_that_began_before_its_line_is_none() -> None:
    for text in ('"email": ["a', '[{"n":1,"email":["a', '{"a":1} {"b":1}, "email": ["a', '},"email":["a'):
        began = Beginning.of(text, text.index('"email"'))
        assert began is None or not began.whole(ONE)
