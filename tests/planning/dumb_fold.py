"""The folded world, as dumb as can be: every step asks every earlier one."""

from __future__ import annotations

from collections.abc import Mapping

from rollback.model.change import Update
from rollback.model.environment import Environment
from rollback.model.observation import World
from rollback.model.plan import PlannedStep
from rollback.planning.folded import fold_change


def ancestors(steps: Mapping[str, tuple[str, ...]], name: str) -> frozenset[str]:
    """Every step that is certainly finished before `name` starts."""
    seen: set[str] = set()
    waiting = list(steps[name])
    while waiting:
        before = waiting.pop()
        if before not in seen:
            seen.add(before)
            waiting.extend(steps.get(before, ()))
    return frozenset(seen)


def edges(
    planned: list[PlannedStep],
    waits: dict[str, tuple[str, ...]],
    after: tuple[str, ...],
    resources: tuple[str, ...],
) -> tuple[str, ...]:
    """`after`, and each unordered earlier step that predicts what is read."""
    before = ancestors({**waits, "": after}, "")
    extra = [
        step.name
        for step in planned
        if step.name not in before
        and any(
            one.resource in resources
            for change in step.changes
            if isinstance(change, Update)
            for one in change.predicts
        )
    ]
    return (*after, *extra)


def updates_before(
    planned: list[PlannedStep], waits: dict[str, tuple[str, ...]], name: str
) -> tuple[Update, ...]:
    """Every update of every step that comes before."""
    before = ancestors(waits, name)
    return tuple(
        change
        for step in planned
        if step.name in before
        for change in step.changes
        if isinstance(change, Update)
    )


def world_before(
    seen: World,
    planned: list[PlannedStep],
    waits: dict[str, tuple[str, ...]],
    name: str,
    environment: Environment,
) -> World:
    """What was seen, folded with all that comes before."""
    world = seen
    for change in updates_before(planned, waits, name):
        world = fold_change(world, change, environment)
    return world
