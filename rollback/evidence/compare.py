"""Two captures held against each other, source by source: lines that are new, and lines gone.

Volatile answers carry times and ids of their own; these are left out of the comparison, so that
what is named as different is different.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rollback.model.evidence import SourceWindow

OWN: Final = frozenset({"at", "request_id", "elapsed_ms", "nonce", "asked_at", "age_ms"})
"""Fields of a line that every reading has anew."""


@dataclass(frozen=True, slots=True)
class SourceDifference:
    """One source in two captures.

    verdict: ``same``, ``differs``, ``only-before``, ``only-after``, or ``not-known`` where one of
    them is incomplete and nothing that was read differs. lines are whole, as they were captured.
    """

    source: str
    verdict: Literal["same", "differs", "only-before", "only-after", "not-known"]
    gone: tuple[bytes, ...] = ()
    new: tuple[bytes, ...] = ()
    reason: str = ""


def compare(
    before: Iterable[SourceWindow],
    after: Iterable[SourceWindow],
    lines_before: Callable[[SourceWindow], Iterator[bytes]],
    lines_after: Callable[[SourceWindow], Iterator[bytes]],
) -> tuple[SourceDifference, ...]:
    """Every source of either capture, by name. Of a source read more than once, the last counts."""
    old = {window.source: window for window in before}
    new = {window.source: window for window in after}
    return tuple(
        _source(name, old.get(name), new.get(name), lines_before, lines_after)
        for name in sorted({*old, *new})
    )


def _source(
    name: str,
    old: SourceWindow | None,
    new: SourceWindow | None,
    lines_before: Callable[[SourceWindow], Iterator[bytes]],
    lines_after: Callable[[SourceWindow], Iterator[bytes]],
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
    if [one.content_sha256 for one in old.chunks] == [one.content_sha256 for one in new.chunks]:
        return SourceDifference(name, "not-known" if gaps else "same", reason=gaps)
    gone, fresh = _lines(lines_before(old), lines_after(new))
    if gone or fresh:
        return SourceDifference(name, "differs", gone, fresh, gaps)
    return SourceDifference(name, "not-known" if gaps else "same", reason=gaps)


def _lines(
    before: Iterator[bytes], after: Iterator[bytes]
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """(gone, new), each as captured; counted, so that a line more of a kind is seen."""
    counts: Counter[bytes] = Counter()
    whole: dict[bytes, bytes] = {}
    for line in before:
        key = _key(line)
        counts[key] += 1
        whole[key] = line
    new: list[bytes] = []
    for line in after:
        key = _key(line)
        if counts[key] > 0:
            counts[key] -= 1
        else:
            new.append(line)
    gone = [whole[key] for key, count in counts.items() for _ in range(count)]
    return tuple(gone), tuple(new)


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
