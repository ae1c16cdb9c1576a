"""Format 1 as pure functions: canonical form, rules R1 to R6, torn tails, the test vectors."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import rfc8785
from hypothesis import assume, given
from hypothesis import strategies as st

from rollback.model.base import Fact, facts
from rollback.model.journal import Chain, Head, line_of, speakable, verify
from rollback.model.record import FIRST, Record, RecordKind

VECTORS = Path(__file__).parent / "vectors"
AT = datetime(2026, 11, 23, 9, 36, tzinfo=UTC)

scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20)
values = scalars | st.lists(scalars, max_size=4).map(tuple)
bodies = st.lists(
    st.builds(Fact, name=st.text(max_size=8).filter(lambda name: name != "anchors"), value=values),
    max_size=4,
).map(tuple)


def _record(chain: Chain, stream: str, body: tuple[Fact, ...]) -> Record:
    sequence, previous = chain.position(stream)
    anchors = chain.anchors(stream)
    if anchors:
        body = (*body, Fact(name="anchors", value=anchors))
    return Record(
        run="r-1",
        stream=stream,
        sequence=sequence,
        previous=previous,
        at=AT,
        monotonic_ms=1,
        kind=RecordKind.NOTE,
        body=body,
    )


def _journal(streams: list[str]) -> tuple[list[bytes], Chain]:
    chain, lines = Chain(), []
    for number, stream in enumerate(streams):
        record = _record(chain, stream, facts(number=number))
        line = line_of(record)
        chain.add(record, line)
        lines.append(line + b"\n")
    return lines, chain


streams = st.lists(st.sampled_from(["run", "run/web", "run/api"]), min_size=2, max_size=12)


@given(body=bodies)
def test_a_line_is_what_rfc8785_makes_of_its_record(body: tuple[Fact, ...]) -> None:
    record = _record(Chain(), "run", body)
    line = line_of(record)
    assert line == rfc8785.dumps(record.model_dump(mode="json"))
    assert Record.model_validate_json(line) == record


@given(text=st.text(st.characters(), max_size=10))
def test_any_text_can_be_said(text: str) -> None:
    """Lone surrogates too: they become escapes, everything else stays as it is."""
    clean = speakable((Fact(name="text", value=text), Fact(name="list", value=(text, 1))))
    line_of(_record(Chain(), "run", clean))
    if not any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        assert clean[0].value == text
        assert clean[1].value == (text, 1)


@pytest.mark.parametrize("value", [2**53, -(2**53), (1, 2**60)])
def test_integers_that_json_readers_would_round_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        line_of(_record(Chain(), "run", (Fact(name="n", value=value),)))


@given(names=streams)
def test_a_whole_journal_holds(names: list[str]) -> None:
    lines, chain = _journal(names)
    check = verify(b"".join(lines))
    assert check.holds
    assert (check.heads, check.torn_bytes, len(check.records)) == (chain.heads, 0, len(names))
    assert chain.last is not None
    assert check.head == chain.last.sha256


@given(names=streams, data=st.data())
def test_a_changed_byte_before_the_last_line_is_found(
    names: list[str], data: st.DataObject
) -> None:
    lines, _ = _journal(names)
    end = sum(len(line) for line in lines[:-1])
    at = data.draw(st.integers(0, end - 1))
    new = data.draw(st.integers(0, 255))
    whole = bytearray(b"".join(lines))
    assume(whole[at] != new)
    whole[at] = new
    check = verify(bytes(whole))
    changed = bytes(b"".join(lines)[:at]).count(b"\n") + 1
    assert not check.holds
    assert check.line in (changed, changed + 1)
    assert len(check.records) == check.line - 1


@given(names=streams, data=st.data())
def test_a_line_moved_or_taken_out_is_found(names: list[str], data: st.DataObject) -> None:
    lines, _ = _journal(names)
    taken = data.draw(st.integers(0, len(lines) - 2))
    rest = [*lines[:taken], *lines[taken + 1 :]]
    assert not verify(b"".join(rest)).holds
    put = data.draw(st.integers(0, len(rest)).filter(lambda at: at != taken))
    assert not verify(b"".join([*rest[:put], lines[taken], *rest[put:]])).holds


@given(names=streams, data=st.data())
def test_a_line_written_anew_needs_all_after_it_anew(names: list[str], data: st.DataObject) -> None:
    """Somebody who makes a good line of other content still breaks the next one's R4 or R6."""
    lines, _ = _journal(names)
    at = data.draw(st.integers(0, len(lines) - 2))
    bent = lines[at].replace(b'"monotonic_ms":1,', b'"monotonic_ms":2,')
    assert bent != lines[at]
    check = verify(b"".join([*lines[:at], bent, *lines[at + 1 :]]))
    assert check.line == at + 2
    assert check.problem[:2] in ("R4", "R5")


