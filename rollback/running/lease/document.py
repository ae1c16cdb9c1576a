"""What is written about one scope: who holds it, what they are doing, until when."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationError

from rollback.errors import LeaseHeld, ProductDefect
from rollback.model.base import Frozen, Instant
from rollback.model.durations import spoken

if TYPE_CHECKING:
    from datetime import datetime

DOCUMENT_BYTES_MAX = 4096
FENCE_LAST = 2**53 - 1
"""Nobody comes here by one taking after the other."""

OBSERVING = "observe"
"""What a holder that changes nothing is doing starts with this word; a rollback may preempt it."""

_SCOPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,119}")


class LeaseDocument(Frozen):
    """Format 1. It is never deleted, so that `fence` only rises; `held` says whether it counts.

    holder: names the run and the machine. token: one process's own. beat: counts its writes.
    renewed_at: by the holder's wall clock; shown to people, never judged by. boot, boot_ms: which
    clock that runs from a machine's start the holder read, and where it stood then; in a folder.
    """

    format: Literal[1] = 1
    scope: str
    holder: str
    token: str
    doing: str
    fence: Annotated[int, Field(ge=1, le=FENCE_LAST)]
    beat: Annotated[int, Field(ge=0, lt=2**53)]
    held: bool
    renewed_at: Instant
    ttl_s: Annotated[int, Field(ge=1)]
    boot: str = ""
    boot_ms: Annotated[int, Field(ge=0, lt=2**53)] = 0

    @property
    def observing(self) -> bool:
        """True when the holder changes nothing yet."""
        return self.doing.startswith(OBSERVING)

    def age_s(self, now: datetime) -> int:
        """Seconds since the holder last said so, by wall clocks; never below 0."""
        return max(0, int((now - self.renewed_at).total_seconds()))

    def same_write(self, other: LeaseDocument) -> bool:
        """True when both are one process's same write of the same taking."""
        return (self.token, self.fence, self.beat) == (other.token, other.fence, other.beat)

    def to_bytes(self) -> bytes:
        """The document's bytes."""
        return self.model_dump_json().encode()


def read_document(data: bytes, scope: str) -> LeaseDocument:
    """Read one. Raises LeaseHeld for bytes that are none: somebody may hold it, nobody can tell."""
    try:
        document = LeaseDocument.model_validate_json(data)
    except ValidationError as error:
        raise _unreadable(scope) from error
    if document.scope != scope or document.fence >= FENCE_LAST:  # no number comes after it
        raise _unreadable(scope)
    return document


def file_name(scope: str) -> str:
    """A name for a scope that is safe as a file and as a key, and its own."""
    if _SCOPE.fullmatch(scope) is None:
        msg = f"not a lease scope: {scope!r}"
        raise ProductDefect("lease.scope", msg)
    digest = hashlib.sha256(scope.encode()).hexdigest()[:12]
    return f"{scope.replace('/', '.')}-{digest}.json"


def held_by(document: LeaseDocument, now: datetime, *, lost: bool = False) -> LeaseHeld:
    """The refusal a person reads: holder, its step, its age, the next safe move."""
    age = document.age_s(now)
    who = f"{document.holder}, which is at {document.doing!r} and said so {spoken(age)} ago"
    if lost:
        code, reason = "lease.lost", f"the lease on {document.scope} was taken by {who}"
        hint = "stop: look at what the other run does; halts still go out with `--only-safe`"
    else:
        code, reason = "lease.held", f"{document.scope} is held by {who}"
        hint = (
            f"let it finish; if it died, its lease can be taken {spoken(document.ttl_s)} after it "
            "last said so: try again then; halts need no lease: `rollback apply --only-safe`"
        )
    return LeaseHeld(code, reason, hint=hint, promise="same-plan-twice-is-once")


def _unreadable(scope: str) -> LeaseHeld:
    return LeaseHeld(
        "lease.unreadable",
        f"what is written about the lease on {scope} cannot be read",
        hint="make sure that nobody is changing it, then remove what is written there; halts need "
        "no lease: `rollback apply --only-safe`",
        promise="fail-closed",
    )
