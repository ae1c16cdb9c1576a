"""Apply a plan, or go on with a run: parts are put together, the loop drives, the end is sealed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollback.errors import (
    EvidenceNotWritten,
    ExitStatus,
    JournalBroken,
    PlanStale,
    RollbackError,
)
from rollback.model.base import facts
from rollback.model.direction import Direction
from rollback.model.journal import MAIN
from rollback.model.record import RecordKind
from rollback.running.loop import drive_run
from rollback.running.pool import ThreadPool
from rollback.wiring.as_made import plan_problem, refuse_forbidden
from rollback.wiring.asked import Asked
from rollback.wiring.authority import AuthorityWatch, prove_authority
from rollback.wiring.closing import closed, result_of
from rollback.wiring.leases import RunLease
from rollback.wiring.lost_run import lost, part_of
from rollback.wiring.mirrors import mirror_of, taken_up
from rollback.wiring.packages import refuse_missing
from rollback.wiring.plan_document import PlanDocument
from rollback.wiring.run_result import not_begun
from rollback.wiring.sitting import Sitting
from rollback.wiring.unrecorded import all_made, send_unrecorded
from rollback.wiring.whole_run import refuse_other_plan
from rollback.wiring.withheld import (
    approval_problem,
    attestation_problem,
    moves_toward,
    read_approvals,
    withheld_exit,
)
from rollback.wiring.words_of_people import check_said, record_people

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rollback.running.journal import FileJournal
    from rollback.running.store import RunDirectory
    from rollback.wiring.run_result import RunResult
    from rollback.wiring.setting import Setting

UNWRITABLE = frozenset({"journal.full", "journal.unwritable", "journal.unreadable"})
"""Codes of a disk that does not give or take a journal; not of a journal that does not verify."""

SENDS = ("azure",)
"""Extras without which nothing can be sent; where a store's is missing, halts go all the same."""

RESERVE_BYTES = 1 << 20
"""Disk kept back at the start, so that moves toward safety can be recorded when it is full."""


def apply_plan(
    setting: Setting,
    document: PlanDocument,
    asked: Asked,
    approvals: Sequence[str | Path | bytes],
) -> RunResult:
    """Apply a plan once.

    Raises before anything is sent: InputError (another environment's plan), Refused (an effect no
    rule allows), PlanStale (applied before), GuardRefusal (a canary came through). What else is
    wrong with the plan or its approvals is raised likewise where the plan holds no move toward
    safety; where it holds one, those, the captures and the messages go, the rest is withheld, and
    the result's exit status says why. Where no run can be recorded, EvidenceNotWritten is raised
    after them.
    """
    refuse_missing(SENDS, setting.environment.environment)
    refuse_forbidden(setting.environment, document)
    asked = _with_approvals(setting, document, asked, approvals)
    if asked.withheld is not None and not moves_toward(document.plan):
        raise asked.withheld
    try:
        directory, journal = _begin(setting, document, asked)
    except EvidenceNotWritten as error:
        send_unrecorded(setting, document, asked, error)
    try:
        with setting.watching(journal):
            return _sit(setting, document, directory, journal, asked)
    finally:
        journal.close()


