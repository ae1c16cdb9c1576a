"""The real SDK, guarded, over large containers and trouble on the way: every page kept as it came."""

from __future__ import annotations

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from rollback.connectors.cosmos import LOST_PLACE, CosmosReader
from rollback.connectors.kept_pages import HELD_MAX, KeptPage, KeptPages, keeping
from rollback.errors import ConnectorError
from rollback.evidence import source
from rollback.evidence.capture import capture
from rollback.evidence.cutting import Sizes
from rollback.evidence.sources import cosmos
from rollback.evidence.units import Units
from rollback.guard.wire import azure_wire
from tests.connectors.stand import environment, stand
from tests.evidence.cosmos_shaped import (
    CONTAINER,
    DATABASE,
    FIRST_TS,
    Trouble,
    events,
    shaped,
    spread,
)
from tests.evidence.pipeline import Kept, capturing

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.environment import Environment
    from rollback.model.evidence import SourceWindow
    from rollback.model.ports import CosmosPort
    from tests.connectors.stand import Stand
    from tests.evidence.cosmos_shaped import Shaped

COUNT = 1200
MADE = events(COUNT)
SINCE = datetime.fromtimestamp(FIRST_TS, UTC)
UNTIL = datetime.fromtimestamp(FIRST_TS + COUNT, UTC)


def env(story: Shaped, *regions: Shaped) -> Environment:
    return environment(
        cosmos={
            "endpoint": story.url,
            "regions": [one.url for one in regions],
            "database": DATABASE,
            "key": "${COSMOS_KEY}",
            "control_containers": [],
            "audit_containers": [CONTAINER],
        }
    )


def read(port: CosmosPort, part: str = "", size: int = 100) -> list[bytes]:
    return [one for page in port.pages(CONTAINER, part=part, page_items=size) for one in page.items]


def captured(here: Stand, sink: Kept, notes: Path | None = None) -> SourceWindow:
    (audit,) = cosmos.audit(here.environment, 60, SINCE, UNTIL, Units(10**6, 10**6))
    with capturing(sink, notes, clients=here.clients, sizes=Sizes(9_000, 40_000, 16)) as shared:
        return capture(audit, "durable", shared)


@pytest.mark.parametrize("parts", [1, 3])
def test_parts_are_read_each_on_its_own_and_together_are_all(parts: int) -> None:
    with shaped(spread(MADE, parts)) as story, stand(env(story)) as here:
        port = here.clients.cosmos()
        found = port.parts(CONTAINER)
        assert len(found) == parts
        assert [read(port, one) for one in found] == story.parts
        whole, first = port.count(CONTAINER), port.count(CONTAINER, part=found[0])
        assert (whole.items, whole.charge_hundredths) == (COUNT, 283 * parts)
        assert (first.items, first.charge_hundredths) == (len(story.parts[0]), 283)


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(),
        Trouble(page_max=7),
        Trouble(throttle_every=3),
        Trouble(empty_every=4),
        Trouble(drop_every=9),
        Trouble(fail_every=11),
        Trouble(expires=2),
        Trouble(page_max=13, throttle_every=5, empty_every=7, expires=1),
    ],
    ids=str,
)
def test_whatever_happens_on_the_way_everything_comes_once(trouble: Trouble) -> None:
    """Byte for byte, in order, in each partition."""
    with shaped(spread(MADE, 3), trouble) as story, stand(env(story)) as here:
        sink = Kept()
        window = captured(here, sink)
        assert (window.completeness, window.reason) == ("complete", "")
        assert sink.lines(window) == story.all
        assert len(set(sink.puts)) == len(sink.puts)
        if trouble.throttle_every:
            assert story.throttled
    assert here.latch.tripped() is None


@pytest.mark.parametrize("at", range(1, 18))
def test_a_partition_that_splits_under_way_loses_nothing(at: int) -> None:
    """Before it is counted, before its first page, between its pages."""
    trouble = Trouble(page_max=90, split_at=at)
    with shaped(spread(MADE, 2), trouble) as story, stand(env(story)) as here:
        sink = Kept()
        window = captured(here, sink)
        assert sorted(sink.lines(window)) == sorted(story.all)
        assert (window.completeness, window.reason) == ("complete", "")


