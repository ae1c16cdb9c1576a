"""Apply a plan, or go on with a run: parts are put together, the loop drives, the end is sealed."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.connectors.clients import GuardedClients, Parts
from rollback.errors import (
    ApprovalMissing,
    ExitStatus,
    GuardRefusal,
    InputError,
    PlanStale,
    Refused,
    RollbackError,
)
from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.wire.canaries import own_carriers, plant
from rollback.model.base import facts, rfc3339
from rollback.model.direction import Direction
from rollback.model.environment import S3Store
from rollback.model.record import RecordKind
from rollback.model.scope import Phase, Scope, VerdictKind
from rollback.planning.canonical import digest
from rollback.planning.proof.prove import prove
from rollback.running.latch import JournalLatch
from rollback.running.ledger import Ledger
from rollback.running.loop import drive_run
from rollback.running.perform import Performer
from rollback.running.pool import ThreadPool
from rollback.running.state import fold
from rollback.wiring.authority import AuthorityWatch, prove_authority
from rollback.wiring.leases import RunLease
from rollback.wiring.plan_document import PlanDocument
from rollback.wiring.run_result import RunResult
from rollback.wiring.scopes import JournalledExchanges, MemoryLatch, Opener

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from rollback.approval.verify import ApprovalCheck
    from rollback.model.plan import Plan
    from rollback.running.journal import FileJournal
    from rollback.running.perform import People
    from rollback.running.store import RunDirectory
    from rollback.wiring.operator import Setting

MAIN = "run"
RESERVE_BYTES = 1 << 20
"""Disk kept back at the start, so that moves toward safety can be recorded when it is full."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a run is to go."""

    approvals: Sequence[str | Path | bytes] = ()
    only_safe: bool = False
    break_glass: str = ""
    attestations: Mapping[str, str] | None = None
    said: Mapping[str, str] | None = None
    people: People | None = None
    progress: Callable[[str, str, str], None] | None = None
    stopping: Callable[[], bool] | None = None


class Nobody:
    """Where nobody can be asked."""

    def attest(self, about: str, statement: str) -> tuple[str, str] | None:
        """Nobody answers."""
        del about, statement
        return None


def apply_plan(  # noqa: PLR0913 - how a run is to go, each by its name
    setting: Setting,
    document: PlanDocument,
    *,
    approvals: Sequence[str | Path | bytes],
    only_safe: bool,
    break_glass: str,
    attestations: Mapping[str, str],
    people: People | None,
    progress: Callable[[str, str, str], None] | None,
    stopping: Callable[[], bool] | None,
) -> RunResult:
    """Apply a plan once. Raises before anything is sent: InputError (another environment's plan),
    Refused (edited), PlanStale (applied before); everything later is in the result.
    """  # noqa: D205
    asked = Asked(
        _read_approvals(approvals),
        only_safe,
        break_glass,
        attestations,
        {},
        people,
        progress,
        stopping,
    )
    _attested(asked)
    check_plan(setting, document)
    part = "only-safe" if only_safe else "plan"
    if (before := setting.state.applied_by(document.digest, part=part)) is not None:
        raise PlanStale(
            "plan.applied",
            f"this plan was applied before, by run {before}",
            hint=f"see `rollback status {before}`; for anything else make a new plan",
            promise="same-plan-twice-is-once",
        )
    _refuse_foreign_approvals(setting, document, asked)
    directory = setting.state.new_run(setting.clock, setting.randomness)
    directory.keep_plan(document.canonical)
    setting.state.mark_applied(document.digest, directory.run, setting.clock, part=part)
    for number, data in enumerate(asked.approvals, start=1):
        if isinstance(data, bytes):
            directory.keep_approval(f"approval-{number}.json", data)
    journal = directory.create_journal(setting.clock)
    try:
        journal.reserve(RESERVE_BYTES)
        return _sit(setting, document, directory, journal, asked, mode="full")
    finally:
        journal.close()


