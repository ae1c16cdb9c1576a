"""What is raised of a journal: its code, why, and the next safe move."""

from __future__ import annotations

import errno
import shlex
from typing import TYPE_CHECKING

from rollback.errors import JournalBroken

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.journal import JournalCheck

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""How a disk says that nothing more fits."""


_MIRRORED = (
    "; where the journal is mirrored, `rollback resume` brings it up to its mirror once that can "
    "be read"
)
KEEP = (
    "keep the run's folder as evidence, look at the world, and make a plan of what you want: "
    "`rollback plan`"
)
"""The next safe move of who only reads a run, or wants to take it back."""


def halts(path: Path) -> str:
    """How to halt by the plan that lies beside a journal, which needs nothing of that journal."""
    command = f"rollback apply {shlex.quote(str(path.with_name('plan.json')))} --only-safe"
    return f"halts go out with `{command}`"


def _hint(path: Path) -> str:
    return (
        f"{halts(path)}; this command sent nothing; what the run had sent the world shows: look at "
        "it, and make a new plan: what is done already becomes a no-op; keep the run's folder as "
        "evidence"
    )


def gone(path: Path, run: str) -> JournalBroken:
    """A run that had begun, of which nothing is left."""
    return JournalBroken(
        "journal.gone",
        f"run {run} had begun, and nothing of its journal is left",
        hint=_hint(path),
        promise="fail-closed",
    )


def damaged(path: Path, check: JournalCheck, hint: str = "") -> JournalBroken:
    """It does not verify. hint: the next safe move there, where it is not that of a resume."""
    return JournalBroken(
        "journal.cut" if check.cut else "journal.damaged",
        f"{path} line {check.line}: {check.problem}",
        hint=hint or f"{_hint(path)}{_MIRRORED if check.cut else ''}",
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