def test_a_page_with_fewer_documents_than_it_says_is_a_gap() -> None:
    with shaped(spread(MADE, 2), Trouble(page_max=90, short_every=7)) as story, stand(env(story)) as here:
        window = captured(here, Kept())
    assert window.completeness == "partial"
    assert "90 documents and holds 89" in window.reason


@pytest.mark.parametrize("at", [3, 4, 6])
def test_a_continuation_that_is_missing_is_a_gap(at: int) -> None:
    with shaped(spread(MADE, 1), Trouble(page_max=90, lose_at=at)) as story, stand(env(story)) as here:
        window = captured(here, Kept())
    assert window.completeness == "partial"
    assert f"{COUNT:,} were counted" in window.reason
    assert f"{window.items:,} came" in window.reason


def test_a_continuation_that_is_missing_after_a_crash_is_a_gap(tmp_path: Path) -> None:
    (made,) = spread(MADE, 1)
    with shaped([made], Trouble(page_max=90)) as story, stand(env(story)) as here:
        sink = Kept(fails_at=3)
        with pytest.raises(KeyboardInterrupt):
            captured(here, sink, tmp_path / "notes")
        story.trouble.lose_at = story.pages + 3
        sink.fails_at = 0
        window = captured(here, sink, tmp_path / "notes")
    assert 0 < window.items < COUNT
    assert window.completeness == "partial"
    assert f"{COUNT:,} were counted" in window.reason


def test_control_documents_that_do_not_all_come_have_no_state_digest() -> None:
    with shaped(spread(MADE, 1), Trouble(lose_at=2)) as story:
        asked = environment(
            cosmos={
                "endpoint": story.url,
                "database": DATABASE,
                "key": "${COSMOS_KEY}",
                "control_containers": [CONTAINER],
                "audit_containers": [],
            }
        )
        with stand(asked) as here:
            (control,) = cosmos.control(here.environment, 60)
            with capturing(Kept(), clients=here.clients) as shared:
                window = capture(control, "durable", shared)
    assert window.completeness == "partial"
    assert "were counted" in window.reason
    assert not [fact for fact in window.facts if fact.name == "state_sha256"]


def test_a_container_without_partitions_is_unknown_not_empty() -> None:
    with shaped([]) as story, stand(env(story)) as here:
        window = captured(here, Kept())
    assert window.completeness == "unknown"
    assert "reading the partitions" in window.reason


def test_partitions_are_read_at_the_same_time() -> None:
    with shaped(spread(MADE, 4)) as story, stand(env(story)) as here:
        story.meeting = Barrier(2)  # one alone would never be answered
        assert captured(here, Kept()).completeness == "complete"


def test_parts_that_are_read_at_the_same_time_keep_their_places() -> None:
    """The SDK keeps the last answer's head in its client, and reads the next place out of it."""
    before = sys.getswitchinterval()
    with shaped(spread(MADE, 4)) as story, stand(env(story)) as here:
        port = here.clients.cosmos()

        def read_anew(part: str) -> list[bytes]:
            found: list[bytes] = []
            place = ""
            while True:
                page = next(port.pages(CONTAINER, part=part, page_items=7, continuation=place))
                found += page.items
                if not (place := page.continuation):
                    return found

        sys.setswitchinterval(1e-5)  # threads take turns as often as they may on a busy machine
        try:
            with ThreadPoolExecutor(4) as pool:
                found = list(pool.map(read_anew, port.parts(CONTAINER)))
        finally:
            sys.setswitchinterval(before)
    assert found == story.parts


def test_who_reads_pages_has_a_client_alone() -> None:
    with shaped(spread(MADE, 4)) as story, stand(env(story)) as here:
        port = here.clients.cosmos()
        parts = port.parts(CONTAINER)

        def asked() -> int:
            return sum(one.path == "/" for one in here.exchanges.seen_all)

        first = port.pages(CONTAINER, part=parts[0], page_items=7)
        next(first)
        alone = asked()
        next(port.pages(CONTAINER, part=parts[1], page_items=7))
        assert alone < asked()  # the account is asked again, by the second client


