"""Whether an update may go now. By direction: toward safety waits for nothing but the guard. Pure.

Each block names its code, its reason and the exit status a run ends with because of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.errors import ExitStatus
from rollback.model.authority import Verdict
from rollback.model.durations import spoken

if TYPE_CHECKING:
    from datetime import datetime

    from rollback.model.change import Update
    from rollback.model.environment import Environment
    from rollback.model.plan import Plan
    from rollback.running.state import AuthoritySeen, RunState


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a move away from safety may not go. exit None: asked for, so no failure."""

    code: str
    reason: str
    exit: ExitStatus | None


@dataclass(frozen=True, slots=True)
class Prove:
    """Authority has to be asked again first."""


@dataclass(frozen=True, slots=True)
class AskLease:
    """The lease has to be asked for first: only what moves away from safety needs one."""


ATTESTATION = "halt-outside"


def planned_exit(plan: Plan) -> ExitStatus:
    """The exit status of making a refused plan: as `refused_exit`, but for two that name the cause.

    2 where a secret that a step needs is not set, whatever came of that; 1 where an action failed,
    and neither the guard nor the proof said no.
    """
    codes = [refusal.code for step in plan.steps for refusal in step.refused]
    if "secret.missing" in codes:
        return ExitStatus.USAGE
    judged = not plan.proof.holds or any(code.startswith("guard.") for code in codes)
    status = refused_exit(plan)
    if status is ExitStatus.REFUSED and not judged:
        defective = any(code.startswith("action.") for code in codes)
        return ExitStatus.DEFECT if defective else status
    return status


def refused_exit(plan: Plan) -> ExitStatus:
    """The exit status of a refused plan: 7 when halt authority is why, 12 a lease, else 3."""
    codes = [refusal.code for step in plan.steps for refusal in step.refused]
    authority = any(code.startswith("authority.") for code in codes) or plan.proof.broken in (
        "authority-before-move",
        "no-step-reduces-authority",
    )
    if not authority and any(code.startswith("lease.") for code in codes):
        return ExitStatus.LEASE
    return ExitStatus.AUTHORITY if authority else ExitStatus.REFUSED


def may_move_away(
    plan: Plan, environment: Environment, state: RunState, change: Update, now: datetime
) -> Blocked | Prove | AskLease | None:
    """None when the update may go now; numbered as the checks are made."""
    # 1. The guard said no to something in this run: nothing more moves.
    if state.refused:
        return Blocked(
            "guard.refused",
            f"the guard refused a request ({state.refused})",
            ExitStatus.REFUSED,
        )
    # 2. Only the safe parts were asked for.
    if state.only_safe:
        return Blocked("only-safe", "only moves toward safety were asked for", None)
    # 3. This is not what people agreed to, or nobody can tell; and a refused plan. Safe parts go.
    code, why_withheld, exit_ = state.withheld
    if code:
        return Blocked(code, why_withheld, ExitStatus(exit_))
    if plan.verdict == "refused":
        first = next((one for step in plan.steps for one in step.refused), None)
        why = plan.proof.broken if first is None else f"{first.code}: {first.reason}"
        return Blocked("plan.refused", f"the plan was refused ({why})", refused_exit(plan))
    # 4. People.
    if (people := _people(plan, state, change, now)) is not None:
        return people
    # 5. Age, at the first move only: an expiry never parts a revert from its restore.
    if not state.moved_away and now >= plan.expires:
        return Blocked(
            "plan.expired",
            f"the plan expired at {plan.expires.isoformat()}",
            ExitStatus.STALE,
        )
    # 6. The lease, asked for here and not sooner: a slow store must not hold up a halt.
    if not state.lease_asked:
        return AskLease()
    if not state.leased:
        return Blocked(
            "lease.not-held",
            state.lease_problem or "the lease is not held",
            ExitStatus.LEASE,
        )
    # 7. Authority: lost is final for this run; otherwise fresh proof, or ask again.
    if state.authority_lost:
        return Blocked("authority.lost", state.authority_lost, ExitStatus.AUTHORITY)
    return _authority(plan, environment, state, change, now)