def resume_run(
    setting: Setting, name: str, asked: Asked, approvals: Sequence[str | Path | bytes]
) -> RunResult:
    """Replay the journal, look at the world, and go on. Raises like `apply_plan`.

    Where the disk does not give the journal or takes no more of it, moves toward safety still go.
    """
    check_said(asked.said or {})
    refuse_missing(SENDS, setting.environment.environment)
    directory = taken_up(setting, name)
    document = PlanDocument.read(directory.plan())
    refuse_forbidden(setting.environment, document)
    if not directory.journal_path.exists():
        raise not_begun(setting.state, directory)
    try:
        journal = directory.open_journal(setting.clock)
    except JournalBroken as error:
        if error.code not in UNWRITABLE:
            raise
        send_unrecorded(setting, document, asked, error)
    try:
        opened = [one for one in journal.records() if one.kind is RecordKind.OPENED]
        if not opened:
            raise not_begun(setting.state, directory)
        refuse_other_plan(directory, document, opened)
        first = opened[0]
        asked = replace(
            asked,
            only_safe=first.text("mode") == "only-safe",
            break_glass=first.text("break_glass"),
        )
        given, _ = read_approvals(approvals)
        kept = list(directory.approvals())
        for data in given:
            if data not in kept:
                kept.append(data)
                directory.keep_approval(f"approval-{len(kept)}.json", data)
        asked = _with_approvals(setting, document, asked, approvals, kept=tuple(kept))
        try:
            journal.reserve(RESERVE_BYTES)
            _open(setting, document, journal, asked, mode="resumed")
            _mark(setting, document, directory, asked)
        except EvidenceNotWritten as error:
            send_unrecorded(setting, document, asked, error)
        with setting.watching(journal):
            return _sit(setting, document, directory, journal, asked)
    finally:
        journal.close()


def _with_approvals(
    setting: Setting,
    document: PlanDocument,
    asked: Asked,
    given: Sequence[str | Path | bytes],
    *,
    kept: tuple[bytes, ...] | None = None,
) -> Asked:
    """The approvals that can be read, and the first reason why nothing may move users."""
    read, unreadable = read_approvals(given)
    approvals = tuple(read) if kept is None else kept
    problem: RollbackError | None = (
        plan_problem(setting.environment, setting.catalogue, document)
        or approval_problem(setting, document, approvals, read)
        or unreadable
        or attestation_problem(asked.attestations)
    )
    return replace(asked, approvals=approvals, withheld=problem)


def _begin(
    setting: Setting, document: PlanDocument, asked: Asked
) -> tuple[RunDirectory, FileJournal]:
    """A run of its own, with its plan, its approvals and its first record; then the plan is taken.

    In this order, a process that dies in between leaves either a run that nothing was sent in, and
    a plan that can be applied, or a run that can be resumed. Raises EvidenceNotWritten, PlanStale.
    """
    part = part_of(setting.state, document, "", only_safe=asked.only_safe)
    if (before := setting.state.applied_by(document.digest, part=part)) is not None:
        raise _applied(setting, document, before, only_safe=asked.only_safe)
    directory = setting.state.new_run(setting.clock, setting.randomness)
    directory.keep_plan(document.canonical)
    for number, data in enumerate(asked.approvals, start=1):
        directory.keep_approval(f"approval-{number}.json", data)
    journal = directory.create_journal(setting.clock)
    try:
        journal.reserve(RESERVE_BYTES)
        _open(setting, document, journal, asked, mode="full")
        try:
            _mark(setting, document, directory, asked)
        except PlanStale:
            body = facts(exit=ExitStatus.STALE.value)
            journal.append(MAIN, RecordKind.CLOSED, body, durable=True)
            raise
    except BaseException:
        journal.close()
        raise
    return directory, journal


def _applied(
    setting: Setting, document: PlanDocument, before: str, *, only_safe: bool
) -> PlanStale:
    reason = f"this plan was applied before, by run {before}"
    hint = (
        f"see `rollback status {before}`; `rollback resume {before}` goes on with it, "
        "with `--approval FILE` for each signature that it lacks; for anything else make a new plan"
    )
    if only_safe:  # whatever keeps that run from being resumed, it keeps nobody from halting
        hint = f"{hint}; to halt anew: `rollback plan halt-only --out FILE`, and apply that"
    if (why := lost(setting.state, before, document)) is not None:
        reason, hint = f"{reason}, which cannot be resumed: {why.reason}", why.hint
    return PlanStale("plan.applied", reason, hint=hint, promise="same-plan-twice-is-once")


