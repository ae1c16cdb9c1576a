"""Holds that this machine made, from its journals: what the store may have lost, or not got.

A hold is an object in the evidence store and a record in the journal. Where the store failed, the
local spool took it; where the store's folder was lost, is not mounted, or was emptied, it says
nothing, which reads like "nobody is on hold". The journals of this machine still know.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from rollback.errors import RollbackError
from rollback.evidence.holds import Standing
from rollback.model.base import facts
from rollback.model.observation import Observation
from rollback.model.record import Outcome, RecordKind
from rollback.model.steps import traits_of
from rollback.running.journal import check_file
from rollback.wiring.plan_document import PlanDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from rollback.model.change import Update
    from rollback.running.store import RunDirectory, StateDirectory


def holds_here(
    state: StateDirectory,
    environment: str,
    known: Iterable[Standing],
    only: frozenset[str] | None = None,
) -> tuple[Standing, ...]:
    """Releases on hold by the last word of this machine's runs, of which the store knows less.

    known: what stands in the store. only: these runs, None for all. A run that cannot be read says
    nothing.
    """
    runs = [run for run in state.runs() if only is None or run.run in only]
    told = {(one.surface, one.build): one.number for one in known}
    last: dict[tuple[str, str], Standing] = {}
    for said in (one for run in runs for one in _said(run, environment)):
        key = (said.surface, said.build)
        before = last.get(key)
        if before is None or (said.number, said.held) > (before.number, before.held):
            last[key] = said
    return tuple(
        last[key] for key in sorted(last) if last[key].held and last[key].number > told.get(key, 0)
    )


def spooled_here(
    state: StateDirectory,
    environment: str,
    steps: Iterable[tuple[str, tuple[Observation, ...]]],
    at: datetime,
) -> dict[str, Observation]:
    """By surface, the releases that are on hold in a local spool alone, of which a plan must know.

    steps: what the plan's steps saw. Told from the spools' files first, so that a machine on which
    no store ever failed, as good as every one, reads no journal for it. What was spooled by a run
    that cannot be read says nothing: `watch-hold` reads on.
    """
    seen = {one.resource: one for _, found in steps for one in found}
    names = {one.partition("/")[0] for one in seen if one.endswith(("/holds", "/holds-unread"))}
    runs = frozenset(_spooling(state)) if names else frozenset()
    if not runs:
        return {}
    known = [
        Standing(name, build, int(number), held=False)
        for name in names
        for build, _, number in (
            str(one).rpartition("=") for one in _texts(seen.get(f"{name}/holds"), "numbers")
        )
    ]
    here = holds_here(state, environment, known, runs)
    return {
        name: Observation(
            resource=f"{name}/holds-here",
            context=facts(
                on_hold=tuple(one.build for one in here if one.surface == name),
                numbers=tuple(f"{one.build}={one.number}" for one in here if one.surface == name),
            ),
            where="the local spool",
            at=at,
        )
        for name in sorted(names & {one.surface for one in here})
    }


def _spooling(state: StateDirectory) -> Iterator[str]:
    """The runs that had to put a hold into a spool of this machine."""
    for file in sorted(state.root.glob("evidence/*/holds/*/*/held/*.json")):
        with suppress(OSError, ValueError, AttributeError):
            yield str(json.loads(file.read_bytes()).get("run"))


def _texts(seen: Observation | None, name: str) -> tuple[object, ...]:
    value = None if seen is None else seen.get(name)
    return value if isinstance(value, tuple) else ()


def _said(run: RunDirectory, environment: str) -> Iterator[Standing]:
    try:
        plan = PlanDocument.read(run.plan()).plan
        if plan.environment != environment or not any(
            traits_of(one.action).hold for one in plan.steps
        ):
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
        if traits_of(step.action).hold and (step.name, change.id) in applied:
            yield _standing(change)


def _standing(change: Update) -> Standing:
    after = {fact.name: fact.value for fact in change.after}
    number = int(str(after["number"]))
    return Standing(change.surface or "", str(after["build"]), number, after["held"] is True)
