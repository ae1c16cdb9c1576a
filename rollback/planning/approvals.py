"""How many people must sign before the first move away from safety, and why so many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.authority import Verdict
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.environment import Kind
from rollback.model.plan import ApprovalsNeeded

if TYPE_CHECKING:
    from rollback.model.authority import AuthorityJudgement
    from rollback.model.change import Finding
    from rollback.model.environment import Environment
    from rollback.model.plan import PlannedStep

_BY_KIND = {Kind.PRODUCTION: 2, Kind.STAGING: 1, Kind.REHEARSAL: 1}

ONE_MORE = {
    "authority.weak": "the proof of halt authority is weak",
    "release.schema-undeclared": "the release does not declare which control schema it reads",
}
"""Findings that ask for one more approver; the number rises by one however many there are."""


def approvals_needed(
    environment: Environment,
    steps: tuple[PlannedStep, ...],
    findings: tuple[Finding, ...],
    judgements: tuple[AuthorityJudgement, ...],
) -> ApprovalsNeeded:
    """None for moves toward safety; else what the environment's policy demands."""
    if not any(step.direction is Direction.AWAY for step in steps):
        return ApprovalsNeeded(count=0, reasons=("nothing moves away from safety",))
    configured = environment.approvals.required
    count = _BY_KIND[environment.kind] if configured is None else configured
    if environment.kind is Kind.PRODUCTION:
        count = max(count, _BY_KIND[Kind.PRODUCTION])
    moves = any(
        isinstance(change, Update) and change.moves_users
        for step in steps
        for change in step.changes
    )
    what = "users are moved" if moves else "something moves away from safety"
    reasons = [f"{what} in {environment.environment} ({environment.kind.value})"]
    raised = sorted({finding.code for finding in findings} & ONE_MORE.keys())
    if raised:
        count += 1
        reasons.append(f"one more, because {' and '.join(ONE_MORE[code] for code in raised)}")
    lost = any(
        one.slot == "production" and one.verdict is not Verdict.RETAINED for one in judgements
    )
    words = {
        change.word
        for step in steps
        for change in step.changes
        if isinstance(change, Update) and change.word
    }
    return ApprovalsNeeded(
        count=count, reasons=tuple(reasons), attestation=lost, words=tuple(sorted(words))
    )
