"""A run's records as a timeline: everything is told, in order, and what repeats is told once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from rollback.model.base import Value, facts
from rollback.model.record import FIRST, Record, RecordKind
from rollback.rendering.record_words import record_words
from rollback.rendering.timeline import entries

if TYPE_CHECKING:
    from collections.abc import Sequence

AT = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)


def record(kind: RecordKind, number: int = 0, **body: Value) -> Record:
    return Record(
        run="r-1",
        stream="run",
        sequence=number,
        previous=FIRST,
        at=AT + timedelta(seconds=number),
        monotonic_ms=number,
        kind=kind,
        body=facts(**body),
    )


def chunk(step: str, number: int = 0) -> Record:
    return record(RecordKind.INTENT, number, step=step, purpose="evidence", body_bytes=10)


def done(step: str, number: int = 0) -> Record:
    return record(RecordKind.STEP, number, step=step, status="done", reason="")


def authority(slot: str, verdict: str) -> Record:
    return record(RecordKind.AUTHORITY, slot=slot, verdict=verdict, reasons=("asked",))


def texts(records: Sequence[Record]) -> list[str]:
    return [one.text for one in entries(records, grouped=True)]


def test_chunks_of_two_captures_at_once_are_one_entry_each() -> None:
    told = entries(
        [chunk("a"), chunk("b"), chunk("a"), chunk("b"), done("b"), chunk("a"), done("a")],
        grouped=True,
    )
    assert [(one.step, one.text) for one in told] == [
        ("a", "created 3 chunks of evidence, 30 bytes"),
        ("b", "created 2 chunks of evidence, 20 bytes"),
        ("b", "done"),
        ("a", "done"),
    ]


def test_authority_is_told_when_it_changes() -> None:
    told = texts(
        [
            authority("production", "retained"),
            authority("staging", "retained"),
            authority("production", "retained"),
            authority("production", "lost"),
            authority("production", "retained"),
        ]
    )
    assert [text.partition(";")[0] for text in told] == [
        "halt authority at production: retained",
        "halt authority at staging: retained",
        "halt authority at production: lost",
        "halt authority at production: retained",
    ]


def test_checks_are_counted_when_they_hold_and_named_when_not() -> None:
    good = record(RecordKind.VERIFIED, step="a", holds=True, checks=("holds x", "holds y"))
    bad = record(RecordKind.VERIFIED, step="a", holds=False, checks=("holds x", "FAILS y: 502"))
    assert record_words(good) == "2 checks hold"
    assert record_words(bad) == "does not hold: FAILS y: 502"


def test_a_break_glass_is_in_the_first_sentence() -> None:
    opened = record(RecordKind.OPENED, by="ana", mode="full", break_glass="INC-1: nobody can sign")
    assert record_words(opened) == "ana opened the run, full; break-glass: INC-1: nobody can sign"


def test_an_entry_is_found_by_surface_and_by_request_id() -> None:
    asked = record(
        RecordKind.EXCHANGE,
        step="revert/web",
        host="trading-web.azurewebsites.net",
        request_id="r-1.revert-web.1.1",
    )
    (told,) = entries([asked])
    assert told.request_id == "r-1.revert-web.1.1"
    assert told.about("web")
    assert told.about("elsewhere", ("trading-web.azurewebsites.net",))
    assert not told.about("backend")


RECORDS = st.lists(
    st.one_of(
        st.builds(chunk, st.sampled_from("ab")),
        st.builds(done, st.sampled_from("ab")),
        st.builds(lambda kind: record(kind, step="a"), st.sampled_from(list(RecordKind))),
    ),
    max_size=20,
)


@given(RECORDS)
def test_every_record_is_a_sentence_and_no_chunk_is_lost(records: list[Record]) -> None:
    assert len(entries(records)) == len(records)
    grouped = entries(records, grouped=True)
    counted = sum(
        int(match[1]) if (match := re.match(r"created (\d+) chunks", one.text)) else 1
        for one in grouped
        if one.kind == "intent" and "created" in one.text
    )
    sent = [one for one in records if one.text("purpose") == "evidence"]
    alone = sum(one.text.startswith("sends ") for one in grouped)
    plain = sum(one.kind is RecordKind.INTENT and one not in sent for one in records)
    assert counted + alone == len(sent) + plain
