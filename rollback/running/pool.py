"""Threads that act, while one thread decides."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


WAKE_S = 0.5
"""How long the deciding thread sleeps at most: Python runs signal handlers only where it wakes."""


SAFE_AT_ONCE = 32
"""Moves toward safety that are under way at the same time: they wait for one another only."""


class ThreadPool:
    """`Pool` with at most `size` threads; what does not fit waits its turn.

    Moves toward safety have threads of their own, so that no capture can keep a halt waiting.
    """

    def __init__(self, size: int) -> None:
        """size: threads, at least 1."""
        self._executor = ThreadPoolExecutor(max_workers=size, thread_name_prefix="rollback")
        self._safe = ThreadPoolExecutor(SAFE_AT_ONCE, thread_name_prefix="rollback-safe")

    def submit(self, act: Callable[[], T], *, safe: bool = False) -> Future[T]:
        """Run `act` on a thread; safe: on one kept for that. Raises RuntimeError after `close`."""
        return (self._safe if safe else self._executor).submit(act)

    def wait_any(self, futures: Sequence[Future[T]]) -> None:
        """Return when at least one is done; at once where there are none."""
        while futures and not wait(futures, WAKE_S, FIRST_COMPLETED).done:
            pass  # awake for a moment: a signal that another thread was handed is heard here

    def close(self) -> None:
        """Finish what runs, drop what waits, take no more."""
        self._safe.shutdown(wait=True, cancel_futures=True)
        self._executor.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
