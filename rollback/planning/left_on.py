"""Who is still on the release that a plan takes users from, by what its run recorded. Pure.

A run can end without moving anybody (its safe parts only, no approvals, a refusal), and its report
must not read as if users were safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.plan import Exposure
from rollback.model.record import Outcome, RecordKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.model.plan import Plan
    from rollback.model.record import Record


def left_on(plan: Plan, records: Sequence[Record]) -> tuple[Exposure, ...]:
    """One exposure for each surface whose users were not, or not surely, moved.

    Where others have the lease, or the world was found otherwise, somebody else may have moved
    them: then it is only said what the plan saw.
    """
    became: dict[tuple[str, str], str] = {}
    drifted: set[tuple[str, str]] = set()
    held = True
    for record in records:
        key = (record.text("step"), record.text("change"))
        if record.kind is RecordKind.OUTCOME:
            became[key] = record.text("outcome")
        elif record.kind is RecordKind.INTENT:
            became[key] = Outcome.UNKNOWN.value
        elif record.kind is RecordKind.SAID:
            step, _, change = record.text("effect").partition("#")
            became[step, change] = record.text("outcome")
        elif record.kind is RecordKind.OBSERVED and record.text("verdict") == "drifted":
            drifted.add(key)
        elif record.kind is RecordKind.LEASED:
            held = record.get("held") is True
    left: list[Exposure] = []
    for one in plan.surfaces:
        if one.from_build is None or one.from_build == one.to_build:
            continue
        keys = [
            (step.name, change.id)
            for step, change in plan.updates
            if change.moves_users and not change.some_users and change.surface == one.surface
        ]
        moves = [became.get(key, Outcome.NOT_APPLIED.value) for key in keys]
        if Outcome.UNKNOWN.value in moves:
            who = f"all users: on {one.from_build} or on {one.to_build}, nobody can tell"
        elif Outcome.APPLIED.value in moves:
            continue
        elif not held or drifted.intersection(keys):
            since = "the world has changed since" if held else "the lease is not this run's"
            who = f"all users: not moved by this run; on {one.from_build} when planned, and {since}"
        else:
            who = f"all users: still on {one.from_build}"
        left.append(Exposure(surface=one.surface, who=who))
    return tuple(dict.fromkeys(left))
