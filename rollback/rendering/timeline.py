"""A run's records as a timeline: one entry a record, in the journal's order, each in a sentence.

An entry knows its step, its surfaces and its x-request-id, so that a reader can follow any of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rollback.model.record import RecordKind
from rollback.rendering.record_words import record_words
from rollback.rendering.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from rollback.model.record import Record

_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")
_ENDS: Final = frozenset({RecordKind.OUTCOME, RecordKind.RETURNED})
PERFORMED: Final = "performed"
"""The code of a note that an action leaves for itself."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One moment of a run. names: every word its step, change, slot or host is made of.

    provider_id: what the service called the request (Azure's correlation id).
    """

    at: datetime
    kind: str
    step: str
    text: str
    request_id: str = ""
    provider_id: str = ""
    names: frozenset[str] = frozenset()

    def about(self, surface: str, hosts: Iterable[str] = ()) -> bool:
        """True where a surface, or a host of it, is named."""
        return surface in self.names or any(host in self.names for host in hosts)


def entries(records: Sequence[Record], *, grouped: bool = False) -> tuple[Entry, ...]:
    """Every record as an entry.

    grouped: writes of evidence that a step sends with nothing of its own between are one entry,
    authority is told when it changes, and what only machines read is left out.
    """
    if not grouped:
        return tuple(entry(record) for record in records)
    made: list[list[Record]] = []
    open_: dict[str, list[Record]] = {}
    authority: dict[str, tuple[str, object]] = {}
    for record in records:
        if record.kind is RecordKind.AUTHORITY:
            slot = record.text("slot")
            now = (record.text("verdict"), record.get("reasons"))
            if authority.get(slot) == now:
                continue
            authority[slot] = now
        elif record.kind is RecordKind.NOTE and record.text("code") == PERFORMED:
            continue
        step = record.text("step")
        if not _is_chunk(record):
            open_.pop(step, None)
            made.append([record])
        elif step in open_:
            open_[step].append(record)
        else:
            open_[step] = [record]
            made.append(open_[step])
    return tuple(entry(group[0]) if len(group) == 1 else _chunks(group) for group in made)


def followed(records: Sequence[Record], identifier: str) -> tuple[list[Record], frozenset[str]]:
    """What belongs to one request, by our id or the service's: (records, every id it goes by).

    Its intent, its exchange, and what was then found of the change it was sent for.
    """
    ids = {identifier}
    for record in records:
        own = {record.text("request_id"), record.text("provider_id")} - {""}
        if identifier in own:
            ids |= own
    found: list[Record] = []
    waiting: set[tuple[str, str]] = set()
    for record in records:
        change = (record.text("step"), record.text("change"))
        mine = record.text("request_id") in ids
        if mine or (record.kind in _ENDS and change in waiting):
            found.append(record)
        if record.kind is RecordKind.INTENT and mine:
            waiting.add(change)
        elif record.kind in {RecordKind.INTENT, *_ENDS}:
            waiting.discard(change)
    return found, frozenset(ids)


def entry(record: Record) -> Entry:
    """One record as an entry."""
    named = " ".join(
        record.text(name) for name in ("step", "change", "slot", "effect", "surface", "resource")
    )
    host = record.text("host")
    return Entry(
        at=record.at,
        kind=record.kind.value,
        step=record.text("step"),
        text=record_words(record),
        request_id=record.text("request_id"),
        provider_id=record.text("provider_id"),
        names=frozenset({*_WORD.findall(named), *([host] if host else [])}),
    )


def _is_chunk(record: Record) -> bool:
    return record.kind is RecordKind.INTENT and record.text("purpose") == "evidence"


def _chunks(records: list[Record]) -> Entry:
    first = entry(records[0])
    size = sum(n for record in records if isinstance(n := record.get("body_bytes"), int))
    text = f"created {counted(len(records), 'chunk')} of evidence, {size:,} bytes"
    return Entry(first.at, first.kind, first.step, text, names=first.names)
