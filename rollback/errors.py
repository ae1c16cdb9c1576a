"""Every error of the product, in one tree.

Each class fixes the exit status (an interface: see docs/reference/exit-statuses.md); each raise
gives a code, a reason, and a hint with the next safe move::

    RollbackError                  1
    ├── ProductDefect              1   a bug in the product or in an action
    ├── InputError                 2   bad usage, unreadable or wrong files; carries complaints
    ├── Refused                    3   the guard, the planner or the proof said no
    │   └── GuardRefusal           3   a request stopped on the wire, before a socket was opened
    ├── ApprovalMissing            4   no valid approval for what moves away from safety
    ├── PlanStale                  5   expired, drifted, or applied before
    ├── PersonNeeded               6   partial or unknown: somebody has to look
    ├── AuthorityNotProved         7   halt authority lost or unknown
    ├── VerificationFailed         8   what users reach is not what was planned, or a bundle is not
    ├── EvidenceNotWritten         9   neither the store nor the spool takes evidence
    │   └── JournalBroken          9   the journal cannot be written or does not verify
    ├── LeaseHeld                 12   somebody else is changing the same things
    ├── Interrupted              130   a person pressed Ctrl-C
    └── ConnectorError             6   an outside system failed (transient or permanent)

Nothing here inherits from a vendor's exception: SDKs retry and swallow their own kind (measured:
a guard raising an AzureError was retried four times).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitStatus(IntEnum):
    """Exit statuses of the command line. Numbers are interface and never change meaning."""

    DONE = 0
    DEFECT = 1
    USAGE = 2
    REFUSED = 3
    APPROVAL = 4
    STALE = 5
    PERSON = 6
    AUTHORITY = 7
    VERIFICATION = 8
    EVIDENCE = 9
    LEASE = 12
    INTERRUPTED = 130


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``did you mean X? `` for the known name nearest to one that is not; empty for none."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]}? " if near else ""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing wrong in a file a person wrote.

    `line` and `column` start at 1; None where the file has no such place (an absent file).
    `path` is the place inside the document, like ``steps[2].revert-web.to``.
    """

    file: str
    line: int | None
    column: int | None
    path: str
    problem: str
    expected: str

    def __str__(self) -> str:
        where = self.file
        if self.line is not None:
            where += f":{self.line}"
            if self.column is not None:
                where += f":{self.column}"
        path = self.path
        if self.problem == f"`{path.rpartition('.')[2]}` is missing":  # it is named already
            path = path.rpartition(".")[0]
        at = f" at {path}" if path else ""
        return f"{where}: {self.problem}{at}; expected {self.expected}"


class RollbackError(Exception):
    """Base of everything this library raises on purpose.

    code: short, stable, dotted (``plan.stale.expired``), for machines.
    reason: what happened, one sentence, no secrets.
    hint: the next safe move, in words.
    promise: the promise of the design that stopped it, where one did.

    Its text is code and reason. The hint, and what else it carries in words, are notes of it, so
    that the traceback of a script shows them.
    """

    exit_status: ClassVar[ExitStatus] = ExitStatus.DEFECT

    def __init__(self, code: str, reason: str, *, hint: str = "", promise: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.hint = hint
        self.promise = promise
        for line in self._told():
            self.add_note(line)

    def _told(self) -> tuple[str, ...]:
        return (f"hint: {self.hint}",) if self.hint else ()

    def __str__(self) -> str:
        by = f" [{self.promise}]" if self.promise else ""
        return f"{self.code}{by}: {self.reason}"


class ProductDefect(RollbackError):
    """A bug: in the product, or in an action that broke its contract."""

    exit_status = ExitStatus.DEFECT


class InputError(RollbackError):
    """Bad usage or bad input. Complaints name file, line, path and what was expected."""

    exit_status = ExitStatus.USAGE

    def __init__(
        self,
        code: str,
        reason: str,
        *,
        hint: str = "",
        promise: str = "",
        complaints: tuple[Complaint, ...] = (),
    ) -> None:
        self.complaints = complaints
        super().__init__(code, reason, hint=hint, promise=promise)

    def _told(self) -> tuple[str, ...]:
        return (*map(str, self.complaints), *super()._told())


class Refused(RollbackError):
    """The planner, the proof or the guard refused."""

    exit_status = ExitStatus.REFUSED


class GuardRefusal(Refused):
    """A request was stopped on the wire. Never an AzureError, botocore or httpx error."""


class ApprovalMissing(RollbackError):
    """What moves users needs approvals that are not there or not valid."""

    exit_status = ExitStatus.APPROVAL


class PlanStale(RollbackError):
    """The plan expired, the world drifted from it, or it was applied before."""

    exit_status = ExitStatus.STALE


class PersonNeeded(RollbackError):
    """The outcome is partial or unknown; a person has to look and say."""

    exit_status = ExitStatus.PERSON


class AuthorityNotProved(RollbackError):
    """Halt authority is lost or unknown for what users are on or would be moved to."""

    exit_status = ExitStatus.AUTHORITY


class VerificationFailed(RollbackError):
    """What users reach is not the release the plan names."""

    exit_status = ExitStatus.VERIFICATION


class EvidenceNotWritten(RollbackError):
    """Evidence can be written neither to its store nor to the local spool."""

    exit_status = ExitStatus.EVIDENCE


class JournalBroken(EvidenceNotWritten):
    """The journal cannot be written, or what is in it does not verify."""


class LeaseHeld(RollbackError):
    """Another run holds the lease on what this plan changes."""

    exit_status = ExitStatus.LEASE


class Interrupted(RollbackError):
    """A person interrupted the run."""

    exit_status = ExitStatus.INTERRUPTED


class ConnectorError(RollbackError):
    """An outside system failed. The only thing that escapes a connector besides a refusal.

    transient: asking again later may work. Says nothing about whether a write took effect.
    status: the HTTP status, where there was an answer.
    """

    exit_status = ExitStatus.PERSON

    def __init__(
        self,
        code: str,
        reason: str,
        *,
        transient: bool,
        status: int | None = None,
        hint: str = "",
        promise: str = "",
    ) -> None:
        super().__init__(code, reason, hint=hint, promise=promise)
        self.transient = transient
        self.status = status
