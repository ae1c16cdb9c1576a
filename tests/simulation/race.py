"""Two laptops with one plan: both press the button, one dies in mid-swap, one sleeps and wakes up.

Each has a state directory, a clock and a journal of its own. What they share is the platform, the
evidence store and a lease in a store that machines share (compare and swap, and the store's own
clock; wall clocks of two machines are never compared).
"""

from __future__ import annotations

import contextlib
import io
import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from rollback.errors import ConnectorError, ExitStatus
from rollback.running.lease.scoped import Changed, Found, ScopedLease
from rollback.wiring import leases
from tests.simulation import checkers
from tests.simulation.baton import Process
from tests.simulation.floor import standing_on
from tests.simulation.run import BETWEEN_S, Lines, Told, begin, ended, said_by, told_of
from tests.simulation.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollback.rehearsal.simulator.world import World
    from rollback.running.lease.document import LeaseDocument
    from tests.simulation.fate import Fate
    from tests.simulation.ground import Ground
    from tests.simulation.scene import Scene
    from tests.simulation.watch import Sitting

SITTINGS_MAX = 4
"""After so many of one laptop nothing goes wrong for anybody any more."""

AGAIN_S = 15.0
"""How long a person waits who was told that somebody else holds the lease."""


_OVER = frozenset({ExitStatus.DONE, ExitStatus.APPROVAL, ExitStatus.STALE})
"""Nothing is left to do for this plan, or nothing can be done with it any more."""


@dataclass(frozen=True, slots=True)
class Laptops:
    """How the two differ: when the second begins, and how wrong each wall clock is."""

    second_at_s: float = 0.0
    skews_s: tuple[float, float] = (0.0, 0.0)


@dataclass
class SharedPlace:
    """`Place` in a store that machines share, on the ground."""

    ground: Ground
    strength = "shared"
    kept: dict[str, tuple[LeaseDocument, int, float]] = field(default_factory=dict)

    def read(self, scope: str) -> Found | None:
        with self._reached("read the lease"):
            found = self.kept.get(scope)
            now_s = self.ground.baton.now_s
        return None if found is None else Found(found[0], str(found[1]), int(now_s - found[2]))

    def write(self, document: LeaseDocument, version: str | None) -> str:
        with self._reached("write the lease"):
            found = self.kept.get(document.scope)
            if (None if found is None else str(found[1])) != version:
                raise Changed
            number = 1 if found is None else found[1] + 1
            self.kept[document.scope] = (document, number, self.ground.baton.now_s)
            self.ground.changed += 1
            if self.ground.watch is not None:
                self.ground.watch.leased(document)
        return str(number)

    @contextlib.contextmanager
    def _reached(self, what: str) -> Iterator[None]:
        ground, who = self.ground, self.ground.baton.actor.process
        fault = ground.point("lease", what)
        ground.common(fault)
        if fault == "failed":
            raise _failed()
        ground.baton.sleep(ground.fate.latency_s())
        yield
        if fault == "crash-after":
            ground.kill(who)
        ground.baton.sleep(ground.fate.latency_s())
        if fault == "lost":
            raise _failed()


def _failed() -> ConnectorError:
    return ConnectorError("lease.store", "the store of leases did not answer", transient=True)


def tell(scene: Scene, fate: Fate, laptops: Laptops, *, sdks: bool = False) -> Told:
    """Run one schedule of two laptops."""
    ground = scene.ground(fate)
    before: World = pickle.loads(scene.world)  # noqa: S301 - our own bytes
    watch = ground.watch = Watch(scene, ground)
    place = SharedPlace(ground)

    def lease_of(setting: Any, opener: Any, run: str) -> ScopedLease:
        del opener, run
        ttl_s = setting.environment.lease.ttl_s
        return ScopedLease(place, setting.clock, setting.randomness, ttl_s=ttl_s)

    people = Process("people")
    with (
        standing_on(ground, sdks=sdks),
        patch.object(leases, "lease_of", lease_of),
        contextlib.redirect_stderr(Lines(watch, io.StringIO())),
    ):
        starts = zip("AB", (0.0, laptops.second_at_s), laptops.skews_s, strict=True)
        actors = [
            ground.baton.start(f"person {who}", people, _person(scene, ground, watch, who, *when))
            for who, *when in starts
        ]
        ground.baton.run()
        for actor in actors:
            if actor.failed is not None:
                raise actor.failed
        ground.baton.settle()
        checkers.at_end(watch, before)
    return told_of(scene, ground, watch)


def _person(
    scene: Scene, ground: Ground, watch: Watch, who: str, at_s: float, skew_s: float
) -> Callable[[], None]:
    """What a person does at one laptop, until the run ends or somebody has to decide."""

    def sit(number: int, said: dict[str, str] | None = None) -> Sitting:
        sitting, actor = begin(scene, ground, watch, f"{who}.{number}", said, skew_s=skew_s)
        ground.baton.wait(lambda: actor.done)
        ground.baton.wait(lambda: not ground.baton.busy(actor.process))
        ended(ground, watch, sitting)
        return sitting

    def work() -> None:
        ground.baton.sleep(at_s)
        for number in range(1, 3 * SITTINGS_MAX):
            ground.calm = ground.calm or number > SITTINGS_MAX
            sitting = sit(number)
            if sitting.exit in _OVER:
                return
            if sitting.exit == ExitStatus.PERSON and _is_last(watch, who):
                ground.calm = True
                ground.baton.sleep(BETWEEN_S)
                sit(number + 1, said_by(watch, sitting))
                return
            ground.baton.sleep(BETWEEN_S if sitting.died else AGAIN_S)

    return work


def _is_last(watch: Watch, who: str) -> bool:
    """Whether nobody at the other laptop is at work: people talk before they decide."""
    others = [one for one in watch.sittings if not one.process.startswith(who)]
    return not others or not others[-1].running
