"""What withholds a plan's moves away from safety before anything is sent, and never its halts.

An approval that cannot be read or is for other bytes, an environment file that changed, a
certificate that does not agree: each says that this plan is not what people agreed to, or that
nobody can tell. Moves toward safety wait for nothing but the guard, so they go all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.approval.verify import check_approvals
from rollback.errors import (
    ApprovalMissing,
    ExitStatus,
    InputError,
    Refused,
    RollbackError,
)
from rollback.loading.files import bytes_of
from rollback.model.direction import Direction
from rollback.wiring import named_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from rollback.approval.verify import ApprovalCheck
    from rollback.model.plan import Plan
    from rollback.wiring.plan_document import PlanDocument
    from rollback.wiring.setting import Setting


APPROVAL_BYTES_MAX = 1 << 20
"""Largest approval file that is read."""


def moves_toward(plan: Plan) -> bool:
    """Whether the plan holds anything that must not be withheld."""
    return any(change.direction is Direction.TOWARD for _, change in plan.updates)


def read_approvals(given: Sequence[str | Path | bytes]) -> tuple[list[bytes], InputError | None]:
    """The approval files that can be read, and the first complaint about one that cannot."""
    read: list[bytes] = []
    problem: InputError | None = None
    for one in given:
        if isinstance(one, bytes):
            read.append(one)
            continue
        try:
            read.append(bytes_of(one, APPROVAL_BYTES_MAX))
        except (OSError, ValueError) as error:
            problem = problem or _unreadable(one, getattr(error, "strerror", None) or str(error))
    return read, problem


def _unreadable(one: str | Path, why: str) -> InputError:
    return InputError(
        "approval.unreadable",
        f"approval {one} cannot be read: {why}",
        hint="name the file that `rollback approve` wrote",
    )


def signers_text(setting: Setting) -> str:
    """The allowed-signers file; empty where none is named or it cannot be read: nobody counts."""
    try:
        return named_files.signers_text(setting.environment)
    except (OSError, ValueError):
        return ""


def revoked_text(setting: Setting) -> str:
    """The list of revoked keys. Raises InputError where one is named and nobody can read it."""
    try:
        return named_files.revoked_text(setting.environment)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(
            "approval.revoked-keys",
            f"the revoked keys in {setting.environment.approvals.revoked_keys} cannot be read: "
            f"{why}; no approval counts while nobody can tell whose key was revoked",
            hint="mend the file that approvals.revoked_keys names, then `rollback resume RUN`",
        ) from error


def checked_approvals(
    setting: Setting,
    document: PlanDocument,
    approvals: Sequence[bytes],
    first_move: datetime | None = None,
) -> ApprovalCheck:
    """Approvals held against the plan, at the time of its first move away from safety.

    Raises InputError where signers or revoked keys are not in their form.
    """
    plan = document.plan
    return check_approvals(
        document.digest,
        plan.environment,
        list(approvals),
        signers_text(setting),
        first_move or setting.clock.now(),
        needed=plan.approvals.count,
        outlast_s=0 if first_move is not None else plan.duration_s_max,
        lasts_s_max=setting.environment.approvals.age_s_max or None,
        revoked=revoked_text(setting),
    )


def approval_problem(
    setting: Setting,
    document: PlanDocument,
    approvals: Sequence[bytes],
    given: Sequence[bytes] | None = None,
) -> RollbackError | None:
    """Whether people signed other bytes than these, or nobody can tell who signed.

    given: those of this sitting; None is all of them. One of another plan that a sitting before
    was given by a slip counts for nothing, and blocks the run no longer.
    """
    try:
        checked_approvals(setting, document, approvals)
        new = approvals if given is None else given
        problems = checked_approvals(setting, document, new).problems
    except RollbackError as error:
        return ApprovalMissing(error.code, error.reason, hint=error.hint, promise="fail-closed")
    other = next((one for one in problems if one.code == "approval.wrong-plan"), None)
    if other is not None:
        return Refused(
            "plan.not-what-was-signed",
            f"approval {other.file} does not belong to this plan: {other.reason}; go on without "
            "it, or, if it was given for this plan, one of the two was edited",
            hint="give the signatures of this plan alone; `rollback show PLAN` says its digest",
            promise="plan-is-permission",
        )
    return None


def read_attestations(given: Mapping[str, str] | None) -> list[tuple[str, str, str]]:
    """(about, person, words) of every attestation. Raises ApprovalMissing for another form."""
    read = []
    for about, words in (given or {}).items():
        person, _, attested = words.partition(":")
        if not person.strip() or not attested.strip():
            raise ApprovalMissing(
                "approval.attestation-form",
                "an attestation names a person and what they attest, like 'dana: halted at venue'",
                hint="give --attest ABOUT='NAME: WORDS'",
            )
        read.append((about, person.strip(), attested.strip()))
    return read


def attestation_problem(given: Mapping[str, str] | None) -> RollbackError | None:
    """Whether an attestation is not one."""
    try:
        read_attestations(given)
    except ApprovalMissing as error:
        return error
    return None


def withheld_exit(problem: RollbackError) -> ExitStatus:
    """With halts gone out, what is left of an unreadable approval is a missing approval."""
    if problem.exit_status is ExitStatus.USAGE:
        return ExitStatus.APPROVAL
    return problem.exit_status