def _people(plan: Plan, state: RunState, change: Update, now: datetime) -> Blocked | None:
    if state.rejected_by:
        return Blocked(
            "approval.rejected",
            f"{state.rejected_by} rejected this plan",
            ExitStatus.APPROVAL,
        )
    if not state.break_glass:
        live = {
            principal
            for principal, until in state.approvals
            if state.moved_away or until is None or now < until
        }
        if len(live) < plan.approvals.count:
            code, problem = state.approval_problem
            said = f"; {problem}" if problem else ""
            return Blocked(
                code or "approval.missing",
                f"{len(live)} of {plan.approvals.count} approvals{said}",
                ExitStatus.APPROVAL,
            )
    if plan.approvals.attestation and ATTESTATION not in state.attested:
        return Blocked(
            "approval.attestation",
            "a named person must attest that trading is halted outside the platform",
            ExitStatus.APPROVAL,
        )
    # Who attests a halt at the venue has said that trading is halted.
    if change.word and not {change.word, ATTESTATION} & state.attested:
        return Blocked(
            "approval.attestation",
            f"a named person must attest that trading is halted before {change.summary}: "
            f"--attest {change.word}='NAME: WORDS'",
            ExitStatus.APPROVAL,
        )
    return None


def _authority(
    plan: Plan, environment: Environment, state: RunState, change: Update, now: datetime
) -> Blocked | Prove | None:
    halt = environment.halt_authority
    production = state.last_authority("production")

    def fresh(seen: AuthoritySeen | None) -> bool:
        # What was seen in the future was seen before the clock was set back: of unknown age.
        return seen is not None and 0 <= (now - seen.at).total_seconds() <= halt.age_s_max

    def too_slow(slot: str) -> bool:
        last = [one for one in state.authority if one.slot == slot][-halt.probes_lost :]
        return len(last) == halt.probes_lost and all(one.took_s > halt.age_s_max for one in last)

    attested = plan.approvals.attestation and not state.moved_away
    if not attested:
        if not fresh(production):
            return _slow("production", halt.age_s_max) if too_slow("production") else Prove()
        if production is not None and production.verdict is not Verdict.RETAINED:
            if state.unproved_in_a_row < halt.probes_lost:
                return Prove()
            why = "; ".join(production.reasons)
            return Blocked(
                "authority.unproved",
                f"halt authority is not proved: {why}",
                ExitStatus.AUTHORITY,
            )
    if change.moves_users and change.surface == halt.surface:
        slots = {seen.slot for seen in state.authority if seen.slot != "production"}
        if change.authority_on is not None:  # nobody else can have proved what was just started
            slots = {change.authority_on}
        seen = [found for slot in slots if (found := state.last_authority(slot)) is not None]
        if not seen or not any(fresh(one) for one in seen):
            slow = next((slot for slot in sorted(slots) if too_slow(slot)), None)
            return Prove() if slow is None else _slow(slow, halt.age_s_max)
        proved = any(
            fresh(one)
            and one is not None
            and one.verdict is Verdict.RETAINED
            and one.builds == (change.to_build,)
            for one in (*seen, *(() if change.authority_on else (production,)))
        )
        if not proved:
            asked = [one for one in state.authority if one.slot in slots][-halt.probes_lost :]
            enough = len(asked) == halt.probes_lost
            if not enough or any(
                one.verdict is Verdict.RETAINED and one.builds == (change.to_build,)
                for one in asked
            ):
                return Prove()
            return Blocked(
                "authority.not-proved-on-slot",
                f"release {change.to_build} does not prove halt authority on its own slot now",
                ExitStatus.AUTHORITY,
            )
    return None


def _slow(slot: str, age_s_max: int) -> Blocked:
    return Blocked(
        "authority.too-slow",
        f"asking {slot} for halt authority takes longer than the {spoken(age_s_max)} that a proof "
        "may be old",
        ExitStatus.AUTHORITY,
    )
