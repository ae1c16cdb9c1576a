"""Whom ramp-up rules lead where, while a plan is under way. Pure.

A rule sends some users of production to a slot. So users are on what production serves, and on what
the slots serve that rules lead to. Both may change: a halt or a restore sets the rules, a swap or a
start gives a slot another release. What was set counts until something that surely comes after it
has set it anew; while it is under way both count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.observation import World
from rollback.model.ramp_rules import led_slots, rules_of, rules_seen
from rollback.model.slots import PRODUCTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.change import Update
    from rollback.model.environment import Environment
    from rollback.model.observation import Observation
    from rollback.planning.proof.model import Node

Serves = tuple[tuple[str, tuple[str, ...]], ...]
"""Slots, each with the builds that it serves."""


def rules_set_by(update: Update, environment: Environment) -> tuple[str, ...] | None:
    """The slots that rules lead to once the update took effect; None where it sets no rules."""
    for predicted in update.predicts:
        name, _, what = predicted.resource.partition("/")
        if what == "traffic":
            held = next((one.value for one in predicted.compared if one.name == "rules"), ())
            return led_slots(environment.surface(name), rules_of(held))
    return None


def slots_given_by(update: Update) -> Serves:
    """The slots that serve other builds once the update took effect."""
    return tuple(
        (slot, tuple(str(build) for build in one.value))
        for predicted in update.predicts
        if (slot := _slot(predicted.resource))
        for one in predicted.compared
        if one.name == "builds" and isinstance(one.value, tuple)
    )


def ruled_at_first(
    observations: tuple[Observation, ...], environment: Environment
) -> tuple[tuple[str, str], ...]:
    """(surface, slot) pairs that rules lead to before anything happens."""
    world = World(observations=observations)
    return tuple(
        (name, slot)
        for name, surface in environment.surfaces
        for slot in led_slots(surface, rules_seen(world, name) or ())
    )


def serving_at_first(observations: tuple[Observation, ...]) -> tuple[tuple[str, str, str], ...]:
    """(surface, slot, build) of every slot but production before anything happens."""
    return tuple(
        (seen.resource.partition("/")[0], slot, str(build))
        for seen in observations
        if (slot := _slot(seen.resource))
        for build in _builds(seen)
    )


def _slot(resource: str) -> str:
    """The slot that a resource is, beside production; empty for all else."""
    _, _, what = resource.partition("/")
    kind, _, slot = what.partition("/")
    return slot if kind == "slot" and slot != PRODUCTION else ""


def _builds(seen: Observation) -> tuple[object, ...]:
    builds = seen.get("builds")
    return builds if isinstance(builds, tuple) else ()


def surely_after(nodes: tuple[Node, ...], earlier: int) -> Iterator[int]:
    """The nodes that cannot begin before this one has taken effect."""
    behind = {earlier}
    for index in range(earlier + 1, len(nodes)):
        if behind & set(nodes[index].after):
            behind.add(index)
            yield index