def test_a_continuation_goes_on_and_its_page_can_be_had_again() -> None:
    with shaped(spread(MADE, 2)) as story, stand(env(story)) as here:
        port = here.clients.cosmos()
        part = port.parts(CONTAINER)[1]
        pages = list(port.pages(CONTAINER, part=part, page_items=100))
        third = pages[2]
        again = list(port.pages(CONTAINER, part=part, page_items=100, continuation=third.place))
    assert pages[0].place == ""
    assert [page.lines for page in again] == [page.lines for page in pages[2:]]


def test_a_continuation_that_expired_is_told_apart() -> None:
    with shaped(spread(MADE, 1), Trouble(expires=1)) as story, stand(env(story)) as here:
        port = here.clients.cosmos()
        with pytest.raises(ConnectorError) as caught:
            read(port, port.parts(CONTAINER)[0])
    assert (caught.value.code, caught.value.transient) == (LOST_PLACE, False)
    assert source.LOST_PLACE == LOST_PLACE


def test_a_continuation_that_the_sdk_lets_go_is_no_silent_beginning() -> None:
    """Measured: over several partitions the SDK reads anew, and only warns, where it cannot read it."""
    with shaped(spread(MADE, 2)) as story, stand(env(story)) as here:
        port = here.clients.cosmos()
        whole = '{"Range": {"isMaxInclusive": false, "isMinInclusive": true, "max": "FF", "min": ""}}'
        with pytest.raises(ConnectorError) as caught:
            next(port.pages(CONTAINER, part=whole, continuation="100"))
    assert caught.value.code == LOST_PLACE


def test_the_next_region_is_read_from_where_one_fails() -> None:
    parts = spread(MADE, 2)
    with (
        shaped(parts, Trouble(fail_every=1)) as down,
        shaped(parts) as up,
        stand(env(down, up)) as here,
    ):
        sink = Kept()
        window = captured(here, sink)
        assert window.completeness == "partial"
        assert window.reason == "a further region was asked, to which the newest may not have been copied yet"
        assert sink.lines(window) == up.all
        assert here.clients.cosmos().problem() == ""


@pytest.mark.parametrize(("behind", "said"), [(0, "complete"), (1, "partial")])
def test_what_a_further_region_does_not_have_yet_is_missed(behind: int, said: str) -> None:
    """It is taken over half-way; what was counted before tells whether all came."""
    ahead, trouble = spread(MADE, 1), Trouble(page_max=100, drop_from=6)
    with (
        shaped(ahead, trouble) as first,
        shaped([ahead[0][: COUNT - behind]], Trouble(page_max=100)) as second,
        stand(env(first, second)) as here,
    ):
        window = captured(here, Kept())
        assert second.pages > 0
    assert (window.completeness, window.items) == (said, COUNT - behind)
    assert ("1,200 were counted before, and 1,199 came" in window.reason) is bool(behind)


def test_control_documents_of_a_further_region_have_no_state_digest() -> None:
    """They are changed in place: as many may still be older ones."""
    with (
        shaped([MADE], Trouble(fail_every=1)) as down,
        shaped([MADE]) as up,
        stand(env(down, up)) as here,
    ):
        changed = here.environment.cosmos.model_copy(update={"control_containers": (CONTAINER,)})
        (control,) = cosmos.control(here.environment.model_copy(update={"cosmos": changed}), 60)
        with capturing(Kept(), clients=here.clients) as shared:
            window = capture(control, "durable", shared)
    assert (window.completeness, window.items) == ("partial", COUNT)
    assert "state_sha256" not in {fact.name for fact in window.facts}


def test_what_nobody_could_count_is_not_called_complete() -> None:
    with shaped(spread(MADE, 2), Trouble(count_fails=True)) as story, stand(env(story)) as here:
        window = captured(here, Kept())
    assert (window.completeness, window.items) == ("partial", COUNT)
    assert "nobody could count how many there are" in window.reason


