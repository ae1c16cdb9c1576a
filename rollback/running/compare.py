"""The world read again, held against the world the plan predicts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rollback.model.observation import World
from rollback.rendering.escape import quoted

if TYPE_CHECKING:
    from rollback.model.base import Value
    from rollback.model.change import Update
    from rollback.model.observation import Observation
    from rollback.model.plan import PlannedStep

_BUSY = "operation"
UNREAD = "-unread"
"""How the name of a resource ends that could not be read, and whose absence is no drift."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One compared fact that is not as predicted, in a reviewer's terms."""

    resource: str
    fact: str
    predicted: Value
    found: Value

    def __str__(self) -> str:
        said = f"the plan expects {_said(self.predicted)}, found {_said(self.found)}"
        return f"{self.resource} {self.fact}: {said}"


def _said(value: Value) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(_said(one) for one in value) or "none"
        case _:
            return quoted(str(value)) if value != "" else "nothing"


@dataclass(frozen=True, slots=True)
class Comparison:
    """as-predicted: go on. satisfied: already as wanted. busy: wait. drifted: stop."""

    verdict: Literal["as-predicted", "satisfied", "busy", "drifted"]
    differences: tuple[Difference, ...] = ()


def compare(
    step: PlannedStep,
    change: Update,
    settled: tuple[Update, ...],
    seen: tuple[Observation, ...],
) -> Comparison:
    """Hold what is seen now against what the plan predicts just before `change`.

    settled: updates of the same step that are applied. Only resources that the step expects count;
    facts that nobody predicted are drift only when they changed. A resource that was not seen is
    drift, unless the action says under its name and `UNREAD` that this must keep nobody back.
    """
    world = World(observations=seen)
    if any(one.compared for one in change.predicts) and all(
        world.get(one.resource, fact.name, _MISSING) == fact.value
        for one in change.predicts
        for fact in one.compared
    ):
        return Comparison("satisfied")
    expected = World(observations=step.expects)
    for earlier in settled:
        expected = expected.fold(earlier.predicts)
    differences: list[Difference] = []
    busy: list[Difference] = []
    for wanted in expected.observations:
        found = world.find(wanted.resource)
        if found is None and world.find(f"{wanted.resource}{UNREAD}") is not None:
            continue
        for fact in wanted.compared:
            now = None if found is None else found.get(fact.name)
            if now == fact.value:
                continue
            one = Difference(wanted.resource, fact.name, fact.value, now)
            (busy if fact.name == _BUSY else differences).append(one)
    if busy and any(one.found for one in busy):
        return Comparison("busy", tuple(busy))
    if differences:
        return Comparison("drifted", tuple(differences))
    return Comparison("as-predicted")


_MISSING = "\0not seen"