def resume_run(
    setting: Setting,
    name: str,
    *,
    said: Mapping[str, str],
    approvals: Sequence[str | Path | bytes],
    attestations: Mapping[str, str],
    people: People | None,
    progress: Callable[[str, str, str], None] | None,
    stopping: Callable[[], bool] | None,
) -> RunResult:
    """Replay the journal, look at the world, and go on."""
    directory = setting.state.find(name)
    document = PlanDocument.read(directory.plan())
    check_plan(setting, document)
    kept = list(directory.approvals())
    for data in _read_approvals(approvals):
        if data not in kept:
            kept.append(data)
            directory.keep_approval(f"approval-{len(kept)}.json", data)
    journal = directory.open_journal(setting.clock)
    try:
        opened = [one for one in journal.records() if one.kind is RecordKind.OPENED]
        first = opened[0] if opened else None
        asked = Asked(
            kept,
            first is not None and first.text("mode") == "only-safe",
            "" if first is None else first.text("break_glass"),
            attestations,
            said,
            people,
            progress,
            stopping,
        )
        journal.reserve(RESERVE_BYTES)
        return _sit(setting, document, directory, journal, asked, mode="resumed")
    finally:
        journal.close()


def check_plan(setting: Setting, document: PlanDocument) -> None:
    """Whether this plan may be looked at here at all: environment, effects, certificate."""
    plan, environment = document.plan, setting.environment
    if plan.environment != environment.environment:
        raise InputError(
            "plan.other-environment",
            f"this plan is for {plan.environment}, not for {environment.environment}",
            hint=f"name the environment file of {plan.environment}, or make a plan for this one",
        )
    perimeter = perimeter_of(environment)
    for effect in plan.effects:
        verdict = judge_effect(effect, perimeter, environment)
        if verdict.kind is not VerdictKind.ALLOW:
            raise Refused(
                f"guard.{verdict.rule}",
                f"effect {effect.id}: {'; '.join(verdict.reasons)}",
                hint="make the plan again; nothing was sent",
                promise=verdict.promise or "no-control-plane-rewrite",
            )
    if plan.environment_digest != digest(environment):
        raise PlanStale(
            "plan.environment-changed",
            "the environment file is not the one this plan was made with",
            hint="make the plan again",
        )
    proof = prove(plan.steps, plan.observations, environment, plan.authority)
    if proof != plan.proof:
        raise Refused(
            "plan.certificate",
            "the certificate in the plan is not what the proof of these steps gives",
            hint="make the plan again; nothing was sent",
            promise="fail-closed",
        )


def _read_approvals(given: Sequence[str | Path | bytes]) -> list[bytes]:
    read: list[bytes] = []
    for one in given:
        if isinstance(one, bytes):
            read.append(one)
            continue
        try:
            read.append(Path(one).read_bytes())
        except OSError as error:
            raise InputError(
                "approval.unreadable",
                f"{one} cannot be read: {error.strerror}",
                hint="name the file that `rollback approve` wrote",
            ) from error
    return read


def _signers(setting: Setting) -> str:
    named = setting.environment.approvals.allowed_signers
    if named is None:
        return ""
    path = Path(setting.environment.base) / named
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _first_move(plan: Plan, journal: FileJournal) -> datetime | None:
    """When this run first sent something that moves users away from safety; None while not."""
    away = {
        effect.id
        for _, change in plan.updates
        if change.direction is Direction.AWAY
        for effect in change.effects
    }
    return next(
        (
            record.at
            for record in journal.records()
            if record.kind is RecordKind.INTENT and record.text("effect") in away
        ),
        None,
    )


def _check_approvals(
    setting: Setting, document: PlanDocument, asked: Asked, first_move: datetime | None = None
) -> ApprovalCheck:
    from rollback.approval.verify import check_approvals

    plan = document.plan
    return check_approvals(
        document.digest,
        plan.environment,
        [one for one in asked.approvals if isinstance(one, bytes)],
        _signers(setting),
        first_move or setting.clock.now(),
        needed=plan.approvals.count,
        outlast_s=0 if first_move is not None else plan.duration_s_max,
        lasts_s_max=setting.environment.approvals.age_s_max or None,
    )


def _refuse_foreign_approvals(setting: Setting, document: PlanDocument, asked: Asked) -> None:
    """People signed other bytes: this plan is not what they saw, so nothing of it is sent."""
    for problem in _check_approvals(setting, document, asked).problems:
        if problem.code == "approval.wrong-plan":
            raise Refused(
                "plan.not-what-was-signed",
                "an approval was given for another plan than this one; one of them was edited",
                hint="show the plan to the approvers again; nothing was sent",
                promise="plan-is-permission",
            )


def _emergency(line: str) -> None:
    """The intent of a move toward safety that no journal takes."""
    sys.stderr.write(f"{line}\n")


