"""Two captures held against each other, source by source: lines that are new, and lines gone.

Volatile answers carry times and ids of their own; these are left out of the comparison, so that
what is named as different is different.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from rollback.evidence.differing import DifferentLines, Side, differing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rollback.evidence.differing import ReadChunk
    from rollback.model.evidence import SourceWindow

OWN: Final = frozenset({"at", "request_id", "elapsed_ms", "nonce", "asked_at", "age_ms"})
"""Fields of a line that every reading has anew."""


@dataclass(frozen=True, slots=True)
class SourceDifference:
    """One source in two captures.

    verdict: ``same``, ``differs``, ``only-before``, ``only-after``, or ``not-known`` where one of
    them is incomplete and nothing that was read differs. Lines are whole, as they were captured,
    and are read again from the captures when asked for.
    """

    source: str
    verdict: Literal["same", "differs", "only-before", "only-after", "not-known"]
    gone: DifferentLines = field(default_factory=DifferentLines)
    new: DifferentLines = field(default_factory=DifferentLines)
    reason: str = ""


def compare(
    before: Iterable[SourceWindow],
    after: Iterable[SourceWindow],
    read_before: ReadChunk,
    read_after: ReadChunk,
) -> Iterator[SourceDifference]:
    """Every source of either capture, by name. Of a source read more than once, the last counts.

    Memory is bounded for captures of any size; see `differing`, whose errors come through.
    """
    old = {window.source: window for window in before}
    new = {window.source: window for window in after}
    for name in sorted({*old, *new}):
        yield _source(name, old.get(name), new.get(name), read_before, read_after)


def _source(
    name: str,
    old: SourceWindow | None,
    new: SourceWindow | None,
    read_before: ReadChunk,
    read_after: ReadChunk,
) -> SourceDifference:
    if new is None:
        return SourceDifference(name, "only-before")
    if old is None:
        return SourceDifference(name, "only-after")
    gaps = "; ".join(
        f"{one.moment} is {one.completeness}: {one.reason}"
        for one in (old, new)
        if one.completeness != "complete"
    )
    gone, fresh = differing(Side(old.chunks, read_before), Side(new.chunks, read_after), _key)
    if len(gone) or len(fresh):
        return SourceDifference(name, "differs", gone, fresh, gaps)
    return SourceDifference(name, "not-known" if gaps else "same", reason=gaps)


def _key(line: bytes) -> bytes:
    """The line without what every reading has anew, members in order of name."""
    try:
        return json.dumps(_stripped(json.loads(line)), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return line


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stripped(each) for name, each in value.items() if name not in OWN}
    if isinstance(value, list):
        return [_stripped(each) for each in value]
    return value
