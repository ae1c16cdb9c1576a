"""The refusal latch of a run: set by the guard before it raises, as SDKs swallow exceptions."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from rollback.model.base import Facts, facts
from rollback.model.journal import MAIN
from rollback.model.record import RecordKind

if TYPE_CHECKING:
    from rollback.model.ports import Journal
    from rollback.model.scope import GuardVerdict, Shape

REFUSALS_MAX = 100
"""Refusals journalled per run: an SDK that asks for ever must not fill the disk."""


class JournalLatch:
    """`RefusalLatch` that journals every refusal. The first one is what `tripped` tells."""

    def __init__(self, journal: Journal) -> None:
        """journal: of the run."""
        self._journal = journal
        self._lock = threading.Lock()
        self._first: GuardVerdict | None = None
        self._count = 0

    def refuse(self, verdict: GuardVerdict, shape: Shape) -> None:
        """Latch, then journal, durably. Never raises: a latch without a record still holds."""
        with self._lock:
            if self._first is None:
                self._first = verdict
            self._count += 1
            if self._count > REFUSALS_MAX:
                return
        with suppress(Exception):
            self._journal.append(MAIN, RecordKind.REFUSAL, _body(verdict, shape), durable=True)

    def tripped(self) -> GuardVerdict | None:
        """The first refusal of this run, or None."""
        with self._lock:
            return self._first


def shape_facts(shape: Shape) -> Facts:
    """A request's shape as facts: no header value, body or query value is in it."""
    return facts(
        method=shape.method,
        host=shape.host,
        path=shape.path,
        query_names=shape.query_names,
        content_type=shape.content_type,
        body_bytes=shape.body_bytes,
        body_sha256=shape.body_sha256,
        request_id=shape.request_id,
    )


def _body(verdict: GuardVerdict, shape: Shape) -> Facts:
    said = facts(rule=verdict.rule, promise=verdict.promise, reasons=verdict.reasons)
    return (*said, *shape_facts(shape))