def _sit(
    setting: Setting,
    document: PlanDocument,
    directory: RunDirectory,
    journal: FileJournal,
    asked: Asked,
    *,
    mode: str,
) -> RunResult:
    plan, environment = document.plan, setting.environment
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
        ),
        durable=True,
    )
    ledger = Ledger(plan, journal, emergency=_emergency)
    latch = JournalLatch(journal)
    evidence = str(setting.state.root / "evidence" / plan.nonce)
    from rollback.wiring.evidence import sink_for

    parts = Parts(
        environment=environment,
        secrets=setting.secrets,
        clock=setting.clock,
        randomness=setting.randomness,
        digest_key=setting.randomness.hex(32).encode(),
    )
    parts = replace(
        parts, sink=sink_for(setting, ledger, lambda wire: GuardedClients(wire, parts).s3())
    )
    opener = Opener(environment, parts, ledger, latch, JournalledExchanges(journal), setting.clock)
    _canaries(setting, opener, journal, directory.run)
    _record_people(setting, document, journal, asked)
    _record_said(journal, setting, asked)

    def said(kind: str, step: str, text: str) -> None:
        if asked.progress is not None:
            asked.progress(kind, step, setting.secrets.redact(text))

    lease = RunLease(setting, opener, journal, plan, directory.run)
    performer = Performer(
        plan=plan,
        environment=environment,
        catalogue=setting.catalogue,
        clients=opener,
        close=opener.close,
        journal=journal,
        ledger=ledger,
        clock=setting.clock,
        people=asked.people or Nobody(),
        progress=said,
        lease_problem=lease.check,
        run=directory.run,
        evidence_path=evidence,
    )
    moves = any(change.direction is Direction.AWAY for _, change in plan.updates)
    if moves and plan.verdict == "applicable" and not asked.only_safe:
        lease.acquire()
    watch = AuthorityWatch(setting, opener, journal, directory.run, said)
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
                    setting, opener, journal, directory.run, "between"
                ),
                stopping=asked.stopping or (lambda: False),
            )
    finally:
        lease.release()
    status = _without_reason(plan, status, asked)
    result = _result(plan, directory, journal, status)
    bundle = _sealed(setting, document, directory, journal, opener, evidence, result, said)
    return replace(result, bundle_path=bundle)


