"""What a run came to, and what its journal says of it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.errors import InputError, JournalBroken
from rollback.model.base import rfc3339
from rollback.model.record import RecordKind
from rollback.running.journal import check_file
from rollback.running.journal_errors import gone

if TYPE_CHECKING:
    from rollback.model.plan import Exposure
    from rollback.running.store import RunDirectory, StateDirectory


@dataclass(frozen=True, slots=True)
class RunResult:
    """The end of one sitting of a run. bundle_path: empty where nothing was sealed.

    bundle_sha256: digest of the bundle's manifest, to be kept where nobody can change the bundle.
    """

    run: str
    exit_status: int
    steps: tuple[tuple[str, str, str], ...]
    exposures: tuple[Exposure, ...]
    next_moves: tuple[str, ...]
    bundle_path: str
    journal_path: str
    bundle_sha256: str = ""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One run as its journal tells it. exit None: not closed (running, or interrupted).

    break_glass: the reason given for going without approval; empty where none was. problem: why the
    journal does not verify; what is told of the run stands before that. remark: what could not be
    told of the journal, which is no problem.
    """

    run: str
    environment: str
    playbook: str
    opened: str
    exit: int | None
    steps: tuple[tuple[str, str, str], ...]
    in_doubt: tuple[str, ...]
    records: int
    break_glass: str = ""
    problem: str = ""
    remark: str = ""


def not_begun(state: StateDirectory, run: RunDirectory) -> InputError | JournalBroken:
    """What to say of a run without a first record.

    A plan is marked as applied after its run's first record. So where the mark is there the run had
    begun, and its journal is lost. Where it is not, the disk was full, or who began it was stopped:
    moves toward safety may have gone out without a record, with words on standard error.
    """
    with suppress(InputError):
        digest = hashlib.sha256(run.plan()).hexdigest()
        if run.run in state.appliers(digest):
            return gone(run.journal_path, run.run)
    return InputError(
        "run.not-begun",
        f"run {run.run} ended before its first record: nobody was moved by it",
        hint="apply the plan again: what is done already becomes a no-op",
    )


def read_status(run: RunDirectory) -> RunStatus:
    """Read a run's journal, as far as it verifies. Raises JournalBroken where it cannot be read."""
    check = check_file(run.journal_path)
    steps: dict[str, tuple[str, str, str]] = {}
    sent: dict[str, bool] = {}
    opened = environment = playbook = glass = ""
    exit_: int | None = None
    for record in check.records:
        if record.kind is RecordKind.OPENED:
            opened = rfc3339(record.at)
            environment, playbook = record.text("environment"), record.text("playbook")
            glass = record.text("break_glass") or glass
            exit_ = None
        elif record.kind is RecordKind.STEP:
            name = record.text("step")
            steps[name] = (name, record.text("status"), record.text("reason"))
        elif record.kind is RecordKind.INTENT:
            sent[f"{record.text('step')}#{record.text('change')}"] = True
        elif record.kind is RecordKind.OUTCOME:
            sent.pop(f"{record.text('step')}#{record.text('change')}", None)
        elif record.kind is RecordKind.CLOSED:
            said = record.get("exit")
            exit_ = said if isinstance(said, int) else None
    doubts = tuple(name for name in sent if not name.startswith("upkeep"))
    return RunStatus(
        run.run,
        environment,
        playbook,
        opened,
        exit_,
        tuple(steps.values()),
        doubts,
        len(check.records),
        glass,
        f"line {check.line}: {check.problem}" if check.problem else "",
        check.remark,
    )
