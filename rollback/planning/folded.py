"""The world as each step finds it: what was seen, folded with what surely comes before the step.

Steps are numbered in the order they are planned, and sets of them are whole numbers, a bit a step:
what comes before one is a few operations on those, so that the cost grows with the steps, not with
their pairs. Worlds are kept by which changes are folded into them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.authority import Verdict
from rollback.model.change import Update
from rollback.model.observation import World
from rollback.model.slots import PRODUCTION
from rollback.planning.authority import from_observation

if TYPE_CHECKING:
    from rollback.model.environment import Environment
    from rollback.model.observation import Observation
    from rollback.model.plan import PlannedStep


class Folded:
    """Not shared; one draft of a plan."""

    def __init__(self, seen: World, environment: Environment) -> None:
        """seen: what everybody looked at, before anything changes."""
        self._environment = environment
        self._number: dict[str, int] = {}
        self._names: list[str] = []
        self._before: dict[str, int] = {}
        self._worlds: dict[int, World] = {0: seen}
        self._changing = 0
        self._updating = 0
        self._changes: dict[int, tuple[Update, ...]] = {}
        self._predicting: dict[str, int] = {}

    def begin(
        self, name: str, after: tuple[str, ...], resources: tuple[str, ...]
    ) -> tuple[str, ...]:
        """`after`, plus an edge to any unordered earlier step that changes what this one reads."""
        before = self._closure(after)
        predicting = 0
        for resource in resources:
            predicting |= self._predicting.get(resource, 0)
        extra = [self._names[number] for number in _numbers(predicting & ~before)]
        full = (*after, *extra)
        self._before[name] = before | self._closure(tuple(extra))
        return full

    def world_before(self, name: str) -> World:
        """What a step that began finds."""
        return self._world(self._before[name] & self._changing)

    def updates_before(self, name: str) -> tuple[Update, ...]:
        """The updates that are surely applied when a step begins, in the order planned."""
        numbers = _numbers(self._before[name] & self._updating)
        return tuple(update for number in numbers for update in self._changes[number])

    def end(self, planned: PlannedStep) -> None:
        """What a planned step declares as its result counts from here on."""
        number = len(self._names)
        self._number[planned.name] = number
        self._names.append(planned.name)
        updates = tuple(one for one in planned.changes if isinstance(one, Update))
        self._changes[number] = updates
        if updates:
            self._updating |= 1 << number
        if any(one.predicts or one.moves_users for one in updates):
            self._changing |= 1 << number
        for one in updates:
            for prediction in one.predicts:
                known = self._predicting.get(prediction.resource, 0)
                self._predicting[prediction.resource] = known | 1 << number

    def _closure(self, names: tuple[str, ...]) -> int:
        """Every planned step that is certainly finished once those are."""
        before = 0
        for name in names:
            if name in self._number:
                before |= 1 << self._number[name] | self._before[name]
        return before

    def _world(self, folded: int) -> World:
        """The world with the changes of those steps, in the order they were planned."""
        missing: list[int] = []
        while (world := self._worlds.get(folded)) is None:
            number = folded.bit_length() - 1
            missing.append(number)
            folded ^= 1 << number
        for number in reversed(missing):
            for change in self._changes[number]:
                world = fold_change(world, change, self._environment)
            folded |= 1 << number
            self._worlds[folded] = world
        return world


def _numbers(bits: int) -> list[int]:
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found


def fold_change(world: World, change: Update, environment: Environment) -> World:
    """The world after a change; authority goes with the releases that the change moves.

    A swap exchanges two releases, so the slot is left with the judgement of what production served.
    """
    folded = world.fold(change.predicts)
    surface = environment.halt_authority.surface
    if change.surface != surface or not change.moves_users or change.some_users:
        return folded
    judged = {
        seen.resource: (seen, found)
        for seen in folded.under(f"authority/{surface}/")
        if (found := from_observation(seen)) is not None
    }
    production = f"authority/{surface}/{PRODUCTION}"
    given: dict[str, Observation] = {}
    for resource, (seen, found) in judged.items():
        if found.builds == (change.to_build,) and found.verdict is Verdict.RETAINED:
            given[production] = seen
            if resource != production and not change.absolute and production in judged:
                given[resource] = judged[production][0]
            break
    return World(
        observations=tuple(
            given[seen.resource].model_copy(update={"resource": seen.resource})
            if seen.resource in given
            else seen
            for seen in folded.observations
        )
    )
