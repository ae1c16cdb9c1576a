"""What a run's state is made of. `rollback.running.fold` makes it from the records."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from rollback.errors import ExitStatus
from rollback.model.authority import Verdict
from rollback.model.direction import Direction

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rollback.model.plan import Plan, PlannedStep


LOOK_GAP_S_MIN = 1.0
"""Answers without proof that lie closer together than this count as one."""

DRIFTED = "plan.drifted"
"""Code of what was not sent because the world changed since the plan."""

AGAIN = "again"
"""Code of the note that lets a change be tried again: nothing of it had left the process."""


class StepStatus(StrEnum):
    """How a step stands; the first is where all begin, the others end it for this sitting."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    HANDED_OVER = "handed-over"


class ChangeStatus(StrEnum):
    """How a change stands. in-doubt: an intent without an outcome."""

    NONE = "none"
    IN_DOUBT = "in-doubt"
    APPLIED = "applied"
    NOT_APPLIED = "not-applied"
    UNKNOWN = "unknown"


LEASE_LOST = "lease.lost"
"""Code of a step that could not go on because somebody else holds the lease, or may."""


@dataclass(frozen=True, slots=True)
class StepState:
    """One step: its status, the code and exit status that ended it, whether it was verified.

    unmet: what the last verification saw that was not so.
    """

    status: StepStatus = StepStatus.OPEN
    code: str = ""
    reason: str = ""
    exit: int | None = None
    verified: bool | None = None
    unmet: tuple[str, ...] = ()


_WORSE = frozenset({ExitStatus.DEFECT, ExitStatus.REFUSED, ExitStatus.AUTHORITY})
"""What a run reports rather than that a person is needed."""


def ended_as(
    step: PlannedStep, status: StepStatus, exit_: int | None
) -> tuple[StepStatus, int | None]:
    """How a step ends by its failure policy: one that says so does not fail, it is handed over."""
    if step.on_failure != "hand-over" or status is not StepStatus.FAILED:
        return status, exit_
    return StepStatus.HANDED_OVER, exit_ if exit_ in _WORSE else ExitStatus.PERSON.value


@dataclass(frozen=True, slots=True)
class AuthoritySeen:
    """One authority record: what was judged for one slot, and when.

    at: when the asking began: no answer is older. took_s: from there until it was judged.
    """

    slot: str
    verdict: Verdict
    builds: tuple[str, ...]
    reasons: tuple[str, ...]
    at: datetime
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RunState:
    """Everything the decision loop may know.

    left_open: changes that an earlier sitting left without a settled outcome, not looked at since.
    drifted: changes that were not sent, as the world is not the one they were planned for.
    handed_over: steps that were handed over to a person at some time, and not done since.
    withheld: (code, reason, exit status) of what keeps every move away from safety back in this
    sitting; empty code for nothing. lease_asked: whether the lease was asked for in this sitting.
    """

    only_safe: bool = False
    withheld: tuple[str, str, int] = ("", "", 0)
    break_glass: str = ""
    approvals: tuple[tuple[str, datetime | None], ...] = ()
    rejected_by: str = ""
    approval_problem: tuple[str, str] = ("", "")
    attested: frozenset[str] = frozenset()
    lease_asked: bool = False
    leased: bool = False
    lease_problem: str = ""
    canaries: bool = False
    refused: str = ""
    moved_away: bool = False
    authority: tuple[AuthoritySeen, ...] = ()
    authority_lost: str = ""
    unproved_in_a_row: int = 0
    unproved_at: datetime | None = None
    steps: Mapping[str, StepState] = field(default_factory=dict)
    changes: Mapping[tuple[str, str], ChangeStatus] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)
    returned: Mapping[str, int] = field(default_factory=dict)
    left_open: frozenset[tuple[str, str]] = frozenset()
    drifted: frozenset[tuple[str, str]] = frozenset()
    handed_over: frozenset[str] = frozenset()
    closed: bool = False

    def step(self, name: str) -> StepState:
        """The state of one step."""
        return self.steps.get(name, StepState())

    def change(self, step: str, change: str) -> ChangeStatus:
        """The state of one change."""
        return self.changes.get((step, change), ChangeStatus.NONE)

    def last_authority(self, slot: str) -> AuthoritySeen | None:
        """The latest judgement of a slot in this run."""
        return next((seen for seen in reversed(self.authority) if seen.slot == slot), None)


def under_way(plan: Plan, state: RunState) -> bool:
    """Whether a move away from safety may have left whose outcome is not recorded."""
    return any(
        state.change(step.name, change.id) is ChangeStatus.IN_DOUBT
        for step, change in plan.updates
        if change.direction is Direction.AWAY
    )


def may_still_move(plan: Plan, state: RunState) -> bool:
    """Whether a move away from safety can still be sent, or nobody knows yet what one did."""
    return under_way(plan, state) or any(
        state.step(step.name).status is StepStatus.OPEN
        and state.change(step.name, change.id) is not ChangeStatus.APPLIED
        for step, change in plan.updates
        if change.direction is Direction.AWAY
    )
