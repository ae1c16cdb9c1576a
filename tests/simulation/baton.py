"""Real threads, one at a time: whoever holds the baton runs, and chance says who gets it next.

A thread gives the baton away only at a port call or where it has to wait, so an interleaving is
nothing but the list of choices made there; the same choices give the same run. Time is virtual: it
moves when nobody can run, to the moment at which somebody can.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REAL_S_MAX = 120.0
"""A thread that does not give the baton back within this real time hangs: the run is given up."""


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
    gate: threading.Lock = field(default_factory=threading.Lock)
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
        self._here = threading.local()
        self._home = threading.Lock()
        self._home.acquire()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self.broken: BaseException | None = None

    # --- who runs ----------------------------------------------------------------------------

    @property
    def actor(self) -> Actor:
        """Whose thread this is."""
        found: Actor = self._here.actor
        return found

    @property
    def inside(self) -> bool:
        """Whether this thread is one of the simulation's."""
        return hasattr(self._here, "actor")

    def start(self, name: str, process: Process, work: Callable[[], None]) -> Actor:
        """A new thread; it runs when it gets the baton."""
        actor = Actor(name, process)
        actor.gate.acquire()
        self._actors.append(actor)

        def body() -> None:
            actor.gate.acquire()
            self._here.actor = actor
            try:
                if not process.dead and self.broken is None:
                    work()
            except Crashed:
                pass
            except BaseException as error:  # noqa: BLE001 - told by whoever waits for it
                actor.failed = error
            finally:
                actor.done = True
                self._actors.remove(actor)
                self._hand_on()

        threading.Thread(target=body, name=name, daemon=True).start()
        return actor

    def run(self) -> None:
        """Let everybody run until nobody is left. Raises StuckError."""
        if self._actors:
            self._hand_on()
            if not self._home.acquire(timeout=REAL_S_MAX):
                msg = f"no thread gave the baton back within {REAL_S_MAX} s"
                raise StuckError(msg)
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
        if self.inside and (self.actor.process.dead or self.broken is not None):
            raise Crashed

    # --- time --------------------------------------------------------------------------------

    def at(self, when_s: float, what: Callable[[], None]) -> None:
        """Something of the world happens at a time."""
        heapq.heappush(self._timers, (when_s, next(self._numbers), what))

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
        if following is None or following is me:
            return
        following.gate.release()
        me.gate.acquire()

    def _hand_on(self) -> None:
        following = self._next(None)
        if following is None:
            self._home.release()
        else:
            following.gate.release()

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
