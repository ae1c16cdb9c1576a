"""Guarded clients by scope, for planning (reads only) and for a run (its permissions)."""

from __future__ import annotations

import itertools
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollback.connectors.clients import GuardedClients, Parts
from rollback.errors import GuardRefusal
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.wire import Wire
from rollback.model.base import facts
from rollback.model.journal import MAIN
from rollback.model.record import RecordKind
from rollback.wiring.named_files import named_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment, Network
    from rollback.model.ports import (
        Clients,
        Clock,
        Exchange,
        ExchangeLog,
        Journal,
        PermissionLedger,
        RefusalLatch,
    )
    from rollback.model.scope import GuardVerdict, Scope, Shape



@dataclass
class MemoryLatch:
    """A latch without a journal, for planning."""

    first: GuardVerdict | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refuse(self, verdict: GuardVerdict, shape: Shape) -> None:
        """Latch."""
        del shape
        with self._lock:
            self.first = self.first or verdict

    def tripped(self) -> GuardVerdict | None:
        """The first refusal, or None."""
        return self.first


class NoPermissions:
    """While planning nothing may be written, so there is nothing to spend."""

    def left(self, effect_id: str) -> int:
        """None, ever."""
        del effect_id
        return 0

    def spend(self, effect_id: str, shape: Shape) -> int:
        """Refused."""
        del shape
        raise GuardRefusal(
            "ledger.planning",
            f"nothing may be written while planning ({effect_id})",
            hint="this is a bug in an action",
            promise="plan-is-permission",
        )


class Unheard:
    """Exchanges of planning go nowhere; the plan holds the observations themselves."""

    def seen(self, scope: Scope, exchange: Exchange) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class JournalledExchanges:
    """Every exchange of a run is a record; a missing echo is a finding, never a stop (row T1)."""

    journal: Journal

    def seen(self, scope: Scope, exchange: Exchange) -> None:
        """Record one exchange; never raises."""
        with suppress(Exception):  # the port promises not to raise
            self.journal.append(
                MAIN,
                RecordKind.EXCHANGE,
                facts(
                    step=scope.step,
                    request_id=exchange.request_id,
                    method=exchange.method,
                    host=exchange.host,
                    path=exchange.path,
                    status=exchange.status,
                    echoed=exchange.echoed,
                    provider_id=exchange.provider_id,
                    elapsed_ms=exchange.elapsed_ms,
                    problem=exchange.problem,
                ),
                durable=False,
            )


def _network(environment: Environment) -> Network:
    """How hosts are reached; a relative file of certificates is beside the environment file."""
    named = environment.network.ca_file
    if named is None:
        return environment.network
    path = str(named_path(environment, named))
    return environment.network.model_copy(update={"ca_file": path})


class Numbers:
    """The last part of every x-request-id: scopes of one prefix share one count (row T1)."""

    def __init__(self, after: int = 0) -> None:
        """after: what a sitting before this one may have counted to."""
        self._after = after
        self._lock = threading.Lock()
        self._counts: dict[str, Iterator[int]] = {}

    def of(self, prefix: str) -> Iterator[int]:
        """The count of a prefix; taking the next number is safe from any thread."""
        with self._lock:
            return self._counts.setdefault(prefix, itertools.count(self._after + 1))


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens guarded clients for one scope; knows how to close them."""

    environment: Environment
    parts: Parts
    ledger: PermissionLedger
    latch: RefusalLatch
    exchanges: ExchangeLog
    clock: Clock
    numbers: Numbers = field(default_factory=Numbers)

    def wire(self, scope: Scope, latch: RefusalLatch | None = None) -> Wire:
        """The guard for one scope. Every client built on it to apply is proved with canaries."""
        return Wire(
            scope=scope,
            perimeter=perimeter_of(self.environment),
            ledger=self.ledger,
            latch=latch or self.latch,
            exchanges=self.exchanges,
            network=_network(self.environment),
            clock=self.clock,
            environment=self.environment,
            numbers=self.numbers.of(scope.request_prefix),
        )

    def __call__(self, scope: Scope) -> Clients:
        """Clients of a scope."""
        return GuardedClients(self.wire(scope), self.parts)

    def close(self, clients: Clients) -> None:
        """Close what `__call__` opened."""
        if isinstance(clients, GuardedClients):
            clients.close()
