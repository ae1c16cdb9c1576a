"""Reads side by side: so many at once for all who share it, the answers in the order asked.

Whoever asks works too, and takes further threads while some are free: at the start, and again
before each read of its own. So reads inside reads never wait for each other, with no thread free
they are made one by one, as without this, and what others give back does not lie idle.
"""

from __future__ import annotations

from threading import Lock, Thread
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from rollback.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")

AT_ONCE = 16
"""Reads under way in one scope: as many as are kept open for one host."""


class ReadTogether(Protocol):
    """`Clients.together`."""

    def __call__(self, reads: Sequence[Callable[[], T]]) -> tuple[T, ...]:
        """Make every read; the answers in this order."""
        ...


class Together:
    """What may be under way at once in one scope. Safe from any thread."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        """at_once: reads, at least 1."""
        self._lock = Lock()
        self._free = at_once - 1

    def __call__(self, reads: Sequence[Callable[[], T]]) -> tuple[T, ...]:
        """Make every read; return what they gave, in this order.

        After one that failed no further one begins, and those under way are waited for. Raises the
        first failure in the order asked; what no action may take for a gap comes before any
        ConnectorError.
        """
        queue = _Queue(reads)
        others: list[Thread] = []
        while queue.waiting:
            others += self._helped(queue, self._take(queue.waiting - 1))
            queue.work_one()
        for other in others:
            other.join()
        return queue.given()

    def _helped(self, queue: _Queue[T], threads: int) -> list[Thread]:
        """Threads that work too; fewer where the machine gives no more."""
        others: list[Thread] = []
        for number in range(threads):
            # Of nobody's executor: one that hangs must not keep the process from ending.
            other = Thread(
                target=self._help, name=f"rollback-read-{number}", args=(queue,), daemon=True
            )
            try:
                other.start()
            except RuntimeError:
                self._give_back(threads - number)
                break
            others.append(other)
        return others

    def _take(self, wanted: int) -> int:
        with self._lock:
            taken = max(0, min(wanted, self._free))
            self._free -= taken
            return taken

    def _help(self, queue: _Queue[T]) -> None:
        try:
            while queue.work_one():
                pass
        finally:
            self._give_back(1)

    def _give_back(self, threads: int) -> None:
        with self._lock:
            self._free += threads


class _Queue(Generic[T]):
    """Reads that wait, and what became of the others."""

    def __init__(self, reads: Sequence[Callable[[], T]]) -> None:
        self._lock = Lock()
        self._reads = reads
        self._next = 0
        self._made: dict[int, T] = {}
        self._failed: list[tuple[bool, int, BaseException]] = []

    @property
    def waiting(self) -> int:
        """Reads nobody has begun, and that are still wanted: none after one that failed."""
        with self._lock:
            return 0 if self._failed else len(self._reads) - self._next

    def work_one(self) -> bool:
        """Make the next read. False where there is none left, or one has failed."""
        number = self._take()
        if number is None:
            return False
        try:
            self._made[number] = self._reads[number]()
        except BaseException as error:  # noqa: BLE001 - raised by whoever asked
            self._failed.append((isinstance(error, ConnectorError), number, error))
        return True

    def given(self) -> tuple[T, ...]:
        """All answers. Raises the failure that counts."""
        if self._failed:
            raise min(self._failed, key=lambda one: one[:2])[2]
        return tuple(self._made[number] for number in range(len(self._reads)))

    def _take(self) -> int | None:
        with self._lock:
            if self._failed or self._next >= len(self._reads):
                return None
            self._next += 1
            return self._next - 1


def one_by_one(reads: Sequence[Callable[[], T]]) -> tuple[T, ...]:
    """The same without other threads."""
    return tuple(read() for read in reads)


def both(together: ReadTogether, first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Two reads of different kinds side by side. Raises like `Clients.together`."""
    made_first: list[A] = []
    made_second: list[B] = []
    together((lambda: made_first.append(first()), lambda: made_second.append(second())))
    return made_first[0], made_second[0]