def test_what_is_written_while_it_is_read_lacks_nothing() -> None:
    """More came than was counted before, and as many are there once all was read."""
    trouble = Trouble(page_max=90, arrive_at=6)
    with shaped([events(COUNT)], trouble) as story, stand(env(story)) as here:
        sink = Kept()
        window = captured(here, sink)
        assert sink.lines(window) == story.parts[0]
    assert (window.completeness, window.reason, window.items) == ("complete", "", COUNT + 1)
    told = {fact.name: fact.value for fact in window.facts}
    assert told["came_meanwhile"] == 1
    assert told["request_units_hundredths"] == 283 * story.pages  # the second count costs too


def test_more_than_there_is_is_not_called_complete() -> None:
    """A page that came twice could hide that another did not come."""
    with shaped(spread(MADE, 1), Trouble(page_max=90, twice_at=6)) as story, stand(env(story)) as here:
        window = captured(here, Kept())
    assert window.completeness == "partial"
    assert window.reason == (
        f"1,200 were counted before, {window.items:,} came, and 1,200 were counted after: "
        "some may have come twice, in the place of others"
    )


def test_more_than_was_counted_where_nobody_counts_again_is_not_called_complete() -> None:
    trouble = Trouble(page_max=90, arrive_at=6, uncounted_from=7)
    with shaped([events(COUNT)], trouble) as story, stand(env(story)) as here:
        window = captured(here, Kept())
    assert (window.completeness, window.items) == ("partial", COUNT + 1)
    assert "nobody counted again" in window.reason


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (Trouble(page_max=90, arrive_at=6), "complete"),
        (Trouble(page_max=90, twice_at=6), "partial"),
    ],
    ids=["written meanwhile", "came twice"],
)
def test_more_control_documents_than_were_counted(trouble: Trouble, said: str) -> None:
    """One digest stands over all of them only where no one came twice."""
    with shaped([events(COUNT)], trouble) as story, stand(env(story)) as here:
        changed = here.environment.cosmos.model_copy(update={"control_containers": (CONTAINER,)})
        (control,) = cosmos.control(here.environment.model_copy(update={"cosmos": changed}), 60)
        with capturing(Kept(), clients=here.clients) as shared:
            window = capture(control, "durable", shared)
    assert window.completeness == said
    assert window.items > COUNT
    names = {fact.name for fact in window.facts}
    assert ({"state_sha256", "came_meanwhile"} <= names) is (said == "complete")
    assert ("state_sha256" in names) is (said == "complete")


@pytest.mark.parametrize(
    ("clock_s", "said"),
    [
        (0, ""),
        (None, ""),
        (60, r"this machine's clock is (5\d|60) s or more behind the account's"),
        (-60, r"this machine's clock is (5\d|60) s or more ahead of the account's"),
    ],
)
def test_a_window_that_another_clock_cut_is_not_called_complete(
    clock_s: int | None, said: str
) -> None:
    """All that was asked for came; what was written in the time between was not asked for."""
    trouble = Trouble(clock_s=clock_s)
    with shaped(spread(MADE, 2), trouble) as story, stand(env(story)) as here:
        window = captured(here, Kept())
    assert window.items == COUNT
    assert window.completeness == ("partial" if said else "complete")
    assert re.match(said, window.reason)


@pytest.mark.parametrize("clock_s", [60, -60])
def test_control_documents_have_no_window_that_a_clock_could_cut(clock_s: int) -> None:
    """That ours is ahead is noted: what was written since the plan is told by the account's."""
    with shaped([MADE], Trouble(clock_s=clock_s)) as story, stand(env(story)) as here:
        changed = here.environment.cosmos.model_copy(update={"control_containers": (CONTAINER,)})
        (control,) = cosmos.control(here.environment.model_copy(update={"cosmos": changed}), 60)
        with capturing(Kept(), clients=here.clients) as shared:
            window = capture(control, "durable", shared)
    assert (window.completeness, window.items) == ("complete", COUNT)
    told = [fact.value for fact in window.facts if fact.name == "clock_ahead_s"]
    assert all(50 <= int(str(ahead)) <= 60 for ahead in told)
    assert len(told) == (clock_s < 0)


