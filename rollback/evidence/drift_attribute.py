"""Who changed a control document, as far as the audit log that was captured says it.

Only an event that carries the etag the document has now, or one of the same second, names a
writer. Everything else is someone unknown.
"""

from __future__ import annotations

import json
from collections import defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from rollback.evidence.chunks import sha256
from rollback.evidence.drift_reading import captured_windows, window_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rollback.evidence.drift_compare import Compared
    from rollback.model.drift import DriftedDocument
    from rollback.model.environment import Cosmos
    from rollback.model.record import Record

AUDIT: Final = "cosmos/"
SAME_S: Final = 1
"""An event and a write are the same by time when their seconds differ by no more than this."""

Event = dict[str, Any]


def audit_events(
    records: tuple[Record, ...],
    fetch: Callable[[str], bytes | None],
    cosmos: Cosmos,
    found: Compared,
) -> dict[tuple[str, str], list[Event]]:
    """Audit events that name a changed document; no event is parsed that cannot."""
    wanted = {(one.container, one.id) for one in found.changed}
    if not wanted:
        return {}
    marks = {json.dumps(name, ensure_ascii=False).encode() for _, name in wanted}
    names = cosmos.audit_names
    by_document: dict[tuple[str, str], list[Event]] = defaultdict(list)
    seen: set[str] = set()
    for _, window in captured_windows(records, fetch):
        if window.source.removeprefix(AUDIT) not in cosmos.audit_containers:
            continue
        if window.completeness != "complete":
            found.gaps.append(f"{window.source} ({window.moment}): {window.reason}")
        try:
            for line in window_lines(window, fetch):
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


def attributed(
    document: DriftedDocument, events: Iterable[Event], cosmos: Cosmos
) -> DriftedDocument:
    """The document with who wrote it, and what tells it."""
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


def _seconds(event: Event) -> int:
    stamp = event.get("_ts")
    return stamp if isinstance(stamp, int) else 0