def _mark(setting: Setting, document: PlanDocument, directory: RunDirectory, asked: Asked) -> None:
    state, run = setting.state, directory.run
    part = part_of(state, document, run, only_safe=asked.only_safe)
    state.mark_applied(document.digest, run, setting.clock, part=part)


def _open(
    setting: Setting, document: PlanDocument, journal: FileJournal, asked: Asked, *, mode: str
) -> None:
    plan, withheld = document.plan, asked.withheld
    journal.append(
        MAIN,
        RecordKind.OPENED,
        facts(
            plan=document.digest,
            environment=plan.environment,
            playbook=plan.playbook,
            mode="only-safe" if asked.only_safe else mode,
            break_glass=asked.break_glass,
            by=setting.user,
            incident=plan.incident,
            withheld_code="" if withheld is None else withheld.code,
            withheld="" if withheld is None else withheld.reason,
            withheld_exit=None if withheld is None else withheld_exit(withheld).value,
        ),
        durable=True,
    )


def _sit(
    setting: Setting,
    document: PlanDocument,
    directory: RunDirectory,
    journal: FileJournal,
    asked: Asked,
) -> RunResult:
    """One sitting. Where its journal cannot be written any more, what halts still goes."""
    try:
        return _driven(setting, document, directory, journal, asked)
    except JournalBroken as error:
        if error.code not in UNWRITABLE or all_made(document.plan, journal):
            raise
        send_unrecorded(setting, document, asked, error)


def _driven(
    setting: Setting,
    document: PlanDocument,
    directory: RunDirectory,
    journal: FileJournal,
    asked: Asked,
) -> RunResult:
    plan, environment = document.plan, setting.environment
    sitting = Sitting.of(setting, document, journal, asked, directory.run, directory.path)
    sitting.prove_guard()
    record_people(sitting)
    sitting.say("open", "run", f"{directory.run}; `rollback status {directory.run}` shows it")
    if journal.remark:
        sitting.say("journal", "run", journal.remark)
    if asked.withheld is not None:
        sitting.say("withheld", "run", f"{asked.withheld.code}: {asked.withheld.reason}")
    lease = RunLease(setting, sitting.opener, journal, plan, directory.run)
    sitting.ledger.fenced_by(lease.fence)
    mirror = mirror_of(sitting, directory)
    if mirror is not None:
        sitting.ledger.kept_outside_by(mirror.flush)
        mirror.start()
    performer = sitting.performer(lease)
    moves = any(change.direction is Direction.AWAY for _, change in plan.updates)
    watch = AuthorityWatch(setting, sitting.opener, journal, directory.run, sitting.say)
    try:
        with watch if moves else _Still(), ThreadPool(environment.policy.steps_at_once_max) as pool:
            status = drive_run(
                plan,
                environment,
                performer,
                pool,
                journal,
                setting.clock,
                prove_authority=lambda: prove_authority(
                    setting, sitting.opener, journal, directory.run, "between"
                ),
                take_lease=lease.acquire,
                stopping=asked.stopping or (lambda: False),
            )
    finally:
        lease.release()
        if mirror is not None:
            mirror.stop()
    status = _with_reason(document, status, asked)
    result = result_of(plan, directory, journal, status, mirror.problem if mirror else "")
    result = closed(sitting, directory, journal, result)
    if mirror is not None:
        mirror.stop()  # once more: what was sealed, by its digest
    sitting.log.event("closed", exit_status=result.exit_status, bundle=result.bundle_sha256)
    return result


class _Still:
    """No watch where nothing moves."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def _with_reason(document: PlanDocument, status: int, asked: Asked) -> int:
    """What was withheld, or refused at planning, still ends as that, though its safe parts went."""
    from rollback.running.preflight import refused_exit

    if status != ExitStatus.DONE:
        return status
    if asked.withheld is not None:
        return withheld_exit(asked.withheld).value
    if document.plan.verdict == "refused" and not asked.only_safe:
        return refused_exit(document.plan).value
    return status
