"""Authority is watched while a run that moves users goes on, whatever its steps are doing.

Held against the world: the simulation knows when authority was lost, whatever a process has seen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rollback.model.direction import Direction
from rollback.model.record import RecordKind

if TYPE_CHECKING:
    from rollback.model.change import Update
    from rollback.model.plan import PlannedStep
    from tests.simulation.watch import Sitting, Watch

ASKING_S = 8.0
"""How long asking may take where nothing was slow or paused: every instance of two slots."""

BEGINNING = RecordKind.CANARIES
"""From here on steps are acted on: the guard proved that it catches what is forbidden."""

_ASKING = re.compile(r"/instances$|/control/authority$|login\.microsoftonline\.com|the journal$")


def unwatched(watch: Watch, who: str) -> str:
    """What is wrong where production was not asked within one watch interval; empty for nothing.

    Counted from the run's own record of the last answer, or from where steps may begin.
    """
    sitting = watch.sitting_of(who)
    if not _moves(sitting) or _closed_s(watch, who) is not None:
        return ""
    last_s = next(
        (
            one.at_s
            for one in reversed(watch.log)
            if one.process == who
            and (one.record.kind is BEGINNING or one.record.text("slot") == "production")
        ),
        None,
    )
    ago_s = 0.0 if last_s is None else watch.ground.baton.now_s - last_s
    if ago_s <= _within_s(watch) or _struck(watch, who, last_s or 0.0):
        return ""
    return f"{who} has not asked production for halt authority for {ago_s:.0f} s"


def moves_after_loss(watch: Watch, who: str, step: PlannedStep, change: Update) -> str:
    """What is wrong where users are moved more than one watch interval after authority was lost."""
    lost_s = watch.ground.lost_at_s
    if lost_s is None or not change.moves_users:
        return ""
    ago_s = watch.ground.baton.now_s - lost_s
    if ago_s <= _within_s(watch) or _struck(watch, who, lost_s):
        return ""
    return f"{step.name} moves users {ago_s:.0f} s after authority was lost"


def untold(watch: Watch, sitting: Sitting) -> str:
    """What is wrong where a sitting saw a loss through, and nobody was told what still works."""
    lost_s = watch.ground.lost_at_s
    closed_s = _closed_s(watch, sitting.process)
    now_s = watch.ground.baton.now_s if closed_s is None else closed_s
    if lost_s is None or sitting.died or not _moves(sitting):
        return ""
    mine = (one for one in watch.log if one.process == sitting.process)
    began_s = next((one.at_s for one in mine if one.record.kind is BEGINNING), now_s)
    if now_s - max(lost_s, began_s) <= _within_s(watch) or _struck(watch, sitting.process, began_s):
        return ""
    if any(line.startswith("authority production lost: ") for line in watch.output):
        return ""
    return f"{sitting.process} went on after authority was lost, and told nobody"


def _moves(sitting: Sitting) -> bool:
    return any(one.direction is Direction.AWAY for _, one in sitting.plan.plan.updates)


def _closed_s(watch: Watch, who: str) -> float | None:
    """When the run was over: what is sealed and given up after that moves nobody."""
    return next(
        (
            one.at_s
            for one in reversed(watch.log)
            if one.process == who and one.record.kind is RecordKind.CLOSED
        ),
        None,
    )


def _within_s(watch: Watch) -> float:
    return watch.scene.environment.halt_authority.watch_interval_s + ASKING_S


def _struck(watch: Watch, who: str, since_s: float) -> bool:
    """Whether all threads stood still, or the asking itself went wrong. A stuck step is no excuse."""
    return any(
        one.point.process == who
        and one.at_s >= since_s - ASKING_S
        and (one.fault in {"pause", "long-pause"} or _ASKING.search(one.point.what))
        for one in watch.ground.struck
    )
