"""Whether a plan is what was made with this environment, and may be sent in it at all.

Asked before a plan is applied, and before that of whoever shows, compares or signs it: nobody
signs what cannot be applied. Nothing is read but the environment and the plan.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import InputError, PlanStale, Refused, RollbackError
from rollback.guard.rules.directions import judge_direction
from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.perimeter import perimeter_of
from rollback.model.effect import FileWrite
from rollback.model.environment import FolderStore
from rollback.model.scope import VerdictKind
from rollback.planning.agreement import PlannedWith, disagreement
from rollback.planning.canonical import canonical, digest, sha256_hex
from rollback.planning.contradiction import shown
from rollback.planning.proof.prove import prove
from rollback.running.clock import SystemClock
from rollback.running.store import StateDirectory
from rollback.wiring.catalogue import built_in, with_leases
from rollback.wiring.setting import tool_version
from rollback.wiring.upkeep import evidence_path_of, upkeep_effects

if TYPE_CHECKING:
    from rollback.model.environment import Environment
    from rollback.model.plan import Plan
    from rollback.model.ports import Catalogue
    from rollback.wiring.plan_document import PlanDocument


def refuse_forbidden(environment: Environment, document: PlanDocument) -> None:
    """Whether anything of this plan may be sent here at all: its environment, and every effect.

    Raises InputError for another environment's plan, Refused for an effect that no rule allows and
    for a plan that is not the document whose digest people sign.
    """
    plan = document.plan
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
    own = evidence_path_of(plan)
    if own and not own.endswith(f"/evidence/{plan.nonce}"):
        raise Refused(
            "plan.evidence-folder",
            f"{own} is no folder that a plan's own evidence is kept in: this one was edited",
            hint="make the plan again; nothing was sent",
            promise="plan-is-permission",
        )
    for effect in plan.effects:
        verdict = judge_effect(effect, perimeter, environment, own)
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


def plan_problem(
    environment: Environment, catalogue: Catalogue, document: PlanDocument
) -> RollbackError | None:
    """Why this plan is not what was made with this environment; None where it is. Never raises.

    A defect, of an action that plans once more or of ours, withholds what moves users and no halt.
    """
    try:
        return _not_as_made(environment, catalogue, document)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - said above
        why = error.reason if isinstance(error, RollbackError) else type(error).__name__
        return Refused(
            "plan.not-judged",
            f"whether this plan is as it was made cannot be told ({why})",
            hint="make the plan again; where that ends likewise, an action has a bug",
            promise="fail-closed",
        )


def _not_as_made(
    environment: Environment, catalogue: Catalogue, document: PlanDocument
) -> RollbackError | None:
    plan = document.plan
    if plan.environment_digest != digest(environment):
        return PlanStale(
            "plan.environment-changed",
            "the environment file is not the one this plan was made with",
            hint="name the file that it was made with, or make the plan again",
        )
    path = evidence_path_of(plan)
    made_with = PlannedWith(environment, catalogue, upkeep_effects(environment, path), path)
    if differs := disagreement(plan, made_with):
        return Refused(
            "plan.not-as-planned",
            "this does not follow from what was observed, the steps and the environment: "
            + differs,
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


def where_it_was_made(environment: Environment, plan: Plan) -> Environment:
    """The environment with its file in the folder that the plan's own paths start from.

    Stores in folders beside the file have other paths on another machine. Who reads a plan has the
    file somewhere else than who made it; who applies it has not, and `plan_problem` is asked there
    of the environment as it is.
    """
    store = environment.evidence.store
    if not isinstance(store, FolderStore) or Path(store.path).is_absolute():
        return environment
    beside = f"/{store.path.removeprefix('./').rstrip('/')}/"
    bases = [
        effect.path.rpartition(beside)[0]
        for effect in plan.effects
        if isinstance(effect, FileWrite) and beside in effect.path
    ]
    return environment.model_copy(update={"base": bases[0]}) if bases else environment


def actions_here(state: str | None) -> Catalogue:
    """The product's own actions, as the command line applies with them. state: folder of runs."""
    located = StateDirectory.locate(state, os.environ)
    return with_leases(built_in(), located, SystemClock())


def unknown_actions(plan: Plan, catalogue: Catalogue) -> tuple[str, ...]:
    """Actions of a plan that this catalogue lacks: where there are any, nobody can tell here."""
    names = sorted({step.action for step in plan.steps})
    return tuple(name for name in names if catalogue.find(name) is None)


def _who_made_it(plan: Plan) -> str:
    here = tool_version()
    if plan.tool_version != here:
        return (
            f"make the plan again with {here}, which is installed here: this one was made with "
            f"{shown(plan.tool_version)}"
        )
    return "make the plan again, and ask who edited this one"
