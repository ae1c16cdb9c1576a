"""What a person does next, from a plan and how each step of its run ended. Pure.

The end of a sitting and every later look at its journal say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import ExitStatus
from rollback.model.drift import CONTROL_DRIFT
from rollback.model.record import RecordKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.model.plan import Exposure, Plan
    from rollback.model.record import Record

SEALED = "bundle.sealed"
NOT_SEALED = "the evidence is not sealed: `rollback resume {run}` seals it"
"""The code of the note that says where a sealed bundle is."""

_BY_STATUS: dict[int, str] = {
    ExitStatus.DEFECT: "tell those who keep this product; `rollback resume {run}` looks, and goes "
    "on",
    ExitStatus.REFUSED: "see why it was refused; what users need is a new plan",
    ExitStatus.APPROVAL: "have the plan signed with `rollback approve`, then "
    "`rollback resume {run} --approval FILE`",
    ExitStatus.STALE: "see what differs from the plan; then make a new plan: what is done already "
    "becomes a no-op",
    ExitStatus.AUTHORITY: "halt trading at the venue or broker; nothing that moves users is sent; "
    "halts and captures still work: `rollback plan halt-only --out PLAN`, then "
    "`rollback apply PLAN --only-safe`",
    ExitStatus.VERIFICATION: "look at what does not hold; `rollback resume {run}` verifies again, "
    "`rollback undo {run} --out PLAN` plans the way back",
    ExitStatus.EVIDENCE: "see what was not kept, make room or mend the store, then "
    "`rollback resume {run}`",
    ExitStatus.LEASE: "wait for whoever holds the lease, then `rollback resume {run}`",
    ExitStatus.INTERRUPTED: "`rollback resume {run}` goes on",
}


def next_moves(
    plan: Plan,
    run: str,
    steps: Sequence[tuple[str, str, str]],
    status: int,
    left: Sequence[Exposure] = (),
) -> list[str]:
    """The moves, in order. steps: name, status and reason. left: users that were not moved."""
    moves = _of_status(run, steps, status, left)
    moves.extend(one.next_move for step in plan.steps for one in step.refused)
    moves.extend(
        f"take over {name}: {why}; then `rollback resume {run}` goes on"
        for name, ended, why in steps
        if ended == "handed-over"
    )
    moves.extend(
        f"{surface.surface} is not rolled back: {surface.human_step}"
        for surface in plan.not_rolled_back
    )
    return moves


def _of_status(
    run: str, steps: Sequence[tuple[str, str, str]], status: int, left: Sequence[Exposure]
) -> list[str]:
    """What the end of the run itself asks for: it comes first."""
    if status == ExitStatus.PERSON:
        open_ = ", ".join(name for name, ended, _ in steps if ended in ("unknown", "failed"))
        said = (
            f"look at {open_}; then `rollback resume {run}`, or say what you saw "
            "with --said EFFECT=applied|not-applied"
        )
        return [said] if open_ else []
    if status == ExitStatus.DONE and left:
        return ["users are not moved: make a new plan, have it signed, and apply it whole"]
    move = _BY_STATUS.get(status)
    return [] if move is None else [move.format(run=run)]


def moves_of(
    plan: Plan, records: Sequence[Record], status: int, left: Sequence[Exposure]
) -> list[str]:
    """The same from the records of a closed run, and what its last look at control state asks."""
    ended: dict[str, tuple[str, str, str]] = {}
    for record in records:
        if record.kind is RecordKind.STEP:
            name = record.text("step")
            ended[name] = (name, record.text("status"), record.text("reason"))
    moves = next_moves(plan, records[0].run, tuple(ended.values()), status, left)
    if not _sealed(records):
        moves.append(NOT_SEALED.format(run=records[0].run))
    drift = noted(records, CONTROL_DRIFT)
    if drift is not None and drift.get("repairs"):
        moves.append(
            f"{drift.text('text')}: repair it by hand, in the order under Control-plane state"
        )
    return moves


def _sealed(records: Sequence[Record]) -> bool:
    """Whether what came of the last sitting was sealed."""
    for record in reversed(records):
        if record.kind is RecordKind.CLOSED:
            return False
        if record.kind is RecordKind.NOTE and record.text("code") == SEALED:
            return True
    return True


def noted(records: Sequence[Record], code: str) -> Record | None:
    """The last note of that code."""
    return next(
        (
            record
            for record in reversed(records)
            if record.kind is RecordKind.NOTE and record.text("code") == code
        ),
        None,
    )
