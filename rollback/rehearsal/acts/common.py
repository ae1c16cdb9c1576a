"""What every act needs: a complaint, what was sent, and when the platform is quiet."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rollback.rehearsal.simulator import names

if TYPE_CHECKING:
    from rollback.rehearsal.scenario import Play


def expect(play: Play, *, holds: bool, otherwise: str) -> bool:
    """Whether it holds; what was wrong is said in the play."""
    if not holds:
        play.said.append(otherwise)
    return holds


def halts_sent(play: Play) -> int:
    """How many halts of an auto-swap the platform received."""
    return sum(
        entry.write and entry.method == "PATCH" and "autoSwapSlotName" in entry.body
        for entry in play.sim.control.ledger()
    )


def until_quiet(play: Play) -> None:
    """Wait until the swap the dead laptop started has ended, as a person would."""
    waiting = threading.Event()
    for _ in range(100):
        running = play.sim.control.summary()["operations"]
        if not running[names.WEB] and not running[names.BACKEND]:
            return
        waiting.wait(0.1)
