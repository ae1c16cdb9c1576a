"""What befalls two laptops, for any store of leases; each attack returns what is broken."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from rollback.model.record import RecordKind
from rollback.rehearsal.simulator import names
from tests.rehearsal.leases.laptops import HELD, laptops, noted, problems, sent

if TYPE_CHECKING:
    from rollback.rehearsal.scenario import Play
    from tests.rehearsal.leases.laptops import Laptop

SKEWS_S = ((0, 0), (900, 0), (0, 900))
"""Ahead only: an approval is not valid before it was signed, by any clock."""
STALE = 5
HALF = 0.5
RECORDS = 60
"""About how many records a run writes before it only looks on."""

MOMENTS = ("leased", "in flight", "looked")
HOLDING = ("in flight", "looked")
"""Moments in a swap that is under way until the second laptop has the lease."""


def paused(play: Play, moment: str, *, record: int = 0) -> list[str]:
    """The first is stopped, as by a lid; the second takes over and ends it; the first wakes up.

    moment: one of `MOMENTS`, or ``record``: when its journal holds so many records.
    """
    with laptops(play) as (first, second):
        if moment in HOLDING:
            play.sim.control.fault("swap_never_ends", site=names.WEB)
        first.begin()
        came = first.when(lambda: _come(first, moment, record))
        first.stop()
        before = sent(first)
        taken = second.at_it(then=play.sim.control.clear_faults)
        between = play.sim.control.summary()["swaps"]
        first.wake()
        woken = first.ended()
        broken = problems(play, first, second)
        if not came:
            return broken
        if taken != 0:
            broken.append(f"the second ended with {taken}: {second.talk()}")
        if play.sim.control.summary()["swaps"] != between and not noted(first, "lease.window"):
            broken.append("the first swapped when it woke up, and does not say so")
        if extra := sent(first)[len(before) :]:
            broken.append(f"the first sent {extra} when it woke up")
        if _ended(first):  # it had done it all, and was stopped while it looked on
            return broken
        if woken == 0 and moment not in HOLDING and "nothing sent" in first.talk():
            return broken  # it was stopped before it looked, and found all done
        # It may look before it asks for its lease: then it finds the world moved by the other.
        if woken not in (HELD, STALE):
            broken.append(f"the first ended with {woken}: {first.talk()}")
        return broken + _told(first, "make a new plan" if woken == STALE else "rollback resume")


def together(play: Play, *, skews_s: tuple[int, int] = (0, 0)) -> list[str]:
    """Both press at the same moment. Who is told to wait tries again, and finds it done."""
    with laptops(play, skews_s=skews_s) as two:
        for one in two:
            one.begin()
        endings = {one.name: one.ended() for one in two}
        broken = problems(play, *two)
        movers = [one.name for one in two if sent(one)]
        if len(movers) != 1:
            broken.append(f"{len(movers)} of two moved users")
        if 0 not in endings.values() or not set(endings.values()) <= {0, HELD}:
            broken.append(f"ended with {endings}: {[one.talk() for one in two]}")
        for one in two:
            if endings[one.name] == HELD:
                broken += _told(one, "rollback resume")
                if (again := one.at_it()) != 0:
                    broken.append(f"{one.name} ended with {again} once it was done: {one.talk()}")
        return broken + problems(play, *two)


def taken_over(play: Play, *, dead: bool) -> list[str]:
    """The first goes in the middle of a swap; the second goes on with that run, from its mirror.

    dead: it never comes back. Otherwise it was only stopped, and wakes up when all is done.
    """
    with laptops(play) as (first, second):
        play.sim.control.fault("swap_never_ends", site=names.WEB)
        first.begin()
        first.when(lambda: _come(first, "looked", 0))
        if dead:
            first.kill()
        else:
            first.stop()
        before = sent(first)
        heir = type(second)(play, second.name, first.plan)
        try:
            status = heir.at_it("resume", first.run(), then=play.sim.control.clear_faults)
        finally:
            second.process = heir.process
        if not dead:
            first.wake()
            woken = first.ended()
        broken = problems(play, first, heir)
        if status != 0:
            broken.append(f"the second ended with {status}: {heir.talk()}")
        if extra := sent(first)[len(before) :]:
            broken.append(f"the first sent {extra} when it woke up")
        if not dead and woken != HELD:
            broken.append(f"the first ended with {woken}: {first.talk()}")
        return broken


def round_of(play: Play, seed: str) -> tuple[str, list[str]]:
    """One attack, of any kind, at any moment: what it was, and what is broken."""
    chance = random.Random(seed)
    if chance.random() < HALF:
        skews_s = chance.choice(SKEWS_S)
        return f"together, clocks off by {skews_s} s", together(play, skews_s=skews_s)
    record = chance.randrange(RECORDS)
    return f"stopped at record {record}", paused(play, "record", record=record)


def _come(laptop: Laptop, moment: str, record: int) -> bool:
    records = laptop.records()
    match moment:
        case "leased":
            return any(one.kind is RecordKind.LEASED for one in records)
        case "in flight":
            # Not before it says so on record: the platform has work to do, and is asked often.
            begun = any(one.kind is RecordKind.INTENT for one in records)
            return begun and bool(laptop.play.sim.control.summary()["operations"][names.WEB])
        case "looked":
            return "looked       revert/web" in laptop.talk()
        case _:
            return len(records) >= record


def _ended(laptop: Laptop) -> bool:
    return {"revert/web#swap", "revert/backend#swap"} <= set(sent(laptop))


def _told(laptop: Laptop, move: str) -> list[str]:
    """Who may not go on is told the next safe move."""
    known = move in laptop.talk()
    return [] if known else [f"{laptop.name} was not told to {move}: {laptop.talk()}"]
