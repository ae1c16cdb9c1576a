"""Explore every state a plan can reach, breadth first, so that a counterexample is the shortest.

Transitions: a node starts; it takes effect, does not, or its answer is lost; the process dies (what
ran is unknown); looking or a person resolves an unknown; what was looked for and found not applied
is given back, as if it had not begun. The run gives back a bounded number of times, the model any:
that reaches no state which it does not reach without, so the bound need not be counted. A proof
that only the run can make (of a release that did not run when the plan was made) is a node too:
asked for, given, or not. An operator may halt or release at any moment: that bit is in no guard of
any transition, so it doubles
the states and is counted as such.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rollback.model.base import facts
from rollback.model.direction import Direction
from rollback.model.plan import Certificate
from rollback.planning.proof.model import Node, Status, System, system_of
from rollback.planning.proof.parts import parts_of
from rollback.planning.proof.predicates import (
    PREDICATES,
    State,
    broken_by_shape,
    broken_by_start,
    broken_in_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.authority import AuthorityJudgement
    from rollback.model.environment import Environment
    from rollback.model.observation import Observation
    from rollback.model.plan import PlannedStep

MODEL_VERSION = 5
STATES_MAX = 200_000
"""Beyond this the plan is refused as not provable, never waved through."""

_WORDS = {
    Status.BEFORE: "is given back: looked for, and not applied",
    Status.RUNNING: "starts",
    Status.APPLIED: "takes effect",
    Status.NOT_APPLIED: "does not take effect",
    Status.UNKNOWN: "is lost: nobody knows whether it took effect",
}

_WORDS_OF_A_PROOF = {
    Status.RUNNING: "is asked for",
    Status.APPLIED: "is proved",
    Status.NOT_APPLIED: "is not proved",
    Status.UNKNOWN: "is asked for, and nobody answers",
}


def prove(
    steps: tuple[PlannedStep, ...],
    observations: tuple[Observation, ...],
    environment: Environment,
    judgements: tuple[AuthorityJudgement, ...],
) -> Certificate:
    """The certificate of a plan: what was explored, and the first predicate that breaks."""
    return prove_system(system_of(steps, observations, environment, judgements))


def prove_system(system: System) -> Certificate:
    """Prove each independent part on its own; the cost is their sum."""
    states = transitions = 0
    broken, where = broken_by_shape(system)
    trace: tuple[str, ...] = (f"1. {where} has to wait for another step",) if broken else ()
    parts = parts_of(system)
    if not broken:
        for part in parts:
            seen, moved, broken, trace = _explore(part)
            states += seen
            transitions += moved
            if broken:
                break
    return Certificate(
        model_version=MODEL_VERSION,
        states=states * 2,
        transitions=transitions * 2 + states * 2,
        predicates=PREDICATES,
        bounds=facts(
            states_max=STATES_MAX,
            parts=len(parts),
            nodes=len(system.nodes),
            returns_max=max((node.returns for node in system.nodes), default=0),
        ),
        holds=not broken,
        counterexample=trace,
        broken=broken,
    )


def _explore(system: System) -> tuple[int, int, str, tuple[str, ...]]:
    start: State = tuple(Status.BEFORE for _ in system.nodes)
    came: dict[State, tuple[State, str] | None] = {start: None}
    queue: deque[State] = deque([start])
    transitions = 0
    while queue:
        state = queue.popleft()
        for label, index, then in _moves(system, state):
            transitions += 1
            broken = ""
            if then[index] is Status.RUNNING:
                broken = broken_by_start(system, state, index)
            broken = broken or broken_in_state(system, then)
            if broken:
                trace = [*_trace(came, state), label]
                return len(came), transitions, broken, _numbered(trace)
            if then not in came:
                came[then] = (state, label)
                queue.append(then)
        if len(came) > STATES_MAX:
            return len(came), transitions, "bounds", (f"more than {STATES_MAX} states",)
    return len(came), transitions, "", ()


def _moves(system: System, state: State) -> Iterator[tuple[str, int, State]]:
    """Every transition out of a state: (what happens, node, next state)."""
    for index, node in enumerate(system.nodes):
        status = state[index]
        if status is Status.BEFORE and startable(system, state, index):
            yield _step(state, index, Status.RUNNING, node)
        elif status in (Status.RUNNING, Status.UNKNOWN):
            yield _step(state, index, Status.APPLIED, node)
            yield _step(state, index, Status.NOT_APPLIED, node)
            if status is Status.RUNNING:
                yield _step(state, index, Status.UNKNOWN, node)
        elif status is Status.NOT_APPLIED and node.returns:
            yield _step(state, index, Status.BEFORE, node)


def _step(state: State, index: int, status: Status, node: Node) -> tuple[str, int, State]:
    then = (*state[:index], status, *state[index + 1 :])
    words = _WORDS_OF_A_PROOF if node.proves else _WORDS
    return f"{node.name} {words[status]}", index, then


def startable(system: System, state: State, index: int) -> bool:
    """Whether the executor would start a node here. Toward safety: always."""
    node = system.nodes[index]
    if node.direction is Direction.TOWARD:
        return True
    if any(state[other] is not Status.APPLIED for other in node.after):
        return False
    if node.direction is not Direction.AWAY:
        return True
    return not any(_stops(other, state[place]) for place, other in enumerate(system.nodes))


def _stops(node: Node, status: Status) -> bool:
    """Whether what became of a node keeps every later move away from safety from starting."""
    if status is Status.NOT_APPLIED and node.hands_over:
        return True
    if node.direction is not Direction.AWAY:
        return False
    return status is Status.UNKNOWN or (status is Status.NOT_APPLIED and not node.goes_on)


def _trace(came: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    labels: list[str] = []
    at = came[state]
    while at is not None:
        labels.append(at[1])
        at = came[at[0]]
    return labels[::-1]


def _numbered(trace: list[str]) -> tuple[str, ...]:
    return tuple(f"{number}. {label}" for number, label in enumerate(trace, start=1))
