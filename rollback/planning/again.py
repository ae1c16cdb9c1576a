"""The steps of a plan planned once more, from the plan's own observations. Pure.

Which steps there are, what each is told and what waits for what is taken as the plan has it: that
is for people to judge. What they change, what must be said of them and who stays exposed is worked
out by the functions that made the plan; nothing is read again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollback.errors import ProductDefect, RollbackError
from rollback.model.steps import CAPTURE_BEFORE, RevertDeployment
from rollback.planning.defects import failed
from rollback.planning.order import OrderedStep
from rollback.planning.steps import StepPlanner

if TYPE_CHECKING:
    from rollback.model.environment import Environment
    from rollback.model.plan import Plan, PlannedStep
    from rollback.model.ports import Catalogue


def plan_again(
    plan: Plan, environment: Environment, catalogue: Catalogue, evidence_path: str
) -> StepPlanner | None:
    """The plan's steps planned once more; None where one of them cannot be planned at all.

    evidence_path: absolute folder of the plan's local evidence. Raises ProductDefect where an
    action fails that did not when the plan was made.
    """
    planner = StepPlanner(
        environment=environment,
        catalogue=catalogue,
        observed={step.name: step.expects for step in plan.steps},
        observations=plan.observations,
        created=plan.created,
        incident=plan.incident,
        trigger=plan.trigger,
        evidence_path=evidence_path,
    )
    for step in plan.steps:
        try:
            planner.add(_ordered(step, catalogue))
        except (RollbackError, KeyError, TypeError, ValueError):
            return None
        if failed(again := planner.steps[-1]) and not failed(step):
            raise ProductDefect("plan.defect", again.refused[0].reason)
    return planner


def _ordered(step: PlannedStep, catalogue: Catalogue) -> OrderedStep:
    action = catalogue.find(step.action)
    if action is None:
        raise KeyError(step.action)
    spec = action.spec.model_validate({fact.name: fact.value for fact in step.spec})
    one = OrderedStep(step.name, spec, step.after, step.on_failure)
    if isinstance(spec, RevertDeployment) and len(spec.surfaces) == 1:
        one = replace(one, surface=spec.surfaces[0])
    return replace(one, implied=step.name.startswith(CAPTURE_BEFORE))


def unwatched(plan: Plan) -> str:
    """A step that changes what it does not compare before it does so; empty where there is none.

    Nobody would see that such a thing had drifted.
    """
    seen = {one.resource for one in plan.observations if one.compared}
    for step, change in plan.updates:
        changed = {prediction.resource for prediction in change.predicts} & seen
        if not changed <= {one.resource for one in step.expects}:
            return step.name
    return ""
