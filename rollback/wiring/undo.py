"""Undo: a new plan that brings back the releases a run moved users from, from its recorded values.

It goes through the same guard, proof and approvals as any plan; nothing is changed by making it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import InputError
from rollback.model.playbook import Playbook, Step
from rollback.model.steps import RestoreTraffic, RetainTradeHalt, RevertDeployment
from rollback.running.fold import fold
from rollback.running.journal import check_file
from rollback.running.state import ChangeStatus

if TYPE_CHECKING:
    from rollback.model.plan import Plan
    from rollback.running.store import RunDirectory


def undo_playbook(plan: Plan, directory: RunDirectory) -> Playbook:
    """Steps that move users back, last move first. Raises InputError where a run moved nobody."""
    state = fold(plan, check_file(directory.journal_path).records)
    steps = [Step(name="authority", spec=RetainTradeHalt())]
    surfaces: list[str] = []
    other: list[str] = []
    for step, change in reversed(plan.updates):
        if state.change(step.name, change.id) is not ChangeStatus.APPLIED:
            continue
        before = next((fact.value for fact in change.before if fact.name == "builds"), ())
        if change.moves_users and change.surface and isinstance(before, tuple) and before:
            name = f"undo-{change.surface}"
            spec = RevertDeployment(
                surfaces=(change.surface,), to=str(before[0]), order="as-written"
            )
            steps.append(Step(name=name, spec=spec, after=(steps[-1].name,)))
            surfaces.append(change.surface)
        elif change.effects:
            other.append(change.summary)
    if not surfaces:
        raise InputError(
            "undo.nothing",
            f"run {directory.run} moved no users, so there is no move to undo",
            hint="what it narrowed (rules, auto-swap) is set again by a person, by choice: "
            + ("; ".join(other) or "nothing"),
        )
    steps.append(
        Step(
            name="traffic",
            spec=RestoreTraffic(surfaces=tuple(reversed(surfaces))),
            after=(steps[-1].name,),
        )
    )
    left = f" Not undone: {'; '.join(other)}." if other else ""
    return Playbook(
        playbook="undo",
        summary=f"Move users back to where run {directory.run} took them from.{left}",
        steps=tuple(steps),
    )
