"""confirm: a named person attests, in words, to a check that no machine can make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.base import facts
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.ports import ActionPlan, Look, Performed, Verification
from rollback.model.steps import Confirm as ConfirmSpec

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.observation import Observation, Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext
    from rollback.model.steps import StepSpec


class Confirm:
    """The action. It sends nothing; the executor asks the person and records the words."""

    name = "confirm"
    spec: type[StepSpec] = ConfirmSpec

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Nothing of the world is read."""
        del step, clients
        return ()

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """One change without effects: it waits for a person."""
        del world
        statement = str(getattr(step.spec, "statement", ""))
        limit = step.environment.policy.confirm_s_max
        change = Update(
            id="attest",
            resource=f"attestation/{step.name}",
            summary=f"a person attests: {statement}",
            before=facts(attested=False),
            after=facts(attested=True),
            effects=(),
            direction=Direction.NEITHER,
            settle_s_max=limit,
        )
        return ActionPlan(changes=(change,), duration_s_max=limit)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """No resource changes."""
        del step, change
        return ()

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Nothing is sent."""
        del step, change, clients
        return Performed()

    def look(
        self, step: StepContext, change: Update, clients: Clients, performed: Facts
    ) -> Look:
        """Only the journal knows; still pending as far as the world goes."""
        del step, change, clients, performed
        return Look(None, "waiting for a person")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """The person's word is the record."""
        del step, planned, clients
        return Verification()
