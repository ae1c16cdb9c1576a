"""The lease of an environment: a folder of this machine, or a store that machines share."""

from __future__ import annotations

import platform
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import LeaseHeld, RollbackError
from rollback.model.base import facts
from rollback.model.environment import FolderLease
from rollback.model.record import RecordKind
from rollback.model.scope import Phase, Scope
from rollback.running.lease.folder import folder_lease
from rollback.running.lease.objects import object_lease
from rollback.wiring.upkeep import lease_effects

if TYPE_CHECKING:
    from rollback.model.plan import Plan
    from rollback.model.ports import Journal, Lease, LeaseGrant
    from rollback.wiring.operator import Setting
    from rollback.wiring.scopes import Opener

MAIN = "run"


def lease_of(setting: Setting, opener: Opener, run: str) -> Lease:
    """The lease store the environment names: one that machines share, or a folder."""
    named = setting.environment.lease
    permitted = lease_effects(setting.environment)
    if not isinstance(named.store, FolderLease) and permitted:
        create, replace = permitted
        clients = opener(Scope(run=run, step="lease", phase=Phase.APPLY, permissions=permitted))
        return object_lease(
            clients.objects(),
            named.store.prefix,
            setting.clock,
            setting.randomness,
            ttl_s=named.ttl_s,
            create=create,
            replace=replace,
        )
    folder = setting.state.leases_path
    if isinstance(named.store, FolderLease) and named.store.path is not None:
        folder = Path(setting.environment.base) / named.store.path
    return folder_lease(folder, setting.clock, setting.randomness, ttl_s=named.ttl_s)


class RunLease:
    """The lease of one run, renewed by a thread of its own, and its records."""

    def __init__(
        self, setting: Setting, opener: Opener, journal: Journal, plan: Plan, run: str
    ) -> None:
        """Nothing is taken before `acquire`."""
        self._lease = lease_of(setting, opener, run)
        self._journal = journal
        self._renew_s = max(1, setting.environment.lease.renew_s)
        self._scopes = tuple(
            sorted(
                {
                    f"{plan.environment}/{change.surface}"
                    for _, change in plan.updates
                    if change.surface is not None
                }
            )
        )
        self._holder = f"{run} on {platform.node() or 'this machine'}"
        self._grant: LeaseGrant | None = None
        self._monotonic = setting.clock.monotonic
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def acquire(self) -> None:
        """Take it, or record why not; the decision loop reads the record."""
        try:
            self._grant = self._lease.acquire(self._scopes, self._holder, "rolling back")
        except RollbackError as error:
            self._lost(error)
            return
        grant = self._grant
        body = facts(
            held=True,
            scopes=grant.scopes,
            fence=grant.fence,
            holder=grant.holder,
            strength=grant.strength,
            took_over=grant.took_over,
        )
        self._journal.append(MAIN, RecordKind.LEASED, body, durable=True)
        self._thread.start()

    def _renew(self) -> None:
        while not self._stop.wait(self._renew_s):
            if self._grant is None:
                return
            try:
                self._grant = self._lease.renew(self._grant, "rolling back")
            except LeaseHeld as error:
                self._grant = None
                self._lost(error)
                return
            except RollbackError:
                continue  # the grant stands until its own deadline

    def _lost(self, error: RollbackError) -> None:
        body = facts(held=False, problem=error.reason, scopes=self._scopes)
        self._journal.append(MAIN, RecordKind.LEASED, body, durable=True)

    def check(self) -> str:
        """Empty while the lease is held and has time left; otherwise why nothing may be sent."""
        grant = self._grant
        if grant is None:
            return "the lease is not held"
        if self._monotonic() >= grant.deadline:
            return "the lease ran out before it could be renewed"
        return ""

    def release(self) -> None:
        """Give it up."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if self._grant is not None:
            self._lease.release(self._grant)
            self._grant = None
