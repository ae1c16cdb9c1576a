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
from rollback.model.steps import traits_of
from rollback.planning.proof.ruled import (
    ruled_at_first,
    rules_set_by,
    serving_at_first,
    slots_given_by,
)

if TYPE_CHECKING:
    from rollback.model.authority import AuthorityJudgement
    from rollback.model.environment import Environment
    from rollback.model.observation import Observation
    from rollback.model.plan import PlannedStep
    from rollback.planning.proof.ruled import Serves


class Status(IntEnum):
    """Where a node stands."""

    BEFORE = 0
    RUNNING = 1
    APPLIED = 2
    NOT_APPLIED = 3
    UNKNOWN = 4


@dataclass(frozen=True, slots=True)
class Node:
    """One thing that can happen. after: indices that must be applied first.

    proves: the build whose halt authority is proved when this takes effect; empty for all that is
    no proof. part: only some users are moved, the others stay. also_to: builds that some users are
    on once it took effect, because a ramp-up rule stays. hands_over: where it does not take
    effect, nothing further moves away from safety. returns: how often it may begin again after it
    was looked for and found not applied. rules: the slots of its surface that ramp-up rules lead to
    once it took effect, None where it sets no rules. gives: the builds that slots serve by then.
    """

    name: str
    after: tuple[int, ...]
    direction: Direction
    surface: str | None = None
    moves_users: bool = False
    to_build: str | None = None
    volatile: bool = False
    captures: bool = False
    goes_on: bool = False
    proves: str = ""
    hands_over: bool = False
    part: bool = False
    also_to: tuple[str, ...] = ()
    returns: int = 0
    rules: tuple[str, ...] | None = None
    gives: Serves = ()

    @property
    def leads(self) -> bool:
        """It changes what users are on, or may be led to."""
        return self.moves_users or self.rules is not None or bool(self.gives)


@dataclass(frozen=True, slots=True)
class System:
    """Nodes, and the facts of the world that the predicates need.

    live: (surface, build) pairs before anything happens, several where instances differ.
    retained: builds proved to hold authority. ruled: (surface, slot) pairs that rules lead to, and
    serving: (surface, slot, build) of slots, before anything happens.
    """

    nodes: tuple[Node, ...]
    live: tuple[tuple[str, str], ...]
    retained: frozenset[str]
    authority_surface: str
    pairs: tuple[tuple[str, str, str, str], ...]
    ruled: tuple[tuple[str, str], ...] = ()
    serving: tuple[tuple[str, str, str], ...] = ()


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
        own = tuple(dict.fromkeys(index for name in step.after for index in ends.get(name, ())))
        if traits_of(step.action).hold == "set":
            # A hold changes nothing that a predicate speaks of: what comes after it is explored as
            # if it came after what the hold comes after.
            ends[step.name] = own
            continue
        after, first = own, len(nodes)
        captures = traits_of(step.action).captures and any(
            fact.name == "sources" and fact.value in ("all", "volatile") for fact in step.spec
        )
        updates = [change for change in step.changes if isinstance(change, Update)]
        hands_over = step.on_failure == "hand-over"
        if not updates:
            nodes.append(
                Node(
                    step.name,
                    after,
                    Direction.NEITHER,
                    step.surface,
                    captures=captures,
                    hands_over=hands_over,
                )
            )
        for update in updates:
            if update.authority_on is not None:
                # The run asks before the change; without a yes the change cannot start.
                proof = Node(
                    name=f"{step.name}#{update.id}/authority",
                    after=after,
                    direction=Direction.NEITHER,
                    surface=update.surface,
                    proves=update.to_build or "",
                )
                nodes.append(proof)
                after = (len(nodes) - 1,)
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
                    part=update.some_users,
                    also_to=update.also_to,
                    hands_over=hands_over,
                    returns=min((effect.returns_max for effect in update.effects), default=0),
                    rules=rules_set_by(update, environment),
                    gives=slots_given_by(update),
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
        ruled=ruled_at_first(observations, environment),
        serving=serving_at_first(observations),
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
