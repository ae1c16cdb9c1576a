"""Ports to what a run keeps: journal, permissions, refusals, exchanges, lease."""

from dataclasses import dataclass
from typing import Protocol

from rollback.model.base import Facts
from rollback.model.record import Record, RecordKind
from rollback.model.scope import GuardVerdict, Scope, Shape


class Journal(Protocol):
    """The append-only, hash-chained file of one run. Safe to use from several threads."""

    def append(self, stream: str, kind: RecordKind, body: Facts, *, durable: bool) -> Record:
        """Append one record. durable: fsynced before this returns. Raises JournalBroken."""
        ...

    def records(self) -> tuple[Record, ...]:
        """All records so far, in the order of the file."""
        ...


class MirrorPlace(Protocol):
    """Where the journal's copy is kept: small objects by name, created only."""

    def names(self, prefix: str) -> tuple[str, ...]:
        """Names that start so, in order. Raises ConnectorError."""
        ...

    def get(self, name: str) -> bytes | None:
        """An object's bytes, None where there is none. Raises ConnectorError."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Create; False where it is there, whatever it holds. Raises ConnectorError."""
        ...


class PermissionLedger(Protocol):
    """Permissions of the plan being applied. Spending writes the intent, durably, first."""

    def left(self, effect_id: str) -> int:
        """How many sends are left."""
        ...

    def spend(self, effect_id: str, shape: Shape) -> int:
        """Spend one; return the attempt number. Raises GuardRefusal when none is left.

        Returns only after the intent is durable. Raises JournalBroken when it cannot be, except
        for moves toward safety, whose intent then goes to standard error.
        """
        ...


class RefusalLatch(Protocol):
    """Set by the guard before it raises, because SDKs swallow exceptions."""

    def refuse(self, verdict: GuardVerdict, shape: Shape) -> None:
        """Latch and journal the refusal."""
        ...

    def tripped(self) -> GuardVerdict | None:
        """The first refusal of this run, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came back, for the journal. echoed: None where no echo is expected."""

    request_id: str
    method: str
    host: str
    path: str
    status: int | None
    echoed: bool | None
    provider_id: str = ""
    elapsed_ms: int = 0
    problem: str = ""


class ExchangeLog(Protocol):
    """Hears of every exchange."""

    def seen(self, scope: Scope, exchange: Exchange) -> None:
        """Record one exchange; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class LeaseGrant:
    """A held lease. strength: ``this-machine`` or ``shared``. deadline: on our monotonic clock."""

    scopes: tuple[str, ...]
    holder: str
    fence: int
    strength: str
    deadline: float
    took_over: str = ""


class Lease(Protocol):
    """A time-limited exclusive right to change what a plan changes."""

    def acquire(self, scopes: tuple[str, ...], holder: str, doing: str) -> LeaseGrant:
        """Take all scopes in sorted order, or none. Raises LeaseHeld with holder, step, age."""
        ...

    def renew(self, grant: LeaseGrant, doing: str) -> LeaseGrant:
        """Extend. Raises LeaseHeld when somebody else took one of its scopes."""
        ...

    def kept(self, grant: LeaseGrant) -> LeaseGrant:
        """What is left of a grant after one of its scopes was lost; no scopes: nothing."""
        ...

    def release(self, grant: LeaseGrant) -> None:
        """Give it up; never raises for a lease already gone."""
        ...
