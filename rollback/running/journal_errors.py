"""What is raised of a journal: its code, why, and the next safe move."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rollback.errors import JournalBroken

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.journal import JournalCheck

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""How a disk says that nothing more fits."""

_DAMAGED = (
    "nothing was sent; keep the run's folder as evidence, look at the world, make a new plan; "
    "halts go out with `rollback apply PLAN --only-safe`, also of the plan.json in that folder"
)
_CUT = (
    f"{_DAMAGED}; where the journal is mirrored, `rollback resume` brings it up to its mirror once "
    "that can be read"
)


KEEP = (
    "keep the run's folder as evidence, look at the world, and make a plan of what you want: "
    "`rollback plan`"
)
"""The next safe move of who only reads a run, or wants to take it back."""


def damaged(path: Path, check: JournalCheck, hint: str = "") -> JournalBroken:
    """It does not verify. hint: the next safe move there, where it is not that of a resume."""
    return JournalBroken(
        "journal.cut" if check.cut else "journal.damaged",
        f"{path} line {check.line}: {check.problem}",
        hint=hint or (_CUT if check.cut else _DAMAGED),
        promise="fail-closed",
    )


def unwritable(path: Path, error: OSError) -> JournalBroken:
    """The disk does not take a record."""
    return JournalBroken(
        "journal.full" if error.errno in FULL else "journal.unwritable",
        f"{path} cannot be written: {error.strerror}",
        hint="nothing moves away from safety without it; free space or name another state "
        "directory; halts still go out with `apply --only-safe`",
        promise="evidence-first",
    )


def unreadable(path: Path, error: OSError) -> JournalBroken:
    """The disk does not give the file."""
    return JournalBroken(
        "journal.unreadable",
        f"{path} cannot be read: {error.strerror}",
        hint="see the rights of the file and of its folder",
    )


def broken(path: Path, why: str) -> JournalBroken:
    """It takes no more records."""
    return JournalBroken(
        "journal.broken",
        f"{path} takes no more records: {why}",
        hint="nothing moves away from safety without it; resume the run when the disk is well",
        promise="evidence-first",
    )
