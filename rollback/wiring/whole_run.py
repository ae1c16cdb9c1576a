"""A run as it can be relied on afterwards: its own journal, whole, of the plan that lies beside it.

What stands before a line that does not verify is a part of a run, and a part of a run must not pass
for the run: an undo of it would take back half and say that it took back all.
"""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

from rollback.errors import JournalBroken, LeaseHeld
from rollback.model.record import RecordKind
from rollback.running.journal import check_file
from rollback.running.journal_errors import KEEP, damaged, halts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollback.model.journal import JournalCheck
    from rollback.model.record import Record
    from rollback.running.store import RunDirectory
    from rollback.wiring.plan_document import PlanDocument


def whole_records(directory: RunDirectory, document: PlanDocument) -> tuple[Record, ...]:
    """The records of a run that is not running.

    Raises JournalBroken where they do not verify, or are those of another run or another plan;
    LeaseHeld while a process writes them.
    """
    path = directory.journal_path
    check = check_file(path)
    refuse_other_run(directory, check)
    if not check.holds:
        raise damaged(path, check, KEEP)
    refuse_other_plan(directory, document, check.records)
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LeaseHeld(
                "journal.held",
                f"run {directory.run} is running: what it changes is not known yet",
                hint="let it finish, or stop it with Ctrl-C; then again",
            ) from error
    return check.records


def refuse_other_run(directory: RunDirectory, check: JournalCheck) -> None:
    """Raise JournalBroken where a journal is not that of the run in whose folder it lies."""
    if check.run not in ("", directory.run):
        raise JournalBroken(
            "journal.other-run",
            f"{directory.journal_path} is the journal of run {check.run}, not of {directory.run}",
            hint=f"name the run that it is of; {halts(directory.journal_path)}",
            promise="fail-closed",
        )


def refuse_other_plan(
    directory: RunDirectory, document: PlanDocument, records: Iterable[Record]
) -> None:
    """Raise JournalBroken where the records were written under another plan than the one kept."""
    for record in records:
        if record.kind is RecordKind.OPENED and record.text("plan") != document.digest:
            raise JournalBroken(
                "journal.other-plan",
                f"{directory.journal_path} was written under plan {record.text('plan')}; "
                f"{directory.plan_path.name} beside it is {document.digest}",
                hint="keep both as evidence, look at the world, and make a new plan; halts of a "
                "plan go out with `rollback apply PLAN --only-safe`",
                promise="plan-is-permission",
            )
