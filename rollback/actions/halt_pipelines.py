"""What a halt changes on the pipeline that deploys a surface. Pure.

Disabling is absolute and goes first; then waiting deployments are rejected, queued runs cancelled.
A run that is deploying is left alone and shown: ending it would not end what it started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.actions.halt_changes import Halted, settle_s
from rollback.actions.seen import texts
from rollback.connectors.pipelines import cancel_effect, disable_effect, reject_effect
from rollback.model.base import facts
from rollback.model.change import Change, Finding, NoOp, Update
from rollback.model.direction import Direction
from rollback.model.observation import Prediction

if TYPE_CHECKING:
    from rollback.model.effect import HttpWrite
    from rollback.model.environment import Pipeline
    from rollback.model.observation import World
    from rollback.model.ports import StepContext


def halt_pipeline(
    step: StepContext, world: World, name: str, pipeline: Pipeline
) -> tuple[Halted, Halted]:
    """The pipeline disabled (absolute, so first); then waiting and queued runs stopped."""
    resource, change_id = f"{name}/pipeline", f"pipeline-{name}"
    seen = world.find(resource)
    if seen is None or not seen.compared:
        gaps = "; ".join(() if seen is None else seen.gaps)
        unread = Finding(
            weight="unknown",
            code="halt.pipeline-unreadable",
            text=f"pipeline {pipeline.file} cannot be read ({gaps or 'nobody looked'}); it is not "
            "disabled by this plan: disable it by hand",
            step=step.name,
            surface=name,
        )
        return Halted((), (unread,)), Halted()
    state = str(seen.get("state"))
    first: Change = NoOp(id=change_id, resource=resource, reason=f"pipeline is {state}")
    if state == "active":
        first = Update(
            id=change_id,
            resource=resource,
            summary=f"disable pipeline {pipeline.file}",
            before=facts(state=state),
            after=facts(state="disabled_manually"),
            effects=(disable_effect(pipeline, id=f"{step.name}#{change_id}"),),
            direction=Direction.TOWARD,
            surface=name,
            settle_s_max=settle_s(step),
            predicts=(Prediction(resource=resource, compared=facts(state="disabled_manually")),),
        )
    return Halted((first,)), _runs(step, world, name, pipeline)


def _runs(step: StepContext, world: World, name: str, pipeline: Pipeline) -> Halted:
    resource = f"{name}/pipeline"
    changes: list[Change] = []
    rejected: set[str] = set()
    for one in texts(world.get(resource, "pending")):
        run, _, environments = one.partition("=")
        rejected.add(run)
        change_id = f"reject-{name}-{run}"
        effect = reject_effect(
            pipeline,
            run,
            tuple(int(each) for each in environments.split(",")),
            id=f"{step.name}#{change_id}",
        )
        changes.append(_run_update(step, name, change_id, run=run, status="waiting", effect=effect))
    waiting = [run for run in texts(world.get(resource, "waiting")) if run not in rejected]
    for run in (*texts(world.get(resource, "queued")), *waiting):
        change_id = f"cancel-{name}-{run}"
        effect = cancel_effect(pipeline, run, id=f"{step.name}#{change_id}")
        changes.append(_run_update(step, name, change_id, run=run, status="queued", effect=effect))
    deploying = texts(world.get(resource, "in_progress"))
    findings = (
        Finding(
            weight="exposure",
            code="halt.run-in-progress",
            text=f"deploying now and not cancelled (ending a run does not end the operation it "
            f"started): run {', '.join(deploying)} of {pipeline.file}",
            step=step.name,
            surface=name,
        ),
    )
    return Halted(tuple(changes), findings if deploying else ())


def _run_update(
    step: StepContext,
    name: str,
    change_id: str,
    *,
    run: str,
    status: str,
    effect: HttpWrite,
) -> Update:
    return Update(
        id=change_id,
        resource=f"{name}/pipeline",
        summary=effect.says,
        before=facts(run=run, status=status),
        after=facts(run=run, status="ended"),
        effects=(effect,),
        direction=Direction.TOWARD,
        surface=name,
        settle_s_max=settle_s(step),
    )
