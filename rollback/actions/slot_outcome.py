"""What became of a write to one slot's configuration or state, told by looking.

A value that is not there yet stays open for the quiet period and is then not applied; a release
that starts stays open until every instance serves it, within the change's own limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.actions.seen import fact, texts
from rollback.actions.surfaces import served
from rollback.actions.swap_outcome import quiet
from rollback.model.base import facts
from rollback.model.ports import Look
from rollback.model.record import Outcome
from rollback.model.slots import reference

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.change import Update
    from rollback.model.ports import Clients, StepContext


def told(step: StepContext, clients: Clients, performed: Facts, said: str, *, holds: bool) -> Look:
    """Applied where the value holds; not applied once it did not for the quiet period."""
    if holds:
        return Look(Outcome.APPLIED, said)
    before = str(fact(performed, "quiet_since") or "")
    done, since = quiet(clients.now(), before, step.environment.policy.quiet_s)
    return Look(Outcome.NOT_APPLIED if done else None, said, facts(quiet_since=since))


def look_at_slot(
    step: StepContext, name: str, change: Update, clients: Clients, performed: Facts
) -> Look:
    """Image pinned, or slot started or stopped; and every instance serves what it has to."""
    environment = step.environment
    slot = str(fact(change.after, "slot"))
    ref = reference(environment, environment.surface(name), slot)
    view = clients.arm().slot(ref)
    if view.operation:
        return Look(None, f"operation {view.operation} is in progress", facts(quiet_since=""))
    wanted_state = fact(change.after, "state")
    if wanted_state is not None:
        holds, said = view.state == wanted_state, f"slot {slot} is {view.state}"
    else:
        image = clients.arm().configuration(ref).image
        holds, said = image == fact(change.after, "image"), f"slot {slot} is set to {image}"
    wanted = texts(fact(change.after, "slot_builds"))
    if not holds or not wanted:
        return told(step, clients, performed, said, holds=holds)
    now = served(environment, name, slot, clients)
    serves = f"{said} and serves {', '.join(now.builds) or 'nothing'}"
    if now.all_serve(wanted[0]):
        return Look(Outcome.APPLIED, serves)
    return Look(None, f"{serves} so far", facts(quiet_since=""))
