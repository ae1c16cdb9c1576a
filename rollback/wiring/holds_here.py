"""Holds that this machine made, from its journals: what the store may have lost, or not got.

A hold is an object in the evidence store and a record in the journal. Where the store failed, the
local spool took it; where the store's folder was lost, is not mounted, or was emptied, it says
nothing, which reads like "nobody is on hold". The journals of this machine still know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import RollbackError
from rollback.evidence.holds import Standing
from rollback.model.record import Outcome, RecordKind
from rollback.running.journal import check_file
from rollback.wiring.plan_document import PlanDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rollback.model.change import Update
    from rollback.running.store import RunDirectory, StateDirectory

_HOLDS = frozenset({"hold_release", "release_hold"})


def holds_here(
    state: StateDirectory, environment: str, known: Iterable[Standing]
) -> tuple[Standing, ...]:
    """Releases on hold by the last word of this machine's runs, of which the store knows less.

    known: what stands in the store. A run that cannot be read says nothing.
    """
    told = {(one.surface, one.build): one.number for one in known}
    last: dict[tuple[str, str], Standing] = {}
    for said in (one for run in state.runs() for one in _said(run, environment)):
        key = (said.surface, said.build)
        before = last.get(key)
        if before is None or (said.number, said.held) > (before.number, before.held):
            last[key] = said
    return tuple(
        last[key] for key in sorted(last) if last[key].held and last[key].number > told.get(key, 0)
    )


def _said(run: RunDirectory, environment: str) -> Iterator[Standing]:
    try:
        plan = PlanDocument.read(run.plan()).plan
        if plan.environment != environment or not any(one.action in _HOLDS for one in plan.steps):
            return
        records = check_file(run.journal_path).records
    except RollbackError:
        return
    applied = {
        (one.text("step"), one.text("change"))
        for one in records
        if one.kind is RecordKind.OUTCOME and one.text("outcome") == Outcome.APPLIED.value
    }
    for step, change in plan.updates:
        if step.action in _HOLDS and (step.name, change.id) in applied:
            yield _standing(change)


def _standing(change: Update) -> Standing:
    after = {fact.name: fact.value for fact in change.after}
    number = int(str(after["number"]))
    return Standing(change.surface or "", str(after["build"]), number, after["held"] is True)
