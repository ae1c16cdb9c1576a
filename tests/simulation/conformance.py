"""The proof's model of a plan, moved side by side with the run: where they part, the proof lies.

The model (rollback/planning/proof/model.py) says when a node may start, what users may be on while
it is under way, and what they are on when it is over. The run's records move the model; the world
then has to be where the model says, and no start may be one that the model would not make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.record import RecordKind
from rollback.planning.proof.model import Status, system_of
from rollback.planning.proof.predicates import broken_by_start, broken_in_state, live_builds
from rollback.planning.proof.prove import startable
from rollback.rehearsal.simulator import names
from rollback.running.state import AGAIN

if TYPE_CHECKING:
    from rollback.model.environment import Environment
    from rollback.model.plan import Plan
    from rollback.model.record import Record
    from rollback.planning.proof.predicates import State
    from rollback.rehearsal.simulator.world import World

_OUTCOMES = {
    "applied": Status.APPLIED,
    "not-applied": Status.NOT_APPLIED,
    "unknown": Status.UNKNOWN,
}


class Model:
    """The model of one plan, where the records of one run have brought it."""

    def __init__(self, plan: Plan, environment: Environment) -> None:
        self._plan = plan
        self._system = system_of(plan.steps, plan.observations, environment, plan.authority)
        self._place = {node.name: place for place, node in enumerate(self._system.nodes)}
        self._owner = {
            effect.id: f"{step.name}#{change.id}"
            for step, change in plan.updates
            for effect in change.effects
        }
        self.state: State = tuple(Status.BEFORE for _ in self._system.nodes)

    def record(self, record: Record) -> str:
        """Move as a record says; what the model would not have done, empty where it agrees."""
        match record.kind:
            case RecordKind.OPENED:
                self._reopened()
            case RecordKind.INTENT:
                return self._started(self._owner.get(record.text("effect"), ""))
            case RecordKind.RETURNED:
                self._set(self._owner.get(record.text("effect"), ""), Status.BEFORE)
            case RecordKind.NOTE if record.text("code") == AGAIN:
                # Nothing of it had left, and a person says that it may be tried again.
                self._set(f"{record.text('step')}#{record.text('change')}", Status.BEFORE)
            case RecordKind.OUTCOME:
                name = f"{record.text('step')}#{record.text('change')}"
                self._set(name, _OUTCOMES[record.text("outcome")])
            case RecordKind.STEP:
                done = record.text("status") == "done"
                self._set(record.text("step"), Status.APPLIED if done else Status.NOT_APPLIED)
            case _:
                pass
        broken = broken_in_state(self._system, self.state)
        return f"{broken} is broken where the run stands" if broken else ""

    def world(self, world: World) -> str:
        """Where the world is not where the model says that it can be."""
        for site, home in world.sites.items():
            surface = site.removeprefix("trading-")
            serving = {one.serves() for one in home.slots[names.PRODUCTION].instances}
            may = live_builds(self._system, self.state, surface)
            if may and not serving <= may:
                return f"{surface} serves {sorted(map(str, serving))}, the model says {sorted(may)}"
        return ""

    def _started(self, name: str) -> str:
        place = self._place.get(name)
        if place is None or self.state[place] is Status.RUNNING:
            return ""
        node, before = self._system.nodes[place], self.state
        self._set(name, Status.RUNNING)
        # A capture begins however what it comes after has ended; the model waits for success.
        strict = node.direction is Direction.AWAY or not node.captures
        if strict and not startable(self._system, before, place):
            return f"{name} starts where the model would not start it"
        broken = broken_by_start(self._system, before, place)
        return f"{name} starts where the model says that it breaks {broken}" if broken else ""

    def _reopened(self) -> None:
        """A new sitting looks again at all that is open."""
        for step in self._plan.steps:
            for change in step.changes:
                if not isinstance(change, Update):
                    continue
                name = f"{step.name}#{change.id}"
                if name not in self._place:
                    continue
                status = self.state[self._place[name]]
                if status is Status.APPLIED or status is Status.BEFORE:
                    continue
                captures = step.action == "snapshot_audit_logs"
                self._set(name, Status.BEFORE if captures else Status.UNKNOWN)
            if step.name in self._place and self.state[self._place[step.name]] is not (
                Status.APPLIED
            ):
                self._set(step.name, Status.BEFORE)

    def _set(self, name: str, status: Status) -> None:
        place = self._place.get(name)
        if place is not None:
            self.state = (*self.state[:place], status, *self.state[place + 1 :])
