"""Tell a channel what is planned, or what came of it: one message, at most once a plan and kind.

The message carries a marker of the plan, the channel and the kind. Where a channel can be searched
(issues of GitHub and Jira), it is looked for before it is sent, and after an answer was lost. Other
channels cannot be asked: there a lost answer stays unknown, and is recorded as that. A message that
does not arrive never stops a rollback, nor does a channel that nobody knows.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rollback.connectors import webhook
from rollback.connectors.messages import CHARS_MAX, Message
from rollback.errors import ConnectorError, RollbackError
from rollback.model.base import facts, rfc3339
from rollback.model.change import Finding, NoOp, Update
from rollback.model.direction import Direction
from rollback.model.effect import HttpWrite
from rollback.model.ports import ActionPlan, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.steps import Notify as NotifySpec
from rollback.planning.canonical import digest

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.environment import Channel
    from rollback.model.observation import Observation, Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext

POST = "post"
BEFORE = "it was posted before, and is not posted again"
"""What `look` says of a message that already stood in its channel."""
_SECONDS_MAX = 30


class Notify:
    """The action. Stateless."""

    name = "notify"
    spec = NotifySpec

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """A channel has nothing that a plan depends on."""
        del step, clients
        return ()

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """One message; none, and a weak line, where there is no such channel or no such issue."""
        del world
        channel = _channel(step)
        if channel is None:
            known = ", ".join(one.name for one in step.environment.channels) or "none"
            return _nobody(step, f"the environment has no such channel; it has: {known}")
        path = webhook.path_of(channel, step.incident)
        if path is None:
            said = (
                f"the incident {step.incident or '(none given)'} names no issue of {channel.kind}"
            )
            return _nobody(step, said)
        change = Update(
            id=POST,
            resource=f"channel/{channel.name}",
            summary=f"tell {channel.name} about the {_about(step)}",
            before=facts(told=False),
            after=facts(told=True),
            effects=(webhook.notify_effect(channel, path, id=f"{step.name}#{POST}"),),
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
        """Post the message, once, unless it stands there. Raises ConnectorError, InputError."""
        (effect,) = change.effects
        channel = _channel(step)
        if channel is None or not isinstance(effect, HttpWrite):
            return Performed()
        if not webhook.is_of(channel, step.incident, effect):
            what = f"the plan sends the message elsewhere than to channel {channel.name}"
            raise ConnectorError("webhook.elsewhere", what, transient=False)
        mark = marker(step)
        if _posted_before(step, mark) or self._stands(step, channel, effect, clients):
            return Performed(facts(marker=mark, before=True))
        http = clients.http(channel.host)
        status = webhook.post(
            http, channel, effect, message(step, channel, clients), clients.secret
        )
        return Performed(facts(marker=mark, status=status))

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Told when the channel said so, or when it stands there; else nobody can know."""
        told = {fact.name: fact.value for fact in performed}
        if told.get("before") is True:
            return Look(Outcome.APPLIED, BEFORE)
        if "status" in told:
            return Look(Outcome.APPLIED, f"the channel took it ({told['status']})")
        channel = _channel(step)
        (effect,) = change.effects
        if channel is not None and channel.searchable and isinstance(effect, HttpWrite):
            try:
                stands = self._stands(step, channel, effect, clients)
            except RollbackError as error:
                return Look(Outcome.UNKNOWN, f"the channel cannot be searched: {error.reason}")
            if stands:
                return Look(Outcome.APPLIED, "it stands in the channel, by its marker")
            return Look(Outcome.NOT_APPLIED, "it does not stand in the channel")
        return Look(Outcome.UNKNOWN, "the channel did not say that it took the message")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Whether somebody reads it is not ours to see."""
        del step, planned, clients
        return Verification()

    def _stands(
        self, step: StepContext, channel: Channel, effect: HttpWrite, clients: Clients
    ) -> bool:
        if not channel.searchable:
            return False
        since = step.created or clients.now()
        return webhook.find(
            clients.http(channel.host), channel, effect.path, marker(step), since, clients.secret
        )


def marker(step: StepContext) -> str:
    """The same for one plan, channel and kind of message, whoever sends it and how often."""
    plan = "" if step.plan is None else digest(step.plan)
    channel = getattr(step.spec, "channel", "")
    said = hashlib.sha256(f"{plan}\0{channel}\0{_about(step)}".encode()).hexdigest()
    return f"trade-rollback-{said[:32]}"


def message(step: StepContext, channel: Channel, clients: Clients) -> Message:
    """What is posted: the plan, or the report so far, as much of it as the channel takes."""
    environment, plan = step.environment, step.plan
    about = _about(step)
    text = f"Rollback in {environment.environment}: see the {about}."
    if plan is not None:
        from rollback.rendering.faces import for_channel

        text = for_channel(
            plan,
            digest(plan),
            None if about == "plan" else step.records(),
            "markdown" if channel.kind == "github" else "text",
            CHARS_MAX[channel.kind],
        )
    fields = {
        "about": about,
        "at": rfc3339(clients.now()),
        "environment": environment.environment,
        "incident": step.incident or "",
        "owner": environment.owner.name,
        "plan": "" if plan is None else digest(plan),
        "run": clients.scope.run,
        "step": step.name,
        "trigger": step.trigger or "",
    }
    return Message(text=text, fields=fields, marker=marker(step))


def _posted_before(step: StepContext, mark: str) -> bool:
    """Whether another step of this run posted the same: its record holds the marker."""
    return any(
        record.text("performed/marker") == mark and record.text("step") != step.name
        for record in step.records()
    )


def _about(step: StepContext) -> str:
    return str(getattr(step.spec, "about", "outcome"))


def _channel(step: StepContext) -> Channel | None:
    wanted = getattr(step.spec, "channel", "")
    return next((one for one in step.environment.channels if one.name == wanted), None)


def _nobody(step: StepContext, why: str) -> ActionPlan:
    wanted = getattr(step.spec, "channel", "")
    said = f"channel {wanted} is not told about the {_about(step)}: {why}"
    return ActionPlan(
        changes=(NoOp(id=POST, resource=f"channel/{wanted}", reason=why),),
        findings=(Finding(weight="weak", code="notify.nobody", text=said, step=step.name),),
        duration_s_max=0,
    )
