"""Two captures held against each other: against a plain count, and in bounded memory."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.errors import InputError
from rollback.evidence import differing as differing_module
from rollback.evidence.chunks import sha256
from rollback.evidence.compare import compare
from rollback.evidence.differing import Side, differing
from rollback.model.evidence import Chunk, SourceWindow

if TYPE_CHECKING:
    from collections.abc import Iterator

Chunks = list[list[bytes]]


def chunk(lines: list[bytes], items: int | None = None) -> Chunk:
    digest = sha256(b"\n".join(lines))
    size = sum(map(len, lines))
    count = len(lines) if items is None else items
    return Chunk(sha256=digest, bytes=size, content_sha256=digest, content_bytes=size, items=count)


def side(chunks: Chunks, items: int | None = None) -> Side:
    held = {chunk(lines).sha256: lines for lines in chunks}
    return Side(tuple(chunk(lines, items) for lines in chunks), lambda one: held[one.sha256])


LINES = st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"A", b"B"]), max_size=12)
CHUNKS = st.lists(LINES, max_size=5)


@given(CHUNKS, CHUNKS, st.integers(1, 8), st.sampled_from([None, 0, 1000]))
def test_what_differs_is_what_counting_says(
    before: Chunks, after: Chunks, at_once: int, items: int | None
) -> None:
    gone, new = differing(side(before, items), side(after, items), bytes.lower, at_once)
    was = Counter(line.lower() for lines in before for line in lines)
    now = Counter(line.lower() for lines in after for line in lines)
    assert Counter(map(bytes.lower, gone)) == was - now
    assert Counter(map(bytes.lower, new)) == now - was
    assert (len(gone), len(new)) == (len(list(gone)), len(list(new)))


@given(CHUNKS, CHUNKS)
def test_lines_come_in_the_order_they_were_captured_in(before: Chunks, after: Chunks) -> None:
    flat = iter([line for lines in before for line in lines])
    gone, _ = differing(side(before), side(after), bytes.lower, 3)
    assert all(line in flat for line in gone)  # a subsequence: each is found behind the last


def window(
    name: str, lines: list[bytes], completeness: Literal["complete", "partial"] = "complete"
) -> tuple[SourceWindow, list[bytes]]:
    reason = "" if completeness == "complete" else "it hung"
    return (
        SourceWindow(
            source=name,
            moment="durable",
            completeness=completeness,
            reason=reason,
            items=len(lines),
            took_ms=1,
            chunks=(chunk(lines),),
        ),
        lines,
    )


def told(
    before: list[tuple[SourceWindow, list[bytes]]], after: list[tuple[SourceWindow, list[bytes]]]
) -> dict[str, tuple[str, list[bytes], list[bytes]]]:
    held = {one.chunks[0].sha256: lines for one, lines in (*before, *after)}
    found = compare(
        [one for one, _ in before],
        [one for one, _ in after],
        lambda one: held[one.sha256],
        lambda one: held[one.sha256],
    )
    return {each.source: (each.verdict, list(each.gone), list(each.new)) for each in found}


def test_what_every_reading_has_anew_is_no_difference() -> None:
    old = window("probe", [b'{"build":"1","at":"10:00","request_id":"r-1"}'])
    new = window("probe", [b'{"request_id":"r-2","at":"11:00","build":"1"}'])
    assert told([old], [new]) == {"probe": ("same", [], [])}


def test_verdicts() -> None:
    same, lost = window("same", [b"1"]), window("lost", [b"1"])
    come, cut = window("come", [b"1"]), window("cut", [b"2"], "partial")
    more = window("more", [b"1"])
    more_now = window("more", [b"1", b"1"])
    found = told([same, lost, cut, more], [same, come, cut, more_now])
    assert found == {
        "come": ("only-after", [], []),
        "cut": ("not-known", [], []),
        "lost": ("only-before", [], []),
        "more": ("differs", [], [b"1"]),
        "same": ("same", [], []),
    }


def test_memory_does_not_grow_with_what_is_compared() -> None:
    """Two megabytes of lines on either side, all but a few equal, in chunks cut elsewhere."""

    def lines(number: int, size: int) -> Iterator[bytes]:
        for at in range(number * size, (number + 1) * size):
            yield b'{"id":%d,"note":"%d"}' % (at, at * 7919) + b" " * 100

    def made(size: int, count: int) -> Side:
        named = {f"{number:032x}{size:032x}": number for number in range(count)}
        return Side(
            tuple(
                Chunk(sha256=name, bytes=1, content_sha256=name, content_bytes=1, items=size)
                for name in named
            ),
            lambda one: lines(named[one.sha256], size),
        )

    tracemalloc.start()
    try:
        gone, new = differing(made(1000, 12), made(1500, 8), bytes, 500)
        assert (len(gone), len(new)) == (0, 0)
        gone, new = differing(made(1000, 12), made(1500, 7), bytes, 500)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(gone), len(new)) == (1500, 0)
    assert [json.loads(line)["id"] for line in gone] == list(range(10_500, 12_000))
    assert peak < 3 * 2**19


def test_no_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(differing_module, "SpooledTemporaryFile", full)
    with pytest.raises(InputError, match="No space left"):
        differing(side([[b"a"]]), side([[b"b"]]), bytes)
