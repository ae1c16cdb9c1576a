"""The decision loop: a pure function from (plan, records, now) to the next intents.

Legal transitions, cited by number in the code:

T1  a move toward safety that was not tried is acted on, whatever else is missing or failed
T2  an intent without outcome is resolved by looking, before anything else of its step; one that an
    earlier sitting left, before any move away from safety begins
T3  a step begins when all it comes after is done; one that can no longer begin is skipped
T4  a capture begins when all it comes after has ended, however it ended
T5  a move away from safety begins when preflight allows it; blocked, its step ends as skipped
T6  no move away from safety begins after one failed or is unknown, unless that step says `continue`
    and nothing is unknown; nor after any step that says `hand-over` failed: that one ends as
    handed-over, with 6 where nothing worse is to be reported, and a person takes over
T7  a write found not applied gives its permission back when it is absolute, or a person said so;
    otherwise its step ends as failed and a person decides; not before every move toward safety of
    that step that may be sent again was
T8  an unknown outcome ends its step as unknown
T9  a step whose changes are settled is verified; it is done only when that holds
T10 a step with a refused change ends as failed, after its moves toward safety
T11 when every step has ended the run is closed
T12 after a stop was asked for, only T1, T2 and T11 go on
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollback.errors import ExitStatus
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.steps import traits_of
from rollback.running.intents import (
    Act,
    Close,
    End,
    GiveBack,
    Intent,
    ProveAuthority,
    Resolve,
    TakeLease,
    Verify,
)
from rollback.running.preflight import AskLease, Blocked, Prove, may_move_away, refused_exit
from rollback.running.state import DRIFTED, ChangeStatus, RunState, StepStatus, ended_as

if TYPE_CHECKING:
    from datetime import datetime

    from rollback.model.environment import Environment
    from rollback.model.plan import Plan, PlannedStep

_RANK = (
    ExitStatus.DEFECT,
    ExitStatus.REFUSED,
    ExitStatus.AUTHORITY,
    ExitStatus.PERSON,
    ExitStatus.VERIFICATION,
    ExitStatus.STALE,
    ExitStatus.APPROVAL,
    ExitStatus.LEASE,
    ExitStatus.EVIDENCE,
    ExitStatus.INTERRUPTED,
)
"""What a run reports when several things went wrong: the first of these."""


def decide(
    plan: Plan,
    environment: Environment,
    state: RunState,
    now: datetime,
    *,
    stopping: bool = False,
    safe: frozenset[Act] | None = None,
) -> tuple[Intent, ...]:
    """The next intents; those already under way are the caller's to leave out.

    safe: `toward_acts` of the plan, where the caller has them already.
    """
    safe = toward_acts(plan) if safe is None else safe
    begun = {one.step for one in safe}
    begun |= {step for (step, _), one in state.changes.items() if one is ChangeStatus.IN_DOUBT}
    ended = {name for name, one in state.steps.items() if one.status is not StepStatus.OPEN}
    out: list[Intent] = []
    for step in plan.steps:
        if step.name in ended or (step.name not in begun and not ended.issuperset(step.after)):
            continue  # T3: it waits, and nothing of it moves toward safety or is in doubt
        out.extend(_step(plan, environment, state, step, now, stopping=stopping))
    out = [_by_policy(plan, one) for one in out]
    if not out:
        return (Close(exit_of(plan, state, stopping=stopping)),)
    return tuple(sorted(dict.fromkeys(out), key=lambda intent: intent not in safe))  # T1


def _by_policy(plan: Plan, intent: Intent) -> Intent:
    """T6: what fails in a step that says so is handed over."""
    if not isinstance(intent, End):
        return intent
    status, exit_ = ended_as(plan.step(intent.step), intent.status, intent.exit)
    return replace(intent, status=status, exit=exit_)


def toward_acts(plan: Plan) -> frozenset[Act]:
    """Every act that moves toward safety: first in every list, and never waiting for another."""
    return frozenset(
        Act(step.name, change.id)
        for step, change in plan.updates
        if change.direction is Direction.TOWARD
    )


def exit_of(plan: Plan, state: RunState, *, stopping: bool = False) -> int:
    """The exit status that the records so far amount to."""
    seen = {step.exit for step in state.steps.values() if step.exit}
    if state.refused:
        seen.add(ExitStatus.REFUSED.value)
    if state.authority_lost:
        seen.add(ExitStatus.AUTHORITY.value)
    open_ = any(state.step(step.name).status is StepStatus.OPEN for step in plan.steps)
    if open_:  # steps that nothing can end: never reported as success
        seen.add((ExitStatus.INTERRUPTED if stopping else ExitStatus.DEFECT).value)
    return next(
        (status.value for status in _RANK if status.value in seen),
        ExitStatus.DONE.value,
    )


def _updates(step: PlannedStep) -> list[Update]:
    return [change for change in step.changes if isinstance(change, Update)]


def _step(
    plan: Plan,
    environment: Environment,
    state: RunState,
    step: PlannedStep,
    now: datetime,
    *,
    stopping: bool,
) -> list[Intent]:
    updates = _updates(step)
    doubts = [
        Resolve(step.name, one.id)
        for one in updates
        if state.change(step.name, one.id) is ChangeStatus.IN_DOUBT
    ]
    toward: list[Intent] = [
        Act(step.name, one.id)
        for one in updates
        if one.direction is Direction.TOWARD
        and state.change(step.name, one.id) is ChangeStatus.NONE
        and state.canaries
    ]
    if doubts or toward:
        return [*doubts, *toward]  # T2, T1
    if stopping:
        return []  # T12
    ended = _cannot_begin(state, step)
    if ended is not None:
        return ended
    if step.direction is Direction.AWAY and (
        _left_open(plan, state) or _handed_over_before(plan, state, step)
    ):
        return []  # T2, T6
    unsettled = _unsettled(plan, environment, state, step, now)
    if unsettled is not None:
        return [unsettled]
    if step.refused:  # T10
        first = step.refused[0]
        return [
            End(
                step.name,
                StepStatus.FAILED,
                first.code,
                first.reason,
                refused_exit(plan).value,
            )
        ]
    verified = state.step(step.name).verified
    if verified is None:
        return [Verify(step.name)]  # T9
    if not verified:
        if traits_of(step.action).proves_authority:
            why, exit_ = "halt authority is not proved", ExitStatus.AUTHORITY.value
            return [End(step.name, StepStatus.FAILED, "authority.unproved", why, exit_)]
        why = f"not as planned: {_first_of(state.step(step.name).unmet)}"
        exit_ = ExitStatus.VERIFICATION.value
        return [End(step.name, StepStatus.FAILED, "verify.failed", why, exit_)]
    return [End(step.name, StepStatus.DONE)]


def _first_of(unmet: tuple[str, ...]) -> str:
    """The first check that did not hold, and how many more; all of them stand in the journal."""
    if not unmet:
        return "no check says why"
    more = f" (and {len(unmet) - 1} more)" if len(unmet) > 1 else ""
    return f"{unmet[0]}{more}"


def _left_open(plan: Plan, state: RunState) -> bool:
    """Whether a move away from safety, sent in an earlier sitting, was not looked at yet."""
    return any(
        change.direction is Direction.AWAY and (step.name, change.id) in state.left_open
        for step, change in plan.updates
    )


def _handed_over_before(plan: Plan, state: RunState, step: PlannedStep) -> bool:
    """Whether an earlier step was handed over in another sitting, and is not settled yet."""
    for other in plan.steps:
        if other.name == step.name:
            return False
        if (
            other.name in state.handed_over
            and other.on_failure == "hand-over"
            and state.step(other.name).status is StepStatus.OPEN
        ):
            return True
    return False


def _cannot_begin(state: RunState, step: PlannedStep) -> list[Intent] | None:
    """T3, T4: what a step waits for. None when it may go on."""
    before = [(name, state.step(name)) for name in step.after]
    if any(one.status is StepStatus.OPEN for _, one in before):
        return []
    if traits_of(step.action).captures:
        return None
    missing = [name for name, one in before if one.status is not StepStatus.DONE]
    if missing and not any(
        one.direction is not Direction.TOWARD  # T1: those begin whatever comes before
        and state.change(step.name, one.id) is not ChangeStatus.NONE
        for one in _updates(step)
    ):
        are = "is" if len(missing) == 1 else "are"
        why = f"it comes after {', '.join(missing)}, which {are} not done"
        return [End(step.name, StepStatus.SKIPPED, "after", why)]
    return None


def _unsettled(
    plan: Plan, environment: Environment, state: RunState, step: PlannedStep, now: datetime
) -> Intent | None:
    """What comes next for the updates of a step; None when all are settled well."""
    first: Intent | None = None
    for one in _updates(step):
        intent = _change(plan, environment, state, step, one, now)
        if isinstance(intent, GiveBack) and one.direction is Direction.TOWARD:
            return intent  # T7: none of them waits for what became of another
        first = first or intent
    return first


def _change(
    plan: Plan,
    environment: Environment,
    state: RunState,
    step: PlannedStep,
    change: Update,
    now: datetime,
) -> Intent | None:
    """The next intent for one update; None when it is settled well."""
    status = state.change(step.name, change.id)
    if status is ChangeStatus.APPLIED:
        return None
    if traits_of(step.action).tells and status in (ChangeStatus.UNKNOWN, ChangeStatus.NOT_APPLIED):
        # A failed post never stops a rollback; it is said, and never sent again.
        why = f"{change.summary}: it may not have arrived"
        return End(step.name, StepStatus.DONE, "notify.failed", why)
    if status is ChangeStatus.UNKNOWN:  # T8
        why = f"{change.summary}: nobody can tell whether it took effect"
        person = ExitStatus.PERSON.value
        return End(step.name, StepStatus.UNKNOWN, "outcome.unknown", why, person)
    if status is ChangeStatus.NOT_APPLIED:
        return _not_applied(state, step, change)
    if not state.canaries:
        why = "the guard did not catch every forbidden request put to it"
        return End(
            step.name,
            StepStatus.SKIPPED,
            "guard.canaries",
            why,
            ExitStatus.REFUSED.value,
        )
    if change.direction is not Direction.AWAY:
        return Act(step.name, change.id)
    stopped = _stopped_by(plan, state, step)
    if stopped is not None:  # T6
        return End(step.name, StepStatus.SKIPPED, "stopped", stopped)
    blocked = may_move_away(plan, environment, state, change, now)  # T5
    if isinstance(blocked, Prove | AskLease):
        return ProveAuthority() if isinstance(blocked, Prove) else TakeLease()
    if isinstance(blocked, Blocked):
        exit_ = None if blocked.exit is None else blocked.exit.value
        return End(step.name, StepStatus.SKIPPED, blocked.code, blocked.reason, exit_)
    return Act(step.name, change.id)


def _not_applied(state: RunState, step: PlannedStep, change: Update) -> Intent:
    """T7."""
    if (step.name, change.id) in state.drifted:
        why = f"{change.summary}: the world changed since the plan; make a new one"
        return End(step.name, StepStatus.FAILED, DRIFTED, why, ExitStatus.STALE.value)
    effects = [effect.id for effect in change.effects]
    spoken = any(state.said.get(effect) == "not-applied" for effect in effects)
    given = max((state.returned.get(effect, 0) for effect in effects), default=0)
    limit = min((getattr(effect, "returns_max", 0) for effect in change.effects), default=0)
    if effects and given < limit and (change.absolute or spoken):
        why = "a person said so" if spoken else "looked for and found not applied"
        return GiveBack(step.name, change.id, why)
    if change.direction is Direction.NEITHER and traits_of(step.action).captures:
        return End(
            step.name,
            StepStatus.FAILED,
            "evidence.not-written",
            f"{change.summary}: neither the store nor the spool took it",
            ExitStatus.EVIDENCE.value,
        )
    reason = f"{change.summary}: it did not take effect"
    if 0 < limit <= given:
        reason = f"{reason}, and may not be sent again by this plan; make a new one"
    return End(
        step.name,
        StepStatus.FAILED,
        "outcome.not-applied",
        reason,
        ExitStatus.PERSON.value,
    )


def _stopped_by(plan: Plan, state: RunState, step: PlannedStep) -> str | None:
    for other in plan.steps:
        if other.name == step.name:
            continue
        seen = state.step(other.name)
        if seen.status is StepStatus.HANDED_OVER and other.on_failure == "hand-over":
            return f"{other.name} was handed over to a person"
        if other.direction is not Direction.AWAY:
            continue
        if seen.status is StepStatus.UNKNOWN:
            return f"{other.name} is unknown"
        if seen.status in (StepStatus.FAILED, StepStatus.HANDED_OVER) and (
            other.on_failure != "continue"
        ):
            return f"{other.name} failed"
    return None
