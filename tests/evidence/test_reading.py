"""Reading into chunks: nothing lost, nothing twice, whatever stops it and wherever it goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING

import pytest

from rollback.errors import ConnectorError, EvidenceNotWritten, GuardRefusal
from rollback.evidence.capture import capture
from rollback.evidence.cutting import Sizes
from rollback.evidence.source import LOST_PLACE, Gap, Lines, PagedSource, Source
from rollback.model.base import Fact
from tests.evidence.pipeline import Kept, Moment, apart_from_times, capturing, container

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rollback.evidence.source import Read
    from rollback.model.evidence import SourceWindow
    from rollback.model.ports import Clients
    from tests.evidence.pipeline import Container

CLEAN = 4
"""Parts of the container that these tests read; more than are read at once."""


def whole(held: Container) -> tuple[SourceWindow, Kept]:
    sink = Kept()
    with capturing(sink) as shared:
        return capture(held.source(), "durable", shared), sink


def test_everything_comes_in_order_by_part() -> None:
    held = container(CLEAN, 7, 9)
    window, sink = whole(held)
    assert sink.lines(window) == held.all
    assert (window.completeness, window.items) == ("complete", len(held.all))
    assert len(window.chunks) > CLEAN
    assert len(set(sink.puts)) == len(sink.puts) == len(window.chunks)


def test_page_sizes_change_no_chunk() -> None:
    lines = [line for page in container(1, 9, 9).all for line in [page]]
    one = container(1, 0, 0)
    one.parts["part-0"] = [tuple(lines)]
    many = container(1, 0, 0)
    many.parts["part-0"] = [(line,) for line in lines]
    assert whole(one)[0].chunks == whole(many)[0].chunks


def test_killed_at_every_chunk_it_goes_on(tmp_path: Path) -> None:
    """Each try dies at its first new chunk; the end is what a try that never died gives."""
    held = container(CLEAN, 5, 7)
    clean, clean_sink = whole(held)
    sink = Kept()
    tries = 0
    while True:
        tries += 1
        sink.fails_at = len(sink.puts) + 2
        try:
            with capturing(sink, tmp_path / "notes") as shared:
                window = capture(held.source(), "durable", shared)
            break
        except KeyboardInterrupt:
            assert tries < 200
    assert tries > len(clean.chunks) // 3
    assert apart_from_times([window]) == apart_from_times([clean])
    assert sorted(sink.puts) == sorted(clean_sink.puts)
    assert sink.lines(window) == held.all


def test_a_resumed_part_does_not_begin_again(tmp_path: Path) -> None:
    held = container(1, 12, 9)
    sink = Kept(fails_at=5)
    with pytest.raises(KeyboardInterrupt), capturing(sink, tmp_path / "notes") as shared:
        capture(held.source(), "durable", shared)
    held.reads.clear()
    sink.fails_at = 0
    with capturing(sink, tmp_path / "notes") as shared:
        window = capture(held.source(), "durable", shared)
    ((_, place),) = held.reads
    assert int(place) > 0
    assert sink.lines(window) == held.all


def test_a_torn_note_costs_time_and_nothing_else(tmp_path: Path) -> None:
    held = container(2, 6, 9)
    notes = tmp_path / "notes"
    sink = Kept(fails_at=6)
    with pytest.raises(KeyboardInterrupt), capturing(sink, notes) as shared:
        capture(held.source(), "durable", shared)
    sink.fails_at = 0
    written = notes.read_bytes()
    expected = whole(held)[0].chunks
    for length in range(len(written)):
        notes.write_bytes(written[:length])
        with capturing(sink, notes) as shared:
            window = capture(held.source(), "durable", shared)
        assert window.chunks == expected
    assert sorted(sink.data) == sorted({one.sha256 for one in expected})


def test_notes_hold_nothing_of_what_was_read(tmp_path: Path) -> None:
    held = container(1, 6, 9)
    with capturing(Kept(), tmp_path / "notes") as shared:
        capture(held.source(), "durable", shared)
    assert b'"n"' not in (tmp_path / "notes").read_bytes()
    assert (tmp_path / "notes").stat().st_mode & 0o077 == 0


def test_a_page_that_changed_under_it_is_read_anew(tmp_path: Path) -> None:
    held = container(1, 12, 9)
    sink = Kept(fails_at=5)
    with pytest.raises(KeyboardInterrupt), capturing(sink, tmp_path / "notes") as shared:
        capture(held.source(), "durable", shared)
    sink.fails_at = 0
    pages = held.parts["part-0"]
    held.parts["part-0"] = [tuple(line.replace(b"n", b"m") for line in page) for page in pages]
    with capturing(sink, tmp_path / "notes") as shared:
        window = capture(held.source(), "durable", shared)
    assert sink.lines(window) == held.all


def test_a_place_that_is_lost_on_the_way_is_no_loss() -> None:
    held = container(2, 8, 9)
    lost = []

    def expires(part: str, number: int) -> None:
        if number == 6 and part not in lost:
            lost.append(part)
            raise ConnectorError(LOST_PLACE, "it expired", transient=False)

    held.before = expires
    window, sink = whole(held)
    assert sorted(lost) == ["part-0", "part-1"]
    assert sink.lines(window) == held.all
    assert len(set(sink.puts)) == len(sink.puts)
    assert window.completeness == "complete"


def test_a_place_that_is_always_lost_is_a_gap() -> None:
    held = container(1, 8, 9)

    def expires(part: str, number: int) -> None:
        if number == 6:
            raise ConnectorError(LOST_PLACE, "it expired", transient=False)

    held.before = expires
    window, _ = whole(held)
    assert window.completeness != "complete"
    assert "place lost" in window.reason


def test_one_part_that_fails_leaves_the_others_whole() -> None:
    held = container(3, 4, 9)

    def fails(part: str, number: int) -> None:
        if (part, number) == ("part-1", 2):
            raise ConnectorError("cosmos.unavailable", "it failed (503)", transient=False)

    held.before = fails
    window, sink = whole(held)
    assert (window.completeness, window.reason) == ("partial", "it failed (503)")
    assert [line for line in sink.lines(window) if b'"1.' not in line] == [
        line for line in held.all if b'"1.' not in line
    ]
    assert b'{"n":"1.1.8"}' in sink.lines(window)


@pytest.mark.parametrize(
    "error",
    [
        EvidenceNotWritten("evidence.not-written", "no store took it"),
        GuardRefusal("guard.x", "refused", promise="plan-is-permission"),
    ],
)
def test_a_store_that_fails_and_a_refusal_come_out(error: Exception) -> None:
    with pytest.raises(type(error)), capturing(Kept(fails_at=3, error=error)) as shared:
        capture(container(2, 9, 9).source(), "durable", shared)


def test_a_refusal_while_reading_comes_out() -> None:
    def read(clients: Clients) -> Iterator[Read]:
        yield b"1"
        raise GuardRefusal("guard.x", "refused", promise="plan-is-permission")

    with pytest.raises(GuardRefusal), capturing(Kept()) as shared:
        capture(Source("x", read, 60), "durable", shared)


def test_a_source_that_hangs_is_left_behind() -> None:
    let_go = Event()

    def read(clients: Clients) -> Iterator[Read]:
        yield from (b'{"n":%d}' % number for number in range(40))
        let_go.wait(20)
        yield b'{"late":1}'

    sink = Kept()
    with capturing(sink) as shared:
        window = capture(Source("x", read, 1), "at/capture", shared)
        let_go.set()
    assert window.reason == "no answer within 1 s; it was not waited for any longer"
    assert b'{"late":1}' not in sink.lines(window)
    assert window.completeness != "complete"


def test_a_source_that_does_not_say_which_parts_it_has_is_left_behind() -> None:
    let_go = Event()

    def parts(clients: Clients) -> tuple[str, ...]:
        let_go.wait(20)
        return ("late",)

    def read(clients: Clients, part: str, place: str) -> Iterator[Read]:
        yield Lines(b'{"late":1}\n')

    sink = Kept()
    with capturing(sink) as shared:
        window = capture(PagedSource("x", read, 1, parts), "at/capture", shared)
        let_go.set()
    assert window.reason == "no answer within 1 s; it was not waited for any longer"
    assert (window.completeness, window.chunks) == ("unknown", ())


def test_time_that_is_over_is_a_gap() -> None:
    sink, clock = Kept(), Moment(step=timedelta(seconds=7))
    with capturing(sink, clients=clock) as shared:
        window = capture(container(1, 99, 3).source(), "durable", shared)
    assert (window.completeness, window.reason) == ("partial", "its time, 1 min, was over")
    assert 0 < window.items < 99 * 3


@pytest.mark.parametrize(
    ("chunks_max", "bytes_max", "word"), [(4, 2**30, "4 chunks"), (999, 700, "700 bytes")]
)
def test_a_budget_that_is_spent_is_a_gap(chunks_max: int, bytes_max: int, word: str) -> None:
    sink = Kept()
    with capturing(sink, chunks_max=chunks_max, bytes_max=bytes_max) as shared:
        window = capture(container(1, 50, 9).source(), "durable", shared)
    assert word in window.reason
    assert 0 < len(sink.puts) < chunks_max
    assert 0 < sum(map(len, sink.data.values())) <= bytes_max


def test_an_item_too_large_is_told_and_stands_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    from rollback.evidence import reading

    monkeypatch.setattr(reading, "ITEM_BYTES_MAX", 50)

    def read(clients: Clients) -> Iterator[Read]:
        yield from (b'"small"', b'"' + b"x" * 90 + b'"')

    sink = Kept()
    with capturing(sink) as shared:
        window = capture(Source("x", read, 60), "durable", shared)
    small, large = map(json.loads, sink.lines(window))
    assert (small, large["left_out_bytes"]) == ("small", 92)
    assert window.completeness == "partial"


def test_a_line_larger_than_any_chunk_of_many_is_a_chunk_of_its_own() -> None:
    lines = [b'"a"', b'"' + b"x" * (9 * 2**20) + b'"', b'"b"', b'"' + b"y" * (5 * 2**20) + b'"']

    def read(clients: Clients) -> Iterator[Read]:
        yield from lines

    sink = Kept()
    with capturing(sink) as shared:
        window = capture(Source("x", read, 60), "durable", shared)
    assert (sink.lines(window), window.completeness) == (lines, "complete")


def test_rules_apply_to_every_line_of_a_chunk_of_megabytes() -> None:
    long = b'{"name":"Ana","note":"' + b"x" * (5 * 2**19) + b'"}'
    short = [b'{"name":"n-%d","at":%d}' % (number % 7, number) for number in range(60_000)]
    lines = [long, *short, long]

    def read(clients: Clients) -> Iterator[Read]:
        yield Lines.of(lines)

    sink = Kept()
    with capturing(sink, rules=("name",), sizes=Sizes()) as shared:
        window = capture(Source("x", read, 60), "durable", shared)
        wanted = [shared.redaction.line(one) for one in lines]
    assert sink.lines(window) == wanted
    assert sum(chunk.items for chunk in window.chunks) == len(lines)
    assert b"n-3" not in b"".join(wanted)


def test_gaps_and_facts_are_told_once() -> None:
    def read(clients: Clients) -> Iterator[Read]:
        yield from (Gap("slot a"), b"1", Gap("slot a"), Gap("slot b"), Fact(name="units", value=3))

    with capturing(Kept()) as shared:
        window = capture(Source("x", read, 60), "durable", shared)
    assert window.reason == "slot a; slot b"
    assert window.facts == (Fact(name="units", value=3),)


def test_a_source_that_was_done_is_not_read_again(tmp_path: Path) -> None:
    held = container(1, 3, 9)
    windows = []
    for _ in range(2):
        with capturing(Kept(), tmp_path / "notes") as shared:
            windows.append(capture(held.source(), "durable", shared))
    assert windows[0] == windows[1]
    assert len(held.reads) == 1


@dataclass
class Weather:
    """A source that fails while `down`, after `before` of its three lines."""

    down: ConnectorError | None
    before: int = 0
    asked: int = 0

    def source(self, since: datetime | None = None) -> Source:
        def read(clients: Clients) -> Iterator[Read]:
            del clients
            self.asked += 1
            for number in range(3):
                if self.down is not None and number == self.before:
                    raise self.down
                yield b'{"n":%d}' % number

        return Source("x", read, 60, since=since)


def again(weather: Weather, notes: Path, since: datetime | None = None) -> SourceWindow:
    """The window of a capture that was killed after this source, and resumed."""
    with capturing(Kept(), notes) as shared:
        return capture(weather.source(since), "durable", shared)


THROTTLED = ConnectorError("http.throttled", "throttled, too often", transient=True)
FORBIDDEN = ConnectorError("http.forbidden", "not allowed", transient=False)
SINCE = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(("before", "since"), [(0, None), (0, SINCE), (2, SINCE)])
def test_what_was_out_of_reach_is_asked_again_and_that_it_was_stays(
    tmp_path: Path, before: int, since: datetime | None
) -> None:
    weather = Weather(THROTTLED, before)
    first = again(weather, tmp_path / "notes", since)
    assert (first.completeness, first.items) == ("partial" if before else "unknown", before)
    assert again(weather, tmp_path / "notes", since) == first
    weather.down = None
    second = again(weather, tmp_path / "notes", since)
    assert (second.completeness, second.reason, second.items) == ("complete", "", 3)
    assert Fact(name="missed_at_first", value="throttled, too often") in second.facts
    assert again(weather, tmp_path / "notes", since) == second
    assert weather.asked == 3


@pytest.mark.parametrize(
    ("error", "before", "since"),
    [(FORBIDDEN, 0, SINCE), (THROTTLED, 2, None)],
    ids=["it would be refused again", "the rest would be of another moment"],
)
def test_other_gaps_stay(
    tmp_path: Path, error: ConnectorError, before: int, since: datetime | None
) -> None:
    weather = Weather(error, before)
    first = again(weather, tmp_path / "notes", since)
    weather.down = None
    assert again(weather, tmp_path / "notes", since) == first
    assert weather.asked == 1


def test_pages_that_were_out_of_reach_follow_those_that_came(tmp_path: Path) -> None:
    held = container(CLEAN, 5, 7)
    clean, _ = whole(held)

    def fail(part: str, number: int) -> None:
        if part == "part-2" and number == 3:
            raise THROTTLED

    held.before = fail
    sink = Kept()
    source = replace(held.source(), since=SINCE)
    with capturing(sink, tmp_path / "notes") as shared:
        first = capture(source, "durable", shared)
    held.before = lambda *_: None
    with capturing(sink, tmp_path / "notes") as shared:
        second = capture(source, "durable", shared)
    assert (first.completeness, second.completeness) == ("partial", "complete")
    assert sink.lines(second) == held.all
    assert set(first.chunks) <= set(second.chunks)
    assert clean.items == second.items
    assert [fact.value for fact in second.facts] == ["throttled, too often"]


def test_what_cannot_go_on_is_read_anew_and_listed_once(tmp_path: Path) -> None:
    tries = []

    def read(clients: Clients) -> Iterator[Read]:
        tries.append(1)
        yield from (b'{"try":%d,"n":%d}' % (len(tries), number) for number in range(50))

    sink = Kept(fails_at=4)
    with pytest.raises(KeyboardInterrupt), capturing(sink, tmp_path / "notes") as shared:
        capture(Source("x", read, 60), "durable", shared)
    sink.fails_at = 0
    with capturing(sink, tmp_path / "notes") as shared:
        window = capture(Source("x", read, 60), "durable", shared)
    assert [json.loads(line)["n"] for line in sink.lines(window)] == list(range(50))
    assert {json.loads(line)["try"] for line in sink.lines(window)} == {2}


def test_progress_says_rate_and_time_left() -> None:
    from rollback.evidence.progress import Progress

    said: list[str] = []
    ticks = iter(range(0, 1000, 3))
    progress = Progress(said.append, clock=lambda: float(next(ticks)))
    progress.begin("cosmos/audit_log", 60)
    progress.expect(1000)
    progress.stored(100, 3_000_000)
    progress.stored(400, 12_000_000)
    assert said == [
        "cosmos/audit_log: 100 of 1,000 items, 3.0 MB, 1.0 MB/s, about 27 s left",
        "cosmos/audit_log: 500 of 1,000 items, 15.0 MB, 2.5 MB/s, about 6 s left",
    ]


def test_fields_are_redacted_on_the_way_with_equality_kept() -> None:
    def read(clients: Clients) -> Iterator[Read]:
        yield from (b'{"who":"ana","n":1}', b'{"who":"ana",\n"n":2}', b'{"who":"bo","n":3}')

    sink = Kept()
    with capturing(sink, rules=("who",), sizes=Sizes(1, 9, 1)) as shared:
        window = capture(Source("x", read, 60), "durable", shared)
    who = [json.loads(line)["who"] for line in sink.lines(window)]
    assert who[0] == who[1] != who[2]
    assert not [data for data in sink.lines(window) if b"ana" in data]


def test_what_is_kept_by_its_digest_alone_is_a_gap_also_after_a_death(tmp_path: Path) -> None:
    """Under rules, what is no JSON cannot be searched; that it is not there is said."""
    held = container(1, 12, 9)
    held.parts["part-0"][1] = (b'{"n":"\xff","name":"SECRET"}', b'{"n":NaN,"name":"SECRET"}')
    clean = Kept()
    with capturing(clean, rules=("name",)) as shared:
        window = capture(held.source(), "durable", shared)
    assert (window.completeness, window.items) == ("partial", len(held.all))
    assert window.reason == (
        "items in which no field can be looked for (they are no JSON) are kept by their digest alone"
    )
    assert b"SECRET" not in b"".join(clean.lines(window))
    for dies_at in range(1, len(clean.puts) + 1):
        sink, notes = Kept(fails_at=dies_at), tmp_path / str(dies_at)
        with pytest.raises(KeyboardInterrupt), capturing(sink, notes, rules=("name",)) as shared:
            capture(held.source(), "durable", shared)
        sink.fails_at = 0
        with capturing(sink, notes, rules=("name",)) as shared:
            again = capture(held.source(), "durable", shared)
        assert (again.reason, again.chunks) == (window.reason, window.chunks)
    with capturing(Kept()) as shared:
        assert capture(held.source(), "durable", shared).completeness == "complete"


def test_a_line_that_looks_kept_by_digest_is_no_gap() -> None:
    held = container(1, 1, 1)
    held.parts["part-0"].append((b'{"digest":"04f841fa25a98bf8","unreadable":true}',))
    with capturing(Kept(), rules=("name",)) as shared:
        assert capture(held.source(), "durable", shared).completeness == "complete"
