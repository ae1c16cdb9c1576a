"""Where a run stands: a pure fold over its records. The only memory the decision loop has."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from rollback.model.authority import Verdict
from rollback.model.direction import Direction
from rollback.model.record import Outcome, RecordKind
from rollback.model.steps import traits_of
from rollback.running.state import (
    AGAIN,
    DRIFTED,
    LOOK_GAP_S_MIN,
    AuthoritySeen,
    ChangeStatus,
    RunState,
    StepState,
    StepStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollback.model.change import Update
    from rollback.model.plan import Plan
    from rollback.model.record import Record

CLOCK_S_MAX = 1.0
"""How much less than the monotonic clock the wall clock may count between two records."""

_ENDED = {status.value: status for status in StepStatus if status is not StepStatus.OPEN}


def fold(plan: Plan, records: tuple[Record, ...]) -> RunState:
    """The state that the records of a run of `plan` leave behind."""
    return Folding(plan).over(records)


class Folding:
    """A fold that goes on: each record is taken once, so that a long run does not cost its square.

    Not safe for several threads.
    """

    def __init__(self, plan: Plan) -> None:
        """Nothing is taken yet."""
        self._owner = {
            effect.id: (step.name, change)
            for step, change in plan.updates
            for effect in change.effects
        }
        self._away = {
            (step.name, change.id)
            for step, change in plan.updates
            if change.direction is Direction.AWAY
        }
        self._captures = {
            (step.name, change.id)
            for step, change in plan.updates
            if traits_of(step.action).captures
        }
        self._waits_for = _waits_for(plan)
        self._baseline_retained = any(
            one.slot == "production" and one.verdict is Verdict.RETAINED for one in plan.authority
        )
        self._state = RunState()
        self._steps: dict[str, StepState] = {}
        self._changes: dict[tuple[str, str], ChangeStatus] = {}
        self._said: dict[str, str] = {}
        self._returned: dict[str, int] = {}
        self._left_open: set[tuple[str, str]] = set()
        self._drifted: set[tuple[str, str]] = set()
        self._handed_over: set[str] = set()
        self._last: Record | None = None
        self._taken = 0

    def over(self, records: tuple[Record, ...]) -> RunState:
        """The state after those records: what was given before, and perhaps more."""
        for record in records[self._taken :]:
            self._take(record)
        self._taken = len(records)
        return replace(
            self._state,
            steps=dict(self._steps),
            changes=dict(self._changes),
            said=dict(self._said),
            returned=dict(self._returned),
            drifted=frozenset(self._drifted),
            handed_over=frozenset(self._handed_over),
            left_open=frozenset(
                key for key in self._left_open if self._changes.get(key) is ChangeStatus.IN_DOUBT
            ),
        )

    def _take(self, record: Record) -> None:  # noqa: C901, PLR0912, PLR0915 - one case a kind of record
        last, self._last = self._last, record
        if last is not None and record.kind is not RecordKind.OPENED and _set_back(last, record):
            # Ages are told by the wall clock; one that was set back makes old proof look fresh.
            self._state = replace(self._state, authority=())
        match record.kind:
            case RecordKind.OPENED:
                self._state = _opened(self._state, record)
                _reopen(self._steps, self._changes, self._captures, self._waits_for)
                self._left_open = {
                    key for key, change in self._changes.items() if change is ChangeStatus.IN_DOUBT
                }
            case RecordKind.APPROVED:
                self._state = _approved(self._state, record)
            case RecordKind.ATTESTED:
                self._state = replace(
                    self._state, attested=self._state.attested | {record.text("about")}
                )
            case RecordKind.LEASED:
                self._state = replace(
                    self._state,
                    lease_asked=True,
                    leased=record.get("held") is True,
                    lease_problem=record.text("problem"),
                )
            case RecordKind.CANARIES:
                self._state = replace(self._state, canaries=record.get("all_caught") is True)
            case RecordKind.REFUSAL:
                self._state = replace(
                    self._state, refused=self._state.refused or record.text("rule") or "guard"
                )
            case RecordKind.AUTHORITY:
                self._state = _authority(
                    self._state, record, self._changes, self._away, baseline=self._baseline_retained
                )
            case RecordKind.INTENT:
                found = self._owner.get(record.text("effect"))
                if found is not None:
                    key = (found[0], found[1].id)
                    self._changes[key] = ChangeStatus.IN_DOUBT
                    if key in self._away:
                        self._state = replace(self._state, moved_away=True)
            case RecordKind.RETURNED:
                effect = record.text("effect")
                self._returned[effect] = self._returned.get(effect, 0) + (
                    record.get("sent") is not False
                )
                self._said.pop(effect, None)
                found = self._owner.get(effect)
                if found is not None:
                    self._changes[(found[0], found[1].id)] = ChangeStatus.NONE
            case RecordKind.OUTCOME:
                if (record.text("step"), record.text("change")) in self._away:
                    # What was proved before users moved says nothing of where they are now.
                    self._state = replace(self._state, authority=(), unproved_in_a_row=0)
                key = (record.text("step"), record.text("change"))
                self._left_open.discard(key)
                self._drifted.discard(key)
                if record.text("code") == DRIFTED:
                    self._drifted.add(key)
                self._changes[key] = {
                    Outcome.APPLIED.value: ChangeStatus.APPLIED,
                    Outcome.NOT_APPLIED.value: ChangeStatus.NOT_APPLIED,
                }.get(record.text("outcome"), ChangeStatus.UNKNOWN)
            case RecordKind.SAID:
                _said(record, self._owner, self._changes, self._said)
            case RecordKind.VERIFIED:
                name = record.text("step")
                before = self._steps.get(name, StepState())
                self._steps[name] = replace(
                    before, verified=record.get("holds") is True, unmet=_unmet(record)
                )
            case RecordKind.STEP:
                name = record.text("step")
                exit_ = record.get("exit")
                self._steps[name] = replace(
                    self._steps.get(name, StepState()),
                    status=_ENDED.get(record.text("status"), StepStatus.OPEN),
                    code=record.text("code"),
                    reason=record.text("reason"),
                    exit=exit_ if isinstance(exit_, int) else None,
                )
                if self._steps[name].status is StepStatus.HANDED_OVER:
                    self._handed_over.add(name)
                elif self._steps[name].status is StepStatus.DONE:
                    self._handed_over.discard(name)
            case RecordKind.NOTE if record.text("code") == AGAIN:
                key = (record.text("step"), record.text("change"))
                self._changes[key] = ChangeStatus.NONE
                for effect, found in self._owner.items():
                    if (found[0], found[1].id) == key:
                        self._returned[effect] = self._returned.get(effect, 0) + 1
                        self._said.pop(effect, None)
            case RecordKind.CLOSED:
                self._state = replace(self._state, closed=True)
            case _:
                pass


def _waits_for(plan: Plan) -> dict[str, frozenset[str]]:
    """For each step, every step that it comes after, at any distance."""
    found: dict[str, frozenset[str]] = {}
    for step in plan.steps:  # a plan lists each step behind all that it comes after
        before = (found.get(name, frozenset()) for name in step.after)
        found[step.name] = frozenset(step.after).union(*before)
    return found


def _set_back(last: Record, record: Record) -> bool:
    """Whether the wall clock lost time between two records of one process."""
    wall_s = (record.at - last.at).total_seconds()
    return wall_s < (record.monotonic_ms - last.monotonic_ms) / 1000 - CLOCK_S_MAX


def _opened(state: RunState, record: Record) -> RunState:
    exit_ = record.get("withheld_exit")
    return replace(
        state,
        only_safe=record.text("mode") == "only-safe",
        withheld=(
            record.text("withheld_code"),
            record.text("withheld"),
            exit_ if isinstance(exit_, int) else 0,
        ),
        lease_asked=False,
        lease_problem="",
        break_glass=record.text("break_glass"),
        closed=False,
        refused="",
        leased=False,
        canaries=False,
        authority_lost="",
        unproved_in_a_row=0,
        authority=(),
        approvals=(),
        rejected_by="",
    )


def _reopen(
    steps: dict[str, StepState],
    changes: dict[tuple[str, str], ChangeStatus],
    captures: set[tuple[str, str]],
    waits_for: Mapping[str, frozenset[str]],
) -> None:
    """A new sitting looks again at all that was not finished.

    A capture that was cut short is made again: what it stored is named by its content. So is one
    that was made while something it comes after was not done: it has not seen what that changes.
    """
    done = {name for name, step in steps.items() if step.status is StepStatus.DONE}
    for key in captures:
        too_soon = not waits_for[key[0]] <= done
        if too_soon or changes.get(key) is not ChangeStatus.APPLIED:
            changes.pop(key, None)
            done.discard(key[0])
    for name in steps.keys() - done:
        steps[name] = StepState()
    for key, change in changes.items():
        if change in (ChangeStatus.UNKNOWN, ChangeStatus.NOT_APPLIED):
            changes[key] = ChangeStatus.IN_DOUBT


def _approved(state: RunState, record: Record) -> RunState:
    if record.text("problem"):
        return replace(state, approval_problem=(record.text("code"), record.text("problem")))
    if record.text("decision") == "reject":
        return replace(state, rejected_by=record.text("principal"))
    expires = record.text("expires")
    until = datetime.fromisoformat(expires) if expires else None
    return replace(state, approvals=(*state.approvals, (record.text("principal"), until)))


def _authority(
    state: RunState,
    record: Record,
    changes: Mapping[tuple[str, str], ChangeStatus],
    away: set[tuple[str, str]],
    *,
    baseline: bool,
) -> RunState:
    builds = record.get("builds")
    reasons = record.get("reasons")
    asked = datetime.fromisoformat(record.text("asked")) if record.text("asked") else record.at
    seen = AuthoritySeen(
        slot=record.text("slot"),
        verdict=Verdict(record.text("verdict") or "unknown"),
        builds=tuple(str(one) for one in builds) if isinstance(builds, tuple) else (),
        reasons=tuple(str(one) for one in reasons) if isinstance(reasons, tuple) else (),
        at=asked,
        took_s=(record.at - asked).total_seconds(),
    )
    state = replace(state, authority=(*state.authority[-20:], seen))
    if seen.slot != "production":
        return state
    if seen.verdict is Verdict.RETAINED:
        return replace(state, unproved_in_a_row=0, unproved_at=None)
    before = state.unproved_at
    if before is not None and 0 <= (record.at - before).total_seconds() < LOOK_GAP_S_MIN:
        return state  # two who ask at the same moment see one moment
    state = replace(
        state, unproved_in_a_row=state.unproved_in_a_row + 1, unproved_at=record.at
    )
    in_flight = any(changes.get(key) is ChangeStatus.IN_DOUBT for key in away)
    moved = any(changes.get(key) is ChangeStatus.APPLIED for key in away)
    confirmed = state.unproved_in_a_row > 1  # one answer may be from before the last move
    if seen.verdict is Verdict.LOST and (baseline or moved) and confirmed and not in_flight:
        why = "; ".join(seen.reasons) or "halt authority was lost while the run went on"
        return replace(state, authority_lost=state.authority_lost or why)
    return state


def _unmet(record: Record) -> tuple[str, ...]:
    """The checks of a verification that do not hold, each with what was seen."""
    checks = record.get("checks")
    said = checks if isinstance(checks, tuple) else ()
    return tuple(
        str(one).removeprefix("FAILS ") for one in said if not str(one).startswith("holds ")
    )


def _said(
    record: Record,
    owner: Mapping[str, tuple[str, Update]],
    changes: dict[tuple[str, str], ChangeStatus],
    said: dict[str, str],
) -> None:
    effect, outcome = record.text("effect"), record.text("outcome")
    found = owner.get(effect)
    if found is None:
        return
    key = (found[0], found[1].id)
    if key not in changes:
        return  # nothing of it was ever sent, so there is nothing to say of it
    said[effect] = outcome
    changes[key] = (
        ChangeStatus.APPLIED if outcome == Outcome.APPLIED.value else ChangeStatus.NOT_APPLIED
    )
