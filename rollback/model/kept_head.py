"""The head beside a journal: how far the journal was on disk. Pure; see docs/reference/journal.md.

The chain of a journal tells an edit, not that its last lines are gone: what is left of it is whole.
So the last line that a sync covered is also named in a small file beside it, of one line and always
the same length. The rules, cited by number:

- K1 the head is written over in place, after the sync of the journal returned and never before, and
  never synced itself. So after a power cut it may be behind the journal, and is never ahead of it.
- K2 a journal that is shorter than its head says, or holds another line there, was cut or edited.
- K3 a head that is missing, or that cannot be read, says nothing: the journal is taken as it
  stands, and that is said.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from rollback.model.journal import line_of
from rollback.model.record import FIRST

if TYPE_CHECKING:
    from rollback.model.journal import JournalCheck

BYTES_MAX = 512
"""More than a head ever is: one sector, which a disk writes whole or not at all."""

_FORM = re.compile(rb"journal-head 1 (\S{1,120}) (\d{12}) ([0-9a-f]{64}) [0-9a-f]{64}\n")


class KeptHead(NamedTuple):
    """The last line of a run's journal that was on disk. lines: its number, from 1; 0 for none.

    sha256: of that line without its newline; `FIRST` for none.
    """

    run: str
    lines: int = 0
    sha256: str = FIRST

    def to_bytes(self) -> bytes:
        """The file's content: always as long for one run, so that it is written over whole."""
        said = f"journal-head 1 {self.run} {self.lines:012d} {self.sha256}"
        return f"{said} {hashlib.sha256(said.encode()).hexdigest()}\n".encode()

    @classmethod
    def of(cls, data: bytes) -> KeptHead | None:
        """What a file says; None where it is torn or is no head (the last word is a check sum)."""
        found = _FORM.fullmatch(data)
        if found is None:
            return None
        run, lines, line = (part.decode("ascii", "replace") for part in found.groups())
        head = cls(run, int(lines), line)
        return head if head.to_bytes() == data else None


MISSING = "no head lies beside the journal; whether lines are lost at its end cannot be told"
UNREADABLE = (
    "the head beside the journal cannot be read; whether lines are lost at its end cannot be told"
)


def held_against(check: JournalCheck, data: bytes | None) -> JournalCheck:
    """The check of a journal, and of the head beside it.

    data: the head's file, read before the journal was, as a run may go on meanwhile; None for none.
    What is wrong with the journal itself is told first.
    """
    if not check.holds:
        return check
    head = None if data is None else KeptHead.of(data)
    if head is None:
        if not check.records:
            return check  # nothing of it was there to be lost
        return replace(check, remark=MISSING if data is None else UNREADABLE)  # K3
    if check.run not in ("", head.run):
        problem = f"the head beside it is that of run {head.run}"
        return replace(check, problem=problem, line=1)
    if head.lines > len(check.records):  # K2
        lost = head.lines - len(check.records)
        many = "1 line is" if lost == 1 else f"{lost} lines are"
        problem = f"cut: from here on {many} lost that the head beside it says were on disk"
        return replace(check, problem=problem, line=len(check.records) + 1, cut=True)
    if head.lines and _digest(check, head.lines) != head.sha256:  # K2
        problem = "it is not the line that the head beside it says was on disk"
        return replace(check, problem=problem, line=head.lines)
    return check


def _digest(check: JournalCheck, line: int) -> str:
    if line == len(check.records):
        return check.head
    return hashlib.sha256(line_of(check.records[line - 1])).hexdigest()
