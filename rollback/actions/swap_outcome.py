"""What became of a swap, told by looking. Pure.

A swap is a toggle: resending one that took effect brings the bad release back. So its outcome comes
from the world, never from the answer to the send. The rules, in order:

1. An operation is in progress on either slot: still open.
2. Every instance of production serves the wanted build: applied.
3. Nothing moved (same swap timestamp, the slot still serves the wanted build on every instance,
   no instance of production does) and the service says that the warm-up failed: not applied.
4. Nothing moved, and that stayed so for the quiet period: not applied.
5. Anything else is still open; the caller's limit makes it unknown, and then a person looks.

Names in the swap status do not tell the direction (measured): only the timestamp counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rollback.model.base import rfc3339
from rollback.model.durations import spoken

WARM_UP = "could not be started"
"""How the service says that a warm-up failed, in the connector's sentence."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What one slot serves. silent: some listed instance did not answer, or none is listed."""

    builds: tuple[str, ...] = ()
    silent: bool = False

    def all_serve(self, build: str) -> bool:
        """Every listed instance answered, with this build."""
        return self.builds == (build,) and not self.silent


@dataclass(frozen=True, slots=True)
class SwapReading:
    """One look: operations in progress, swap timestamp, both slots, and what the operation said."""

    operations: tuple[str, ...]
    swap_at: str
    production: Serving
    slot: Serving
    message: str = ""


@dataclass(frozen=True, slots=True)
class SwapJudgement:
    """applied None: still open. quiet_since: since when nothing moved, else empty."""

    applied: bool | None
    reason: str
    quiet_since: str = ""


def judge_swap(
    reading: SwapReading,
    *,
    to_build: str,
    swap_at_before: str,
    now: datetime,
    quiet_since: str,
    quiet_s: int,
) -> SwapJudgement:
    """Judge one look. quiet_since: what the look before returned."""
    if reading.operations:  # rule 1
        return SwapJudgement(None, f"operation {', '.join(reading.operations)} is in progress")
    moved = reading.swap_at != swap_at_before
    if reading.production.all_serve(to_build):  # rule 2
        stamp = f"swapped at {reading.swap_at}" if moved else "swap timestamp unchanged so far"
        return SwapJudgement(applied=True, reason=f"every instance serves {to_build}; {stamp}")
    still = not moved and reading.slot.all_serve(to_build)
    if not still or to_build in reading.production.builds:  # rule 5
        return SwapJudgement(None, _so_far(reading, moved=moved))
    if WARM_UP in reading.message:  # rule 3
        return SwapJudgement(applied=False, reason=reading.message)
    done, since = quiet(now, quiet_since, quiet_s)
    if done:  # rule 4
        for_s = spoken(quiet_s)
        nothing = f"nothing moved for {for_s}: no operation, same swap timestamp, same builds"
        reason = f"{nothing} ({reading.message})" if reading.message else nothing
        return SwapJudgement(applied=False, reason=reason, quiet_since=since)
    return SwapJudgement(None, "nothing moved so far", since)


def quiet(now: datetime, since: str, quiet_s: int) -> tuple[bool, str]:
    """(the quiet period has passed, quiet since). since: empty at the first quiet look."""
    began = since or rfc3339(now)
    return (now - datetime.fromisoformat(began)).total_seconds() >= quiet_s, began


def _so_far(reading: SwapReading, *, moved: bool) -> str:
    def said(serving: Serving) -> str:
        known = ", ".join(serving.builds) or "nothing"
        return f"{known} (not every instance answered)" if serving.silent else known

    stamp = "swap timestamp moved" if moved else "swap timestamp unchanged"
    return f"production serves {said(reading.production)}, slot {said(reading.slot)}; {stamp}"
