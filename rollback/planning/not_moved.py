"""Whose users a plan leaves where they are, so that no reader takes a halt for a rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.change import Finding, NoOp, Update
from rollback.model.steps import traits_of

if TYPE_CHECKING:
    from rollback.model.environment import Environment
    from rollback.model.observation import Observation
    from rollback.model.plan import PlannedStep


def not_moved(
    environment: Environment,
    steps: tuple[PlannedStep, ...],
    observations: tuple[Observation, ...],
    said_already: frozenset[str],
) -> tuple[Finding, ...]:
    """One finding that names the surfaces whose users stay on the release they are on.

    A surface that already serves what the plan wants is no exposure, nor is one of said_already
    (surfaces that a person rolls back). A plan of other purpose (a lease, a hold) says nothing.
    """
    if not any(traits_of(step.action).of_rollbacks for step in steps):
        return ()
    left_out = said_already | _moved(steps) | _there_already(steps)
    staying = [name for name in environment.surface_names if name not in left_out]
    if not staying:
        return ()
    named = [f"{name} ({on})" if (on := _on(name, observations)) else name for name in staying]
    who = " and ".join(part for part in (", ".join(named[:-1]), named[-1]) if part)
    why = "this plan does not move them" if _moved(steps) else "this plan moves nobody"
    text = f"users of {who} stay on the release they are on: {why}"
    return (Finding(weight="exposure", code="surface.not-moved", text=text),)


def _moved(steps: tuple[PlannedStep, ...]) -> frozenset[str]:
    return frozenset(
        change.surface or ""
        for step in steps
        for change in step.changes
        if isinstance(change, Update) and change.moves_users
    )


def _there_already(steps: tuple[PlannedStep, ...]) -> frozenset[str]:
    """Surfaces whose revert has nothing to do."""
    return frozenset(
        step.surface or ""
        for step in steps
        if traits_of(step.action).reverts
        and step.changes
        and all(isinstance(change, NoOp) for change in step.changes)
    )


def _on(surface: str, observations: tuple[Observation, ...]) -> str:
    """The builds that production of a surface was seen to serve; empty where nobody looked."""
    for seen in observations:
        if seen.resource == f"{surface}/slot/production":
            for fact in seen.compared:
                if fact.name == "builds" and isinstance(fact.value, tuple):
                    return ", ".join(str(one) for one in fact.value)
    return ""
