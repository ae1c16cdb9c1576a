"""Schedules with the same beginning are run as one: the process forks at the point where they part.

A fork takes everything with it: the world, the stacks of all threads, the clocks. Only files are
not copied by it, so a branch gets a folder of its own, by the link `/proc/self/cwd`, and what was
open is opened there. A branch runs to its end and leaves what came of it in a file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulation.alike import CHANCE, Remains
from tests.simulation.baton import REAL_S_MAX
from tests.simulation.explore import Schedule, Sites, Unlike, deaths, ends_well
from tests.simulation.fate import FAULTS, Scripted
from tests.simulation.office import CLEAN, Likeness, Office, Report
from tests.simulation.run import tell
from tests.simulation.scene import HERE, root, scene_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.alike import Left
    from tests.simulation.fate import Point
    from tests.simulation.ground import Ground
    from tests.simulation.run import Told
    from tests.simulation.scene import Scene

WHAT = ("crashes", "faults", "pairs")
"""Every death; every fault; every fault, and with or without one every death that leaves something
new."""

FIRST = "A.1"
"""The process that is struck: the first one of the first laptop."""


class Ended(BaseException):
    """This process was a branch, and is over. Not an Exception: nothing may survive it."""


class Branching(Scripted):
    """A clean run that forks wherever something can go wrong; each branch is struck there."""

    def __init__(self, playbook: str, what: str, office: Office, *, sdks: bool = False) -> None:
        """what: one of `WHAT`."""
        super().__init__()
        self.sdks = sdks
        self._playbook = playbook
        self._what = what
        self.office = office
        self._unlike = Unlike()
        self._sites = Sites()
        self._remains = Remains()
        self.ground: Ground | None = None
        self.struck: tuple[tuple[int, str], ...] = ()
        self.left: Left | None = None
        self.alike = False

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
            return self._dies(point)
        return ""

    def _parted(self, point: Point, faults: tuple[str, ...]) -> str:
        for fault in faults:
            if self.office.mine() and self._forked():
                return self._struck(point, fault)
        return ""

    def _dies(self, point: Point) -> str:
        """Each way to die here that leaves something new behind, and some of those that do not."""
        assert self.ground is not None
        for left in self._remains.at(self.ground):
            new = self.office.first(left.state)
            if (new or self.office.sampled(left.pieces)) and self._forked():
                self.left, self.alike = left, not new
                return self._struck(point, left.fault)
        return ""

    def _struck(self, point: Point, fault: str) -> str:
        self.struck = (*self.struck, (point.number, fault))
        return fault

    def _forked(self) -> bool:
        """Fork; whether this is the branch. The other goes on once the branch has its own files."""
        self.office.wait(self.office.jobs - 1)
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
            self.office.running.add(pid)
            signal.alarm(left_s)
            return False
        os.close(ready)
        self.office.running = set()
        self.office.jobs = 1
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
    kept: Path | None = None,
    sample: int = 0,
) -> Iterator[tuple[Schedule, Told]]:
    """Every schedule of a kind, with what came of it, in no order. The rest: see `Office`."""
    with _at_home() as home:
        office = Office(home.parent / "office", jobs, every, skip, whole, kept, sample)
        office.open()
        likeness = Likeness(office.before())
        made = scene_in(playbook, HERE)
        kinds = (Dying, Branching) if what == "pairs" else (Branching,)
        for kind in kinds:
            for report in _all_of(made, kind(playbook, what, office, sdks=sdks)):
                yield report.schedule, likeness.held(report)
        print(office.summary(), end="\n" if kept else "", flush=True)  # noqa: T201


def _all_of(made: Scene, fate: Branching) -> Iterator[Report]:
    """The clean run, in a process of its own: it has to stop now and then to tell what was left."""
    pid = os.fork()
    if not pid:
        _branch_off(made, fate)
    ended = 0
    while not ended:
        ended, status = os.waitpid(pid, os.WNOHANG)
        yield from fate.office.taken()
        if not ended:
            signal.sigtimedwait([signal.SIGCHLD], 0.5)
    yield from fate.office.taken()
    if status:
        name = made.playbook
        msg = f"the schedules of {name} could not be run to their end ({status})"
        raise RuntimeError(msg)


class Dying(Branching):
    """A clean run with all its deaths; only marked where some schedules are left out."""

    def strike(self, point: Point) -> str:
        office = self.office
        if point.process != FIRST or self.struck or not self._unlike.has(point):
            return ""
        if not office.skip and office.every == 1 and not office.is_done(CLEAN):
            return self._dies(point)
        assert self.ground is not None
        for left in self._remains.at(self.ground):
            office.first(left.state)
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
            fate.office.leave(_reported(fate, told))
            shutil.rmtree(HERE.readlink(), ignore_errors=True)
        fate.office.wait(0)
        if fate.left is None and (fate.struck or isinstance(fate, Dying)):
            fate.office.ends()
        status = 0
    except BaseException:  # noqa: BLE001 - a forked process may not go on as the one it came from
        import traceback

        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


def _reported(fate: Branching, told: Told) -> Report:
    schedule = fate.schedule
    told = ends_well(told) if schedule.deadly else told
    if fate.left is None:
        return Report(schedule, told)
    return Report(schedule, told, fate.left.state, fate.alike, _after(told))


def _after(told: Told) -> str:
    """A digest of what happened after the death, but for when, and in which order.

    What is captured alongside takes longer where less of it is stored already.
    """
    died = max(number for number, line in enumerate(told.story) if line.endswith(" DIES"))
    lines = (_ITEMS.sub("", CHANCE.sub("-", line[_TIME:])) for line in told.story[died:])
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


_TIME = len("    0.00 s")
_ITEMS = re.compile(r"\d+ items|\d{4}-\d\d-\d\dT[\d:.]+Z")
