"""Moves toward safety where no run can be recorded: the state directory is not to be used.

They go out through the same guard, each with its intent on standard error; nothing else is sent
(promise evidence-first, its last sentence).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from rollback.errors import EvidenceNotWritten
from rollback.model.direction import Direction
from rollback.model.record import RecordKind
from rollback.running.fold import fold
from rollback.running.hands import NoLease
from rollback.running.loop import send_what_is_safe
from rollback.running.pool import ThreadPool
from rollback.running.state import ChangeStatus
from rollback.running.store import run_id
from rollback.running.unwritten import UnwrittenJournal
from rollback.wiring.sitting import Sitting

if TYPE_CHECKING:
    from rollback.model.plan import Plan
    from rollback.model.ports import Journal
    from rollback.wiring.asked import Asked
    from rollback.wiring.plan_document import PlanDocument
    from rollback.wiring.setting import Setting


def all_made(plan: Plan, journal: Journal) -> bool:
    """Whether every move toward safety is on record as made."""
    state = fold(plan, journal.records())
    return all(
        state.change(step.name, change.id) is ChangeStatus.APPLIED
        for step, change in plan.updates
        if change.direction is Direction.TOWARD
    )


def send_unrecorded(
    setting: Setting, document: PlanDocument, asked: Asked, problem: EvidenceNotWritten
) -> NoReturn:
    """Send every move toward safety of the plan, then raise EvidenceNotWritten saying so."""
    run = run_id(setting.clock, setting.randomness)
    journal = UnwrittenJournal(run, setting.clock, problem.reason)
    sitting = Sitting.of(setting, document, journal, asked, run)
    sitting.prove_guard()
    performer = sitting.performer(NoLease("no run is recorded"))
    with ThreadPool(setting.environment.policy.steps_at_once_max) as pool:
        send_what_is_safe(document.plan, performer, pool)
    became = tuple(
        f"{record.text('step')} {record.text('change')}: {record.text('outcome')}"
        for record in journal.records()
        if record.kind is RecordKind.OUTCOME
    )
    said = (
        f"moves toward safety went without a record: {'; '.join(became)}"
        if became
        else "nothing was sent: the plan holds no move toward safety"
    )
    raise EvidenceNotWritten(
        problem.code,
        f"{problem.reason}; {said}",
        hint="keep what stands on standard error; mend the disk and resume the run, if one was "
        "begun, or name a state directory that can be written with ROLLBACK_STATE and plan again: "
        "what is done already becomes a no-op",
        promise="evidence-first",
    ) from problem
