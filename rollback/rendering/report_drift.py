"""The part of a report that is about control-plane state: row D2, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.drift import CONTROL_DRIFT
from rollback.model.record import RecordKind
from rollback.rendering.view import Cut, Line, Weight, line, prose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.model.record import Record

_WEIGHTS = {"unchanged": Weight.GOOD, "operators": Weight.PLAIN}


def control_state(records: Sequence[Record]) -> list[Line]:
    """The last brief that the journal holds; nothing where control state was never read."""
    briefs = [
        record
        for record in records
        if record.kind is RecordKind.NOTE and record.text("code") == CONTROL_DRIFT
    ]
    if not briefs:
        return []
    brief = briefs[-1]
    weight = _WEIGHTS.get(brief.text("verdict"), Weight.UNKNOWN)
    lines = [line("{}", prose(brief.text("text")), label="compared", weight=weight)]
    lines += [
        line(
            "{}",
            prose(said),
            depth=1,
            weight=Weight.UNKNOWN if "by someone unknown" in said else Weight.PLAIN,
        )
        for said in _texts(brief, "documents")
    ]
    lines += [
        line("{}", prose(said), label="not read", depth=1, cut=Cut.NOTES)
        for said in _texts(brief, "gaps")
    ]
    lines += [
        line("{}", prose(said), label="repair", number=number)
        for number, said in enumerate(_texts(brief, "repairs"), start=1)
    ]
    if _texts(brief, "repairs"):
        lines.append(
            line("a person repairs it, after the application; this product writes none of it")
        )
    return lines


def _texts(record: Record, name: str) -> tuple[str, ...]:
    said = record.get(name)
    return tuple(str(each) for each in said) if isinstance(said, tuple) else ()
