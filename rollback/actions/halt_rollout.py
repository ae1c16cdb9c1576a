"""halt_rollout: stop new users reaching the release that is being rolled out (row A1).

Absolute writes go first: ramp-up rules to slots that serve it, auto-swap, the deployment pipeline.
Then waiting deployments are rejected and queued runs cancelled. It waits for nothing. It does not
recall users pinned to a slot by cookie (up to an hour), does not cancel a run that is deploying
(ending the run would not end the operation it started), and never touches a dynamic-configuration
flag: that would rewrite the control plane.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from rollback.actions.halt_changes import halt_slots
from rollback.actions.seen import fact
from rollback.actions.surfaces import observe_surfaces
from rollback.errors import ConnectorError
from rollback.model.base import facts, rfc3339
from rollback.model.change import Update
from rollback.model.effect import HttpWrite
from rollback.model.ports import ActionPlan, Check, Look, Performed, Verification
from rollback.model.ramp_rules import rules_as_texts, rules_of
from rollback.model.record import Outcome
from rollback.model.slots import reference
from rollback.model.steps import HaltRollout

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.environment import Pipeline
    from rollback.model.observation import Observation, Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext
    from rollback.model.steps import StepSpec

AROUND = frozenset({"slot", "traffic", "led", "history", "pipeline"})


class HaltRolloutAction:
    """See the module."""

    name = "halt_rollout"
    spec: type[StepSpec] = HaltRollout

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Slots, rules, history and pipeline of every surface of the step."""
        return observe_surfaces(step, step.spec.surfaces_named, clients, AROUND)

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """Writes that only ever narrow who reaches the bad release, absolute ones first."""
        names = [
            name
            for name in step.spec.surfaces_named
            if step.environment.surface(name).provider == "app-service"
        ]
        made = [halt_slots(step, world, name) for name in names]
        taken: set[tuple[str, str]] = set()
        later = []
        for name in names:
            pipeline = step.environment.surface(name).pipeline
            if pipeline is None or (pipeline.repository, pipeline.file) in taken:
                continue
            taken.add((pipeline.repository, pipeline.file))
            from rollback.actions.halt_pipelines import halt_pipeline

            disable, runs = halt_pipeline(step, world, name, pipeline)
            made.append(disable)
            later.append(runs)
        made += later
        updates = [one for part in made for one in part.changes if isinstance(one, Update)]
        return ActionPlan(
            changes=tuple(one for part in made for one in part.changes),
            findings=tuple(one for part in made for one in part.findings),
            exposures=tuple(one for part in made for one in part.exposures),
            duration_s_max=sum(one.settle_s_max for one in updates),
        )

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """What the change itself declares."""
        del step
        return change.predicts

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Send the one write."""
        environment = step.environment
        surface = environment.surface(change.surface or "")
        match change.id.partition("-")[0]:
            case "ramp":
                kept = rules_of(fact(change.after, "rules"))
                clients.arm().set_ramp_rules(reference(environment, surface), kept)
            case "auto":
                slot = change.resource.rpartition("/")[2]
                clients.arm().set_auto_swap(reference(environment, surface, slot), "")
            case _:
                effect = change.effects[0]
                if surface.pipeline is not None and isinstance(effect, HttpWrite):
                    from rollback.connectors import pipelines

                    token = clients.secret(surface.pipeline.token)  # for its own host, no other
                    said = pipelines.send(clients.http(surface.pipeline.api_host), effect, token)
                    return Performed(facts(answer=said))
        return Performed()

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Read back what was set; a run that is still there is looked at again for a while."""
        surface = step.environment.surface(change.surface or "")
        kind = change.id.partition("-")[0]
        if kind in {"ramp", "auto"}:
            slot = change.resource.rpartition("/")[2] if kind == "auto" else "production"
            seen = clients.arm().configuration(reference(step.environment, surface, slot))
            now = rules_as_texts(seen.ramp_rules) if kind == "ramp" else seen.auto_swap
            wanted = fact(change.after, "rules" if kind == "ramp" else "auto_swap")
            if now == wanted:
                return Look(Outcome.APPLIED, "read back as written")
            return _not_yet(step, clients, performed, f"read back as {now!r}")
        if surface.pipeline is None:
            return Look(Outcome.NOT_APPLIED, "the surface has no pipeline")
        return _pipeline_look(step, change, clients, performed, surface.pipeline)

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Every value is as the plan says."""

        def looked(change: Update) -> Check:
            try:
                look = self.look(step, change, clients, ())
            except ConnectorError as error:
                return Check(change.id, holds=False, seen=error.reason)
            return Check(change.id, look.outcome is Outcome.APPLIED, look.reason)

        updates = [change for change in planned.changes if isinstance(change, Update)]
        return Verification(clients.together([partial(looked, change) for change in updates]))


def _pipeline_look(
    step: StepContext, change: Update, clients: Clients, performed: Facts, pipeline: Pipeline
) -> Look:
    from rollback.connectors import pipelines

    token = clients.secret(pipeline.token)
    view = pipelines.pipeline(
        clients.http(pipeline.api_host), pipeline, token, clients.together
    )
    run = fact(change.before, "run")
    if run is None:
        if view.state == "active":
            return _not_yet(step, clients, performed, "the pipeline is active")
        return Look(Outcome.APPLIED, f"the pipeline is {view.state}")
    if run in (*view.queued, *view.waiting):
        return _not_yet(step, clients, performed, f"run {run} has not ended")
    if run in view.in_progress:
        return _not_yet(step, clients, performed, f"run {run} is deploying")
    return Look(Outcome.APPLIED, f"run {run} does not wait any more")


def _not_yet(step: StepContext, clients: Clients, performed: Facts, reason: str) -> Look:
    """Open for the quiet period, then not applied: a halt never holds up what comes after it."""
    since = str(fact(performed, "quiet_since") or "") or rfc3339(clients.now())
    waited = (clients.now() - datetime.fromisoformat(since)).total_seconds()
    outcome = Outcome.NOT_APPLIED if waited >= step.environment.policy.quiet_s else None
    return Look(outcome, reason, facts(quiet_since=since))
