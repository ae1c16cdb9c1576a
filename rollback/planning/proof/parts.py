"""Independent parts of a plan, each proved on its own: the cost is their sum, no product. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollback.planning.proof.model import System

About = TypeVar("About", bound="tuple[str, ...]")
"""A fact of the world that begins with the surface it is about."""


class _Groups:
    """Indices that belong together."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def of(self, index: int) -> int:
        """What stands for the group of an index."""
        parent = self._parent
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(self, index: int, other: int) -> None:
        """Both groups are one."""
        self._parent[self.of(index)] = self.of(other)


def independent_parts(system: System) -> tuple[tuple[int, ...], ...]:
    """Groups of nodes that have nothing to do with each other, in index order.

    Order joins; so do two moves of one surface, of the authority's surface and any other (what
    users are moved to depends on it), and of two surfaces that a compatibility pair names, of which
    rules and slots count too. What a part alone can reach is what it reaches in the whole plan: the
    others may not have begun, and that an executor stops after a failure elsewhere takes states
    away, never adds one.
    """
    groups = _Groups(len(system.nodes))
    moved: dict[str | None, int] = {}
    for index, node in enumerate(system.nodes):
        for other in node.after:
            groups.join(index, other)
        if node.moves_users:
            groups.join(index, moved.setdefault(node.surface, index))
    if (authority := moved.get(system.authority_surface)) is not None:
        for other in moved.values():
            groups.join(other, authority)
    _join_pairs(system, groups, moved)
    found: dict[int, list[int]] = {}
    for index in range(len(system.nodes)):
        found.setdefault(groups.of(index), []).append(index)
    return tuple(tuple(group) for group in sorted(found.values()))


def _join_pairs(system: System, groups: _Groups, moved: dict[str | None, int]) -> None:
    led = dict(moved)
    paired = {name for pair in system.pairs for name in pair[::2]}
    for index, node in enumerate(system.nodes):
        if node.surface in paired and node.leads:
            groups.join(index, led.setdefault(node.surface, index))
    for surface, _, other, _ in system.pairs:
        if surface in led and other in led:
            groups.join(led[surface], led[other])


def parts_of(system: System) -> tuple[System, ...]:
    """Each independent part as a system of its own, with the facts of the world that it needs."""
    live, ruled = _by_surface(system.live), _by_surface(system.ruled)
    serving = _by_surface(system.serving)
    pairs: dict[str, list[int]] = defaultdict(list)
    for number, (surface, _, other_surface, _) in enumerate(system.pairs):
        for name in {surface, other_surface}:
            pairs[name].append(number)
    parts = []
    for part in independent_parts(system):
        place = {index: at for at, index in enumerate(part)}
        nodes = tuple(
            replace(node, after=tuple(place[other] for other in node.after))
            for node in (system.nodes[index] for index in part)
        )
        moved = {node.surface for node in nodes if node.moves_users and node.surface is not None}
        led = {node.surface for node in nodes if node.leads and node.surface is not None}
        # A pair of surfaces that stay as they are cannot come about.
        numbers = sorted({number for surface in led for number in pairs.get(surface, ())})
        own = tuple(system.pairs[number] for number in numbers)
        paired = {name for pair in own for name in pair[::2]}
        parts.append(
            replace(
                system,
                nodes=nodes,
                live=_of(live, {*moved, system.authority_surface, *paired}),
                pairs=own,
                ruled=_of(ruled, paired),
                serving=_of(serving, paired),
            )
        )
    return tuple(parts)


def _by_surface(facts: Iterable[About]) -> dict[str, list[About]]:
    found: dict[str, list[About]] = {}
    for one in facts:
        found.setdefault(one[0], []).append(one)
    return found


def _of(facts: dict[str, list[About]], surfaces: Iterable[str]) -> tuple[About, ...]:
    return tuple(one for surface in sorted(surfaces) for one in facts.get(surface, ()))
