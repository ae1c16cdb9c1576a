"""What people gave a sitting, as records: approvals, attestations, words about unknown writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import InputError, RollbackError
from rollback.model.base import facts, rfc3339
from rollback.model.direction import Direction
from rollback.model.record import RecordKind
from rollback.wiring.withheld import checked_approvals, read_attestations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rollback.model.plan import Plan
    from rollback.model.ports import Journal
    from rollback.wiring.sitting import Sitting

MAIN = "run"


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
    from rollback.approval.file import read_approval
    from rollback.approval.statement import read_statement

    setting, document, journal = sitting.setting, sitting.document, sitting.journal
    first_move = _first_move(document.plan, journal)
    approvals = sitting.asked.approvals
    try:
        check = checked_approvals(setting, document, approvals, first_move)
        expiries: dict[str, str] = {}
        for data in approvals:
            for principal, _ in checked_approvals(setting, document, [data], first_move).accepted:
                until = rfc3339(read_statement(read_approval(data).statement).expires)
                expiries[principal] = max(expiries.get(principal, ""), until)
    except RollbackError as error:
        body = facts(code=error.code, problem=error.reason)
        journal.append(MAIN, RecordKind.APPROVED, body, durable=False)
        return
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
