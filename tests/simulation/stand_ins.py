"""What the product finds instead of `threading` and of an executor: the same, on the baton."""

from __future__ import annotations

import queue
import traceback
from collections import deque
from concurrent.futures import Future
from concurrent.futures._base import DoneAndNotDoneFutures
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tests.simulation.baton import Crashed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tests.simulation.baton import Actor, Baton

T = TypeVar("T")


class Threading:
    """The names of `threading` that the product uses."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton

    def Lock(self) -> Mutex:  # noqa: N802 - the name it stands in for
        return Mutex(self._baton)

    def RLock(self) -> Mutex:  # noqa: N802
        return Mutex(self._baton)

    def BoundedSemaphore(self, value: int = 1) -> Semaphore:  # noqa: N802
        return Semaphore(self._baton, value)

    def Event(self) -> Event:  # noqa: N802
        return Event(self._baton)

    def Thread(  # noqa: N802
        self,
        *,
        target: Callable[..., object],
        name: str = "thread",
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        daemon: bool | None = None,
    ) -> Thread:
        del daemon
        given, named = tuple(args), dict(kwargs or {})
        return Thread(self._baton, name, lambda: target(*given, **named))


class Mutex:
    """A lock that one thread may take again."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton
        self._owner: Actor | None = None
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT002
        del timeout
        if not self._baton.inside:
            return True
        me = self._baton.actor
        if self._owner is me or me.process.dead:
            self._depth += 1
            return True
        if self._owner is not None and not self._owner.done:
            if not blocking:
                return False
            self._baton.wait(lambda: self._owner is None or self._owner.done)
        self._owner, self._depth = me, 1
        return True

    def release(self) -> None:
        self._depth -= 1
        if self._depth <= 0:
            self._owner = None

    def locked(self) -> bool:
        return self._owner is not None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Semaphore:
    """So many may go on; the others wait."""

    def __init__(self, baton: Baton, value: int) -> None:
        self._baton = baton
        self._left = value

    def acquire(self) -> bool:
        if self._left <= 0:
            self._baton.wait(lambda: self._left > 0)
        self._left -= 1
        return True

    def release(self) -> None:
        self._left += 1


class Queues:
    """The names of `queue` that the product uses."""

    Empty = queue.Empty

    def __init__(self, baton: Baton) -> None:
        self._baton = baton

    def SimpleQueue(self) -> SimpleQueue:  # noqa: N802
        return SimpleQueue(self._baton)


class SimpleQueue:
    """A queue that is waited on in virtual time."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton
        self._items: deque[Any] = deque()

    def __class_getitem__(cls, item: object) -> type[SimpleQueue]:
        del item
        return cls

    def put(self, item: Any) -> None:
        self._items.append(item)

    def get_nowait(self) -> Any:
        return self.get(timeout=0.0)

    def get(self, timeout: float | None = None) -> Any:
        if not self._items:
            self._baton.wait(lambda: bool(self._items), timeout)
        if not self._items:
            if self._baton.actor.process.dead:
                raise Crashed
            raise queue.Empty
        return self._items.popleft()


class Times:
    """`time`, as much of it as the product asks where it does not ask its clock."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton

    def monotonic(self) -> float:
        return self._baton.now_s


class Event:
    """A flag that others wait for, in virtual time."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton
        self._set = False

    def set(self) -> None:
        self._set = True

    def clear(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        return self._baton.wait(self.is_set, timeout)


class Thread:
    """A thread that runs when it gets the baton."""

    def __init__(self, baton: Baton, name: str, work: Callable[[], object]) -> None:
        self._baton = baton
        self._name = name
        self._work = work
        self._actor: Actor | None = None

    def start(self) -> None:
        def work() -> None:
            try:
                self._work()
            except Exception:  # noqa: BLE001 - Python prints it on a person's screen
                self._baton.uncaught.append(f"{self._name}: {traceback.format_exc()}")

        process = self._baton.actor.process
        self._actor = self._baton.start(f"{process.name} {self._name}", process, work)

    def is_alive(self) -> bool:
        return self._actor is not None and not self._actor.done

    def join(self, timeout: float | None = None) -> None:
        actor = self._actor
        if actor is not None:
            self._baton.wait(lambda: actor.done, timeout)


class SimulatedFuture(Future[T]):
    """A future whose result is waited for on the baton."""

    baton: Baton

    def result(self, timeout: float | None = None) -> T:
        if not self.done():
            self.baton.wait(self.done, timeout)
        return super().result(0)


class Executor:
    """`ThreadPoolExecutor`, as much of it as the product uses."""

    def __init__(self, baton: Baton, max_workers: int) -> None:
        self._baton = baton
        self._size = max_workers
        self._queue: list[tuple[SimulatedFuture[Any], Callable[[], Any]]] = []
        self._workers = 0
        self._closing = False

    def submit(self, act: Callable[..., T], *args: Any) -> Future[T]:
        if self._closing:
            msg = "cannot schedule new futures after shutdown"
            raise RuntimeError(msg)
        future: SimulatedFuture[T] = SimulatedFuture()
        future.baton = self._baton
        self._queue.append((future, partial(act, *args)))
        if self._workers < self._size:
            self._workers += 1
            process = self._baton.actor.process
            name = f"{process.name} worker {self._workers}"
            self._baton.start(name, process, self._work)
        return future

    def _work(self) -> None:
        """Works off what waits, then ends: an executor that nobody closes leaves no thread."""
        try:
            while self._queue:
                future, act = self._queue.pop(0)
                try:
                    future.set_result(act())
                except BaseException as error:
                    future.set_exception(error)
                    if not isinstance(error, Exception):
                        raise
        finally:
            self._workers -= 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT002
        self._closing = True
        if cancel_futures:
            for future, _ in self._queue:
                future.cancel()
            self._queue.clear()
        if wait:
            self._baton.wait(lambda: self._workers == 0)


def waiter(baton: Baton) -> Callable[..., DoneAndNotDoneFutures[Any]]:
    """`concurrent.futures.wait` for the first that is done.

    It never gives up early: the product wakes only to hear a signal, and no process of the
    simulation gets one. A wait that ends by time would hide that everybody waits for good.
    """

    def wait(
        futures: Sequence[Future[Any]], timeout: float | None = None, return_when: str = ""
    ) -> DoneAndNotDoneFutures[Any]:
        del timeout, return_when
        if futures:
            baton.wait(lambda: any(one.done() for one in futures))
        done = {one for one in futures if one.done()}
        return DoneAndNotDoneFutures(done, set(futures) - done)

    return wait


def in_turn(baton: Baton) -> Callable[[Sequence[Future[T]]], Iterator[Future[T]]]:
    """`concurrent.futures.as_completed`, in the order given."""

    def as_completed(futures: Sequence[Future[T]]) -> Iterator[Future[T]]:
        for one in futures:
            baton.wait(one.done)
            yield one

    return as_completed
