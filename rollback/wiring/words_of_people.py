"""What people gave a sitting, as records: approvals, attestations, words about unknown writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rollback.errors import InputError, RollbackError
from rollback.model.base import facts, rfc3339
from rollback.model.direction import Direction
from rollback.model.journal import MAIN
from rollback.model.record import RecordKind
from rollback.planning.canonical import sha256_hex
from rollback.wiring.withheld import checked_approvals, read_attestations, signers_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rollback.approval.verify import ApprovalCheck
    from rollback.model.plan import Plan
    from rollback.model.ports import Journal
    from rollback.wiring.plan_document import PlanDocument
    from rollback.wiring.setting import Setting
    from rollback.wiring.sitting import Sitting

SIGNERS_MAX: Final = 8
"""Lines of allowed signers that one record keeps; a key has one, or one a team."""


def record_people(sitting: Sitting) -> None:
    """One record an approval that counts, a rejection, a problem, an attestation, a word."""
    _record_approvals(sitting)
    if sitting.asked.withheld is None or not sitting.asked.withheld.code.startswith(
        "approval.attestation"
    ):
        for about, person, attested in read_attestations(sitting.asked.attestations):
            body = facts(about=about, person=person, statement=attested)
            sitting.journal.append(MAIN, RecordKind.ATTESTED, body, durable=True)
    for effect, outcome in (sitting.asked.said or {}).items():
        body = facts(effect=effect, outcome=outcome, person=sitting.setting.user)
        sitting.journal.append(MAIN, RecordKind.SAID, body, durable=True)


def check_said(said: Mapping[str, str]) -> None:
    """Raises InputError where a person's word is neither ``applied`` nor ``not-applied``."""
    for outcome in said.values():
        if outcome not in ("applied", "not-applied"):
            raise InputError(
                "resume.said",
                f"{outcome!r} is not an outcome",
                hint="say EFFECT=applied or EFFECT=not-applied, after looking",
            )


def _first_move(plan: Plan, journal: Journal) -> datetime | None:
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


def _record_approvals(sitting: Sitting) -> None:
    setting, document, journal = sitting.setting, sitting.document, sitting.journal
    first_move = _first_move(document.plan, journal)
    approvals = sitting.asked.approvals
    try:
        check = checked_approvals(setting, document, approvals, first_move)
        given = [_given(setting, document, data, first_move) for data in approvals]
    except RollbackError as error:
        body = facts(code=error.code, problem=error.reason)
        journal.append(MAIN, RecordKind.APPROVED, body, durable=False)
        return
    for principal, fingerprint in check.accepted:
        own = [one for one in given if (principal, fingerprint) in one.check.accepted]
        until = max((one.expires for one in own), default="")
        journal.append(
            MAIN,
            RecordKind.APPROVED,
            facts(
                principal=principal,
                key=fingerprint,
                decision="approve",
                # Once users moved, an expiry never parts a revert from its restore.
                expires="" if first_move is not None else until,
                **_shown(own),
            ),
            durable=False,
        )
    for principal in check.rejected_by:
        own = [one for one in given if principal in one.check.rejected_by]
        body = facts(principal=principal, decision="reject", **_shown(own))
        journal.append(MAIN, RecordKind.APPROVED, body, durable=False)
    for problem in check.problems:
        body = facts(code=problem.code, problem=problem.reason)
        journal.append(MAIN, RecordKind.APPROVED, body, durable=False)


@dataclass(frozen=True, slots=True)
class _Given:
    """One approval file on its own. signers: the lines of allowed signers that know its key."""

    check: ApprovalCheck
    sha256: str
    expires: str = ""
    signers: tuple[str, ...] = ()


def _given(
    setting: Setting, document: PlanDocument, data: bytes, first_move: datetime | None
) -> _Given:
    from rollback.approval.allowed_signers import lines_for
    from rollback.approval.file import read_approval
    from rollback.approval.sshsig import read_signature
    from rollback.approval.statement import NAMESPACE, read_statement

    check = checked_approvals(setting, document, [data], first_move)
    digest = sha256_hex(data)
    if not check.accepted and not check.rejected_by:
        return _Given(check, digest)
    file = read_approval(data)
    key, at = read_signature(file.signature).key, first_move or setting.clock.now()
    lines = lines_for(signers_text(setting), key, NAMESPACE, at)
    return _Given(check, digest, rfc3339(read_statement(file.statement).expires), lines)


def _shown(own: list[_Given]) -> dict[str, tuple[str, ...]]:
    """What a record keeps, so that a stranger can check it again: which files, whom it trusted."""
    lines = dict.fromkeys(line for one in own for line in one.signers)
    return {
        "files": tuple(sorted({one.sha256 for one in own})),
        "signers": tuple(lines)[:SIGNERS_MAX],
    }
