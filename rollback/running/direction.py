"""Whether a planned move toward safety still is one, by the world as it is just before it is sent.

The same act can be either: to empty a ramp-up rule is safe while its slot serves the bad release,
and the opposite once a swap has put the stable one there. So the step is planned again against what
is seen now. What cannot be seen changes nothing: a move toward safety waits for nothing.

Nobody signs a halt, and some name their target: rules, a run to cancel, a release to put on hold.
Aimed elsewhere they make an incident last, so what they name has to be what the step plans now or,
unseen, what the plan's own observations ask for; rules are then only emptied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.guard.rules.directions import ramp_rules, safe_unseen, within
from rollback.model.change import NoOp, RefusedChange, Update
from rollback.model.direction import Direction
from rollback.planning.again import plan_again

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.change import Change
    from rollback.model.environment import Environment
    from rollback.model.observation import Observation
    from rollback.model.plan import Plan
    from rollback.model.ports import Catalogue


def not_toward_any_more(
    change: Update, now: tuple[Change, ...], seen: tuple[Observation, ...]
) -> str:
    """Why the planned change is no move toward safety now; empty where it still is.

    now: what the same step plans against the world as seen now.
    """
    again = planned_now(change, now)
    if again is None and (_sets_rules(change) or not (_unread(change, seen) or harmless(change))):
        return "the step plans no such change now"
    if again is None or isinstance(again, RefusedChange):
        return ""  # it is gone, or cannot be seen; what was planned stands
    if isinstance(again, NoOp):
        return f"the world changed since the plan: {again.reason}"
    if again.direction is not Direction.TOWARD:
        return "the world changed since the plan: this would move users away from safety now"
    if not _no_more_than(change.before, change.after, again.before, again.after) or not (
        _between(change, again) and _aimed_as(change, again)
    ):
        return "the world changed since the plan: what it would write is not what is needed now"
    return ""


def planned_now(change: Update, now: tuple[Change, ...]) -> Change | None:
    """What the step plans now under that name."""
    return next((one for one in now if one.id == change.id), None)


def cannot_be_told(change: Update, now: tuple[Change, ...], seen: tuple[Observation, ...]) -> bool:
    """Whether what was seen does not say if the step would plan it still."""
    again = planned_now(change, now)
    return isinstance(again, RefusedChange) or (again is None and _unread(change, seen))


def harmless(change: Update) -> bool:
    """Whether it is a move toward safety whatever the world is like."""
    return all(safe_unseen(effect) for effect in change.effects)


def asked_for(
    step: str,
    change: Update,
    plan: Plan,
    environment: Environment,
    catalogue: Catalogue,
    evidence_path: str,
) -> bool:
    """Whether the plan's own observations ask for this very write; of rules, only to leave none.

    A rule that is kept may not be there any more, or never was: kept unseen, it could be a new one.
    """
    if _rules(change):
        return False
    try:
        again = plan_again(plan, environment, catalogue, evidence_path)
    except Exception:  # noqa: BLE001 - an action that cannot plan any more tells nothing
        return False
    return again is not None and any(
        isinstance(one, Update)
        and (one.id, one.direction, one.effects) == (change.id, change.direction, change.effects)
        for planned in again.steps
        if planned.name == step
        for one in planned.changes
    )


def _sets_rules(change: Update) -> bool:
    return any(ramp_rules(effect) is not None for effect in change.effects)


def _unread(change: Update, seen: tuple[Observation, ...]) -> bool:
    of_it = [one for one in seen if one.resource == change.resource and one.compared]
    return not of_it or any(one.gaps for one in of_it)


def _aimed_as(change: Update, again: Update) -> bool:
    """Each write is one that is needed now, or a part of it."""
    return all(any(within(one, other) for other in again.effects) for one in change.effects)


def _between(change: Update, again: Update) -> bool:
    """Rules that are written beyond those needed are there now, each as it is."""
    written, needed = _rules(change), _rules(again)
    if written == needed:
        return True
    there = {text for fact in again.before if isinstance(fact.value, tuple) for text in fact.value}
    return set(needed) <= set(written) <= {*needed, *there} and len(set(written)) == len(written)


def _rules(change: Update) -> tuple[str, ...]:
    return tuple(rule for effect in change.effects for rule in ramp_rules(effect) or ())


def _no_more_than(planned_before: Facts, planned_after: Facts, seen: Facts, needed: Facts) -> bool:
    """Nothing is taken away that is not to go, nothing is put back that is gone already."""
    if planned_before == seen and planned_after == needed:
        return True
    there = {fact.name: fact.value for fact in seen}
    wanted = {fact.name: fact.value for fact in needed}
    if not wanted.keys() <= {fact.name for fact in planned_after}:
        return False
    for fact in planned_after:
        now, then = there.get(fact.name), wanted.get(fact.name)
        if isinstance(fact.value, tuple) and isinstance(now, tuple) and isinstance(then, tuple):
            if not set(then) <= set(fact.value) <= set(now):
                return False
        elif fact.value != then:
            return False
    return True
