"""Whether a plan says of itself what its steps, observations and environment say of it.

A plan is a file in somebody's hands. What follows from its other parts is worked out again before
it is applied, with the same functions that made it: above all how many people must sign, so that a
plan cannot ask for fewer than its environment does (promise fail-closed). That the steps are the
right ones is for the people who sign, and for the guard.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rollback.planning.approvals import approvals_needed
from rollback.planning.plan import judgements_of, target_of, world_digest_of

if TYPE_CHECKING:
    from rollback.model.environment import Environment
    from rollback.model.plan import Plan


def disagreement(plan: Plan, environment: Environment) -> str:
    """The first field that does not follow from the others; empty where all do.

    Whether the certificate holds is asked of the proof itself.
    """
    try:
        authority = judgements_of(plan.observations)
    except (KeyError, TypeError, ValueError):
        return "observations"
    refused = any(step.refused for step in plan.steps) or not plan.proof.holds
    follows = {
        "environment_kind": environment.kind.value,
        "owner": environment.owner.name,
        "contact": environment.owner.contact,
        "target": target_of(environment),
        "expires": plan.created + timedelta(seconds=environment.policy.plan_age_s_max),
        "verdict": "refused" if refused else "applicable",
        "authority": authority,
        "approvals": approvals_needed(environment, plan.steps, plan.findings, plan.authority),
        "world_digest": world_digest_of(plan.observations),
        "duration_s_max": sum(step.duration_s_max for step in plan.steps),
    }
    return next((name for name, value in follows.items() if getattr(plan, name) != value), "")
