"""The proof again, as dumb as can be.

Whole worlds, walked one by one, with what users are on kept as it changed. Slow, without parts,
without order of nodes; written from the promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rollback.model.direction import Direction
from rollback.planning.proof.model import Node, System

EVENTS = {
    "starts": "running",
    "takes effect": "applied",
    "does not take effect": "not-applied",
    "is lost: nobody knows whether it took effect": "unknown",
    "is given back: looked for, and not applied": "before",
    "is asked for": "running",
    "is proved": "applied",
    "is not proved": "not-applied",
    "is asked for, and nobody answers": "unknown",
}


@dataclass(frozen=True)
class Walk:
    """One world: a word per node, and the (surface, build) pairs that users are on."""

    words: tuple[str, ...]
    on: frozenset[tuple[str, str]]
    left: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Findings:
    """broken: predicate to the fewest events that break it. words: every reachable word tuple."""

    broken: dict[str, int]
    words: frozenset[tuple[str, ...]]


def beginning(system: System) -> Walk:
    """Nothing has happened."""
    return Walk(("before",) * len(system.nodes), frozenset(system.live))


def waits(system: System) -> bool:
    """Some move toward safety waits for something that is none."""
    return any(
        node.direction is Direction.TOWARD and system.nodes[other].direction is not Direction.TOWARD
        for node in system.nodes
        for other in node.after
    )


def walk_all(system: System) -> Findings:
    """Every world, by number of events; a broken one is not walked on from."""
    broken: dict[str, int] = {}
    layer, seen, events = {beginning(system)}, {beginning(system)}, 0
    while layer:
        events += 1
        further: set[Walk] = set()
        for walk in layer:
            for _, index, word in possible(system, walk):
                then = happen(system, walk, index, word)
                if bad := breaks(system, walk, then, index):
                    broken.setdefault(bad, events)
                else:
                    further.add(then)
        layer = further - seen
        seen |= layer
    return Findings(broken, frozenset(walk.words for walk in seen))


def possible(system: System, walk: Walk) -> Iterator[tuple[str, int, str]]:
    """(name, index, word) of all that can happen next."""
    for index, node in enumerate(system.nodes):
        word = walk.words[index]
        if word == "before" and may_start(system, walk, node):
            yield node.name, index, "running"
        if word in ("running", "unknown"):
            yield node.name, index, "applied"
            yield node.name, index, "not-applied"
        if word == "running":
            yield node.name, index, "unknown"
        if word == "not-applied" and node.returns:
            yield node.name, index, "before"


def may_start(system: System, walk: Walk, node: Node) -> bool:
    """A halt always; the rest after what comes before; a move away only while none went wrong."""
    if node.direction is Direction.TOWARD:
        return True
    if {walk.words[before] for before in node.after} - {"applied"}:
        return False
    if node.direction is Direction.NEITHER:
        return True
    for other, word in zip(system.nodes, walk.words, strict=True):
        if word == "not-applied" and other.hands_over:
            return False
        if other.direction is Direction.AWAY:
            if word == "unknown":
                return False
            if word == "not-applied" and not other.goes_on:
                return False
    return True


def happen(system: System, walk: Walk, index: int, word: str) -> Walk:
    """The world after one event."""
    words = list(walk.words)
    words[index] = word
    then = replace(walk, words=tuple(words))
    node = system.nodes[index]
    if word == "applied" and node.moves_users and node.surface is not None:
        if node.to_build is not None:
            kept = {one for one in walk.on if node.part or one[0] != node.surface}
            then = replace(then, on=frozenset({*kept, (node.surface, node.to_build)}))
        if not node.part:
            then = replace(then, left=walk.left | {node.surface})
    return then


def maybe_on(system: System, walk: Walk) -> set[tuple[str, str]]:
    """What users may be on: both sides of every move in flight."""
    return set(walk.on) | {
        (node.surface, node.to_build)
        for node, word in zip(system.nodes, walk.words, strict=True)
        if node.moves_users and node.surface and node.to_build and word in ("running", "unknown")
    }


def waits_for(system: System, later: int, earlier: int) -> bool:
    """Whether one node cannot begin before another took effect."""
    after = system.nodes[later].after
    return earlier in after or any(waits_for(system, one, earlier) for one in after)


def led_to(system: System, walk: Walk) -> set[tuple[str, str]]:
    """What rules may lead users to: (surface, build) pairs.

    A setting is told until another one, which waited for it, has taken effect. What was there at
    first is told until any has.
    """
    found = set()
    for surface in {name for name, _ in system.ruled} | {str(one.surface) for one in system.nodes}:
        own = [index for index, one in enumerate(system.nodes) if one.surface == surface]

        def told(setters: list[int]) -> list[int]:
            done = [one for one in setters if walk.words[one] == "applied"]
            over = {a for a in setters for b in done if waits_for(system, b, a)}
            words = ("running", "unknown", "applied")
            told = [one for one in setters if walk.words[one] in words and one not in over]
            return told if done else [*told, -1]

        slots: set[str] = set()
        for index in told([one for one in own if system.nodes[one].rules is not None]):
            if index == -1:
                slots |= {slot for name, slot in system.ruled if name == surface}
            else:
                slots |= set(system.nodes[index].rules or ())
        for slot in slots:
            for index in told([one for one in own if slot in dict(system.nodes[one].gives)]):
                if index == -1:
                    builds = {one for name, at, one in system.serving if (name, at) == (surface, slot)}
                else:
                    builds = set(dict(system.nodes[index].gives)[slot])
                found |= {(surface, build) for build in builds}
    return found


def breaks(system: System, walk: Walk, then: Walk, index: int) -> str:
    """The promise that this event breaks, if any."""
    node = system.nodes[index]
    if then.words[index] == "running":
        captured = [
            other.name
            for other, word in zip(system.nodes, walk.words, strict=True)
            if other.captures and word == "applied"
        ]
        if node.volatile and not captured:
            return "evidence-before-change"
        if node.moves_users and (bad := _bad_move(system, walk, node)):
            return bad
    now = maybe_on(system, then) | led_to(system, then)
    before = set(system.live) | led_to(system, beginning(system))
    for surface, build, other_surface, other_build in system.pairs:
        pair = {(surface, build), (other_surface, other_build)}
        if pair <= now and not pair <= before:
            return "no-forbidden-pair"
    return ""


def _bad_move(system: System, walk: Walk, node: Node) -> str:
    flying = {
        other.surface
        for other, word in zip(system.nodes, walk.words, strict=True)
        if other.moves_users and word in ("running", "unknown")
    }
    if node.surface in flying:
        return "one-move-per-surface"
    behind = {build for surface, build in maybe_on(system, walk) if surface == "backend"}
    proved = set(system.retained)
    for other, word in zip(system.nodes, walk.words, strict=True):
        if other.proves and word == "applied":
            proved.add(other.proves)
    if node.surface == "backend":
        if {node.to_build, *node.also_to} - proved:
            return "no-step-reduces-authority" if behind & proved else "authority-before-move"
    elif not behind or behind - proved:
        return "authority-before-move"
    if node.surface in walk.left and (node.surface, node.to_build) in system.live:
        return "exposure-only-shrinks"
    return ""


def leads(node: Node) -> bool:
    """Whether it has a say in where users may be."""
    return node.moves_users or node.rules is not None or node.gives != ()


def components(system: System) -> list[set[int]]:
    """Nodes that have to do with each other.

    By order, or because both move users: of one surface, of the backend and another, or of two
    surfaces that may not be paired. Of those, what sets rules or gives slots builds counts, too.
    """
    groups = [{index} for index in range(len(system.nodes))]
    paired = [{surface, other} for surface, _, other, _ in system.pairs]

    def related(one: int, other: int) -> bool:
        first, second = system.nodes[one], system.nodes[other]
        return (
            one in second.after
            or other in first.after
            or (
                first.moves_users
                and second.moves_users
                and (
                    first.surface == second.surface
                    or "backend" in (first.surface, second.surface)
                    or {first.surface, second.surface} in paired
                )
            )
            or (
                leads(first)
                and leads(second)
                and (
                    {first.surface, second.surface} in paired
                    or (
                        first.surface == second.surface
                        and any(first.surface in pair for pair in paired)
                    )
                )
            )
        )

    for _ in system.nodes:
        groups = [
            set().union(
                *(other for other in groups if any(related(a, b) for a in one for b in other))
            )
            | one
            for one in groups
        ]
    return [set(one) for one in {frozenset(one) for one in groups}]
