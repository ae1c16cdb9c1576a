"""Packing beside reading: one thread compresses and names, others store, while readers read.

The libraries that compress, hash and send release the interpreter's lock, so this uses the second
core. What waits at either stage is bounded: a reader that is ahead is held up, and memory stays
flat. The stages have threads of their own because a compressor keeps megabytes, and because what
is compressed is small: while some pieces wait for the store's answers, others are packed. One
packer takes three hundred megabytes a second, which is more than readers give it.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final, Self, TypeVar

from rollback.evidence.room import Rooms

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")
U = TypeVar("U")

PACKERS: Final = 1
STORERS: Final = 2


class Packing:
    """Two bounded pools, open for one capture."""

    def __init__(self, packers: int = PACKERS, storers: int = STORERS) -> None:
        """Nothing is started before the first piece."""
        self.rooms = Rooms()
        self._packers = ThreadPoolExecutor(packers, thread_name_prefix="evidence-pack")
        self._storers = ThreadPoolExecutor(storers, thread_name_prefix="evidence-store")
        self._to_pack = BoundedSemaphore(packers)
        self._to_store = BoundedSemaphore(storers + 1)

    def submit(self, pack: Callable[[], T], store: Callable[[T], U]) -> Future[U]:
        """Pack on another thread, then store; waits while too much is waiting to be packed."""
        made: Future[U] = Future()

        def packing() -> None:
            try:
                packed = pack()
            finally:
                self._to_pack.release()
            self._to_store.acquire()
            try:
                self._storers.submit(storing, packed)
            except BaseException:
                self._to_store.release()
                raise

        def storing(packed: T) -> None:
            try:
                made.set_result(store(packed))
            except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
                made.set_exception(error)
            finally:
                self._to_store.release()

        def packed(future: Future[None]) -> None:
            if future.cancelled():
                self._to_pack.release()
                made.cancel()
            elif (error := future.exception()) is not None:
                made.set_exception(error)

        self._to_pack.acquire()
        try:
            self._packers.submit(packing).add_done_callback(packed)
        except BaseException:
            self._to_pack.release()
            raise
        return made

    def __enter__(self) -> Self:
        """Open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what is under way; what only waits to be packed is dropped after an error."""
        self._packers.shutdown(wait=True, cancel_futures=error is not None)
        self._storers.shutdown(wait=True)
