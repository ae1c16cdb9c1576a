"""Whether a plan says of itself what its steps, observations and environment say of it.

A plan is a file in somebody's hands. What follows from its other parts is worked out again before
it is applied, with the same functions that made it: how many people must sign, so that a plan
cannot ask for fewer than its environment does (promise fail-closed), and what each step changes,
who stays exposed and what else a reviewer has to know, so that nobody signs a page with a line
taken out.
Which steps there are is for the people who sign, and for the guard.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rollback.planning.again import plan_again, unwatched
from rollback.planning.approvals import approvals_needed
from rollback.planning.contradiction import contradiction
from rollback.planning.lost_here import authority_lost_here, lost_finding
from rollback.planning.not_moved import not_moved
from rollback.planning.plan import (
    OTHER_ORDER,
    by_a_person,
    judgements_of,
    target_of,
    world_digest_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollback.model.authority import AuthorityJudgement
    from rollback.model.change import Finding
    from rollback.model.effect import Effect
    from rollback.model.environment import Environment
    from rollback.model.plan import Plan
    from rollback.model.ports import Catalogue


@dataclass(frozen=True, slots=True)
class PlannedWith:
    """What a plan was made with, beside its observations.

    upkeep: effects that the run itself needs. evidence_path: the folder that they write to.
    """

    environment: Environment
    catalogue: Catalogue
    upkeep: tuple[Effect, ...]
    evidence_path: str


def disagreement(plan: Plan, made_with: PlannedWith) -> str:
    """The first field that does not follow from the others, and how; empty where all do.

    Whether the certificate holds is asked of the proof itself.
    """
    try:
        authority = judgements_of(plan.observations)
    except (KeyError, TypeError, ValueError):
        return "the observations of halt authority cannot be read"
    follows = {
        **_of_the_whole(plan, made_with.environment, authority),
        "upkeep": made_with.upkeep,
    }
    return _first_of(plan, follows) or _of_the_steps(plan, made_with, authority)


def _first_of(plan: Plan, follows: Mapping[str, object]) -> str:
    found = (contradiction(getattr(plan, name), value, name) for name, value in follows.items())
    return next((one for one in found if one), "")


def _of_the_whole(
    plan: Plan, environment: Environment, authority: tuple[AuthorityJudgement, ...]
) -> Mapping[str, object]:
    refused = any(step.refused for step in plan.steps) or not plan.proof.holds
    by_hand = by_a_person(environment, frozenset(one.surface for one in plan.not_rolled_back))
    return {
        "environment_kind": environment.kind.value,
        "owner": environment.owner.name,
        "contact": environment.owner.contact,
        "target": target_of(environment),
        "expires": plan.created + timedelta(seconds=environment.policy.plan_age_s_max),
        "verdict": "refused" if refused else "applicable",
        "not_rolled_back": by_hand,
        "authority": authority,
        "approvals": approvals_needed(environment, plan.steps, plan.findings, plan.authority),
        "world_digest": world_digest_of(plan.observations),
        "duration_s_max": sum(step.duration_s_max for step in plan.steps),
    }


def _of_the_steps(
    plan: Plan, made_with: PlannedWith, authority: tuple[AuthorityJudgement, ...]
) -> str:
    again = plan_again(plan, made_with.environment, made_with.catalogue, made_with.evidence_path)
    if again is None:
        return "a step cannot be planned again"
    for planned, step in zip(again.steps, plan.steps, strict=True):
        if planned != step:
            return contradiction(step, planned, f"step {step.name}")
    if name := unwatched(plan):
        return f"step {name}, expects: it changes what it does not look at first"
    findings: list[Finding] = list(again.findings)
    if OTHER_ORDER in plan.findings:
        findings.append(OTHER_ORDER)
    if authority_lost_here(authority):
        findings.insert(0, lost_finding(authority, made_with.environment))
    by_hand = frozenset(one.surface for one in plan.not_rolled_back)
    findings += not_moved(made_with.environment, plan.steps, plan.observations, by_hand)
    follows = {
        "surfaces": again.summaries,
        "findings": tuple(findings),
        "exposures": again.exposures,
    }
    return _first_of(plan, follows)
