"""Tell a channel that a plan is applied, or what came of it: one message, at most once.

The message carries a marker of the run and the step, so that a second one can be recognised by who
reads. A channel cannot be asked whether it got a message: a lost answer stays unknown, and is
recorded as that.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rollback.connectors import webhook
from rollback.model.base import facts, rfc3339
from rollback.model.change import RefusedChange, Update
from rollback.model.direction import Direction
from rollback.model.effect import HttpWrite
from rollback.model.ports import ActionPlan, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.steps import Notify as NotifySpec

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.environment import Channel
    from rollback.model.observation import Observation, Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext

POST = "post"
_SECONDS_MAX = 30


class Notify:
    """The action. Stateless."""

    name = "notify"
    spec = NotifySpec

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """A channel has nothing to read."""
        del step, clients
        return ()

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """One message; refused where the environment has no such channel."""
        del world
        channel = _channel(step)
        if channel is None:
            return ActionPlan(changes=(_refused(step),))
        change = Update(
            id=POST,
            resource=f"channel/{channel.name}",
            summary=f"tell {channel.name} about the {_about(step)}",
            before=facts(told=False),
            after=facts(told=True),
            effects=(webhook.notify_effect(channel, id=f"{step.name}#{POST}"),),
            direction=Direction.NEITHER,
            absolute=False,
            settle_s_max=0,
        )
        return ActionPlan(changes=(change,), duration_s_max=_SECONDS_MAX)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """A message changes no resource of the world."""
        del step, change
        return ()

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Post the message, once. Raises ConnectorError."""
        (effect,) = change.effects
        if not isinstance(effect, HttpWrite):
            return Performed()
        status = webhook.post(clients.http(effect.host), effect, message(step, clients))
        return Performed(facts(status=status, marker=marker(clients.scope.run, step.name)))

    def look(
        self, step: StepContext, change: Update, clients: Clients, performed: Facts
    ) -> Look:
        """Told when the channel said so; otherwise nobody can know from here."""
        del step, change, clients
        told = {fact.name: fact.value for fact in performed}
        if "status" in told:
            return Look(Outcome.APPLIED, f"the channel took it ({told['status']})")
        return Look(Outcome.UNKNOWN, "the channel did not say that it took the message")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Whether somebody reads it is not ours to see."""
        del step, planned, clients
        return Verification()


def marker(run: str, step: str) -> str:
    """The same for one step of one run, whoever sends it and how often."""
    return hashlib.sha256(f"{run}\0{step}".encode()).hexdigest()[:32]


def message(step: StepContext, clients: Clients) -> dict[str, object]:
    """What is posted: names and times, no secret and nothing of a person."""
    environment = step.environment
    run = clients.scope.run
    about = _about(step)
    said = "is being applied" if about == "plan" else "has come to its end; see its report"
    return {
        "about": about,
        "at": rfc3339(clients.now()),
        "environment": environment.environment,
        "incident": step.incident or "",
        "marker": marker(run, step.name),
        "owner": environment.owner.name,
        "run": run,
        "step": step.name,
        "text": f"Rollback {run} in {environment.environment} {said}.",
        "trigger": step.trigger or "",
    }


def _about(step: StepContext) -> str:
    return str(getattr(step.spec, "about", "outcome"))


def _channel(step: StepContext) -> Channel | None:
    wanted = getattr(step.spec, "channel", "")
    return next((one for one in step.environment.channels if one.name == wanted), None)


def _refused(step: StepContext) -> RefusedChange:
    known = ", ".join(channel.name for channel in step.environment.channels) or "none"
    wanted = getattr(step.spec, "channel", "")
    return RefusedChange(
        id=POST,
        resource=f"channel/{wanted}",
        code="notify.unknown-channel",
        reason=f"the environment has no channel {wanted}; it has: {known}",
        next_move="name a channel of the environment, or leave the step out",
    )
