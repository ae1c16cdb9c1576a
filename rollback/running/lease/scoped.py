"""The lease, over any place that can compare and swap one small document per scope.

The rules, cited by number in the code:

- L1 scopes are taken in sorted order, all or none.
- L2 a scope is free when nothing is written, when it is given up, or when it is the taker's own
  (the same holder: a resumed run). A holder that only observes is preempted by one that does more.
- L3 otherwise it can be taken when it expired: by the age that the place tells, of its own clock or
  of one that holder and taker share, and a margin; or after it stood unchanged for its whole TTL
  while we watched, on our own monotonic clock. Wall clocks are never compared.
- L4 every taking raises the fence; nothing lowers it.
- L5 a grant's deadline counts from before the write was sent, on our monotonic clock.
- L6 a write whose answer was lost is resolved by reading: our own token and beat mean that it took.
- L7 renewing says what is done next, and fails when somebody else is written there. So a holder
  that renews before each effect cannot send one after it was preempted or taken over.
- L8 who lost one scope holds the others until they are given up: each is renewed, whatever became
  of the rest, so that an effect under way there keeps others out.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from rollback.errors import ConnectorError, LeaseHeld, RollbackError
from rollback.model.ports import LeaseGrant
from rollback.running.lease.document import OBSERVING, LeaseDocument, held_by

if TYPE_CHECKING:
    from rollback.model.ports import Clock, Randomness

MARGIN_S = 5
"""How far two readings of a store's clock may be apart."""

TRIES_MAX = 5
"""How often a taking is tried when others write at the same time."""

_LOOKS = 20
"""How often a lease is looked at while its TTL passes."""


class Changed(Exception):
    """Somebody else wrote in between."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is written at one scope. age_s: since then, as the place tells it; None: it cannot.

    told_at_once: by the clock that the holder's own deadline is read from, so that watching would
    tell no more.
    """

    document: LeaseDocument
    version: str
    age_s: int | None = None
    told_at_once: bool = False


