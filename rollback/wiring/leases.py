"""The lease of an environment: a folder of this machine, or a store that machines share."""

from __future__ import annotations

import platform
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import JournalBroken, LeaseHeld, RollbackError
from rollback.model.base import facts
from rollback.model.environment import FolderLease
from rollback.model.journal import MAIN
from rollback.model.record import RecordKind
from rollback.model.scope import Phase, Scope
from rollback.running.fold import fold
from rollback.running.lease.document import OBSERVING
from rollback.running.lease.fence import after_send, still_ours
from rollback.running.lease.folder import folder_lease
from rollback.running.lease.objects import object_lease
from rollback.running.state import may_still_move, under_way
from rollback.wiring.upkeep import lease_effects

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.plan import Plan
    from rollback.model.ports import Journal, Lease, LeaseGrant
    from rollback.wiring.scopes import Opener
    from rollback.wiring.setting import Setting

WATCHING = f"{OBSERVING}: nothing is left to move"


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
    """The lease of one run, renewed by a thread of its own, and its records.

    Its holder says what it does: `rolling back`, `effect STEP#CHANGE` from just before the first
    move away from safety, and `observe` once nothing is left to move. Only the last can be
    preempted.

    Who lost one surface has lost the right to send anything: what was proved and approved is the
    whole plan, and another moves a part of it now. What it still holds keeps others out for as long
    as an effect of this run is under way, and is given up then.
    """

    def __init__(
        self, setting: Setting, opener: Opener, journal: Journal, plan: Plan, run: str
    ) -> None:
        """Nothing is opened before `acquire`: a store must not hold up a halt."""
        self._open: Callable[[], Lease] = partial(lease_of, setting, opener, run)
        self._lease: Lease | None = None
        self._setting = setting
        self._run = run
        self._journal = journal
        self._plan = plan
        self._ttl_s = setting.environment.lease.ttl_s
        self._renew_s = max(1, setting.environment.lease.renew_s)
        self._scopes = scopes_of(plan)
        self._grant: LeaseGrant | None = None
        self._rest: LeaseGrant | None = None  # after a loss: what is still held, to send nothing
        self._doing = "rolling back"
        self._one = threading.Lock()
        self._monotonic = setting.clock.monotonic
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def acquire(self) -> None:
        """Take it, or record why not, whatever happens; the decision loop reads the record."""
        state, randomness = self._setting.state, self._setting.randomness
        node = platform.node() or "this machine"
        holder = f"{self._run} on {node}/{state.machine(randomness)}"
        try:
            self._lease = self._lease or self._open()
            self._grant = self._lease.acquire(self._scopes, holder, self._doing)
        except Exception as error:  # noqa: BLE001 - unrecorded, it would be asked for again for ever
            self._lost(error.reason if isinstance(error, RollbackError) else type(error).__name__)
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

    def fence(self) -> int:
        """The fencing number under which something may be sent now. Raises LeaseHeld."""
        return still_ours(self._grant, self._monotonic(), self._ttl_s)

    def before_effect(self, doing: str) -> str:
        """Renew it, saying what is done next. Empty, or why nothing may be sent."""
        self._doing = doing
        try:
            self._beat(doing)
            self.fence()
        except LeaseHeld as error:
            return error.reason
        return ""

    def after_effect(self, surface: str | None) -> str:
        """Empty where it was held throughout; otherwise what a person must look at."""
        grant, rest = self._grant, self._rest
        scope = scope_of(self._plan, surface or "")
        if grant is None and rest is not None and scope in rest.scopes:
            grant = rest
        return after_send(grant, self._monotonic())

    def _beat(self, doing: str) -> None:
        """Renew. A place that cannot be written leaves the grant as it is, to its own deadline."""
        with self._one:
            if self._grant is None or self._lease is None:
                return
            try:
                self._grant = self._lease.renew(self._grant, doing)
            except LeaseHeld as error:
                self._rest, self._grant = self._lease.kept(self._grant), None
                self._lost(error.reason)
                raise
            except RollbackError as error:
                self._note("lease.not-renewed", error.reason)

    def _renew(self) -> None:
        while not self._stop.wait(self._renew_s):
            if self._grant is not None:
                state = fold(self._plan, self._journal.records())
                doing = self._doing if may_still_move(self._plan, state) else WATCHING
                with suppress(LeaseHeld, JournalBroken):
                    self._beat(doing)
            if self._grant is None and not self._keep_rest():
                return

    def _keep_rest(self) -> bool:
        """After a loss: hold on while an effect is under way, then give up; False: nothing is left.

        The grant was gone before the records are read here. So an effect whose intent is not among
        them asks for its fencing number after the loss, and is stopped (`Ledger.spend`).
        """
        with self._one:
            if self._rest is None or self._lease is None:
                return False
            if not under_way(self._plan, fold(self._plan, self._journal.records())):
                self._give_up_rest()
                return False
            try:
                self._rest = self._lease.renew(self._rest, self._doing)
            except LeaseHeld:
                self._rest = self._lease.kept(self._rest)
            except RollbackError as error:
                self._note("lease.not-renewed", error.reason)
            return True

    def _give_up_rest(self) -> None:
        if self._rest is None or self._lease is None:
            return
        given, self._rest = self._rest, None
        self._lease.release(given)
        if given.scopes:
            what = " and ".join(given.scopes)
            self._note("lease.given-up", f"the lease on {what} was given up with the one lost")

    def _note(self, code: str, text: str) -> None:
        body = facts(code=code, text=text)
        with suppress(JournalBroken):  # whoever writes what matters is told
            self._journal.append(MAIN, RecordKind.NOTE, body, durable=False)

    def _lost(self, problem: str) -> None:
        body = facts(held=False, problem=problem, scopes=self._scopes)
        self._journal.append(MAIN, RecordKind.LEASED, body, durable=True)

    def release(self) -> None:
        """Give it up."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if self._grant is not None and self._lease is not None:
            self._lease.release(self._grant)
            self._grant = None
        self._give_up_rest()


def scopes_of(plan: Plan) -> tuple[str, ...]:
    """What a plan changes, as scopes of the lease: one a surface."""
    surfaces = {change.surface for _, change in plan.updates if change.surface is not None}
    return tuple(sorted(scope_of(plan, name) for name in surfaces))


def scope_of(plan: Plan, surface: str) -> str:
    """The scope of the lease on one surface."""
    return f"{plan.environment}/{surface}"
