"""The running simulation: the world, its clock, its ledger, its faults and what runs behind.

One event loop, one thread: handlers are plain functions that change the world between two awaits,
so that no request ever sees half a change.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator import faults, store

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from rollback.rehearsal.simulator.exchange import Call
    from rollback.rehearsal.simulator.ledger import Entry
    from rollback.rehearsal.simulator.world import AuthorityBehaviour, Instance, World


class Simulation:
    """What the host modules share. It belongs to one event loop."""

    def __init__(self, world: World) -> None:
        """Take over a world and fill in what it leaves to be generated."""
        store.prepare(world)
        self.world = world
        self.ledger: list[Entry] = []
        self.request_faults: list[faults.RequestFault] = []
        self.armed: list[faults.Armed] = []
        self.authority_overrides: dict[str, AuthorityBehaviour] = {}
        """``*``, ``build:ID`` or ``instance:ID`` -> behaviour."""
        self.held_at: dict[str, str] = {}
        """Site, or ``*`` -> swap phase at which a swap stops until it is continued."""
        self.released: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.arm_tokens: dict[str, tuple[str, datetime]] = {}
        self.sessions: dict[str, tuple[str, str, datetime]] = {}
        """Access token of the platform-service -> user, tenant, expiry."""
        self.refresh_tokens: dict[str, str] = {}
        self.sockets: dict[str, set[Any]] = defaultdict(set)
        """Site -> open web sockets."""
        self.turns: dict[str, int] = defaultdict(int)
        """Counters behind round robin, ramp-up and failing answers: no chance in a run."""
        self.keys: dict[str, Any] = {}
        self._running: set[asyncio.Task[None]] = set()
        self.stopping = asyncio.Event()

    def now(self) -> datetime:
        """Return the current time, UTC."""
        return datetime.now(UTC)

    def turn(self, name: str) -> int:
        """Count one more of something and return how many came before."""
        count = self.turns[name]
        self.turns[name] = count + 1
        return count

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on behind the answers (a swap, a starting slot)."""
        running = asyncio.get_running_loop().create_task(work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def new_token(self, prefix: str) -> str:
        """Return an opaque token; it carries the canary where tokens are to carry it."""
        planted = self.world.canary if "tokens" in self.world.canary_places else ""
        return f"{prefix}.{planted or ''}{secrets.token_urlsafe(24)}"

    def authority_of(self, instance: Instance) -> AuthorityBehaviour:
        """Return how the halt-authority endpoint of an instance behaves now."""
        build = instance.serves()
        overrides = self.authority_overrides
        for key in (f"instance:{instance.id}", f"build:{build}", "*"):
            if key in overrides:
                return overrides[key]
        if instance.authority:
            return instance.authority
        found = self.world.builds.get(build or "")
        return found.authority if found else "missing"

    def striking(self, call: Call) -> faults.RequestFault | None:
        """Return the request fault that spoils a call; delays are not among them."""
        for fault in self.request_faults:
            if fault.kind != "latency" and fault.strikes(call):
                return fault
        return None

    def due(self, call: Call | None, moment: str, phase: str = "", site: str = "") -> list[Any]:
        """Take out what is armed for this moment."""
        ready: list[faults.Armed] = []
        for armed in list(self.armed):
            when = armed.when
            if when.moment != moment:
                continue
            if call is not None and not when.fits(call):
                continue
            if call is None and (when.phase != phase or when.site not in {None, site}):
                continue
            armed.seen += 1
            if armed.seen == when.nth:
                self.armed.remove(armed)
                ready.append(armed)
        return ready

    def arm_etag(self, site: str, slot: str) -> str:
        """Return the weak version header of a site resource."""
        held = self.world.sites[site].slots[slot]
        mark = hashlib.sha256(f"{site}/{slot}/{held.modified_at}".encode()).hexdigest()
        return f'"1{mark[:14].upper()}"'
