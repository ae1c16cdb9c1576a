"""notify: post the plan or the outcome to a channel, at most once. A failed post stops nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rollback.model.base import facts
from rollback.model.change import RefusedChange, Update
from rollback.model.direction import Direction, Undo
from rollback.model.effect import BoundedBody, HttpWrite, Purpose
from rollback.model.ports import ActionPlan, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.steps import Notify as NotifySpec

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.environment import Channel, Environment
    from rollback.model.observation import Observation, Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext
    from rollback.model.steps import StepSpec

BYTES_MAX = 65_536


def channel_of(environment: Environment, name: str) -> Channel | None:
    """The channel of that name."""
    return next((one for one in environment.channels if one.name == name), None)


class Notify:
    """The action."""

    name = "notify"
    spec: type[StepSpec] = NotifySpec

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Nothing of the world is read."""
        del step, clients
        return ()

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """One post to the channel's own host and path; its address stays a secret."""
        del world
        name = str(getattr(step.spec, "channel", ""))
        channel = channel_of(step.environment, name)
        if channel is None:
            known = ", ".join(one.name for one in step.environment.channels) or "none"
            refused = RefusedChange(
                id="post",
                resource=f"channel/{name}",
                code="notify.no-channel",
                reason=f"{step.environment.environment} has no channel {name!r}",
                next_move=f"its channels are: {known}",
            )
            return ActionPlan(changes=(refused,))
        effect = HttpWrite(
            id=f"{step.name}#post",
            method="POST",
            host=channel.host,
            path=channel.path,
            body=BoundedBody(bytes_max=BYTES_MAX),
            direction=Direction.NEITHER,
            purpose=Purpose.NOTIFY,
            undo=Undo(possible=False, by="a message that was read stays read"),
            says=f"post to channel {name}",
        )
        change = Update(
            id="post",
            resource=f"channel/{name}",
            summary=f"tell channel {name} about the {getattr(step.spec, 'about', 'outcome')}",
            before=facts(posted=False),
            after=facts(posted=True),
            effects=(effect,),
            direction=Direction.NEITHER,
            absolute=False,
            settle_s_max=0,
        )
        return ActionPlan(changes=(change,), duration_s_max=30)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """No resource changes."""
        del step, change
        return ()

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Post once. Raises ConnectorError without the address in it."""
        effect = change.effects[0]
        channel = channel_of(step.environment, str(getattr(step.spec, "channel", "")))
        if channel is None or not isinstance(effect, HttpWrite):
            return Performed()
        parts = urlsplit(clients.secret(channel.address))
        del parts
        body = {
            "text": f"rollback in {step.environment.environment}: {change.summary}",
            "incident": step.incident,
            "marker": f"trade-rollback/{clients.scope.run}/{step.name}",
        }
        answer = clients.http(channel.host).send(
            effect, json.dumps(body).encode(), (("content-type", "application/json"),)
        )
        return Performed(facts(status=answer.status))

    def look(
        self, step: StepContext, change: Update, clients: Clients, performed: Facts
    ) -> Look:
        """A webhook cannot be searched: its answer is all there is. Never posted twice."""
        del step, change, clients
        status = next((fact.value for fact in performed if fact.name == "status"), None)
        if isinstance(status, int) and 200 <= status < 300:  # noqa: PLR2004 - HTTP's own numbers
            return Look(Outcome.APPLIED, f"answered {status}")
        if isinstance(status, int):
            return Look(Outcome.NOT_APPLIED, f"answered {status}")
        return Look(Outcome.UNKNOWN, "no answer came; it is not posted again")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Nothing more can be seen from outside."""
        del step, planned, clients
        return Verification()
