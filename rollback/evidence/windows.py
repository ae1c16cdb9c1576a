"""The list of what a capture's sources gave: itself a chunk, found again through the journal.

A capture's record holds the facts of `recorded`; sealing reads them back with `recalled`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import rfc8785

from rollback.errors import EvidenceNotWritten
from rollback.evidence.chunks import kept, unpacked
from rollback.model.base import Facts, Frozen, facts
from rollback.model.evidence import Chunk, SourceWindow
from rollback.model.record import RecordKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rollback.model.ports import EvidenceSink
    from rollback.model.record import Record

WINDOWS: Final = "windows"
"""The source under which the list itself stands in a manifest."""

_FIELDS = tuple(Chunk.model_fields)
_PREFIX = "performed/"


class _List(Frozen):
    """What the list's chunk holds, in canonical form."""

    moment: str
    windows: tuple[SourceWindow, ...]


def recorded(windows: tuple[SourceWindow, ...], moment: str, sink: EvidenceSink) -> Facts:
    """Store the list; return the facts that find it again. Raises EvidenceNotWritten."""
    made = _List(moment=moment, windows=windows)
    chunk = kept(rfc8785.dumps(made.model_dump(mode="json")) + b"\n", 1, sink)
    incomplete = tuple(
        f"{one.source}: {one.completeness}, {one.reason}"
        for one in windows
        if one.completeness != "complete"
    )
    return facts(
        moment=moment,
        sources=len(windows),
        items=sum(one.items for one in windows),
        chunks=len({chunk.sha256 for one in windows for chunk in one.chunks}),
        incomplete=incomplete,
        spooled=sink.spooled(),
        **{f"{WINDOWS}_{name}": getattr(chunk, name) for name in _FIELDS},
    )


def recalled(
    records: Iterable[Record], fetch: Callable[[str], bytes | None]
) -> tuple[SourceWindow, ...]:
    """Every window of a run, in the order of its captures, each list after what it lists.

    Raises EvidenceNotWritten where a list that the journal names is not there or not readable.
    """
    found: list[SourceWindow] = []
    for moment, chunk in lists(records):
        stored = fetch(chunk.sha256)
        if stored is None:
            raise _lost(chunk, "it is in no store")
        try:
            windows = parsed(unpacked(stored))
        except ValueError as error:
            raise _lost(chunk, str(error)) from error
        found.extend(windows)
        found.append(own_window(moment, chunk))
    return tuple(found)


def own_window(moment: str, chunk: Chunk) -> SourceWindow:
    """The window by which a manifest names the chunk of a list."""
    return SourceWindow(
        source=WINDOWS,
        moment=moment,
        completeness="complete",
        items=chunk.items,
        chunks=(chunk,),
    )


def lists(records: Iterable[Record]) -> tuple[tuple[str, Chunk], ...]:
    """(moment, chunk of the list) of every capture that a journal records.

    Raises ValueError where a record names a list in another form.
    """
    found = []
    for record in records:
        if record.kind is not RecordKind.EVIDENCE:
            continue
        body = {fact.name.removeprefix(_PREFIX): fact.value for fact in record.body}
        values = {name: body.get(f"{WINDOWS}_{name}") for name in _FIELDS}
        if values["sha256"] is not None:
            found.append((str(body.get("moment", "")), Chunk.model_validate(values)))
    return tuple(found)


def spooled(records: Iterable[Record]) -> bool:
    """True where a capture of the run had to use the spool."""
    return any(
        record.get("spooled") is True or record.get(f"{_PREFIX}spooled") is True
        for record in records
        if record.kind is RecordKind.EVIDENCE
    )


def parsed(content: bytes) -> tuple[SourceWindow, ...]:
    """The windows of a list's content. Raises ValueError."""
    return _List.model_validate_json(content).windows


def _lost(chunk: Chunk, why: str) -> EvidenceNotWritten:
    reason = f"the list of windows {sha256_short(chunk)} cannot be read back: {why}"
    return EvidenceNotWritten(
        "evidence.lost", reason, hint="look in the store and in the spool", promise="evidence-first"
    )


def sha256_short(chunk: Chunk) -> str:
    """A chunk's name as people read it."""
    return chunk.sha256[:12]
