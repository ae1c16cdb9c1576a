"""A run taken up from its mirror, where a machine has nothing of it, or less than is mirrored."""

from __future__ import annotations

import fcntl
import os
import re
from typing import TYPE_CHECKING

from rollback.errors import InputError, JournalBroken, LeaseHeld
from rollback.model.journal import verify
from rollback.model.kept_head import held_against
from rollback.running.head import head_path, read_head, write_head
from rollback.running.journal_errors import halts
from rollback.running.mirror import mirrored_lines
from rollback.running.store import RUN_NAME, RunDirectory, create_file

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.ports import MirrorPlace
    from rollback.running.store import StateDirectory

_APPROVAL = re.compile(r"approval-\d{1,4}\.json")


def take_up(place: MirrorPlace, state: StateDirectory, run: str) -> RunDirectory:
    """The run's folder, with at least what is mirrored. Records here and there must agree.

    Raises InputError where the mirror has no such run, JournalBroken where the two disagree,
    LeaseHeld while the run is running here, ConnectorError where the mirror cannot be read.
    """
    if RUN_NAME.fullmatch(run) is None:
        raise InputError(
            "run.unknown", f"{run!r} is not a run's whole name", hint="like r-20261123-0936-4f2a"
        )
    directory = RunDirectory(run, state.root / "runs" / run)
    lines = b"".join(mirrored_lines(place, run))
    plan = place.get(f"{run}/plan.json")
    if not lines or plan is None:
        if directory.journal_path.exists():
            return directory  # nothing was mirrored yet
        raise InputError(
            "run.unknown",
            f"no run {run} is under {state.root}, nor in the environment's mirror",
            hint="`rollback status` on the machine that began it says its name",
        )
    check = verify(lines)
    if not check.holds or check.run != run:
        raise JournalBroken(
            "mirror.broken",
            f"the mirror of {run} does not verify: {check.problem or check.run}",
            hint="halts of a plan go out with `rollback apply PLAN --only-safe`; keep it as it is; "
            "look at the world, and make a new plan",
            promise="fail-closed",
        )
    directory.keep_plan(plan)
    for name in place.names(f"{run}/approval-"):
        file = name.rpartition("/")[2]
        data = place.get(name)
        if data is not None and _APPROVAL.fullmatch(file):
            directory.keep_approval(file, data)
    if directory.journal_path.exists():
        _level(directory.journal_path, lines)
    else:
        create_file(directory.journal_path, lines)
        write_head(directory.journal_path, check)
    return directory


def _level(path: Path, mirrored: bytes) -> None:
    """Bring a journal that lost its end up to what was mirrored of it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LeaseHeld(
                "journal.held", f"{path} is being written", hint="the run is running here"
            ) from error
        here = path.read_bytes()
        good = here[: verify(here).good_bytes]
        if good.startswith(mirrored):
            return
        held = held_against(verify(mirrored), read_head(path))
        if not mirrored.startswith(good) or not (held.holds or held.cut):
            raise JournalBroken(
                "mirror.differs",
                f"{path} is not what was mirrored of it: a record was edited, or taken out",
                hint=f"{halts(path)}; keep both; look at the world, and make a new plan",
                promise="fail-closed",
            )
        head_path(path).unlink(missing_ok=True)  # before: a head is never ahead of its journal (K1)
        os.ftruncate(descriptor, len(good))
        os.lseek(descriptor, len(good), os.SEEK_SET)
        rest = mirrored[len(good) :]
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
        if held.holds:  # else the mirror lacks lines that were on disk, and a resume says so
            write_head(path, verify(mirrored))
    finally:
        os.close(descriptor)
