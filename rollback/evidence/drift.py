"""Control-plane drift: what a run's captures say of the control documents, compared and attributed.

The first reading of a container is held against the last one, by content and by etag. A document
that was written after the plan was made and before it was first read is found by the service's own
stamp. Who wrote is said only where an event of the audit log says it: one that carries the etag the
document has now, or one of the same second. Everything else is someone unknown.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, Literal

import rfc8785
from pydantic import ValidationError

from rollback.evidence import windows as captured
from rollback.evidence.chunks import sha256, unpacked
from rollback.model.drift import ControlReading, DriftBrief, DriftedDocument
from rollback.model.record import RecordKind
from rollback.model.views import DocumentView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rollback.model.environment import Cosmos
    from rollback.model.evidence import SourceWindow
    from rollback.model.record import Record

CONTROL: Final = "cosmos-control/"
AUDIT: Final = "cosmos/"
REDACTED: Final = "[redacted "
"""How a value begins that a field rule has taken out."""

SAME_S: Final = 1
"""An event and a write are the same by time when their seconds differ by no more than this."""

ANYHOW: Final = (
    "the backend's own control interface, as an operator, so that the audit log knows it; "
    "never in Cosmos itself"
)
"""Where the environment names no interface for a container."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One container as it was read once. gaps: why it is not whole."""

    container: str
    moment: str
    at: datetime
    documents: tuple[DocumentView, ...]
    gaps: tuple[str, ...] = ()


@dataclass(slots=True)
class _Compared:
    changed: list[DriftedDocument] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


def drift_brief(
    cosmos: Cosmos,
    *,
    run: str,
    environment: str,
    since: datetime,
    records: Iterable[Record],
    fetch: Callable[[str], bytes | None],
    live: tuple[Reading, ...] = (),
) -> DriftBrief | None:
    """The brief of a run; None where no control document was ever read.

    since: when the plan was made. live: readings at the very end. Never raises for what evidence
    holds: what cannot be read is a gap.
    """
    held = tuple(records)
    readings = (*captured_readings(held, fetch), *live)
    if not readings:
        return None
    found = _Compared()
    order = [name for name, _ in cosmos.repairs]
    order += [name for name in cosmos.control_containers if name not in order]
    for container in order:
        _compare(container, [one for one in readings if one.container == container], since, found)
    events = _events(held, fetch, cosmos, found)
    through = dict(cosmos.repairs)
    documents = tuple(
        _attributed(one, events.get((one.container, one.id), ()), cosmos).model_copy(
            update={"repair": through.get(one.container, ANYHOW)}
        )
        for one in found.changed
    )
    return DriftBrief(
        run=run,
        environment=environment,
        verdict=_verdict(documents, found.gaps),
        readings=tuple(_shown(one) for one in readings),
        documents=documents,
        gaps=tuple(dict.fromkeys(found.gaps)),
    )


def drift_json(brief: DriftBrief) -> bytes:
    """The bytes of drift.json: RFC 8785."""
    return rfc8785.dumps(brief.model_dump(mode="json"))


def document_views(lines: Iterable[bytes]) -> tuple[DocumentView, ...]:
    """The documents of a control source's lines. Raises ValueError."""
    return tuple(DocumentView.model_validate_json(line) for line in lines if line)


def captured_readings(
    records: tuple[Record, ...], fetch: Callable[[str], bytes | None]
) -> tuple[Reading, ...]:
    """Every reading of a control container in a run's captures, in the journal's order."""
    found: list[Reading] = []
    for record, window in _windows(records, fetch):
        if not window.source.startswith(CONTROL):
            continue
        gaps = [] if window.completeness == "complete" else [window.reason or "incomplete"]
        try:
            documents = document_views(_lines(window, fetch))
        except (ValidationError, ValueError) as error:
            documents, gaps = (), [*gaps, f"its chunks cannot be read ({type(error).__name__})"]
        container = window.source.removeprefix(CONTROL)
        found.append(Reading(container, window.moment, record.at, documents, tuple(gaps)))
    return tuple(found)


def _windows(
    records: tuple[Record, ...], fetch: Callable[[str], bytes | None]
) -> Iterator[tuple[Record, SourceWindow]]:
    for record in records:
        if record.kind is not RecordKind.EVIDENCE:
            continue
        for _, chunk in captured.lists((record,)):
            try:
                windows = captured.parsed(unpacked(fetch(chunk.sha256) or b""))
            except ValueError:
                continue  # sealing says that a list is lost
            for window in windows:
                yield record, window


def _lines(window: SourceWindow, fetch: Callable[[str], bytes | None]) -> Iterator[bytes]:
    """Lines of a window's chunks. Raises ValueError where one is not there."""
    for chunk in window.chunks:
        stored = fetch(chunk.sha256)
        if stored is None:
            msg = f"chunk {chunk.sha256[:12]} is in no store"
            raise ValueError(msg)
        yield from unpacked(stored).split(b"\n")


def _compare(container: str, read: list[Reading], since: datetime, found: _Compared) -> None:
    if len(read) < 2:  # noqa: PLR2004 - one before and one after
        what = "read once" if read else "never read"
        found.gaps.append(f"{container}: {what}, so that nothing can be held against it")
        if not read:
            return
    first, last = read[0], read[-1]
    for one in {id(first): first, id(last): last}.values():
        found.gaps.extend(f"{container} ({one.moment}): {why}" for why in one.gaps)
    if any(one.id.startswith(REDACTED) for one in (*first.documents, *last.documents)):
        # Each capture has a key of its own: the same id is another digest in another capture.
        found.gaps.append(f"{container}: a redaction rule hides ids, so that nothing is compared")
        return
    whole = not first.gaps and not last.gaps
    for old, new in _pairs(first.documents, last.documents):
        if whole or (old is not None and new is not None):
            found.changed.append(_document(container, old, new))
    for view in last.documents if len(read) > 1 else first.documents:
        # Written before it was first read, and after the plan was made: its stamp says so.
        if view.ts >= int(since.timestamp()) and view in first.documents:
            found.changed.append(_document(container, None, view, early=True))