def test_a_continuation_that_repeats_is_a_gap_and_ends() -> None:
    trouble = Trouble(page_max=100, still_at=200)
    with shaped([MADE], trouble) as story, stand(env(story)) as here:
        window = captured(here, Kept())
    assert (window.completeness, window.items) == ("partial", 300)
    assert "named its own place" in window.reason


def test_empty_pages_that_lead_nowhere_are_a_gap() -> None:
    with shaped([MADE], Trouble(page_max=100, empty_every=1)) as story, stand(env(story)) as here:
        window = captured(here, Kept())
        assert story.pages < 20
    assert (window.completeness, window.items) == ("unknown", 0)
    assert "named its own place" in window.reason


def test_what_a_capture_cost_is_told_where_it_was_cut_off_and_small_reads_count_too() -> None:
    with shaped(spread(MADE, 4)) as story, stand(env(story)) as here:
        (audit,) = cosmos.audit(here.environment, 60, SINCE, UNTIL, Units(10**6, 9))
        with capturing(Kept(), clients=here.clients) as shared:
            window = capture(audit, "durable", shared)
        told = {fact.name: fact.value for fact in window.facts}
        assert told["request_units_hundredths"] == 283 * story.pages
    assert window.completeness == "partial"
    assert "budget of 9 request units" in window.reason


def test_a_region_that_fails_half_way_is_left() -> None:
    parts = spread(MADE, 1)
    trouble = Trouble()
    with shaped(parts, trouble) as first, shaped(parts) as second, stand(env(first, second)) as here:
        port = here.clients.cosmos()
        pages = port.pages(CONTAINER, part=port.parts(CONTAINER)[0], page_items=100)
        lines = [*next(pages).items, *next(pages).items]
        trouble.drop_every = 1
        lines += [one for page in pages for one in page.items]
        assert second.pages > 0
    assert lines == MADE


def test_every_region_down_is_told() -> None:
    with (
        shaped([MADE], Trouble(fail_every=1)) as one,
        shaped([MADE], Trouble(fail_every=1)) as two,
        stand(env(one, two)) as here,
    ):
        window = captured(here, Kept())
    assert window.completeness == "unknown"
    assert window.reason


def test_no_host_but_those_of_the_environment_is_asked() -> None:
    with shaped([MADE]) as story, stand(env(story)) as here:
        captured(here, Kept())
        assert {one.host for one in here.exchanges.seen_all} == {f"127.0.0.1:{story.port}"}


def test_request_units_are_counted_and_bounded() -> None:
    with shaped([MADE], Trouble(page_max=100)) as story, stand(env(story)) as here:
        (audit,) = cosmos.audit(here.environment, 60, SINCE, UNTIL, Units(10**6, 10))
        with capturing(Kept(), clients=here.clients) as shared:
            window = capture(audit, "durable", shared)
        assert story.pages < 8
    told = {fact.name: fact.value for fact in window.facts}
    assert told["request_units_hundredths"] == 4 * 283
    assert window.completeness == "partial"
    assert "budget of 10 request units" in window.reason


def test_what_a_capture_cost_before_it_was_killed_is_told_too(tmp_path: Path) -> None:
    """Each try dies at its first new chunk; every request that was answered is counted."""
    with shaped([MADE], Trouble(page_max=100)) as story, stand(env(story)) as here:
        sink = Kept()
        for tries in range(1, 99):
            sink.fails_at = len(sink.puts) + 3
            try:
                window = captured(here, sink, tmp_path / "notes")
                break
            except KeyboardInterrupt:
                assert tries < 90
        told = {fact.name: fact.value for fact in window.facts}
        assert told["request_units_hundredths"] == 283 * story.pages
        assert story.pages > COUNT // 100 + 1 + tries
    assert (window.completeness, window.items) == ("complete", COUNT)


