"""A run that nobody can go on with: its journal is gone, damaged, or another's.

A plan is applied once, and a run that was interrupted is resumed. Where it cannot be, its halts
would be in nobody's hands any more. So the moves toward safety of that plan may be applied anew, as
a run of their own: each is absolute, and the world is read before it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import JournalBroken
from rollback.model.record import RecordKind
from rollback.running.journal import check_file
from rollback.running.journal_errors import damaged, gone
from rollback.running.store import RUN_NAME, RunDirectory
from rollback.wiring.whole_run import refuse_other_plan, refuse_other_run

if TYPE_CHECKING:
    from rollback.running.store import StateDirectory
    from rollback.wiring.plan_document import PlanDocument

WHOLE = "plan"
ONLY_SAFE = "only-safe"


def lost(state: StateDirectory, run: str, document: PlanDocument) -> JournalBroken | None:
    """Why the run of a plan cannot be resumed; None where it can.

    Where the disk does not give its journal it can: then a resume sends the halts without one.
    """
    directory = RunDirectory(run, state.root / "runs" / run)
    if RUN_NAME.fullmatch(run) is None or not directory.journal_path.exists():
        return gone(directory.journal_path, run)
    try:
        check = check_file(directory.journal_path)
    except JournalBroken:
        return None
    try:
        refuse_other_run(directory, check)
        refuse_other_plan(directory, document, check.records)
    except JournalBroken as error:
        return error
    if not check.holds:
        return damaged(directory.journal_path, check)
    if not any(one.kind is RecordKind.OPENED for one in check.records):
        return gone(directory.journal_path, run)
    return None


def part_of(state: StateDirectory, document: PlanDocument, run: str, *, only_safe: bool) -> str:
    """Under which mark a run applies a plan: of all of it, or of its moves toward safety.

    run: empty for one that is not there yet. Of the latter there is one more mark for each run
    that was lost. Raises EvidenceNotWritten where the state directory cannot be read.
    """
    if not only_safe:
        return WHOLE
    part, number = ONLY_SAFE, 1
    while (by := state.applied_by(document.digest, part=part)) not in (None, run):
        if lost(state, str(by), document) is None:
            break
        number += 1
        part = f"{ONLY_SAFE}-{number}"
    return part
