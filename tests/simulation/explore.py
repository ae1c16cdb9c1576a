"""Which schedules are run: every crash, every pair of crash and fault, or seeded ones."""

from __future__ import annotations

import gc
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.simulation import race
from tests.simulation.checkers import ONCE
from tests.simulation.fate import CRASHES, Aimed, Scripted, Seeded
from tests.simulation.run import tell
from tests.simulation.scene import SHIPPED, scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.fate import Aim, Fate, Point
    from tests.simulation.race import Laptops
    from tests.simulation.run import Told

_TORN = frozenset({"append", "sync", "head", "file"})


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule, in a form that can be typed: a seed, or points with what strikes there."""

    playbook: str
    seed: int | None = None
    faults: tuple[tuple[int, str], ...] = ()
    aims: tuple[Aim, ...] = ()
    halt_at_s: float = 0.0
    lost_at_s: float = 0.0
    sdks: bool = False
    laptops: Laptops | None = None

    def __str__(self) -> str:
        if self.seed is not None:
            return f"{self.playbook} {'RACE ' if self.laptops else ''}SEED={self.seed}"
        if self.lost_at_s:
            return f"{self.playbook} authority lost at {self.lost_at_s:g} s"
        if self.aims:
            said = (f"{one.fault} at {one.kind} {one.what}" for one in self.aims)
            return f"{self.playbook} {', '.join(said)}"
        return f"{self.playbook} {' '.join(f'{number}={name}' for number, name in self.faults)}"

    def run(self) -> Told:
        """Run it."""
        made = scene(self.playbook)
        if self.laptops is not None:
            return race.tell(made, self._fate(), self.laptops, sdks=self.sdks)
        if self.aims or self.seed is None:
            told = tell(
                made,
                self._fate(),
                halt_at_s=self.halt_at_s,
                lost_at_s=self.lost_at_s,
                sdks=self.sdks,
            )
            return ends_well(told) if self.deadly else told
        chance = random.Random(self.seed)
        return tell(
            made,
            Seeded(self.seed, points=POINTS[self.playbook]),
            halt_at_s=chance.choice((0.0, 0.0, chance.uniform(0.1, 30.0))),
            seals=chance.random() < 0.02,
            sdks=self.sdks,
        )

    @property
    def deadly(self) -> bool:
        """Whether nothing but deaths strike: then the end must be a good one."""
        if self.lost_at_s:
            return False
        struck = (*(name for _, name in self.faults), *(aim.fault for aim in self.aims))
        return all(name in CRASHES or name == "torn" for name in struck)

    def _fate(self) -> Fate:
        if self.aims:
            return Aimed(*self.aims)
        if self.seed is None:
            return Scripted(dict(self.faults))
        return Seeded(self.seed, points=POINTS[self.playbook])


def ends_well(told: Told) -> Told:
    """A run that only died is resumed to exit 0."""
    if told.endings[-1] == "0":
        return told
    why = f"{ONCE}: the resumed run ended with {told.endings[-1]}: {told.story[-1]}"
    return replace(told, broken=(*told.broken, why))


def patient() -> None:
    """Have the process collect garbage seldom: most of what a schedule makes, it lets go itself."""
    gc.set_threshold(100_000, 20, 50)


def run_one(schedule: Schedule) -> tuple[Schedule, Told]:
    """For a pool of processes: what is told of it, its story only where a promise broke."""
    told = schedule.run()
    return schedule, replace(
        told, points=(), struck=(), records=(), story=told.story if told.broken else ()
    )


POINTS = {
    "halt-only": 250,
    "preserve-evidence": 170,
    "web-only": 820,
    "backend-only": 620,
    "full-rollback": 1130,
}
"""About how many points a clean run has on the fast floor; what chance spreads a few faults over."""


SKEWS_S = (0.0, 0.0, -600.0, 600.0, 20.0, -20.0)
"""How wrong the wall clock of a laptop may be."""


def seeded(count: int, seed: int, playbooks: tuple[str, ...] = SHIPPED) -> Iterator[Schedule]:
    """`count` schedules from `seed` on, one playbook after the other."""
    for number in range(seed, seed + count):
        yield Schedule(playbooks[number % len(playbooks)], seed=number)


def races(count: int, seed: int, playbooks: tuple[str, ...] = SHIPPED) -> Iterator[Schedule]:
    """`count` schedules of two laptops from `seed` on, one playbook after the other."""
    for number in range(seed, seed + count):
        chance = random.Random(f"laptops {number}")
        second_at_s = chance.choice(
            (0.0, 0.0, chance.uniform(0.1, 10.0), chance.uniform(5.0, 90.0))
        )
        skews_s = (chance.choice(SKEWS_S), chance.choice(SKEWS_S))
        playbook = playbooks[number % len(playbooks)]
        yield Schedule(playbook, seed=number, laptops=race.Laptops(second_at_s, skews_s))


_WHERE = {"append": "journal", "sync": "journal", "head": "head"}
"""Which file a point may leave torn."""


class Unlike:
    """One point for each state that a death can leave behind, as they pass.

    Between two points where nothing changed in the world or on disk but records of exchanges, which
    no resumed run reads, a process leaves the same behind wherever it dies.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[int, str]] = set()

    def has(self, point: Point) -> bool:
        """Whether a death at this point leaves behind what none before it did."""
        state = (point.since, _WHERE.get(point.kind, ""))
        known = state in self._seen
        self._seen.add(state)
        return not known or point.kind in {"write", "lease", "sync"}


def deaths(point: Point) -> tuple[str, ...]:
    """The ways to die at a point that leave different things behind.

    After a call that changed nothing a process leaves behind what it did before.
    """
    unchanged = point.kind in {"read", "sleep", "socket"}
    deadly = tuple(one for one in CRASHES if not (unchanged and one == "crash-after"))
    return (*deadly, *(("torn",) if point.kind in _TORN else ()))


class Sites:
    """One point for each different call, as they pass: kind, what it was, what had changed before."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str, int]] = set()
        self._unlike = Unlike()

    def has(self, point: Point) -> bool:
        """Whether no call before was the same as this one."""
        unlike = self._unlike.has(point)
        if point.kind == "append":
            return unlike
        call = (point.kind, point.what, point.since)
        known = call in self._seen
        self._seen.add(call)
        return not known


def crashes(playbook: str) -> Iterator[Schedule]:
    """A death at every unlike point, before it, after it, torn, or without power.

    `branch.branches` runs the same, and every fault and pair, in a fraction of the time.
    """
    unlike = Unlike()
    for point in Schedule(playbook).run().points:
        if unlike.has(point):
            for fault in deaths(point):
                yield Schedule(playbook, faults=((point.number, fault),))
