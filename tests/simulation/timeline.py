"""The simulated world on virtual time: its swaps and starts go on while the product waits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import rsa

from rollback.rehearsal.simulator.simulation import Simulation
from tests.simulation.baton import Crashed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

    from rollback.rehearsal.simulator.world import World
    from tests.simulation.baton import Baton, Process

START = datetime(2026, 11, 23, 9, 36, tzinfo=UTC)
MONOTONIC_S = 1000.0


class WorldLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as the world's coroutines ask for, on the baton's timers."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton

    def time(self) -> float:
        return self._baton.now_s

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def call_soon(  # type: ignore[override]  # its parameters are typed one by one
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._baton.at(self.time(), lambda: self._run(handle))
        return handle

    def call_later(  # type: ignore[override]  # its parameters are typed one by one
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]  # its parameters are typed one by one
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._baton.at(when, lambda: self._run(handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: a cancelled handle does not run."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._baton.broken = error or RuntimeError(str(context.get("message")))

    def _run(self, handle: asyncio.Handle) -> None:
        if handle.cancelled():
            return
        asyncio._set_running_loop(self)
        try:
            handle._run()
        finally:
            asyncio._set_running_loop(None)


@cache
def _signing_key() -> rsa.RSAPrivateKey:
    """What the platform signs tokens with; made once, as making it costs a tenth of a run."""
    return rsa.generate_private_key(65537, 2048)


class VirtualSimulation(Simulation):
    """The simulator's world, on the baton's time."""

    def __init__(self, world: World, baton: Baton) -> None:
        super().__init__(world)
        self.keys["signing"] = _signing_key()
        self._baton = baton
        self._loop = WorldLoop(baton)  # type: ignore[abstract]  # what is left out is not asked for

    def now(self) -> datetime:
        return START + timedelta(seconds=self._baton.now_s)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        running: asyncio.Task[None] = asyncio.Task(work, loop=self._loop)
        self._running.add(running)
        running.add_done_callback(self._running.discard)


class VirtualClock:
    """The clock of one process. It goes on as nobody can run; a wall clock may be wrong."""

    def __init__(self, baton: Baton, process: Process, asleep: Callable[[float], None]) -> None:
        """asleep: sleeps, and lets happen what happens to a sleeper."""
        self._baton = baton
        self._process = process
        self._asleep = asleep

    def _alive(self) -> None:
        if self._process.dead:
            raise Crashed

    def now(self) -> datetime:
        self._alive()
        return START + timedelta(seconds=self._baton.now_s + self._process.skew_s)

    def monotonic(self) -> float:
        self._alive()
        return MONOTONIC_S + self._baton.now_s

    def sleep(self, seconds: float) -> None:
        self._alive()
        self._asleep(seconds)
