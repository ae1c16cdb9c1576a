"""What the decision loop may ask for next: the words between `drive` and those who act."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.running.state import StepStatus


@dataclass(frozen=True, slots=True)
class Act:
    """Read again, send, look."""

    step: str
    change: str


@dataclass(frozen=True, slots=True)
class Resolve:
    """Look only: the answer of an earlier send was lost."""

    step: str
    change: str


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Return the permissions of a change that was found not applied."""

    step: str
    change: str
    why: str


@dataclass(frozen=True, slots=True)
class Verify:
    """Verify a step from outside."""

    step: str


@dataclass(frozen=True, slots=True)
class ProveAuthority:
    """Ask every instance again."""


@dataclass(frozen=True, slots=True)
class TakeLease:
    """Take the lease on all that this plan changes, or learn who holds it."""


@dataclass(frozen=True, slots=True)
class End:
    """A step ends."""

    step: str
    status: StepStatus
    code: str = ""
    reason: str = ""
    exit: int | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """The run ends."""

    exit: int


Intent = Act | Resolve | GiveBack | Verify | ProveAuthority | TakeLease | End | Close