class _Still:
    """No watch where nothing moves."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def _without_reason(plan: Plan, status: int, asked: Asked) -> int:
    """A refused plan that was applied for its safe parts still ends as refused."""
    from rollback.running.preflight import refused_exit

    if status == ExitStatus.DONE and plan.verdict == "refused" and not asked.only_safe:
        return refused_exit(plan).value
    return status


def _canaries(setting: Setting, opener: Opener, journal: FileJournal, run: str) -> None:
    """Forbidden requests through the very transports that will be used (promise fail-closed)."""
    wire = opener.wire(Scope(run=run, step="canaries", phase=Phase.APPLY), MemoryLatch())
    try:
        results = plant(wire, setting.environment, own_carriers(wire))
    except GuardRefusal as error:
        body = facts(all_caught=False, caught=0, problem=error.reason)
        journal.append(MAIN, RecordKind.CANARIES, body, durable=True)
        raise
    body = facts(
        all_caught=all(one.caught for one in results),
        caught=len(results),
        kinds=tuple(sorted({f"{one.kind} in {one.carrier}" for one in results})),
    )
    journal.append(MAIN, RecordKind.CANARIES, body, durable=False)


def _record_people(
    setting: Setting, document: PlanDocument, journal: FileJournal, asked: Asked
) -> None:
    from rollback.approval.file import read_approval
    from rollback.approval.statement import read_statement

    first_move = _first_move(document.plan, journal)
    check = _check_approvals(setting, document, asked, first_move)
    expiries: dict[str, str] = {}
    for data in asked.approvals:
        if not isinstance(data, bytes):
            continue
        alone = _check_approvals(setting, document, replace(asked, approvals=[data]), first_move)
        for principal, _ in alone.accepted:
            until = rfc3339(read_statement(read_approval(data).statement).expires)
            expiries[principal] = max(expiries.get(principal, ""), until)
    for principal, fingerprint in check.accepted:
        journal.append(
            MAIN,
            RecordKind.APPROVED,
            facts(
                principal=principal,
                key=fingerprint,
                decision="approve",
                # Once users moved, an expiry never parts a revert from its restore.
                expires="" if first_move is not None else expiries.get(principal, ""),
            ),
            durable=False,
        )
    for principal in check.rejected_by:
        body = facts(principal=principal, decision="reject")
        journal.append(MAIN, RecordKind.APPROVED, body, durable=False)
    for problem in check.problems:
        body = facts(code=problem.code, problem=problem.reason)
        journal.append(MAIN, RecordKind.APPROVED, body, durable=False)
    for about, person, attested in _attested(asked):
        body = facts(about=about, person=person, statement=attested)
        journal.append(MAIN, RecordKind.ATTESTED, body, durable=True)


def _attested(asked: Asked) -> list[tuple[str, str, str]]:
    """(about, person, words) of every attestation. Raises ApprovalMissing for another form."""
    read = []
    for about, words in (asked.attestations or {}).items():
        person, _, attested = words.partition(":")
        if not person.strip() or not attested.strip():
            raise ApprovalMissing(
                "approval.attestation-form",
                "an attestation names a person and what they attest, like 'dana: halted at venue'",
                hint="give --attest ABOUT='NAME: WORDS'; nothing was sent",
            )
        read.append((about, person.strip(), attested.strip()))
    return read


def _record_said(journal: FileJournal, setting: Setting, asked: Asked) -> None:
    for effect, outcome in (asked.said or {}).items():
        if outcome not in ("applied", "not-applied"):
            raise InputError(
                "resume.said",
                f"{outcome!r} is not an outcome",
                hint="say EFFECT=applied or EFFECT=not-applied, after looking",
            )
        body = facts(effect=effect, outcome=outcome, person=setting.user)
        journal.append(MAIN, RecordKind.SAID, body, durable=True)


def _sealed(  # noqa: PLR0917 - everything a bundle is made of
    setting: Setting,
    document: PlanDocument,
    directory: RunDirectory,
    journal: FileJournal,
    opener: Opener,
    evidence: str,
    result: RunResult,
    said: Callable[[str, str, str], None],
) -> str:
    """Seal what there is; a bundle that cannot be sealed changes no outcome and is said."""
    from rollback.wiring.bundle import seal_run

    store = setting.environment.evidence.store
    clients = opener(Scope(run=directory.run, step="seal-bundle", phase=Phase.OBSERVE))

    def from_bucket(name: str) -> bytes | None:
        if not isinstance(store, S3Store):
            return None
        found = clients.s3().get(f"{store.prefix}chunks/{name}")
        return None if found is None else found[0]

    try:
        return seal_run(
            setting, document, directory, journal, evidence, result.next_moves, from_bucket
        )
    except RollbackError as error:
        said("not sealed", "bundle", str(error))
        return ""
    finally:
        opener.close(clients)


def _result(plan: Plan, directory: RunDirectory, journal: FileJournal, status: int) -> RunResult:
    state = fold(plan, journal.records())
    steps = tuple(
        (step.name, state.step(step.name).status.value, state.step(step.name).reason)
        for step in plan.steps
    )
    return RunResult(
        run=directory.run,
        exit_status=status,
        steps=steps,
        exposures=plan.exposures,
        next_moves=tuple(_next_moves(plan, directory.run, steps, status)),
        bundle_path="",
        journal_path=str(directory.journal_path),
    )


def _next_moves(
    plan: Plan, run: str, steps: tuple[tuple[str, str, str], ...], status: int
) -> list[str]:
    moves = [one.next_move for step in plan.steps for one in step.refused]
    moves.extend(
        f"{surface.surface} is not rolled back: {surface.human_step}"
        for surface in plan.not_rolled_back
    )
    if status == ExitStatus.PERSON:
        open_ = [name for name, ended, _ in steps if ended in ("unknown", "failed", "handed-over")]
        moves.append(
            f"look at {', '.join(open_)}; then `rollback resume {run}`, or say what you saw with "
            "--said EFFECT=applied|not-applied"
        )
    elif status == ExitStatus.INTERRUPTED:
        moves.append(f"`rollback resume {run}` goes on")
    elif status == ExitStatus.APPROVAL:
        moves.append("have the plan signed with `rollback approve`, then make and apply it again")
    elif status == ExitStatus.AUTHORITY:
        moves.append("halt trading at the venue or broker; nothing that moves users is sent")
    return moves
