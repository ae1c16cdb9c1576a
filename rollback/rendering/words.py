"""Numbers, times and facts in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.base import rfc3339

if TYPE_CHECKING:
    from datetime import datetime

    from rollback.model.base import Facts, Value

_LIST_MAX = 40


def moment(at: datetime) -> str:
    """A moment in UTC, milliseconds left out where they are zero."""
    return rfc3339(at).replace(".000Z", "Z")


def sized(count: int) -> str:
    """Bytes: ``4 KiB``, ``1 GiB``; ``5,000 bytes`` where they are no whole number of a unit."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size and count % size == 0:
            return f"{count // size:,} {unit}"
    return counted(count, "byte")


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


NOT_SAID = "(not said)"
"""What stands for the value before of a fact that a change brings."""


def changed(before: Facts, after: Facts) -> tuple[tuple[str, str, str], ...]:
    """(name, before, after) of the facts that are other after; `NOT_SAID`: new with the change."""
    old = {fact.name: fact.value for fact in before}
    new = {fact.name: fact.value for fact in after}
    return tuple(
        (
            name,
            shown(old[name]) if name in old else NOT_SAID,
            shown(new[name]),
        )
        for name in sorted(new)
        if name not in old or old[name] != new[name]
    )
