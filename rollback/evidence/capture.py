"""One source into chunks, bounded in time and size; what is missing is said, never hidden.

A source yields lines (one JSON value each), gaps (what could not be read, and why) and told facts.
It may also fail half-way. Whatever happens, a `SourceWindow` says what was asked, what came, and
whether that is all: complete; partial with the reason; unknown where nothing came.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from rollback.errors import ConnectorError, InputError
from rollback.evidence.chunks import CONTENT_BYTES, CONTENT_BYTES_MAX, Chunker
from rollback.model.base import Fact
from rollback.model.evidence import SourceWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from rollback.evidence.redaction import Redaction
    from rollback.model.evidence import Chunk
    from rollback.model.ports import Clients, EvidenceSink


@dataclass(frozen=True, slots=True)
class Gap:
    """Something a source could not read, and why."""

    reason: str


Read = bytes | Gap | Fact
"""What a source yields."""


@dataclass(frozen=True, slots=True)
class Source:
    """Something that can be read once. name: stable, like ``backend/worker-logs``.

    since, until: the window asked for, where the source has time. seconds_max: its bound.
    """

    name: str
    read: Callable[[Clients], Iterator[Read]]
    seconds_max: int
    since: datetime | None = None
    until: datetime | None = None


@dataclass(slots=True)
class Budget:
    """What a whole capture may store, and until when it may begin another source."""

    bytes_max: int
    chunks_max: int
    deadline: datetime
    bytes: int = 0
    chunks: int = 0
    seen: set[str] = field(default_factory=set)

    def spend(self, chunk: Chunk) -> None:
        """Count a chunk; one that was stored before costs nothing."""
        if chunk.sha256 not in self.seen:
            self.seen.add(chunk.sha256)
            self.bytes += chunk.bytes
            self.chunks += 1

    def spent(self) -> str:
        """Why nothing more may be stored; empty while there is room for one more chunk."""
        if self.bytes + CONTENT_BYTES > self.bytes_max:
            return f"the budget of {self.bytes_max} bytes is spent"
        # Two are kept back: the last of this source, and the list of all windows.
        if self.chunks + 2 >= self.chunks_max:
            return f"the budget of {self.chunks_max} chunks is spent"
        return ""


def capture(
    source: Source,
    moment: str,
    clients: Clients,
    sink: EvidenceSink,
    redaction: Redaction,
    budget: Budget,
) -> SourceWindow:
    """Capture one source. Raises EvidenceNotWritten, and a refusal of the guard; nothing else."""
    started = clients.now()
    deadline = min(started + timedelta(seconds=source.seconds_max), budget.deadline)
    chunker = Chunker(sink, stored=budget.spend)
    told: list[Fact] = []
    gaps: list[str] = []
    if started >= budget.deadline:
        gaps.append("not begun: the time of the whole capture was over")
    elif why := budget.spent():
        gaps.append(f"not begun: {why}")
    else:
        _fill(
            source,
            clients,
            redaction=redaction,
            budget=budget,
            deadline=deadline,
            chunker=chunker,
            told=told,
            gaps=gaps,
        )
    chunker.flush()
    ended = clients.now()
    return SourceWindow(
        source=source.name,
        moment=moment,
        since=source.since,
        until=source.until,
        completeness=_completeness(gaps, chunker.items),
        reason=sink.redact("; ".join(dict.fromkeys(gaps))),
        items=chunker.items,
        took_ms=max(0, int((ended - started).total_seconds() * 1000)),
        chunks=chunker.chunks,
        facts=tuple(sorted(told, key=lambda fact: fact.name)),
    )


def _fill(
    source: Source,
    clients: Clients,
    *,
    redaction: Redaction,
    budget: Budget,
    deadline: datetime,
    chunker: Chunker,
    told: list[Fact],
    gaps: list[str],
) -> None:
    try:
        for read in source.read(clients):
            if isinstance(read, Gap):
                gaps.append(read.reason)
            elif isinstance(read, Fact):
                told.append(read)
            elif len(line := redaction.line(read)) >= CONTENT_BYTES_MAX:
                gaps.append(f"an item of {len(line)} bytes was left out")
            else:
                chunker.add(line)
            if why := budget.spent():
                gaps.append(why)
                return
            if clients.now() >= deadline:
                gaps.append(f"stopped after {source.seconds_max} s")
                return
    except (ConnectorError, InputError) as error:
        gaps.append(error.reason)


def _completeness(gaps: list[str], items: int) -> Literal["complete", "partial", "unknown"]:
    if not gaps:
        return "complete"
    return "partial" if items else "unknown"
