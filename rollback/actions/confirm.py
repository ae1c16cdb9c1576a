"""A named person attests to a manual check, in words.

The step has no effect: nothing leaves the process. The run asks a person, records who said it and
the statement, and waits no longer than `confirm_s_max`; nobody's silence is taken for a yes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.base import facts
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.ports import ActionPlan, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.steps import Confirm as ConfirmSpec

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.observation import Observation, Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext

ATTEST = "attest"


class Confirm:
    """The action. Stateless."""

    name = "confirm"
    spec = ConfirmSpec

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Only a person can see this."""
        del step, clients
        return ()

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """One change without effects: from not attested to attested."""
        del world
        statement = getattr(step.spec, "statement", "")
        seconds = step.environment.policy.confirm_s_max
        change = Update(
            id=ATTEST,
            resource=f"attestation/{step.name}",
            summary=f"a named person confirms: {statement}",
            before=facts(attested=False),
            after=facts(attested=True),
            effects=(),
            direction=Direction.NEITHER,
            settle_s_max=seconds,
        )
        return ActionPlan(changes=(change,), duration_s_max=seconds)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """A word changes no resource of the world."""
        del step, change
        return ()

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Nothing is sent: the run asks the person."""
        del step, change, clients
        return Performed()

    def look(
        self, step: StepContext, change: Update, clients: Clients, performed: Facts
    ) -> Look:
        """What a person said stands in the journal, not in the world."""
        del step, change, clients, performed
        return Look(Outcome.NOT_APPLIED, "nobody has attested yet")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """A person's word is not checked again."""
        del step, planned, clients
        return Verification()
