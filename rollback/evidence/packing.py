"""Packing beside reading: a few threads compress, name and store while others read.

The libraries that compress, hash and send release the interpreter's lock, so this uses the second
core. What waits to be packed is bounded: a reader that is ahead is held up, and memory stays flat.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")

THREADS = 2
WAITING_MAX = 3
"""Pieces that are being packed or wait for it."""


class Packing:
    """A bounded pool, open for one capture."""

    def __init__(self, threads: int = THREADS, waiting_max: int = WAITING_MAX) -> None:
        """Nothing is started before the first piece."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="evidence-pack")
        self._room = BoundedSemaphore(waiting_max)

    def submit(self, pack: Callable[[], T]) -> Future[T]:
        """Pack on another thread; waits while too much is waiting."""
        self._room.acquire()
        try:
            future = self._pool.submit(pack)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return future

    def __enter__(self) -> Self:
        """Open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what is being packed; what only waits is dropped after an error."""
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
