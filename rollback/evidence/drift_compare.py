"""The first and the last reading of a control container, held against each other. Pure.

Documents are compared by content and by etag. One that was written after the plan was made and
before it was first read is found by the service's own stamp.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from rollback.model.drift import DriftedDocument

if TYPE_CHECKING:
    from rollback.evidence.drift_reading import Reading
    from rollback.model.views import DocumentView

REDACTED: Final = "[redacted "
"""How a value begins that a field rule has taken out."""


@dataclass(slots=True)
class Compared:
    """What differs, and what could not be compared."""

    changed: list[DriftedDocument] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


def compare_readings(container: str, read: list[Reading], since: datetime, found: Compared) -> None:
    """Add what the readings of one container say, in their order. since: when the plan was made."""
    if len(read) < 2:  # noqa: PLR2004 - one before and one after
        what = "read once" if read else "never read"
        found.gaps.append(f"{container}: {what}, so that nothing can be held against it")
        if not read:
            return
    first, last = read[0], read[-1]
    for one in {id(first): first, id(last): last}.values():
        found.gaps.extend(f"{container} ({one.moment}): {why}" for why in one.gaps)
    hidden, other = _hidden(first), _hidden(last)
    if (hidden or other) and not hidden & other:
        # They may have been read with different keys: the same id is another digest then.
        found.gaps.append(f"{container}: a redaction rule hides ids, so that nothing is compared")
        return
    whole = not first.gaps and not last.gaps
    for old, new in _pairs(first.documents, last.documents):
        if whole or (old is not None and new is not None):
            found.changed.append(_document(container, old, new))
    planned = int(since.timestamp()) - _further(first)
    for view in last.documents if len(read) > 1 else first.documents:
        # Written before it was first read, and after the plan was made: its stamp says so.
        if view.ts >= planned and view in first.documents:
            found.changed.append(_document(container, None, view, early=True))


def _further(first: Reading) -> int:
    """How many seconds earlier than here the plan was made by the account's clock, or a few more.

    What is known is at least so much, from an answer in whole seconds and the time it took.
    """
    return first.clock_ahead_s + 2 if first.clock_ahead_s else 0


def _hidden(reading: Reading) -> set[str]:
    """The ids that a rule hid; the same id is the same digest under the same key."""
    return {one.id for one in reading.documents if one.id.startswith(REDACTED)}


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
