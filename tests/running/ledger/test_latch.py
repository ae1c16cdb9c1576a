"""The refusal latch: the first refusal stays, every refusal is journalled, nothing raises."""

from __future__ import annotations

from pathlib import Path

from rollback.model.record import RecordKind
from rollback.model.scope import GuardVerdict, Shape, VerdictKind
from rollback.running.journal import FileJournal
from rollback.running.latch import REFUSALS_MAX, JournalLatch

from ..fakes import SmallDisk, VirtualClock

SHAPE = Shape(method="POST", host="trading.documents.azure.com", path="/dbs/a/colls/b/docs")


def _verdict(rule: str) -> GuardVerdict:
    return GuardVerdict(
        kind=VerdictKind.DENY, rule=rule, reasons=("a write",), promise="no-control-plane-rewrite"
    )


def test_the_first_refusal_stays_and_all_are_recorded(tmp_path: Path) -> None:
    with FileJournal.create(tmp_path / "j", "r-1", VirtualClock()) as journal:
        latch = JournalLatch(journal)
        assert latch.tripped() is None
        latch.refuse(_verdict("first"), SHAPE)
        latch.refuse(_verdict("second"), SHAPE)
        assert latch.tripped() == _verdict("first")
        one, two = journal.records()
    assert (one.kind, one.text("rule"), two.text("rule")) == (
        RecordKind.REFUSAL,
        "first",
        "second",
    )
    assert one.text("host") == "trading.documents.azure.com"
    assert one.text("promise") == "no-control-plane-rewrite"


def test_it_latches_where_nothing_can_be_written(tmp_path: Path) -> None:
    disk = SmallDisk(capacity=0)
    with FileJournal.create(tmp_path / "j", "r-1", VirtualClock(), disk=disk) as journal:
        latch = JournalLatch(journal)
        latch.refuse(_verdict("first"), SHAPE)
        assert latch.tripped() == _verdict("first")
        assert journal.records() == ()


def test_an_sdk_that_asks_for_ever_does_not_fill_the_disk(tmp_path: Path) -> None:
    with FileJournal.create(tmp_path / "j", "r-1", VirtualClock()) as journal:
        latch = JournalLatch(journal)
        for _ in range(REFUSALS_MAX + 20):
            latch.refuse(_verdict("again"), SHAPE)
        assert len(journal.records()) == REFUSALS_MAX
