"""The predicates, one per promise. Each names itself when it is broken.

Broken where a state or a start shows it; the explorer turns that into the shortest trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.direction import Direction
from rollback.planning.proof.model import Status
from rollback.planning.proof.ruled import surely_after

if TYPE_CHECKING:
    from rollback.planning.proof.model import Node, System

State = tuple[Status, ...]

PREDICATES = (
    "authority-before-move",
    "no-step-reduces-authority",
    "evidence-before-change",
    "unknown-stops",
    "one-move-per-surface",
    "exposure-only-shrinks",
    "no-forbidden-pair",
    "toward-safety-enabled",
    "halt-monotonic",
)
"""Every predicate that is checked. `halt-monotonic` holds by type: no effect can name the control
API of the backend, so the operator's bit is moved by the operator alone in every transition."""

_IN_FLIGHT = (Status.RUNNING, Status.UNKNOWN)


def live_builds(system: System, state: State, surface: str) -> frozenset[str]:
    """Builds that some instance of a surface may serve: while a move is in flight, both."""
    live = {build for name, build in system.live if name == surface}
    for index, node in enumerate(system.nodes):
        if node.moves_users and node.surface == surface and node.to_build is not None:
            if state[index] is Status.APPLIED and not node.part:
                live = {node.to_build}
            elif state[index] is Status.APPLIED or state[index] in _IN_FLIGHT:
                live |= {node.to_build}
    return frozenset(live)


def reached_builds(system: System, state: State, surface: str) -> frozenset[str]:
    """Builds that some user of a surface may be on: of production, and where rules lead to."""
    nodes = system.nodes
    own = [place for place, node in enumerate(nodes) if node.surface == surface]

    def counts(setting: list[int]) -> tuple[list[int], bool]:
        """Of what sets one thing, what counts; and whether what was there at first still does."""
        done = {place for place in setting if state[place] is Status.APPLIED}
        begun = done | {place for place in setting if state[place] in _IN_FLIGHT}
        return [one for one in begun if done.isdisjoint(surely_after(nodes, one))], not done

    setting, at_first = counts([place for place in own if nodes[place].rules is not None])
    led = {slot for name, slot in system.ruled if name == surface and at_first}
    led.update(slot for place in setting for slot in nodes[place].rules or ())
    reached = set(live_builds(system, state, surface))
    for slot in led:
        giving, at_first = counts([place for place in own if slot in dict(nodes[place].gives)])
        reached.update(build for place in giving for build in dict(nodes[place].gives)[slot])
        if at_first:
            first = (one[2] for one in system.serving if one[:2] == (surface, slot))
            reached.update(first)
    return frozenset(reached)


def proved_builds(system: System, state: State) -> frozenset[str]:
    """Builds that hold authority: proved when the plan was made, or by the run up to this state."""
    return system.retained | {
        node.proves
        for place, node in enumerate(system.nodes)
        if node.proves and state[place] is Status.APPLIED
    }


def broken_by_start(system: System, state: State, index: int) -> str:
    """The predicate that starting a node in this state breaks; empty for none."""
    node = system.nodes[index]
    if node.direction is Direction.AWAY and any(
        status is Status.UNKNOWN and system.nodes[place].direction is Direction.AWAY
        for place, status in enumerate(state)
    ):
        return "unknown-stops"
    if node.volatile and not any(
        other.captures and state[place] is Status.APPLIED
        for place, other in enumerate(system.nodes)
    ):
        return "evidence-before-change"
    if not node.moves_users:
        return ""
    return _broken_by_move(system, state, node)


def _broken_by_move(system: System, state: State, node: Node) -> str:
    for place, other in enumerate(system.nodes):
        if other.moves_users and other.surface == node.surface and state[place] in _IN_FLIGHT:
            return "one-move-per-surface"
    proved = proved_builds(system, state)
    live = live_builds(system, state, system.authority_surface)
    if node.surface == system.authority_surface:
        if node.to_build not in proved or not proved.issuperset(node.also_to):
            return "no-step-reduces-authority" if live & proved else "authority-before-move"
    elif not live or not live <= proved:  # nobody knows what is live: not proved
        return "authority-before-move"
    left = any(
        other.moves_users
        and not other.part
        and other.surface == node.surface
        and state[place] is Status.APPLIED
        for place, other in enumerate(system.nodes)
    )
    if left and (node.surface, node.to_build) in system.live:
        return "exposure-only-shrinks"
    return ""


def broken_in_state(system: System, state: State) -> str:
    """The predicate that a state breaks by itself; empty for none."""
    for surface, build, other, other_build in system.pairs:
        if build in reached_builds(system, state, surface) and other_build in reached_builds(
            system, state, other
        ):
            start = (Status.BEFORE,) * len(system.nodes)
            both = reached_builds(system, start, surface), reached_builds(system, start, other)
            if build in both[0] and other_build in both[1]:
                continue  # so it was before anything happened
            return "no-forbidden-pair"
    return ""


def broken_by_shape(system: System) -> tuple[str, str]:
    """(predicate, node) that the plan's shape alone breaks: a halt that would have to wait."""
    for node in system.nodes:
        if node.direction is Direction.TOWARD:
            for before in node.after:
                if system.nodes[before].direction is not Direction.TOWARD:
                    return "toward-safety-enabled", node.name
    return "", ""
