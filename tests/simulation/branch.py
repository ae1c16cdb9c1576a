"""Schedules with the same beginning are run as one: the process forks at the point where they part.

A fork takes everything with it: the world, the stacks of all threads, the clocks. Only files are
not copied by it, so a branch gets a folder of its own, by the link `/proc/self/cwd`, and what was
open is opened there. A branch runs to its end and leaves what came of it in a file.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import signal
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulation.alike import left_behind
from tests.simulation.baton import REAL_S_MAX
from tests.simulation.explore import Schedule, Sites, Unlike, deaths, ends_well
from tests.simulation.fate import FAULTS, Scripted
from tests.simulation.run import tell
from tests.simulation.scene import HERE, root, scene_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.fate import Point
    from tests.simulation.ground import Ground
    from tests.simulation.run import Told
    from tests.simulation.scene import Scene

WHAT = ("crashes", "faults", "pairs")
"""Every death; every fault; every fault with every death after it that leaves something new."""

FIRST = "A.1"
"""The process that is struck: the first one of the first laptop."""


class Ended(BaseException):
    """This process was a branch, and is over. Not an Exception: nothing may survive it."""


@dataclass
class Office:
    """Where branches leave what came of them.

    jobs: how many run at a time. skip: so many of the first are left out. whole: every story is
    kept, not only those of broken promises.
    """

    folder: Path
    jobs: int
    every: int = 1
    skip: int = 0
    whole: bool = False
    running: set[int] = field(default_factory=set)
    _asked: int = 0

    def mine(self) -> bool:
        """Whether the next schedule is one of those to be run: each `every`-th after `skip`."""
        self._asked += 1
        past = self._asked - 1 - self.skip
        return past >= 0 and past % self.every == 0

    def first(self, state: str) -> bool:
        """Whether nobody was in this state before, in any branch."""
        try:
            (self.folder / "seen" / state).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def leave(self, schedule: Schedule, told: Told) -> None:
        """What came of a branch."""
        story = told.story if told.broken or self.whole else ()
        kept = replace(told, points=(), struck=(), records=(), story=story)
        part = self.folder / f"{os.getpid()}.part"
        part.write_bytes(pickle.dumps((schedule, kept)))
        part.rename(part.with_suffix(".told"))

    def taken(self) -> Iterator[tuple[Schedule, Told]]:
        """What was left since the last time."""
        for path in self.folder.glob("*.told"):
            yield pickle.loads(path.read_bytes())  # noqa: S301 - our own bytes
            path.unlink()

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


class Branching(Scripted):
    """A clean run that forks wherever something can go wrong; each branch is struck there."""

    def __init__(self, playbook: str, what: str, office: Office, *, sdks: bool = False) -> None:
        """what: one of `WHAT`."""
        super().__init__()
        self.sdks = sdks
        self._playbook = playbook
        self._what = what
        self._office = office
        self._unlike = Unlike()
        self._sites = Sites()
        self.ground: Ground | None = None
        self.struck: tuple[tuple[int, str], ...] = ()

    @property
    def schedule(self) -> Schedule:
        """What is run here, in a form that can be typed."""
        return Schedule(self._playbook, faults=self.struck, sdks=self.sdks)

    def strike(self, point: Point) -> str:
        unlike, site = self._unlike.has(point), self._sites.has(point)
        if point.process != FIRST:
            return ""
        if self._what == "crashes" and not self.struck and unlike:
            return self._parted(point, deaths(point))
        if self._what in {"faults", "pairs"} and not self.struck and site:
            return self._parted(point, FAULTS[point.kind])
        if self._what == "pairs" and len(self.struck) == 1 and unlike:
            return self._parted(point, tuple(self._new_deaths()))
        return ""

    def mark(self, point: Point) -> None:
        """What a death here leaves behind is known."""
        if point.process == FIRST and self._unlike.has(point):
            list(self._new_deaths())

    def _new_deaths(self) -> Iterator[str]:
        assert self.ground is not None
        for fault, state in left_behind(self.ground):
            if self._office.first(state):
                yield fault

    def _parted(self, point: Point, faults: tuple[str, ...]) -> str:
        office = self._office
        for fault in faults:
            if self._what != "pairs" and not office.mine():
                continue
            if self._what == "pairs" and not self.struck and not office.mine():
                continue
            office.wait(office.jobs - 1)
            if self._forked():
                self.struck = (*self.struck, (point.number, fault))
                return fault
        return ""

    def _forked(self) -> bool:
        """Fork; whether this is the branch. The other goes on once the branch has its own files."""
        ready, said = os.pipe()
        left_s = signal.alarm(0)
        pid = os.fork()
        if pid:
            os.close(said)
            went = os.read(ready, 1)
            os.close(ready)
            if not went:
                msg = "a branch got no folder of its own"
                raise RuntimeError(msg)
            self._office.running.add(pid)
            signal.alarm(left_s)
            return False
        os.close(ready)
        self._office.running = set()
        self._office.jobs = 1
        assert self.ground is not None
        _move(self.ground)
        signal.alarm(REAL_S_MAX)
        os.write(said, b".")
        os.close(said)
        return True


def _move(ground: Ground) -> None:
    """Copy the folder of this process, and open there what is open here."""
    before = HERE.readlink()
    after = Path(tempfile.mkdtemp(prefix="branch-", dir=before.parent))
    for folder, _, names in os.walk(before):
        to = after / Path(folder).relative_to(before)
        to.mkdir(exist_ok=True)
        for name in names:
            (os.link if to.name == "chunks" else shutil.copyfile)(Path(folder) / name, to / name)
    ours = [one for disks in ground.disks.values() for one in disks if one.open_here()]
    for link in list(Path("/proc/self/fd").iterdir()):
        _reopen(link, before, after)
    os.chdir(after)
    for disk in ours:
        disk.moved()


def _reopen(link: Path, before: Path, after: Path) -> None:
    try:
        path, descriptor = link.readlink(), int(link.name)
    except OSError:
        return
    if not path.is_relative_to(before) or not path.is_file():
        return
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    there = os.open(after / path.relative_to(before), flags & ~os.O_EXCL & ~os.O_CREAT)
    os.lseek(there, os.lseek(descriptor, 0, os.SEEK_CUR), os.SEEK_SET)
    os.dup2(there, descriptor, inheritable=False)
    os.close(there)
    if flags & os.O_ACCMODE == os.O_RDWR:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _at_home() -> Iterator[Path]:
    """A working folder of its own, until the end."""
    before = Path.cwd()
    home = root() / "clean"
    home.mkdir()
    os.chdir(home)
    try:
        yield home
    finally:
        os.chdir(before)
        shutil.rmtree(home.parent, ignore_errors=True)


def branches(
    playbook: str,
    what: str,
    *,
    jobs: int,
    every: int = 1,
    skip: int = 0,
    sdks: bool = False,
    whole: bool = False,
) -> Iterator[tuple[Schedule, Told]]:
    """Every schedule of a kind, with what came of it, in no order."""
    with _at_home() as home:
        office = Office(home.parent / "office", jobs, every, skip, whole)
        (office.folder / "seen").mkdir(parents=True)
        made = scene_in(playbook, HERE)
        if what == "pairs":
            _run(made, Marking(playbook, what, office, sdks=sdks))
        # The clean run has to stop now and then for what was left to be told of.
        pid = os.fork()
        if not pid:
            _branch_off(made, Branching(playbook, what, office, sdks=sdks))
        ended = 0
        while not ended:
            ended, status = os.waitpid(pid, os.WNOHANG)
            yield from office.taken()
            if not ended:
                signal.sigtimedwait([signal.SIGCHLD], 0.5)
        yield from office.taken()
        if status:
            msg = f"the schedules of {playbook} could not be run to their end ({status})"
            raise RuntimeError(msg)


class Marking(Branching):
    """A clean run that marks what a death leaves behind: `crashes` runs those."""

    def strike(self, point: Point) -> str:
        self.mark(point)
        return ""


def _run(made: Scene, fate: Branching) -> Told:
    def grounded(ground: Ground) -> None:
        fate.ground = ground

    return tell(made, fate, sdks=fate.sdks, grounded=grounded)


def _branch_off(made: Scene, fate: Branching) -> None:
    """The clean run with all its branches; ends the process, whichever it is."""
    status = 70
    try:
        told = _run(made, fate)
        if fate.struck:
            schedule = fate.schedule
            fate._office.leave(schedule, ends_well(told) if schedule.deadly else told)
            shutil.rmtree(HERE.readlink(), ignore_errors=True)
        fate._office.wait(0)
        status = 0
    except BaseException:  # noqa: BLE001 - a forked process may not go on as the one it came from
        import traceback

        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)
