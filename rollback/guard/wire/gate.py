"""The gate every attempt passes: judge, latch a refusal, spend a permission, then let go.

Duties, in this order:

G1  nothing leaves before the verdict
G2  a refusal is latched before it is raised (SDKs swallow exceptions)
G3  once latched, no write leaves
G4  a permission is spent, durably, before the write leaves
G5  every exchange is told, answered or not
G6  a scope that has ended writes nothing, whoever still holds a client of it
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rollback.errors import GuardRefusal
from rollback.guard.rules.judge import decide
from rollback.guard.rules.request import PLAN_IS_PERMISSION, Request
from rollback.guard.rules.shape_of import shape_of, told_path
from rollback.guard.rules.verdicts import EXCHANGE, READS, deny
from rollback.guard.wire.trap import CanaryTrap
from rollback.model.ports import Exchange
from rollback.model.scope import GuardVerdict, HostKind, Phase, Shape, VerdictKind

if TYPE_CHECKING:
    from rollback.guard.wire.canaries import Carrier
    from rollback.model.environment import Environment, Network
    from rollback.model.ports import Clock, ExchangeLog, PermissionLedger, RefusalLatch
    from rollback.model.scope import Perimeter, Scope

REQUEST_ID: Final = "x-request-id"
_ECHOING: Final = (READS[HostKind.BACKEND], READS[HostKind.WEB], READS[HostKind.PLATFORM])
_SWITCHED: Final = 101
_PROVIDER_IDS: Final = (
    "x-ms-correlation-request-id",  # by which the activity log tells what came of it
    "x-ms-request-id",
    "x-ms-activity-id",
    "x-amz-request-id",
    "x-github-request-id",
)


class _Left(NamedTuple):
    """What the ledger has left; asked only when a write is judged."""

    ledger: PermissionLedger

    def get(self, effect_id: str, _: int, /) -> int:
        return self.ledger.left(effect_id)


class Admitted(NamedTuple):
    """An attempt that may leave: told again when it is answered, or when it failed."""

    verdict: GuardVerdict
    method: str
    host: str
    path: str
    request_id: str
    echoes: bool
    started: float


@dataclass(frozen=True, slots=True)
class Wire:
    """Everything the guard needs under the clients of one scope.

    environment: where given, each client built for an apply scope is proved with canaries before
    anybody gets it.
    """

    scope: Scope
    perimeter: Perimeter
    ledger: PermissionLedger
    latch: RefusalLatch
    exchanges: ExchangeLog
    network: Network
    clock: Clock
    environment: Environment | None = None
    trap: CanaryTrap = field(default_factory=CanaryTrap)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    ended: threading.Event = field(default_factory=threading.Event)

    def next_id(self) -> str:
        """The next x-request-id: the scope's prefix and a number."""
        return f"{self.scope.request_prefix}.{next(self.numbers)}"

    def end(self) -> None:
        """The step is over: from now on no client of this scope writes (G6)."""
        self.ended.set()

    def prove(self, carrier: Carrier) -> None:
        """Put each canary through a client just built. Latches and raises where one escapes."""
        if self.environment is None or self.scope.phase is not Phase.APPLY:
            return
        from rollback.guard.wire.canaries import plant

        try:
            plant(self, self.environment, (carrier,))
        except GuardRefusal as error:
            verdict = deny("canary", error.reason, promise=error.promise)
            self.latch.refuse(verdict, Shape(method="?", host=carrier.name, path="?"))  # G2
            raise

    def check(self, request: Request) -> GuardVerdict:
        """Judge, latch, spend. Raises GuardRefusal; what the ledger raises passes through."""
        return self.admit(request).verdict

    def admit(self, request: Request) -> Admitted:
        """Like `check`, with what is needed to tell of the exchange afterwards."""
        verdict, normal = decide(request, self.scope, self.perimeter, _Left(self.ledger))
        request_id = normal.headers.get(REQUEST_ID, "") if normal else ""
        canary = self.trap.armed(request_id)
        if verdict.effect is not None and not canary:
            verdict = self._held_back() or verdict
        if verdict.kind is VerdictKind.DENY or normal is None:
            shape = shape_of(request, normal, verdict, self.perimeter)
            if not canary:
                self.latch.refuse(verdict, shape)  # G2
            raise refusal(verdict)
        if canary:
            self.trap.keep(request_id)
        elif verdict.effect is not None:
            self._spend(verdict.effect, shape_of(request, normal, verdict, self.perimeter))
        return Admitted(
            verdict=verdict,
            method=normal.method,
            host=normal.host,
            path=told_path(normal, self.perimeter),
            request_id=request_id,
            echoes=self._echoes(verdict, normal.host),
            started=self.clock.monotonic(),
        )

    def _held_back(self) -> GuardVerdict | None:
        """Why no write leaves now, whatever the plan permits."""
        first = self.latch.tripped()
        if first is not None:  # G3
            return deny(
                "latched",
                f"the run was refused before ({first.rule}); nothing more is written",
                promise=first.promise or PLAN_IS_PERMISSION,
            )
        if self.ended.is_set():  # G6
            return deny(
                "scope.ended",
                "the step that was permitted this is over",
                promise=PLAN_IS_PERMISSION,
            )
        return None

    def _echoes(self, verdict: GuardVerdict, host: str) -> bool:
        if verdict is EXCHANGE:
            guarded = self.perimeter.find(host)
            return guarded is not None and guarded.kind is HostKind.PLATFORM
        return any(verdict is read for read in _ECHOING)

    def _spend(self, effect: str, shape: Shape) -> None:
        try:
            self.ledger.spend(effect, shape)  # G4
        except GuardRefusal as error:
            self.latch.refuse(
                deny("permission.spent", error.reason, promise=error.promise), shape
            )  # G2
            raise

    def answered(self, admitted: Admitted, status: int, headers: Mapping[str, str]) -> None:
        """Tell of an answer. headers: found by their lower-case names."""
        echoed: bool | None = None
        if admitted.echoes and status != _SWITCHED:
            echoed = headers.get(REQUEST_ID) == admitted.request_id
        provider = next((headers[name] for name in _PROVIDER_IDS if name in headers), "")
        self._tell(admitted, status, echoed=echoed, provider=provider)

    def failed(self, admitted: Admitted, error: BaseException) -> None:
        """Tell of an attempt that got no answer. Only the kind of the error is kept."""
        self._tell(admitted, None, problem=type(error).__name__)

    def _tell(
        self,
        admitted: Admitted,
        status: int | None,
        *,
        echoed: bool | None = None,
        provider: str = "",
        problem: str = "",
    ) -> None:
        self.exchanges.seen(  # G5
            self.scope,
            Exchange(
                request_id=admitted.request_id,
                method=admitted.method,
                host=admitted.host,
                path=admitted.path,
                status=status,
                echoed=echoed,
                provider_id=provider,
                elapsed_ms=int((self.clock.monotonic() - admitted.started) * 1000),
                problem=problem,
            ),
        )


def refusal(verdict: GuardVerdict) -> GuardRefusal:
    """The exception of a denial. Never an error that an SDK would retry."""
    return GuardRefusal(
        f"guard.{verdict.rule}",
        "; ".join(verdict.reasons),
        promise=verdict.promise,
        hint="nothing left this process; the run is stopped. Look at the refusal in its journal "
        "before anything else is tried",
    )


def latin(value: Any) -> Any:
    """The text of bytes, by their content. Anything else as it is: what is no text is refused."""
    return bytes.decode(value, "latin-1") if isinstance(value, bytes) else value
