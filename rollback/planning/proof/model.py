"""The plan as a transition system: nodes that start, take effect or not, get lost, and are found.

A node is one update of one step, or a step without updates. Nodes of a step run one after another;
steps run as `after` says, side by side where it says nothing. The semantics here are those of
`running.drive`: what may start, what a failure stops, what unknown means.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from rollback.model.authority import Verdict
from rollback.model.change import Update
from rollback.model.direction import Direction

if TYPE_CHECKING:
    from rollback.model.authority import AuthorityJudgement
    from rollback.model.environment import Environment
    from rollback.model.observation import Observation
    from rollback.model.plan import PlannedStep


class Status(IntEnum):
    """Where a node stands."""

    BEFORE = 0
    RUNNING = 1
    APPLIED = 2
    NOT_APPLIED = 3
    UNKNOWN = 4


@dataclass(frozen=True, slots=True)
class Node:
    """One thing that can happen. after: indices that must be applied first."""

    name: str
    after: tuple[int, ...]
    direction: Direction
    surface: str | None = None
    moves_users: bool = False
    to_build: str | None = None
    volatile: bool = False
    captures: bool = False
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class System:
    """Nodes, and the facts of the world that the predicates need.

    live: (surface, build) pairs before anything happens, several where instances differ.
    retained: builds proved to hold authority.
    """

    nodes: tuple[Node, ...]
    live: tuple[tuple[str, str], ...]
    retained: frozenset[str]
    authority_surface: str
    pairs: tuple[tuple[str, str, str, str], ...]


def system_of(
    steps: tuple[PlannedStep, ...],
    observations: tuple[Observation, ...],
    environment: Environment,
    judgements: tuple[AuthorityJudgement, ...],
) -> System:
    """The transition system of planned steps."""
    ends: dict[str, tuple[int, ...]] = {}
    nodes: list[Node] = []
    for step in steps:
        own = tuple(
            dict.fromkeys(index for name in step.after for index in ends.get(name, ()))
        )
        after, first = own, len(nodes)
        captures = step.action == "snapshot_audit_logs" and any(
            fact.name == "sources" and fact.value in ("all", "volatile")
            for fact in step.spec
        )
        updates = [change for change in step.changes if isinstance(change, Update)]
        if not updates:
            nodes.append(
                Node(
                    step.name, after, Direction.NEITHER, step.surface, captures=captures
                )
            )
        for update in updates:
            nodes.append(
                Node(
                    name=f"{step.name}#{update.id}",
                    after=own if update.direction is Direction.TOWARD else after,
                    direction=update.direction,
                    surface=update.surface,
                    moves_users=update.moves_users,
                    to_build=update.to_build,
                    volatile=bool(update.volatile),
                    captures=captures,
                    goes_on=step.on_failure == "continue",
                )
            )
            # Moves toward safety wait for nothing, not even for their neighbours in a step.
            if update.direction is not Direction.TOWARD:
                after = (len(nodes) - 1,)
        ends[step.name] = tuple(range(first, len(nodes)))
    return System(
        nodes=tuple(nodes),
        live=_live(observations, environment.halt_authority.surface, judgements),
        retained=frozenset(
            build
            for one in judgements
            if one.verdict is Verdict.RETAINED
            for build in _judged_builds(one)
        ),
        authority_surface=environment.halt_authority.surface,
        pairs=tuple(
            (pair.surface, pair.build, pair.other_surface, pair.other_build)
            for pair in environment.forbidden_pairs
        ),
    )


def _live(
    observations: tuple[Observation, ...],
    authority_surface: str,
    judgements: tuple[AuthorityJudgement, ...],
) -> tuple[tuple[str, str], ...]:
    """What users are on. Where nobody read the authority's slot, its judgement says it."""
    live: set[tuple[str, str]] = set()
    for seen in observations:
        if seen.resource.endswith("/slot/production"):
            builds = seen.get("builds")
            surface = seen.resource.split("/", maxsplit=1)[0]
            if isinstance(builds, tuple):
                live.update((surface, str(build)) for build in builds)
    if not any(surface == authority_surface for surface, _ in live):
        live.update(
            (authority_surface, build)
            for one in judgements
            if one.slot == "production"
            for build in _judged_builds(one)
        )
    return tuple(sorted(live))


def _judged_builds(judgement: AuthorityJudgement) -> tuple[str, ...]:
    """The builds judged. A weak proof may not know them: then the slot's own, unnamed build."""
    return judgement.builds or (f"unnamed on {judgement.slot}",)


def independent_parts(nodes: tuple[Node, ...]) -> tuple[tuple[int, ...], ...]:
    """Groups of nodes that share neither order nor surface, in index order.

    A compatibility pair or the authority of one surface over another would join them; surfaces of
    one environment always are, so parts arise where targets have nothing to do with each other.
    """
    parent = list(range(len(nodes)))

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    by_surface: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for other in node.after:
            parent[find(index)] = find(other)
        if node.moves_users:
            known = by_surface.setdefault("moves", index)
            parent[find(index)] = find(known)
    groups: dict[int, list[int]] = {}
    for index in range(len(nodes)):
        groups.setdefault(find(index), []).append(index)
    return tuple(tuple(group) for group in sorted(groups.values()))
