"""Which release was last stable: production's history replayed. Pure.

The build last proved serving production before the bad one, with the moment it began to. History
comes from the deployments of each slot and from the swaps in the activity log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Happened:
    """A build deployed to a slot, or (`build` empty) a swap of that slot with production."""

    at: datetime
    slot: str
    build: str = ""


@dataclass(frozen=True, slots=True)
class LastStable:
    """The build, since when it served production, and how that is known."""

    build: str
    since: datetime | None
    by: str


def serving(history: tuple[Happened, ...]) -> tuple[tuple[datetime, str], ...]:
    """What production served, from when on: replay every deployment and swap in time order."""
    held: dict[str, str] = {}
    served: list[tuple[datetime, str]] = []
    for one in sorted(history, key=lambda happened: happened.at):
        if one.build:
            held[one.slot] = one.build
        else:
            mine, theirs = held.get("production", ""), held.get(one.slot, "")
            held["production"], held[one.slot] = theirs, mine
        now = held.get("production", "")
        if now and (not served or served[-1][1] != now):
            served.append((one.at, now))
    return tuple(served)


def last_stable(history: tuple[Happened, ...], bad: str) -> LastStable | None:
    """The build that served production just before `bad` came; None where history is silent."""
    served = serving(history)
    before = [(at, build) for at, build in served if build != bad]
    if not any(build == bad for _, build in served):
        return None
    last_bad = max(index for index, (_, build) in enumerate(served) if build == bad)
    earlier = [(at, build) for at, build in served[:last_bad] if build != bad]
    if not earlier or not before:
        return None
    at, build = earlier[-1]
    return LastStable(build=build, since=at, by="deployment history and activity log")
