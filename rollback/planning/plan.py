"""Playbook and observations become a plan. Pure: the same inputs give the same bytes.

Steps are planned in dependency order against the folded world: what was observed, plus what earlier
steps declare as their result. Every effect is judged by the guard's rules; a refused plan is made
all the same, because the halts and captures in it can still be applied.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rollback.model.base import Fact, Facts
from rollback.model.change import Finding, Update
from rollback.model.direction import Direction
from rollback.model.environment import CutoverStage
from rollback.model.plan import (
    Exposure,
    NotRolledBack,
    Plan,
    PlannedStep,
    Summary,
)
from rollback.planning.approvals import approvals_needed
from rollback.planning.authority import from_observation
from rollback.planning.canonical import digest
from rollback.planning.lost_here import authority_lost_here, lost_finding
from rollback.planning.not_moved import not_moved
from rollback.planning.order import OrderedStep, order_steps, read_parameters
from rollback.planning.proof.prove import prove
from rollback.planning.steps import StepPlanner
from rollback.planning.triggers import BACKEND_FIRST, read_trigger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rollback.model.authority import AuthorityJudgement
    from rollback.model.effect import Effect
    from rollback.model.environment import Environment
    from rollback.model.observation import Observation
    from rollback.model.playbook import Playbook
    from rollback.model.ports import Catalogue


OTHER_ORDER: Final = Finding(
    weight="note",
    code="order.compatibility",
    text="the compatibility table forbids the trigger's order; surfaces are reverted the other "
    "way round",
)


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """All that goes into a plan. observed: per step name, what its action saw."""

    playbook: Playbook
    environment: Environment
    catalogue: Catalogue
    observed: tuple[tuple[str, tuple[Observation, ...]], ...]
    created: datetime
    nonce: str
    planned_by: str
    tool_version: str
    incident: str | None = None
    trigger: str | None = None
    parameters: Facts = ()
    upkeep: tuple[Effect, ...] = ()
    evidence_path: str = ""
    undo_of: str | None = None

    @property
    def observations(self) -> tuple[Observation, ...]:
        """Every resource once: the first look at it."""
        first: dict[str, Observation] = {}
        for _, seen in self.observed:
            for observation in seen:
                first.setdefault(observation.resource, observation)
        return tuple(first[name] for name in sorted(first))


def steps_to_observe(
    playbook: Playbook,
    environment: Environment,
    given: Mapping[str, str],
    trigger: str | None,
) -> tuple[tuple[OrderedStep, ...], Facts]:
    """The expanded steps whose actions have to look, and the parameters read."""
    read_trigger(trigger)
    parameters = read_parameters(playbook, given)
    return order_steps(playbook, environment, parameters, backend_first=False), parameters


@dataclass(frozen=True, slots=True)
class _Draft:
    steps: tuple[PlannedStep, ...]
    findings: tuple[Finding, ...]
    exposures: tuple[Exposure, ...]
    summaries: tuple[Summary, ...]


def make_plan(request: PlanRequest) -> Plan:
    """The plan for a request. Raises InputError for wrong parameters, ProductDefect for an
    action that breaks its contract; everything else is in the plan, as a refusal with a reason.
    """  # noqa: D205
    trigger = read_trigger(request.trigger)
    judgements = judgements_of(request.observations)
    lost_here = authority_lost_here(judgements)
    first = trigger in BACKEND_FIRST or lost_here
    draft = _draft(request, backend_first=first)
    proof = prove(draft.steps, request.observations, request.environment, judgements)
    if not proof.holds and proof.broken == "no-forbidden-pair":
        other = _draft(request, backend_first=not first)
        other_proof = prove(other.steps, request.observations, request.environment, judgements)
        if other_proof.holds:
            draft = _Draft(
                other.steps, (*other.findings, OTHER_ORDER), other.exposures, other.summaries
            )
            proof = other_proof
    findings = list(draft.findings)
    if lost_here:
        findings.insert(0, lost_finding(judgements, request.environment))
    refused = any(step.refused for step in draft.steps) or not proof.holds
    duration = sum(step.duration_s_max for step in draft.steps)
    environment = request.environment
    by_hand = by_a_person(environment, _surfaces_of(request.playbook))
    said = frozenset(one.surface for one in by_hand)
    findings += not_moved(environment, draft.steps, request.observations, said)
    return Plan(
        tool_version=request.tool_version,
        environment=environment.environment,
        environment_kind=environment.kind.value,
        environment_digest=digest(environment),
        owner=environment.owner.name,
        contact=environment.owner.contact,
        target=target_of(environment),
        playbook=request.playbook.playbook,
        playbook_digest=digest(request.playbook),
        summary=request.playbook.summary,
        incident=request.incident,
        trigger=request.trigger,
        parameters=request.parameters,
        planned_by=request.planned_by,
        created=request.created,
        expires=request.created + timedelta(seconds=environment.policy.plan_age_s_max),
        nonce=request.nonce,
        verdict="refused" if refused else "applicable",
        not_rolled_back=by_hand,
        surfaces=draft.summaries,
        findings=tuple(findings),
        exposures=draft.exposures,
        authority=judgements,
        approvals=approvals_needed(environment, draft.steps, tuple(findings), judgements),
        steps=draft.steps,
        upkeep=request.upkeep,
        observations=request.observations,
        world_digest=world_digest_of(request.observations),
        proof=proof,
        duration_s_max=duration,
        undo_of=request.undo_of,
    )


def _draft(request: PlanRequest, *, backend_first: bool) -> _Draft:
    """Plan twice: first to learn which steps endanger volatile evidence, then with captures."""
    ordered = order_steps(
        request.playbook,
        request.environment,
        request.parameters,
        backend_first=backend_first,
    )
    planned = _fold(request, ordered)
    endangering = tuple(
        step.name
        for step in planned.steps
        if any(isinstance(change, Update) and change.volatile for change in step.changes)
    )
    if not endangering:
        return planned
    ordered = order_steps(
        request.playbook,
        request.environment,
        request.parameters,
        backend_first=backend_first,
        volatile_before=endangering,
    )
    return _fold(request, ordered)


def _fold(request: PlanRequest, ordered: tuple[OrderedStep, ...]) -> _Draft:
    planner = StepPlanner(
        environment=request.environment,
        catalogue=request.catalogue,
        observed=dict(request.observed),
        observations=request.observations,
        created=request.created,
        incident=request.incident,
        trigger=request.trigger,
        evidence_path=request.evidence_path,
    )
    for step in ordered:
        planner.add(step)
    return _Draft(
        steps=planner.steps,
        findings=planner.findings,
        exposures=planner.exposures,
        summaries=planner.summaries,
    )


def world_digest_of(observations: tuple[Observation, ...]) -> str:
    """Digest of what was seen without times and nonces: equal when two plans saw the same world."""
    return digest(
        [
            {
                "resource": seen.resource,
                "compared": [asdict(fact) for fact in seen.compared],
                "gaps": list(seen.gaps),
            }
            for seen in observations
        ]
    )


def judgements_of(
    observations: tuple[Observation, ...],
) -> tuple[AuthorityJudgement, ...]:
    """What the authority observations say."""
    found = (
        from_observation(seen) for seen in observations if seen.resource.startswith("authority/")
    )
    return tuple(judgement for judgement in found if judgement is not None)


def by_a_person(environment: Environment, surfaces: frozenset[str]) -> tuple[NotRolledBack, ...]:
    """Those of the surfaces that the product does not roll back, and what a person does instead."""
    return tuple(
        NotRolledBack(surface=name, human_step=surface.human_step)
        for name, surface in environment.surfaces
        if surface.provider == "unsupported" and name in surfaces
    )


def _surfaces_of(playbook: Playbook) -> frozenset[str]:
    """Every surface that a playbook names."""
    return frozenset(name for step in playbook.steps for name in step.spec.surfaces_named)


def target_of(environment: Environment) -> Facts:
    """What an environment is, for a reviewer: accounts, groups, sites and hosts."""
    values: dict[str, str] = {
        "azure/subscription": environment.azure.subscription,
        "azure/resource_group": environment.azure.resource_group,
        "cosmos/endpoint": environment.cosmos.endpoint,
        "cosmos/database": environment.cosmos.database,
        "platform/api_url": environment.platform.api_url,
        "rollout/stage": _stage(environment.cutover_stage),
    }
    for name, surface in environment.surfaces:
        if surface.site is not None:
            values[f"{name}/site"] = surface.site
            values[f"{name}/hosts"] = " ".join(surface.hosts)
    return tuple(Fact(name=name, value=values[name]) for name in sorted(values))


def _stage(stage: CutoverStage) -> str:
    """Where the staged cutover stands: a halt stops it there (row C1)."""
    stages = list(CutoverStage)
    return f"{stages.index(stage) + 1} of {len(stages)}, {stage.value}; a halt stops it there"


def directions(steps: tuple[PlannedStep, ...]) -> frozenset[Direction]:
    """Every direction some update of the steps moves in."""
    return frozenset(
        change.direction for step in steps for change in step.changes if isinstance(change, Update)
    )
