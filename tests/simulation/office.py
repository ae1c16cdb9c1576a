"""Where branches leave what came of them, and how far a long run of them is.

A run of all pairs takes hours. Where it is given a folder to keep, it can be cut at any moment, and
the same command goes on with the first fault that was not done with all its deaths.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.explore import Schedule
    from tests.simulation.run import Told

CLEAN = -1
"""In place of a fault: the clean run, and its own deaths."""

CODE = ("rollback", "playbooks", "tests/simulation", "tests/running/fakes.py")
"""What a schedule means depends on these."""


@dataclass(frozen=True)
class Report:
    """What came of one schedule.

    state: what its death left behind. alike: another that left the same was run before it.
    """

    schedule: Schedule
    told: Told
    state: str = ""
    alike: bool = False
    after: str = ""
    """A digest of all that happened after the death."""

    def line(self) -> dict[str, object]:
        """As it is kept."""
        told = self.told
        return {
            "schedule": str(self.schedule),
            "ending": told.endings[-1],
            "broken": list(told.broken),
            "window_s": told.window_s_max,
            "state": self.state,
            "alike": self.alike,
            "after": self.after,
        }


@dataclass
class Office:
    """Where branches leave what came of them.

    jobs: how many run at a time. skip: so many of the first are left out. whole: every story is
    kept, not only those of broken promises. kept: the folder of a run that can be cut. sample: of
    the deaths that are taken as alike, each so-many-th is run, too; none where 0.
    """

    folder: Path
    jobs: int
    every: int = 1
    skip: int = 0
    whole: bool = False
    kept: Path | None = None
    sample: int = 0
    running: set[int] = field(default_factory=set)
    _asked: int = 0
    _done: frozenset[int] = frozenset()
    owner: int = CLEAN

    def open(self) -> None:
        """Make the folders; forget the states of those that were cut."""
        for folder in (self.folder, self.seen):
            folder.mkdir(parents=True, exist_ok=True)
        if self.kept is None:
            return
        code = self.kept / "code"
        if code.exists() and code.read_text() != code_digest():
            msg = f"{self.kept} was begun with other code: name another folder"
            raise SystemExit(msg)
        code.write_text(code_digest())
        told = self.kept / "told.jsonl"
        if told.exists() and not told.read_bytes().endswith(b"\n"):
            with told.open("a") as lines:
                lines.write("\n")  # it was cut in the middle of a line, and the next is whole
        done = self.kept / "done"
        self._done = frozenset(map(int, done.read_text().split() if done.exists() else ()))
        for path in self.seen.iterdir():
            owner = path.read_text()
            if not owner or int(owner) not in self._done:
                path.unlink()

    @property
    def seen(self) -> Path:
        """The folder with a file for each state somebody was in."""
        return (self.kept or self.folder) / "seen"

    def mine(self) -> bool:
        """Whether the next schedule is one of those to be run: each `every`-th after `skip`."""
        self._asked += 1
        self.owner = self._asked - 1
        past = self.owner - self.skip
        return past >= 0 and past % self.every == 0 and not self.is_done(self.owner)

    def is_done(self, owner: int) -> bool:
        """Whether it was run with all its deaths, in a run that was cut since."""
        return owner in self._done

    def ends(self) -> None:
        """The branch that is the owner is done with all its deaths."""
        if self.kept is not None:
            with (self.kept / "done").open("a") as done:
                done.write(f"{self.owner}\n")

    def first(self, state: str) -> bool:
        """Whether nobody was in this state before, in any branch."""
        try:
            with (self.seen / state).open("x") as file:
                file.write(str(self.owner))
        except FileExistsError:
            return False
        return True

    def sampled(self, pieces: str) -> bool:
        """Whether a death that is like another is run all the same."""
        chosen = self.sample > 0 and int(pieces[:12], 16) % self.sample == 0
        return chosen and self.first(pieces)

    def leave(self, report: Report) -> None:
        """What came of a branch."""
        told = report.told
        story = told.story if told.broken or self.whole else ()
        kept = replace(report, told=replace(told, points=(), struck=(), records=(), story=story))
        part = self.folder / f"{os.getpid()}.part"
        part.write_bytes(pickle.dumps(kept))
        if self.kept is not None:
            with (self.kept / "told.jsonl").open("a") as lines:
                lines.write(json.dumps(report.line()) + "\n")
        part.rename(part.with_suffix(".told"))

    def taken(self) -> Iterator[Report]:
        """What was left since the last time."""
        for path in self.folder.glob("*.told"):
            yield pickle.loads(path.read_bytes())  # noqa: S301 - our own bytes
            path.unlink()

    def before(self) -> list[dict[str, object]]:
        """What was kept of a run that was cut, each schedule once."""
        path = None if self.kept is None else self.kept / "told.jsonl"
        if path is None or not path.exists():
            return []
        found: dict[object, dict[str, object]] = {}
        for text in path.read_text().splitlines():
            with suppress(ValueError):
                line = json.loads(text)
                found[line["schedule"]] = line
        return list(found.values())

    def summary(self) -> str:
        """All that was run so far, in one line; empty where nothing is kept."""
        lines = self.before()
        if not lines:
            return ""
        broken = sum(bool(line["broken"]) for line in lines)
        deaths = sum(bool(line["state"]) for line in lines)
        alike = sum(bool(line["alike"]) for line in lines)
        return (
            f"kept in {self.kept}: {len(lines)} schedules, {broken} broken: {len(lines) - deaths} "
            f"faults, {deaths - alike} deaths that left something new, {alike} like another"
        )

    def wait(self, most: int) -> None:
        """Until at most so many branches of this process run. It takes none of our own time."""
        left_s = signal.alarm(0)
        while len(self.running) > most:
            pid, status = os.wait()
            self.running.discard(pid)
            if status:
                msg = f"a branch ended with {status}"
                raise RuntimeError(msg)
        signal.alarm(left_s)


class Likeness:
    """Deaths that left the same behind, held against each other by what came after."""

    def __init__(self, before: list[dict[str, object]]) -> None:
        """before: what was kept of an earlier part of the run."""
        self._known: dict[str, tuple[str, str]] = {}
        for line in before:
            self._compared(str(line["state"]), str(line["after"]), str(line["schedule"]))

    def held(self, report: Report) -> Told:
        """What is told of it; a broken promise where those who came after did something else."""
        other = self._compared(report.state, report.after, str(report.schedule))
        if not other:
            return report.told
        why = f"alike: the same is left behind by {other}, and what came after is not the same"
        return replace(report.told, broken=(*report.told.broken, why))

    def _compared(self, state: str, after: str, schedule: str) -> str:
        if not state:
            return ""
        known, other = self._known.setdefault(state, (after, schedule))
        return "" if known == after else other


def code_digest() -> str:
    """A digest of all code that decides what a schedule means."""
    root = Path(__file__).parents[2]
    told = hashlib.sha256()
    for name in CODE:
        base = root / name
        for path in sorted(base.rglob("*.py")) if base.is_dir() else [base]:
            told.update(f"{path.relative_to(root)} {path.stat().st_size} ".encode())
            told.update(path.read_bytes())
    return told.hexdigest()
