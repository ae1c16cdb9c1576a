"""What befalls two laptops, for any store of leases; each attack returns what is broken."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from rollback.model.record import RecordKind
from rollback.rehearsal.simulator import names
from rollback.running.clock import SystemClock, SystemRandomness
from rollback.running.lease.document import file_name, read_document
from rollback.running.lease.folder import folder_lease
from tests.rehearsal.leases.laptops import HELD, SITES, TTL_S, laptops, noted, problems, sent

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.rehearsal.scenario import Play
    from rollback.running.lease.document import LeaseDocument
    from tests.rehearsal.leases.laptops import Laptop

SKEWS_S = ((0, 0), (900, 0), (0, 900))
"""Ahead only: an approval is not valid before it was signed, by any clock."""
STALE = 5
HALF = 0.5
OTHER = "r-20261127-0000-0000 on desk/x"
LONG_S = 3600
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


def one_lost(play: Play) -> list[str]:
    """In the middle of its swap of web, another takes the backend: what becomes of web's lease.

    Somebody removed what was written about it, as the hint of one that cannot be read says.
    """
    with laptops(play) as (first, second):
        play.sim.control.fault("swap_never_ends", site=names.WEB)
        first.begin()
        came = first.when(lambda: _come(first, "in flight", 0))
        file = play.directory / "leases" / file_name(scope_of(first, "backend"))
        file.unlink()
        other = folder_lease(file.parent, SystemClock(), SystemRandomness(), ttl_s=LONG_S)
        other.acquire((scope_of(first, "backend"),), OTHER, "rolling back")
        told = first.when(lambda: _lost(first))
        known = _written(file.parent, first, "web").beat
        lives = first.when(lambda: _written(file.parent, first, "web").beat > known + 2 * TTL_S)
        second.begin()
        during = second.ended()
        play.sim.control.clear_faults()
        status = first.ended()
        broken = [] if came and told else ["the moments never came"]
        if not lives:
            broken.append("the lease on web was not renewed while web was being swapped")
        if during != HELD or sent(second):
            broken.append(f"the second ended with {during} while web was being swapped")
        if status != HELD:
            broken.append(f"the first ended with {status}: {first.talk()}")
        if noted(first, "lease.window"):
            broken.append("the first says that the lease on web had run out")
        if sent(first) != ["revert/web#swap"]:
            broken.append(f"the first sent {sent(first)}")
        if _written(file.parent, first, "web").held:
            broken.append("the first kept the lease on web after its end")
        if _written(file.parent, first, "backend").holder != OTHER:
            broken.append("the first took the other's lease on the backend away")
        swaps = {site: play.sim.control.swaps(site) for site in SITES}
        if swaps != {names.WEB: 1, names.BACKEND: 0}:
            broken.append(f"swaps that took effect: {swaps}")
        return broken


def scope_of(laptop: Laptop, surface: str) -> str:
    """The scope of a surface's lease."""
    return f"{laptop.plan.plan.environment}/{surface}"


def _written(folder: Path, laptop: Laptop, surface: str) -> LeaseDocument:
    file = folder / file_name(scope_of(laptop, surface))
    return read_document(file.read_bytes(), scope_of(laptop, surface))


def _lost(laptop: Laptop) -> bool:
    leased = [one for one in laptop.records() if one.kind is RecordKind.LEASED]
    return bool(leased) and leased[-1].get("held") is False


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