class Place(Protocol):
    """Where documents are: read, and write only over what was read."""

    @property
    def strength(self) -> str:
        """``this-machine`` or ``shared``."""
        ...

    def read(self, scope: str) -> Found | None:
        """What is written there, None where nothing ever was."""
        ...

    def write(self, document: LeaseDocument, version: str | None) -> str:
        """Write over `version` (None: where nothing is); the new version.

        Raises Changed when something else is there, ConnectorError when nobody knows.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    document: LeaseDocument
    version: str
    deadline: float
    took_over: str = ""


class ScopedLease:
    """`Lease` over a `Place`, for one run. Safe to use from several threads."""

    def __init__(self, place: Place, clock: Clock, randomness: Randomness, *, ttl_s: int) -> None:
        """ttl_s: at least 1."""
        self._place = place
        self._clock = clock
        self._token = randomness.hex(8)
        self._ttl_s = ttl_s
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def acquire(self, scopes: tuple[str, ...], holder: str, doing: str) -> LeaseGrant:
        """Take all scopes in sorted order, or none.

        holder names the run and the machine: the same holder takes its own lease at once. Where
        expiry cannot be read from a clock this waits, at most one TTL a scope, and only while the
        holder gives no sign. Raises LeaseHeld; ConnectorError where the place fails.
        """
        taken: list[_Held] = []
        with self._lock:
            try:
                for scope in sorted(set(scopes)):  # L1
                    taken.append(self._take(scope, holder, doing))
                    self._held[scope] = taken[-1]
            except RollbackError:
                self._give_up(tuple(held.document.scope for held in taken))
                raise
            return self._grant(holder, tuple(taken))

    def renew(self, grant: LeaseGrant, doing: str) -> LeaseGrant:
        """Extend, and say what is done next. Raises LeaseHeld when somebody else took it (L7).

        Raises ConnectorError where the place fails: the grant then stands until its deadline.
        Where either is raised for one scope, the others are extended all the same (L8).
        """
        renewed: list[_Held] = []
        problems: list[RollbackError] = []
        with self._lock:
            for scope in grant.scopes:
                try:
                    renewed.append(self._beat(scope, doing))
                except RollbackError as error:
                    problems.append(error)
        if problems:
            raise next((one for one in problems if isinstance(one, LeaseHeld)), problems[0])
        return replace(self._grant(grant.holder, tuple(renewed)), took_over=grant.took_over)

    def kept(self, grant: LeaseGrant) -> LeaseGrant:
        """What is left of a grant after one of its scopes was lost (L8); no scopes: nothing."""
        with self._lock:
            held = tuple(self._held[scope] for scope in grant.scopes if scope in self._held)
            return replace(self._grant(grant.holder, held), took_over=grant.took_over)

    def release(self, grant: LeaseGrant) -> None:
        """Give it up; never raises. What cannot be given up runs out by itself."""
        with self._lock:
            self._give_up(grant.scopes)

    def show(self, scope: str) -> LeaseDocument | None:
        """Who is written there, held or given up; None where nobody ever was."""
        found = self._place.read(scope)
        return None if found is None else found.document

    # --- one scope -------------------------------------------------------------------------

    def _take(self, scope: str, holder: str, doing: str) -> _Held:
        for _ in range(TRIES_MAX):
            found = self._place.read(scope)
            took_over = ""
            if found is not None:
                took_over = self._may_take(found, holder, doing)
            fence = 1 if found is None else found.document.fence + 1  # L4
            document = LeaseDocument(
                scope=scope,
                holder=holder,
                token=self._token,
                doing=doing,
                fence=fence,
                beat=0,
                held=True,
                renewed_at=self._clock.now(),
                ttl_s=self._ttl_s,
            )
            try:
                version, deadline = self._write(document, None if found is None else found.version)
            except Changed:
                continue
            return _Held(document, version, deadline, took_over)
        raise LeaseHeld(
            "lease.contended",
            f"others kept writing the lease on {scope} while it was taken",
            hint="try again; halts need no lease: `rollback apply --only-safe`",
        )

    def _may_take(self, found: Found, holder: str, doing: str) -> str:
        """Return whom it is taken from, empty for nobody. Raises LeaseHeld (L2, L3)."""
        document = found.document
        if not document.held:
            return ""
        whom = f"{document.holder} (at {document.doing})"
        if document.holder == holder:
            return whom
        if document.observing and not doing.startswith(OBSERVING):
            return whom
        if found.age_s is not None and found.age_s > document.ttl_s + MARGIN_S:
            return whom
        if not found.told_at_once and self._stands_still(document, found.version):
            return whom
        raise held_by(document, self._clock.now())

    def _stands_still(self, document: LeaseDocument, version: str) -> bool:
        """Watch it for its TTL, on our own clock (L3). False as soon as it moves."""
        until = self._clock.monotonic() + document.ttl_s
        while self._clock.monotonic() <= until:
            self._clock.sleep(max(document.ttl_s / _LOOKS, 0.05))
            found = self._place.read(document.scope)
            if found is None or found.version != version:
                return False
        return True

    def _beat(self, scope: str, doing: str) -> _Held:
        held = self._held.get(scope)
        if held is None:
            msg = f"the lease on {scope} is not held"
            raise LeaseHeld("lease.lost", msg, hint="`rollback resume` takes it again")
        for _ in range(2):
            update: dict[str, object] = {"doing": doing, "beat": held.document.beat + 1}
            update["renewed_at"] = self._clock.now()
            document = held.document.model_copy(update=update)
            try:
                version, deadline = self._write(document, held.version)
            except Changed:
                found = self._place.read(scope)
                if found is None or not self._ours(found.document):
                    self._held.pop(scope, None)
                    raise self._lost(scope, found) from None
                # L6: an earlier renewal took, although its answer was lost.
                held = replace(held, document=found.document, version=found.version)
                self._held[scope] = held
                continue
            held = replace(held, document=document, version=version, deadline=deadline)
            self._held[scope] = held
            return held
        raise held_by(held.document, self._clock.now(), lost=True)

    def _lost(self, scope: str, found: Found | None) -> LeaseHeld:
        if found is not None:
            return held_by(found.document, self._clock.now(), lost=True)
        msg = f"what was written about the lease on {scope} is gone"
        return LeaseHeld("lease.lost", msg, hint="`rollback resume` takes it again")

    def _write(self, document: LeaseDocument, version: str | None) -> tuple[str, float]:
        deadline = self._clock.monotonic() + self._ttl_s  # L5
        try:
            return self._place.write(document, version), deadline
        except ConnectorError:
            found = self._place.read(document.scope)  # L6
            if found is not None and found.document.same_write(document):
                return found.version, deadline
            raise

    def _ours(self, document: LeaseDocument) -> bool:
        return document.held and document.token == self._token

    def _give_up(self, scopes: tuple[str, ...]) -> None:
        for scope in reversed(scopes):
            held = self._held.pop(scope, None)
            if held is None:
                continue
            try:
                found = self._place.read(scope)
                if found is not None and self._ours(found.document):
                    given = found.document.model_copy(update={"held": False, "doing": "given up"})
                    self._place.write(given, found.version)
            except (RollbackError, Changed):
                continue

    def _grant(self, holder: str, taken: tuple[_Held, ...]) -> LeaseGrant:
        return LeaseGrant(
            scopes=tuple(held.document.scope for held in taken),
            holder=holder,
            fence=max((held.document.fence for held in taken), default=0),
            strength=self._place.strength,
            deadline=min((held.deadline for held in taken), default=self._clock.monotonic()),
            took_over=", ".join(dict.fromkeys(held.took_over for held in taken if held.took_over)),
        )