def _pairs(
    before: tuple[DocumentView, ...], after: tuple[DocumentView, ...]
) -> list[tuple[DocumentView | None, DocumentView | None]]:
    """What differs, by id: one id may stand in several partitions, so views are held as sets."""
    was, now = set(before), set(after)
    old: dict[str, list[DocumentView]] = defaultdict(list)
    new: dict[str, list[DocumentView]] = defaultdict(list)
    for view in before:
        old[view.id] += [view] if view not in now else []
    for view in after:
        new[view.id] += [view] if view not in was else []
    return [pair for name in sorted({*old, *new}) for pair in zip_longest(old[name], new[name])]


def _document(
    container: str, old: DocumentView | None, new: DocumentView | None, *, early: bool = False
) -> DriftedDocument:
    view = new or old
    change = "changed"
    if new is None:
        change = "removed"
    elif old is None and not early:
        change = "added"
    elif old is not None and old.sha256 == new.sha256:
        change = "rewritten"
    stamp = new.ts if new is not None else 0
    return DriftedDocument.model_validate(
        {
            "container": container,
            "id": "" if view is None else view.id,
            "change": change,
            "by": "unknown",
            "who": "",
            "known_by": "",
            "before_etag": old.etag if old else "",
            "before_sha256": old.sha256 if old else "",
            "after_etag": new.etag if new else "",
            "after_sha256": new.sha256 if new else "",
            "written_at": datetime.fromtimestamp(stamp, UTC) if stamp else None,
            "repair": "",
        }
    )


_Event = dict[str, Any]


def _events(
    records: tuple[Record, ...],
    fetch: Callable[[str], bytes | None],
    cosmos: Cosmos,
    found: _Compared,
) -> dict[tuple[str, str], list[_Event]]:
    """Audit events that name a changed document; no event is parsed that cannot."""
    wanted = {(one.container, one.id) for one in found.changed}
    if not wanted:
        return {}
    marks = {json.dumps(name, ensure_ascii=False).encode() for _, name in wanted}
    names = cosmos.audit_names
    by_document: dict[tuple[str, str], list[_Event]] = defaultdict(list)
    seen: set[str] = set()
    for _, window in _windows(records, fetch):
        if window.source.removeprefix(AUDIT) not in cosmos.audit_containers:
            continue
        if window.completeness != "complete":
            found.gaps.append(f"{window.source} ({window.moment}): {window.reason}")
        try:
            for line in _lines(window, fetch):
                if not any(mark in line for mark in marks) or (key := sha256(line)) in seen:
                    continue
                seen.add(key)
                event = json.loads(line)
                if isinstance(event, dict):
                    about = (str(event.get(names.container)), str(event.get(names.document)))
                    by_document[about].append(event)
        except (ValueError, RecursionError) as error:
            found.gaps.append(f"{window.source}: {error}")
    return {about: events for about, events in by_document.items() if about in wanted}


def _attributed(
    document: DriftedDocument, events: Iterable[_Event], cosmos: Cosmos
) -> DriftedDocument:
    names = cosmos.audit_names
    named = list(events)
    sure = [
        one for one in named if document.after_etag and one.get(names.etag) == document.after_etag
    ]
    how = "carries its etag"
    if not sure and document.written_at is not None:
        stamp = int(document.written_at.timestamp())
        sure = [one for one in named if abs(_seconds(one) - stamp) <= SAME_S]
        how = "is of the same second"
    if not sure:
        said = "no event of the audit log that was captured names this write"
        if named:
            said = f"{len(named)} audit events name the document, none of them this write"
        return document.model_copy(update={"known_by": said})
    actors = sorted({str(one.get(names.actor) or "(nobody)") for one in sure})
    people = all(any(fnmatchcase(who, like) for like in cosmos.operators) for who in actors)
    requests = sorted({str(one[names.request]) for one in sure if one.get(names.request)})
    request = f", request {', '.join(requests)}" if requests else ""
    said = f"audit event {', '.join(sorted(str(one.get('id')) for one in sure))} {how}{request}"
    return document.model_copy(
        update={
            "by": "operator" if people else "unknown",
            "who": ", ".join(actors),
            "known_by": said if people else f"{said}; the actor is not one of the operators",
        }
    )


def _seconds(event: _Event) -> int:
    stamp = event.get("_ts")
    return stamp if isinstance(stamp, int) else 0


def _verdict(
    documents: tuple[DriftedDocument, ...], gaps: list[str]
) -> Literal["unchanged", "operators", "unknown", "not-known"]:
    if any(one.by == "unknown" for one in documents):
        return "unknown"
    if documents:
        return "operators"
    return "not-known" if gaps else "unchanged"


def _shown(reading: Reading) -> ControlReading:
    from rollback.evidence.sources.cosmos import state_digest

    whole = not reading.gaps
    return ControlReading(
        container=reading.container,
        moment=reading.moment,
        at=reading.at,
        documents=len(reading.documents),
        complete=whole,
        reason="; ".join(reading.gaps),
        state_sha256=state_digest(list(reading.documents)) if whole else "",
    )
