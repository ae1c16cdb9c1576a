"""The drift brief: what changed in the control plane, and who the audit log says it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.evidence.drift import drift_brief, drift_json
from rollback.evidence.drift_reading import Reading
from rollback.evidence.sources.cosmos import document_view
from rollback.evidence.stores import BucketStore
from rollback.evidence.windows import recorded
from rollback.model.base import Fact, facts
from rollback.model.drift import DriftBrief
from rollback.model.environment import Cosmos
from rollback.model.evidence import SourceWindow
from rollback.model.journal import verify
from rollback.model.record import Record, RecordKind
from rollback.model.views import DocumentView
from rollback.rendering.drift_words import document_words, repair_words, summary_words
from tests.evidence.fakes import Chunker, MemoryBucket
from tests.evidence.sealed import NOW, journal_of
from tests.evidence.test_stores import bucket_effect, sink

PLANNED = NOW - timedelta(minutes=5)
LATER = int(NOW.timestamp()) + 60
COSMOS = Cosmos.model_validate(
    {
        "endpoint": "https://cosmos.example",
        "database": "trading",
        "entra": True,
        "control_containers": ["dynamic_config", "trading_controls"],
        "audit_containers": ["audit_log"],
        "repairs": [["trading_controls", "the halt console"]],
    }
)


def document(name: str, value: Any, *, etag: str = "", ts: int = 1_000) -> bytes:
    content = {"id": name, "value": value, "_etag": etag or f'"{name}-{value}"', "_ts": ts}
    return json.dumps(content).encode()


class Run:
    """Captures of a run, one after the other, in a journal."""

    def __init__(self) -> None:
        self.store = BucketStore(MemoryBucket(), bucket_effect(), "")
        self.into = sink(self.store, None)
        self.captures: list[tuple[Fact, ...]] = []

    def window(self, source: str, lines: list[bytes], **over: Any) -> SourceWindow:
        chunker = Chunker(self.into, size=256)
        for line in lines:
            chunker.add(line)
        chunker.flush()
        given = {"completeness": "complete", "moment": "durable", **over}
        return SourceWindow(source=source, items=chunker.items, chunks=chunker.chunks, **given)

    def control(self, container: str, *documents: bytes, **over: Any) -> SourceWindow:
        lines = [document_view(container, one).model_dump_json().encode() for one in documents]
        return self.window(f"cosmos-control/{container}", lines, **over)

    def audit(self, *events: dict[str, Any], **over: Any) -> SourceWindow:
        return self.window("cosmos/audit_log", [json.dumps(one).encode() for one in events], **over)

    def capture(self, *windows: SourceWindow) -> None:
        body = recorded(windows, windows[0].moment, self.into)
        self.captures.append(tuple(Fact(name=f"performed/{f.name}", value=f.value) for f in body))

    @property
    def records(self) -> tuple[Record, ...]:
        return verify(journal_of(*((RecordKind.EVIDENCE, body) for body in self.captures))).records

    def brief(self, *live: Reading) -> DriftBrief:
        made = drift_brief(
            COSMOS,
            run="r-1",
            environment="production",
            since=PLANNED,
            records=self.records,
            fetch=self.store.get,
            live=live,
        )
        assert made is not None
        assert DriftBrief.model_validate_json(drift_json(made)) == made
        return made


def event(**over: Any) -> dict[str, Any]:
    return {
        "id": "a-1",
        "actor": "dana@trading.example",
        "container": "dynamic_config",
        "documentId": "limits",
        "etag": '"new"',
        "requestId": "req-7",
        "_ts": LATER,
        **over,
    }


def two_readings(*events: dict[str, Any]) -> Run:
    run = Run()
    controls = run.control("trading_controls", document("global", 0))
    run.capture(run.control("dynamic_config", document("limits", 1, etag='"old"')), controls)
    after = document("limits", 2, etag='"new"', ts=LATER)
    run.capture(run.control("dynamic_config", after), controls, run.audit(*events))
    return run


def test_what_did_not_change_is_unchanged() -> None:
    run = Run()
    for _ in range(2):
        run.capture(
            run.control("dynamic_config", document("limits", 1)),
            run.control("trading_controls", document("global", 0)),
        )
    brief = run.brief()
    assert (brief.verdict, brief.documents, brief.gaps) == ("unchanged", (), ())
    assert "unchanged" in summary_words(brief)
    assert len({one.state_sha256 for one in brief.readings}) == 2


def test_an_event_with_the_etag_tells_the_operator() -> None:
    brief = two_readings(event()).brief()
    (one,) = brief.documents
    assert (brief.verdict, one.by, one.who) == ("operators", "operator", "dana@trading.example")
    assert "request req-7" in one.known_by
    assert "ask dana@trading.example" in repair_words(brief)[0]


def test_an_event_of_the_same_second_tells_the_operator() -> None:
    (one,) = two_readings(event(etag=None)).brief().documents
    assert (one.by, one.known_by[:9]) == ("operator", "audit eve")


@pytest.mark.parametrize(
    "events",
    [
        (),
        (event(documentId="venues"),),
        (event(container="trading_controls"),),
        (event(etag=None, _ts=LATER - 30),),
        (event(actor="release-2026.11.1"),),
        (event(actor=None),),
        (event(actor="[redacted 0123456789abcdef]"),),
        (event(), event(id="a-2", actor="some-service")),
    ],
)
def test_what_no_event_of_an_operator_tells_is_unknown(events: tuple[dict[str, Any], ...]) -> None:
    brief = two_readings(*events).brief()
    (one,) = brief.documents
    assert (brief.verdict, one.by) == ("unknown", "unknown")
    assert "by someone unknown" in document_words(one)
    assert "find out who wrote it" in repair_words(brief)[0]


def test_the_brief_goes_in_the_order_of_repair() -> None:
    run = Run()
    run.capture(
        run.control("dynamic_config", document("limits", 1)),
        run.control("trading_controls", document("global", 0)),
    )
    run.capture(
        run.control("dynamic_config", document("limits", 2)),
        run.control("trading_controls", document("global", 1)),
    )
    brief = run.brief()
    assert [one.container for one in brief.documents] == ["trading_controls", "dynamic_config"]
    first, second = repair_words(brief)
    assert "the halt console" in first
    assert "never in Cosmos itself" in second


def test_added_removed_and_rewritten_are_told_apart() -> None:
    run = Run()
    run.capture(
        run.control(
            "dynamic_config", document("gone", 1), document("same", 1, etag='"a"'), document("k", 1)
        )
    )
    run.capture(
        run.control(
            "dynamic_config", document("same", 1, etag='"b"'), document("new", 1), document("k", 1)
        )
    )
    changes = {one.id: one.change for one in run.brief().documents}
    assert changes == {"gone": "removed", "same": "rewritten", "new": "added"}


def test_a_write_before_the_first_reading_is_found_by_its_stamp() -> None:
    run = Run()
    early = document("limits", 2, ts=int(PLANNED.timestamp()) + 1)
    for _ in range(2):
        run.capture(run.control("dynamic_config", early))
    (one,) = run.brief().documents
    assert (one.change, one.before_etag, one.by) == ("changed", "", "unknown")


@pytest.mark.parametrize(("ahead_s", "told"), [(0, 0), (29, 1), (20, 0)])
def test_a_write_after_a_plan_of_a_clock_that_is_ahead_is_found(ahead_s: int, told: int) -> None:
    """The account stamped it 30 s before the time that the plan says it was made at."""
    run = Run()
    early = document("limits", 2, ts=int(PLANNED.timestamp()) - 30)
    told_facts = facts(clock_ahead_s=ahead_s) if ahead_s else ()
    for _ in range(2):
        run.capture(run.control("dynamic_config", early, facts=told_facts))
    assert len(run.brief().documents) == told


def test_a_live_reading_is_the_last_one() -> None:
    run = two_readings(event())
    view = document_view("dynamic_config", document("limits", 3, etag='"live"', ts=LATER + 9))
    brief = run.brief(Reading("dynamic_config", "live", NOW, (view,)))
    (one,) = brief.documents
    assert (one.after_etag, one.by) == ('"live"', "unknown")


def test_what_could_not_be_read_is_no_change_and_is_said() -> None:
    run = Run()
    run.capture(run.control("dynamic_config", document("limits", 1), document("venues", 1)))
    run.capture(
        run.control(
            "dynamic_config",
            document("limits", 1),
            completeness="partial",
            reason="the service throttles",
        )
    )
    brief = run.brief()
    assert (brief.verdict, brief.documents) == ("not-known", ())
    assert "dynamic_config (durable): the service throttles" in brief.gaps
    assert "trading_controls: never read, so that nothing can be held against it" in brief.gaps


def test_ids_that_a_rule_hides_are_not_compared() -> None:
    run = Run()
    for key in ("0123", "4567"):
        run.capture(
            run.control("dynamic_config", document(f"[redacted {key}]", 1)),
            run.control("trading_controls", document("global", 0)),
        )
    brief = run.brief()
    assert (brief.verdict, brief.documents) == ("not-known", ())
    assert "hides ids" in brief.gaps[0]


def test_ids_that_a_rule_hides_are_compared_by_their_digests() -> None:
    run = Run()
    for value in (1, 2):
        run.capture(
            run.control("dynamic_config", document("[redacted 0123]", value), document("[redacted 89ab]", 0)),
            run.control("trading_controls", document("global", 0)),
        )
    brief = run.brief()
    assert [(one.id, one.change) for one in brief.documents] == [("[redacted 0123]", "changed")]
    assert brief.gaps == ()


def test_one_reading_proves_nothing() -> None:
    run = Run()
    run.capture(run.control("dynamic_config", document("limits", 1)))
    assert run.brief().verdict == "not-known"


def test_where_nothing_was_read_there_is_no_brief() -> None:
    made = drift_brief(
        COSMOS,
        run="r-1",
        environment="production",
        since=PLANNED,
        records=(),
        fetch=lambda _: None,
    )
    assert made is None


def test_lost_chunks_are_gaps() -> None:
    run = two_readings(event())
    lists = {f.value for body in run.captures for f in body if f.name.endswith("windows_sha256")}
    kept = run.store.get
    brief = drift_brief(
        COSMOS,
        run="r-1",
        environment="production",
        since=PLANNED,
        records=run.records,
        fetch=lambda name: kept(name) if name in lists else None,
    )
    assert brief is not None
    assert brief.verdict == "not-known"
    assert any("cannot be read" in gap for gap in brief.gaps)


VIEWS = st.lists(
    st.builds(
        lambda name, etag, content: DocumentView(
            container="dynamic_config", id=name, etag=etag, ts=1, sha256=content * 64
        ),
        st.sampled_from("ab"),
        st.sampled_from("xyz"),
        st.sampled_from("01"),
    ),
    max_size=4,
    unique=True,
)


@given(before=VIEWS, after=VIEWS)
def test_unchanged_is_said_exactly_when_nothing_differs(
    before: list[DocumentView], after: list[DocumentView]
) -> None:
    made = drift_brief(
        COSMOS.model_copy(update={"control_containers": ("dynamic_config",), "repairs": ()}),
        run="r-1",
        environment="production",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        records=(),
        fetch=lambda _: None,
        live=(
            Reading("dynamic_config", "one", NOW, tuple(before)),
            Reading("dynamic_config", "two", NOW, tuple(after)),
        ),
    )
    assert made is not None
    assert (made.verdict == "unchanged") is (set(before) == set(after))
    named = {one.id for one in made.documents}
    assert named == {view.id for view in set(before) ^ set(after)}
