"""Numbers, times and facts in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.base import rfc3339

if TYPE_CHECKING:
    from datetime import datetime

    from rollback.model.base import Facts, Value

_MINUTE_S = 60
_HOUR_S = 3_600
_DAY_S = 86_400
_LIST_MAX = 40


def spoken(seconds: int) -> str:
    """A duration: ``45 s``, ``15 min``, ``1 h 30 min``, ``2 d``. Never rounded."""
    parts = []
    for size, unit in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"


def moment(at: datetime) -> str:
    """A moment in UTC, milliseconds left out where they are zero."""
    return rfc3339(at).replace(".000Z", "Z")


def counted(count: int, one: str, many: str = "") -> str:
    """``1 step``, ``3 steps``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def numbered(steps: tuple[int, ...]) -> str:
    """``step 3``, ``steps 3 and 5``, ``steps 3, 5 to 7 and 9``. At least one, ascending."""
    runs: list[list[int]] = []
    for step in steps:
        if runs and step == runs[-1][-1] + 1:
            runs[-1].append(step)
        else:
            runs.append([step])
    words = [
        word
        for run in runs
        for word in (
            [f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run)  # noqa: PLR2004 - a range
        )
    ]
    listed = ", ".join(words[:-1]) + (" and " if words[1:] else "") + words[-1]
    return f"step{'s' if len(steps) > 1 else ''} {listed}"


def shown(value: Value) -> str:
    """A fact's value as a person reads it."""
    if isinstance(value, tuple):
        if not value:
            return "(none)"
        more = f", and {len(value) - _LIST_MAX} more" if len(value) > _LIST_MAX else ""
        return ", ".join(shown(part) for part in value[:_LIST_MAX]) + more
    if value is None:
        return "(not known)"
    if value is True:
        return "yes"
    if value is False:
        return "no"
    return "(empty)" if value == "" else str(value)


def changed(before: Facts, after: Facts) -> tuple[tuple[str, str, str], ...]:
    """(name, before, after) of the facts that differ; a fact on one side only is ``(not said)``."""
    old = {fact.name: fact.value for fact in before}
    new = {fact.name: fact.value for fact in after}
    return tuple(
        (
            name,
            shown(old[name]) if name in old else "(not said)",
            shown(new[name]) if name in new else "(not said)",
        )
        for name in sorted(new)
        if name not in old or old[name] != new[name]
    )
