"""What goes wrong, and when: by script or by chance. Every port call is a point with a number.

A schedule is nothing but a seed, or a few (point, fault) pairs; the same one gives the same run.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

CRASHES = ("crash-before", "crash-after", "power-cut")
FAULTS: Mapping[str, tuple[str, ...]] = {
    "read": (
        "refused",
        "failed",
        "lost",
        "slow",
        "slow-answer",
        "pause",
        "long-pause",
        "jump-back",
        "jump-ahead",
        "nudge-back",
    ),
    "write": (
        "refused",
        "failed",
        "lost",
        "failed-after",
        "slow",
        "slow-answer",
        "duplicated",
        "late",
        "pause",
        "long-pause",
    ),
    "socket": ("refused", "lost", "slow"),
    "append": ("full", "full-for-good", "broken", "torn"),
    "sync": ("unsynced", "torn"),
    "head": ("full", "torn"),
    "file": ("full", "slow", "torn"),
    "lease": ("failed", "slow", "lost"),
    "sleep": ("jump-ahead", "jump-back", "pause"),
}
"""What can happen at each kind of point, besides the death of the process (`CRASHES`)."""

WEIGHTS: Mapping[str, float] = {
    "append": 0.2,
    "write": 25.0,
    "lease": 8.0,
    "sleep": 20.0,
    "sync": 5,
}
"""How much more often than a read each is struck: most points are reads and records of reads."""


@dataclass(frozen=True, slots=True)
class Point:
    """One port call: its number in the run, its kind, who made it, and what it was.

    since: what had changed before it, in the world and on disk; two points with the same are alike
    to a process that dies there.
    """

    number: int
    kind: str
    process: str
    what: str
    since: int = 0


@dataclass(frozen=True, slots=True)
class Struck:
    """A point at which something went wrong."""

    point: Point
    fault: str
    at_s: float = 0.0


class Fate(Protocol):
    """Decides every choice of a run."""

    def choose(self, able: int) -> int:
        """Which of those that can run does; 0 is whoever runs now."""
        ...

    def strike(self, point: Point) -> str:
        """What goes wrong at this point; empty for nothing."""
        ...

    def part(self, whole: int) -> int:
        """How much of something is left, from 0 to `whole`."""
        ...

    def latency_s(self) -> float:
        """How long half a round trip takes, in virtual seconds."""
        ...


@dataclass
class Scripted:
    """Exactly these faults at exactly these points; nobody is preempted without need."""

    faults: Mapping[int, str] = field(default_factory=dict)

    def choose(self, able: int) -> int:
        del able
        return 0

    def strike(self, point: Point) -> str:
        return self.faults.get(point.number, "")

    def part(self, whole: int) -> int:
        return whole // 2

    def latency_s(self) -> float:
        return 0.01


@dataclass(frozen=True, slots=True)
class Aim:
    """A fault at the points of a kind whose text fits: from the `first`, `times` often (0: ever).

    after: only once points whose texts fit these were passed, in this order. process: only where
    the name of the process begins so, passing included.
    """

    kind: str
    what: str
    fault: str
    first: int = 1
    times: int = 1
    after: tuple[str, ...] = ()
    process: str = ""


class Aimed(Scripted):
    """Faults by what is called, not by number: they stay where they belong when code changes."""

    def __init__(self, *aims: Aim) -> None:
        super().__init__()
        self._aims = aims
        self._seen = [0] * len(aims)
        self._passed = [0] * len(aims)

    def strike(self, point: Point) -> str:
        struck = ""
        for number, aim in enumerate(self._aims):
            if not point.process.startswith(aim.process):
                continue
            if (passed := self._passed[number]) < len(aim.after):
                self._passed[number] += re.search(aim.after[passed], point.what) is not None
                continue
            if aim.kind != point.kind or re.search(aim.what, point.what) is None:
                continue
            self._seen[number] += 1
            past = self._seen[number] - aim.first
            if not struck and past >= 0 and (not aim.times or past < aim.times):
                struck = aim.fault
        return struck


class Seeded:
    """By chance, from a seed: how restless the threads are, and how much goes wrong, varies."""

    def __init__(self, seed: int, *, points: int) -> None:
        """points: about how many a run has, to spread a few faults over all of it."""
        chance = random.Random(seed)
        self._switching = random.Random(chance.randbytes(16))
        self._striking = random.Random(chance.randbytes(16))
        self._restless = chance.choice((0.0, 0.05, 0.3, 0.8))
        self._rate = chance.choice((0.0, 1.0, 1.0, 2.0, 5.0, 20.0)) / points
        self._crash_rate = chance.choice((0.0, 0.5, 1.0, 3.0)) / points
        self._latency = chance.choice((0.002, 0.01, 0.05, 0.3))
        self._crashes_left = 4

    def choose(self, able: int) -> int:
        if self._switching.random() >= self._restless:
            return 0
        return self._switching.randrange(able)

    def strike(self, point: Point) -> str:
        drawn = self._striking.random() / WEIGHTS.get(point.kind, 1.0)
        if drawn < self._crash_rate and self._crashes_left:
            self._crashes_left -= 1
            return self._striking.choice(CRASHES)
        if drawn < self._crash_rate + self._rate:
            return self._striking.choice(FAULTS[point.kind])
        return ""

    def part(self, whole: int) -> int:
        return self._striking.randint(0, whole)

    def latency_s(self) -> float:
        return self._latency * (0.5 + self._switching.random())
