"""Ports to what a process runs in: time, chance, threads, and secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from rollback.model.base import Facts
from rollback.model.environment import Secret

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


class Clock(Protocol):
    """Wall time, monotonic time, and waiting. Nothing else in the core knows what time it is."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; comparable within one process only."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait. A virtual clock advances instead."""
        ...


class Randomness(Protocol):
    """Nonces and jitter."""

    def hex(self, n_bytes: int) -> str:
        """`n_bytes` of randomness as lower-case hex."""
        ...

    def fraction(self) -> float:
        """A number in [0, 1), for jitter only."""
        ...


class Pool(Protocol):
    """A bounded pool that acts while one thread decides."""

    def submit(self, act: Callable[[], T], *, safe: bool = False) -> Future[T]:
        """Run `act` on a worker; safe: it moves toward safety, and waits for no other worker."""
        ...

    def wait_any(self, futures: Sequence[Future[T]]) -> None:
        """Return when at least one is done."""
        ...

    def close(self) -> None:
        """Finish what runs; take no more."""
        ...


class SecretSource(Protocol):
    """Resolves secret references late, and knows every value it ever gave out (for redaction)."""

    def get(self, secret: Secret) -> str:
        """The value. Raises InputError naming the variable where it is not set."""
        ...

    def know(self, *values: str) -> None:
        """Values that others gave out (a session's keys): blotted from now on."""
        ...

    def expect(self, secrets: Iterable[Secret]) -> None:
        """References whose values are blotted too, though nobody may have asked for them yet."""
        ...

    def refuse_short(self) -> None:
        """Raise InputError where an expected value is too short to be kept out of a plan."""
        ...

    def redact(self, text: str) -> str:
        """The text with every secret value, in raw, URL, JSON and base64 form, blotted out."""
        ...

    def redact_bytes(self, data: bytes | memoryview) -> bytes | memoryview:
        """The same for bytes."""
        ...

    def redact_facts(self, told: Facts) -> Facts:
        """The same for facts, which are decided by: see the implementation for what it leaves."""
        ...
