"""Threads that act, while one thread decides."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


WAKE_S = 0.5
"""How long the deciding thread sleeps at most: Python runs signal handlers only where it wakes."""


class ThreadPool:
    """`Pool` with at most `size` threads; what does not fit waits its turn."""

    def __init__(self, size: int) -> None:
        """size: threads, at least 1."""
        self._executor = ThreadPoolExecutor(max_workers=size, thread_name_prefix="rollback")

    def submit(self, act: Callable[[], T]) -> Future[T]:
        """Run `act` on a thread. Raises RuntimeError after `close`."""
        return self._executor.submit(act)

    def wait_any(self, futures: Sequence[Future[T]]) -> None:
        """Return when at least one is done; at once where there are none."""
        while futures and not wait(futures, WAKE_S, FIRST_COMPLETED).done:
            pass  # awake for a moment: a signal that another thread was handed is heard here

    def close(self) -> None:
        """Finish what runs, drop what waits, take no more."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