@given(names=streams, data=st.data())
def test_a_cut_is_a_torn_tail_or_nothing_and_known_heads_find_it(
    names: list[str], data: st.DataObject
) -> None:
    lines, chain = _journal(names)
    whole = b"".join(lines)
    length = data.draw(st.integers(0, len(whole) - 1))
    check = verify(whole[:length])
    assert check.holds
    good = whole[:length].count(b"\n")
    assert len(check.records) == good
    assert check.good_bytes + check.torn_bytes == length
    assert not verify(whole[:length], anchors=chain.heads).holds
    assert verify(whole, anchors=chain.heads).holds


def test_a_known_head_that_differs_is_found_on_its_line() -> None:
    lines, _ = _journal(["run", "run"])
    check = verify(b"".join(lines), anchors=(Head(stream="run", sequence=1, sha256="0" * 64),))
    assert check.line == 2


def test_zeros_at_the_end_are_torn_and_in_the_middle_they_are_damage() -> None:
    lines, _ = _journal(["run", "run", "run"])
    zeroed = lines[1][:20] + bytes(10) + lines[1][30:]
    at_end = verify(b"".join([lines[0], zeroed]))
    assert (at_end.holds, at_end.torn_bytes, len(at_end.records)) == (True, len(zeroed), 1)
    assert verify(lines[0] + bytes(4096)).torn_bytes == 4096
    middle = verify(b"".join([lines[0], zeroed, lines[2]]))
    assert (middle.holds, middle.line) == (False, 2)


def test_every_vector_is_told_as_its_list_says() -> None:
    listed = json.loads((VECTORS / "vectors.json").read_text())
    assert sorted(listed) == sorted(file.name for file in VECTORS.glob("*.jsonl"))
    assert len(listed) >= 10
    for name, wanted in listed.items():
        check = verify((VECTORS / name).read_bytes())
        told = {
            "records": len(check.records),
            "head": check.head,
            "line": check.line,
            "rule": check.problem[:2],
            "torn_bytes": check.torn_bytes,
        }
        assert told == wanted, name


def test_an_empty_journal_has_no_head() -> None:
    check = verify(b"")
    assert (check.holds, check.head, check.records, check.run) == (True, FIRST, (), "")


@pytest.mark.parametrize(
    ("change", "rule"),
    [({"sequence": 5}, "R3"), ({"body": facts(number=1)}, "R6"), ({"stream": "web"}, "R2")],
)
def test_a_last_line_that_breaks_a_rule_is_found(change: dict[str, object], rule: str) -> None:
    lines, chain = _journal(["run", "run/web", "run/api"])
    good = _record(chain, "run/web", facts(number=3))
    assert verify(b"".join([*lines, line_of(good) + b"\n"])).holds
    bad = line_of(good.model_copy(update=change)) + b"\n"
    check = verify(b"".join([*lines, bad]))
    assert (check.line, check.problem[:2]) == (4, rule)


def test_a_strange_byte_stays_legible() -> None:
    (fact,) = speakable((Fact(name="file", value="r\udcff.log"),))
    assert fact.value == "r\\udcff.log"
