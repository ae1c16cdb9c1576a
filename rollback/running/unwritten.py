"""A journal for when none can be written: in memory, with every intent refused.

The permission ledger then lets moves toward safety out with their intent on standard error, and
nothing else (promise evidence-first: where not even the local disk can be written, nothing moves
away from safety; moves toward it still go).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rollback.errors import JournalBroken
from rollback.model.journal import Chain, line_of, speakable
from rollback.model.record import Record, RecordKind

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.ports import Clock


class UnwrittenJournal:
    """`RunJournal` that outlives nothing. Outcomes are kept for the one sitting it serves."""

    tight = True

    def __init__(self, run: str, clock: Clock, why: str) -> None:
        """why: what is wrong with the disk."""
        self._chain = Chain(run)
        self._clock = clock
        self._why = why
        self._records: list[Record] = []
        self._lock = threading.Lock()

    def append(self, stream: str, kind: RecordKind, body: Facts, *, durable: bool) -> Record:
        """Keep one record in memory. Raises JournalBroken for an intent: it cannot be durable."""
        del durable
        if kind is RecordKind.INTENT:
            raise JournalBroken(
                "journal.unwritten", self._why, hint="mend the disk", promise="evidence-first"
            )
        with self._lock:
            sequence, previous = self._chain.position(stream)
            record = Record(
                run=self._chain.run,
                stream=stream,
                sequence=sequence,
                previous=previous,
                at=self._clock.now(),
                monotonic_ms=int(self._clock.monotonic() * 1000),
                kind=kind,
                body=speakable(body),
            )
            self._chain.add(record, line_of(record))
            self._records.append(record)
            return record

    def records(self) -> tuple[Record, ...]:
        """All records of this sitting."""
        with self._lock:
            return tuple(self._records)
