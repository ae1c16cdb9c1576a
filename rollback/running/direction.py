"""Whether a planned move toward safety still is one, by the world as it is just before it is sent.

The same act can be either: to empty a ramp-up rule is safe while its slot serves the bad release,
and the opposite once a swap has put the stable one there. So the step is planned again against what
is seen now. What cannot be seen changes nothing: a move toward safety waits for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.change import NoOp, RefusedChange, Update
from rollback.model.direction import Direction

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.change import Change


def not_toward_any_more(change: Update, now: tuple[Change, ...]) -> str:
    """Why the planned change is no move toward safety now; empty where it still is.

    now: what the same step plans against the world as seen now.
    """
    again = next((one for one in now if one.id == change.id), None)
    if again is None or isinstance(again, RefusedChange):
        return ""  # it is gone, or cannot be seen; what was planned stands
    if isinstance(again, NoOp):
        return f"the world changed since the plan: {again.reason}"
    if again.direction is not Direction.TOWARD:
        return "the world changed since the plan: this would move users away from safety now"
    if not _no_more_than(change.before, change.after, again.before, again.after):
        return "the world changed since the plan: what it would write is not what is needed now"
    return ""


def _no_more_than(
    planned_before: Facts, planned_after: Facts, seen: Facts, needed: Facts
) -> bool:
    """Nothing is taken away that is not to go, nothing is put back that is gone already."""
    if planned_before == seen and planned_after == needed:
        return True
    there = {fact.name: fact.value for fact in seen}
    wanted = {fact.name: fact.value for fact in needed}
    for fact in planned_after:
        now, then = there.get(fact.name), wanted.get(fact.name)
        if isinstance(fact.value, tuple) and isinstance(now, tuple) and isinstance(then, tuple):
            if not set(then) <= set(fact.value) <= set(now):
                return False
        elif fact.value != then:
            return False
    return True
