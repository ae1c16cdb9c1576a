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
    PlanStale,
    Refused,
    RollbackError,
)
from rollback.guard.rules.directions import judge_direction
from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.perimeter import perimeter_of
from rollback.loading.files import bytes_of
from rollback.model.direction import Direction
from rollback.model.scope import VerdictKind
from rollback.planning.agreement import PlannedWith, disagreement
from rollback.planning.canonical import canonical, digest, sha256_hex
from rollback.planning.proof.prove import prove
from rollback.wiring import named_files
from rollback.wiring.setting import tool_version
from rollback.wiring.upkeep import evidence_path_of, upkeep_effects

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


def refuse_forbidden(setting: Setting, document: PlanDocument) -> None:
    """Whether anything of this plan may be sent here at all: its environment, and every effect.

    Raises InputError for another environment's plan, Refused for an effect that no rule allows and
    for a plan that is not the document whose digest people sign.
    """
    plan, environment = document.plan, setting.environment
    data = canonical(plan)
    if (data, sha256_hex(data)) != (document.canonical, document.digest):
        raise Refused(
            "plan.edited",
            "the plan is not the one of its bytes and digest: it was edited",
            hint="read the plan file again with PlanDocument.load",
            promise="plan-is-permission",
        )
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
    for step, change in plan.updates:
        denial = judge_direction(change, perimeter)
        if denial is not None:
            raise Refused(
                f"guard.{denial.rule}",
                f"step {step.name}: {denial.reason}",
                hint="make the plan again; nothing was sent",
                promise=denial.promise,
            )


def moves_toward(plan: Plan) -> bool:
    """Whether the plan holds anything that must not be withheld."""
    return any(change.direction is Direction.TOWARD for _, change in plan.updates)


def plan_problem(setting: Setting, document: PlanDocument) -> RollbackError | None:
    """Why this plan is not what was made with this environment; None where it is. Never raises.

    A defect, of an action that plans once more or of ours, withholds what moves users and no halt.
    """
    try:
        return _not_as_made(setting, document)
    except Exception as error:  # noqa: BLE001 - said above
        return Refused(
            "plan.not-judged",
            f"whether this plan is as it was made cannot be told ({type(error).__name__})",
            hint="make the plan again; where that ends likewise, an action has a bug",
            promise="fail-closed",
        )


def _not_as_made(setting: Setting, document: PlanDocument) -> RollbackError | None:
    plan, environment = document.plan, setting.environment
    if plan.environment_digest != digest(environment):
        return PlanStale(
            "plan.environment-changed",
            "the environment file is not the one this plan was made with",
            hint="make the plan again",
        )
    path = evidence_path_of(plan)
    made_with = PlannedWith(
        environment, setting.catalogue, upkeep_effects(environment, path), path
    )
    if field := disagreement(plan, made_with):
        return Refused(
            "plan.not-as-planned",
            f"what the plan says of its {field} does not follow from what was observed, its steps "
            "and its environment",
            hint=_who_made_it(plan),
            promise="fail-closed",
        )
    if prove(plan.steps, plan.observations, environment, plan.authority) != plan.proof:
        return Refused(
            "plan.certificate",
            "the certificate in the plan is not what the proof of these steps gives",
            hint="make the plan again",
            promise="fail-closed",
        )
    return None


def _who_made_it(plan: Plan) -> str:
    here = tool_version()
    if plan.tool_version != here:
        return (
            f"make the plan again with {here}, which is installed here: this one was made with "
            f"{plan.tool_version}"
        )
    return "make the plan again, and ask who edited this one"


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
    setting: Setting, document: PlanDocument, approvals: Sequence[bytes]
) -> RollbackError | None:
    """Whether people signed other bytes than these, or nobody can tell who signed."""
    try:
        problems = checked_approvals(setting, document, approvals).problems
    except RollbackError as error:
        return ApprovalMissing(error.code, error.reason, hint=error.hint, promise="fail-closed")
    if any(problem.code == "approval.wrong-plan" for problem in problems):
        return Refused(
            "plan.not-what-was-signed",
            "an approval was given for another plan than this one; one of them was edited",
            hint="show the plan to the approvers again",
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
