"""restore_recorded: set one thing back to what a run recorded before it changed it.

Made by ``undo`` alone: no playbook can say it. It moves away from safety whatever it restores: a
ramp-up rule is opened again, auto-swap is switched on, a release is started in a slot or a slot is
stopped. What leads users to a release, or starts one, is held to the same refusals as a revert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.actions.recorded_changes import Recorded, recorded_change
from rollback.actions.slot_outcome import look_at_slot, told
from rollback.actions.surfaces import observe_surface
from rollback.errors import ConnectorError
from rollback.model.ports import ActionPlan, Check, Look, Performed, Verification
from rollback.model.ramp_rules import rules_as_texts
from rollback.model.record import Outcome
from rollback.model.slots import PRODUCTION, reference, slot_at
from rollback.model.steps import RestoreRecorded

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.change import Update
    from rollback.model.observation import Observation, Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext
    from rollback.model.steps import StepSpec

AROUND = frozenset({"slot", "traffic", "led", "holds", "settings"})


class RestoreRecordedAction:
    """See the module."""

    name = "restore_recorded"
    spec: type[StepSpec] = RestoreRecorded

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Slots, rules, holds and settings of the surface; every slot that a rule led to."""
        asked = Recorded.read(step)
        surface = step.environment.surface(asked.surface)
        named = [slot_at(surface, rule.host) for rule in asked.rules]
        more = tuple(slot for slot in (asked.slot, *named) if slot)
        return observe_surface(step, asked.surface, clients, AROUND, more)

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """Nothing where it is as recorded; else one write, or why it may not be."""
        return recorded_change(step, world)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """What the change itself declares."""
        del step
        return change.predicts

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Send the one write."""
        asked = Recorded.read(step)
        surface = step.environment.surface(asked.surface)
        slot = reference(step.environment, surface, asked.slot)
        arm = clients.arm()
        match change.id:
            case "rules":
                arm.set_ramp_rules(reference(step.environment, surface), asked.rules)
            case "auto-swap":
                arm.set_auto_swap(slot, asked.text)
            case "image":
                arm.set_image(slot, asked.text)
            case "start":
                arm.start(slot)
            case _:
                arm.stop(slot)
        return Performed()

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Read it back."""
        asked = Recorded.read(step)
        surface = step.environment.surface(asked.surface)
        if change.id in ("image", "start", "stop"):
            return look_at_slot(step, asked.surface, change, clients, performed)
        slot = PRODUCTION if change.id == "rules" else asked.slot
        seen = clients.arm().configuration(reference(step.environment, surface, slot))
        now = rules_as_texts(seen.ramp_rules) if change.id == "rules" else (seen.auto_swap,)
        holds = now == asked.value
        return told(step, clients, performed, f"read back as {_shown(now)}", holds=holds)

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """It is as recorded."""
        checks = []
        for change in planned.changes:
            if change.kind != "update":
                continue
            try:
                look = self.look(step, change, clients, ())
            except ConnectorError as error:
                checks.append(Check(change.id, holds=False, seen=error.reason))
                continue
            checks.append(Check(change.id, look.outcome is Outcome.APPLIED, look.reason))
        return Verification(tuple(checks))


def _shown(now: tuple[str, ...]) -> str:
    return ", ".join(one for one in now if one) or "none"