def test_a_source_that_is_asked_again_in_vain_tells_what_that_cost(tmp_path: Path) -> None:
    with shaped([MADE], Trouble(page_max=100, drop_from=6)) as story, stand(env(story)) as here:
        first = captured(here, Kept(), tmp_path / "notes")
        story.trouble.drop_from = story.pages + 2  # it is counted again, and no page comes
        again = captured(here, Kept(), tmp_path / "notes")
    assert first.completeness == again.completeness == "partial"
    assert (first.reason, first.chunks) == (again.reason, again.chunks)
    costs = [
        [fact.value for fact in one.facts if fact.name == "request_units_hundredths"]
        for one in (first, again)
    ]
    assert costs == [[5 * 283], [6 * 283]]


def test_control_documents_that_are_read_anew_tell_a_clock_once() -> None:
    trouble = Trouble(page_max=100, expires=1, clock_s=-60)
    with shaped([MADE], trouble) as story, stand(env(story)) as here:
        changed = here.environment.cosmos.model_copy(update={"control_containers": (CONTAINER,)})
        (control,) = cosmos.control(here.environment.model_copy(update={"cosmos": changed}), 60)
        with capturing(Kept(), clients=here.clients) as shared:
            window = capture(control, "durable", shared)
    told = {fact.name: fact.value for fact in window.facts}
    assert told["clock_ahead_s"] in (58, 59, 60)
    assert told["request_units_hundredths"] == 283 * (story.pages - 1)  # but that was refused


def test_the_rate_of_units_is_kept_by_waiting() -> None:
    with shaped([MADE], Trouble(page_max=50)) as story, stand(env(story)) as here:
        (audit,) = cosmos.audit(here.environment, 60, SINCE, UNTIL, Units(2, 10**6))
        with capturing(Kept(), clients=here.clients) as shared:
            assert capture(audit, "durable", shared).completeness == "complete"
    # 24 pages cost 68 units; at 2 a second, with a second's worth at once, that is over 30 s.
    assert sum(here.clock.waited) > 25


def test_documents_over_several_lines_come_as_one_line() -> None:
    written = [json.dumps({"id": str(number), "_ts": FIRST_TS}, indent=1).encode() for number in range(3)]
    made = [one.removesuffix(b"\n}") + b"}" for one in written]
    with shaped([made]) as story, stand(env(story)) as here:
        port = here.clients.cosmos()
        items = read(port, port.parts(CONTAINER)[0])
    assert items == [one.replace(b"\n", b" ") for one in made]


def test_a_page_that_is_no_page_is_told() -> None:
    with shaped([[b'{"id":"1","_ts":1', b"2}"]]) as story, stand(env(story)) as here:
        reader = CosmosReader(
            endpoint=story.url,
            database=DATABASE,
            credential="a2V5",
            transport=lambda: azure_wire.transport(here.wire),
            latch=here.latch,
        )
        with pytest.raises(ConnectorError) as caught:
            read(reader, reader.parts(CONTAINER)[0])
        reader.close()
    assert caught.value.code == "cosmos.unreadable"


def test_pages_nobody_fetches_are_let_go() -> None:
    kept = KeptPages()
    numbers = [kept.keep(KeptPage(b"", number, went_on=False)) for number in range(HELD_MAX + 5)]
    assert kept.take(numbers[-1]).charge_hundredths == HELD_MAX + 4
    for gone in (numbers[0], numbers[-1], 0, "1", True):
        with pytest.raises(ValueError, match="not kept"):
            kept.take(gone)


@pytest.mark.parametrize("charge", ["Infinity", "NaN", "much", ""])
def test_a_charge_that_is_no_number_costs_no_page(charge: str) -> None:
    class Below:
        """A transport that answers one page."""

        def send(self, _: object, **__: object) -> SimpleNamespace:
            raw = SimpleNamespace(read=lambda **_: b'{"Documents":[]}')
            return SimpleNamespace(
                status_code=200,
                headers={"x-ms-request-charge": charge},
                internal_response=SimpleNamespace(raw=raw),
            )

    kept = KeptPages()
    request = SimpleNamespace(headers={"x-ms-documentdb-isquery": "True"}, body="{}")
    keeping(Below(), kept).send(request)
    assert kept.take(1).charge_hundredths == 0
