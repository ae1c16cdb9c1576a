"""Threads, one at a time: whoever holds the baton runs, and chance says who gets it next.

A thread gives the baton away only at a port call or where it has to wait, so an interleaving is
nothing but the list of choices made there; the same choices give the same run. Time is virtual: it
moves when nobody can run, to the moment at which somebody can.

A thread of the simulation is a greenlet: it has its own stack and its own context variables like a
thread, and handing the baton on wakes nobody.
"""

from __future__ import annotations

import heapq
import itertools
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

REAL_S_MAX = 120
"""A run that takes longer than this real time hangs, and is given up."""


class Crashed(BaseException):
    """The process died here. Not an Exception: nothing in the product may survive it."""


class StuckError(Exception):
    """Nobody can run, and no time that passes would change that."""


@dataclass
class Process:
    """One simulated process of the product.

    skew_s: how wrong its wall clock is. paused_until_s: until then none of its threads runs.
    """

    name: str
    dead: bool = False
    skew_s: float = 0.0
    paused_until_s: float = 0.0


@dataclass
class Actor:
    """One thread of a simulated process."""

    name: str
    process: Process
    stack: greenlet | None = None
    ready: Callable[[], bool] | None = None
    until: float | None = None
    done: bool = False
    failed: BaseException | None = None


class Baton:
    """The scheduler of one simulated run. Its state belongs to whoever holds the baton."""

    def __init__(self, choose: Callable[[int], int]) -> None:
        """choose: of n that can run, the index of the one that does; 0 is whoever runs now."""
        self.now_s = 0.0
        self._choose = choose
        self._actors: list[Actor] = []
        self._here: Actor | None = None
        self._home = getcurrent()
        self._begins: Actor | None = None
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self.broken: BaseException | None = None
        self.uncaught: list[str] = []
        """What ended a thread that nobody waits for."""

    # --- who runs ----------------------------------------------------------------------------

    @property
    def actor(self) -> Actor:
        """Whose thread this is."""
        if self._here is None:
            msg = "nobody of the simulation runs here"
            raise RuntimeError(msg)
        return self._here

    @property
    def inside(self) -> bool:
        """Whether one of the simulation's threads runs."""
        return self._here is not None

    def start(self, name: str, process: Process, work: Callable[[], None]) -> Actor:
        """A new thread; it runs when it gets the baton."""
        actor = Actor(name, process)
        self._actors.append(actor)

        def body() -> None:
            try:
                if not process.dead and self.broken is None:
                    work()
            except Crashed:
                pass
            except BaseException as error:  # noqa: BLE001 - told by whoever waits for it
                actor.failed = error
            finally:
                actor.done = True
                actor.stack = None
                self._actors.remove(actor)

        actor.stack = greenlet(body, self._home)
        return actor

    def busy(self, process: Process) -> bool:
        """Whether a thread of a process is left."""
        return any(one.process is process for one in self._actors)

    def run(self) -> None:
        """Let everybody run until nobody is left. Raises StuckError."""
        with _in_time():
            try:
                while (following := self._begins or self._next(None)) is not None:
                    self._begins = None
                    self._switch(following)
            finally:
                self._here = None
        if self.broken is not None:
            raise self.broken

    def step(self) -> None:
        """A place where another may run instead. Raises Crashed where the process is dead."""
        self._alive()
        self._pass_on()
        self._alive()

    def wait(self, ready: Callable[[], bool] | None, timeout_s: float | None = None) -> bool:
        """Until `ready` says so or the time is over; whether it said so."""
        actor = self.actor
        if actor.process.dead:
            return True
        actor.ready = ready
        actor.until = None if timeout_s is None else self.now_s + max(0.0, timeout_s)
        self._pass_on()
        actor.ready, actor.until = None, None
        self._alive()
        return ready is None or ready()

    def sleep(self, seconds: float) -> None:
        """Virtual time passes."""
        self._alive()
        if seconds > 0:
            self.wait(lambda: False, seconds)
        else:
            self.step()

    def _alive(self) -> None:
        if self._here is not None and (self._here.process.dead or self.broken is not None):
            raise Crashed

    # --- time --------------------------------------------------------------------------------

    def at(self, when_s: float, what: Callable[[], None]) -> None:
        """Something of the world happens at a time."""
        heapq.heappush(self._timers, (when_s, next(self._numbers), what))

    @property
    def waiting(self) -> int:
        """How much of the world is still to happen."""
        return len(self._timers)

    def _fire(self) -> None:
        while self._timers and self._timers[0][0] <= self.now_s:
            heapq.heappop(self._timers)[2]()

    def settle(self) -> None:
        """Let the world alone go on to the end of what it has begun."""
        while self._timers:
            self.now_s = max(self.now_s, self._timers[0][0])
            self._fire()

    # --- passing on --------------------------------------------------------------------------

    def _pass_on(self) -> None:
        me = self.actor
        following = self._next(me)
        if following is not None and following is not me:
            self._switch(following)
            self._here = me

    def _switch(self, following: Actor) -> None:
        self._here = following
        if following.stack is None:
            return
        if not following.stack and getcurrent() is not self._home:
            # A greenlet counts its depth from where it begins: from home, or each would begin
            # deeper than the one before.
            self._begins = following
            self._home.switch()
        else:
            following.stack.switch()

    def _next(self, me: Actor | None) -> Actor | None:
        while self._actors:
            able = [one for one in self._actors if self._can(one)]
            if able:
                if me in able:
                    able.remove(me)
                    able.insert(0, me)
                return able[0] if len(able) == 1 else able[self._choose(len(able))]
            if not self._move_time():
                self.broken = StuckError("everybody waits, and no time that passes changes it")
        return None

    def _can(self, actor: Actor) -> bool:
        if actor.process.dead or self.broken is not None:
            return True
        if actor.process.paused_until_s > self.now_s:
            return False
        if actor.until is not None and actor.until <= self.now_s:
            return True
        if actor.ready is not None:
            return actor.ready()
        return actor.until is None

    def _move_time(self) -> bool:
        moments = [one.until for one in self._actors if one.until is not None]
        moments += [one.process.paused_until_s for one in self._actors]
        moments = [one for one in moments if one > self.now_s]
        if self._timers:
            moments.append(self._timers[0][0])
        if not moments:
            return False
        self.now_s = max(self.now_s, min(moments))
        self._fire()
        return True


@contextmanager
def _in_time() -> Iterator[None]:
    """Give a run up that hangs; only the main thread of a process hears the alarm."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _given_up)
    signal.alarm(REAL_S_MAX)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _given_up(number: int, frame: FrameType | None) -> None:
    del number, frame
    msg = f"a run took longer than {REAL_S_MAX} s"
    raise StuckError(msg)
