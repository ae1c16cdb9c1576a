"""What `restore_recorded` plans: a no-op, one write, or a refusal with the next move. Pure.

The rules, in order:

U1  what cannot be read is not restored
U2  as recorded already: nothing to do
U3  neither as the run found it nor as it left it: somebody changed it since; shown, not refused
U4  a ramp-up rule is opened only to a slot of the environment on which every instance serves one
    release that may be restored (catalogue, floor, hold, schema, flags), the same for all rules
U5  a release is started, or put into a slot, only where it may be restored
U6  a slot is stopped only where no ramp-up rule leads to it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.actions.recorded import FACTS, Recorded, finding, refused, shown
from rollback.actions.recorded_writes import Maker
from rollback.actions.seen import texts
from rollback.model.change import Change, Finding, NoOp, Update
from rollback.model.plan import Exposure
from rollback.model.ports import ActionPlan

if TYPE_CHECKING:
    from rollback.model.observation import World
    from rollback.model.ports import StepContext

__all__ = ["FACTS", "PINNED_S", "Recorded", "recorded_change"]

PINNED_S = 3600


def recorded_change(step: StepContext, world: World) -> ActionPlan:
    """The action plan of one restoration. See the module for the rules."""
    asked = Recorded.read(step)
    seen = world.find(asked.resource)
    if seen is None or not seen.compared:  # U1
        gaps = "; ".join(() if seen is None else seen.gaps) or "nobody looked"
        no = refused(
            asked,
            "undo.unreadable",
            f"what is there now cannot be read: {gaps}",
            "plan again when Resource Manager answers",
        )
        return ActionPlan((no,))
    value = seen.get(FACTS[asked.what])
    now = texts(value) if asked.what == "rules" else (str(value or ""),)
    if now == asked.value:  # U2
        reason = f"{asked.what} is as before run {asked.run} already: {shown(now)}"
        return ActionPlan((NoOp(id=asked.what, resource=asked.resource, reason=reason),))
    findings: list[Finding] = []
    if now != asked.left:  # U3
        text = (
            f"{asked.what} of {asked.resource} is {shown(now)}, neither as run {asked.run} found "
            f"it ({shown(asked.value)}) nor as it left it ({shown(asked.left)}): somebody "
            "changed it since"
        )
        findings.append(finding("unknown", "undo.changed-since", text, asked.surface))
    maker = Maker(step, world, asked, now, findings)
    change: Change = {
        "rules": maker.rules,
        "auto-swap": maker.auto_swap,
        "image": maker.image,
        "state": maker.state,
    }[asked.what]()
    exposures: tuple[Exposure, ...] = ()
    if isinstance(change, Update) and change.id == "stop":
        who = f"users pinned to slot {asked.slot} by cookie: they get errors once it is stopped"
        exposures = (Exposure(surface=asked.surface, who=who, until_s=PINNED_S),)
    duration = change.settle_s_max if isinstance(change, Update) else 0
    return ActionPlan((change,), tuple(findings), exposures, (), duration)
