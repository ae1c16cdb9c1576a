"""Guarded clients of one scope over memory, towards a simulator or a little server of the test."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollback.connectors.clients import GuardedClients, Parts
from rollback.connectors.secrets import VariableSecrets
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.wire import Wire
from rollback.model.scope import Phase, Scope
from rollback.model.views import SlotRef
from rollback.rehearsal.simulator import names
from tests.guard.support import MemoryExchanges, MemoryLatch, MemoryLedger
from tests.guard.support import environment as simulated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.effect import Effect
    from rollback.model.environment import Environment
    from rollback.rehearsal.simulator.process import Simulator

VARIABLES = {
    "COSMOS_KEY": names.COSMOS_KEY,
    "AZURE_CLIENT_SECRET": names.CLIENT_SECRET,
    "GITHUB_TOKEN": names.GITHUB_TOKEN,
    "OPERATOR_TOKEN": names.OPERATOR_TOKEN,
    "VIEWER_TOKEN": names.VIEWER_TOKEN,
    "S3_ID": "rehearsal",
    "S3_KEY": "rehearsal-secret-key",
}
BACKEND = SlotRef(resource_group=names.RESOURCE_GROUP, site=names.BACKEND)
STAGING = SlotRef(resource_group=names.RESOURCE_GROUP, site=names.BACKEND, slot=names.STAGING)
BACKEND_HOST = f"{names.BACKEND}.azurewebsites.net"
WEB_HOST = f"{names.WEB}.azurewebsites.net"


class PatientClock:
    """The machine's time; waiting is remembered, not done."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return sum(self.waited)

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


class Chance:
    """Randomness of the operating system."""

    def hex(self, n_bytes: int) -> str:
        return secrets.token_hex(n_bytes)

    def fraction(self) -> float:
        return 0.5


def environment(sim: Simulator | None = None, **changes: Any) -> Environment:
    """The simulated environment, reached through `sim` where one is given."""
    if sim is not None:
        changes["network"] = {"resolve": sorted(sim.resolve.items()), "ca_file": sim.ca_file}
    return simulated(**changes)


class Stand:
    """Clients, with what stands under them in reach."""

    def __init__(self, env: Environment, effects: tuple[Effect, ...] = ()) -> None:
        self.environment = env
        self.ledger = MemoryLedger({effect.id: effect.times_max for effect in effects})
        self.latch = MemoryLatch()
        self.exchanges = MemoryExchanges()
        self.clock = PatientClock()
        self.secrets = VariableSecrets(VARIABLES)
        self.wire = Wire(
            scope=Scope(
                run="r-1",
                step="step",
                phase=Phase.APPLY if effects else Phase.OBSERVE,
                permissions=effects,
            ),
            perimeter=perimeter_of(env),
            ledger=self.ledger,
            latch=self.latch,
            exchanges=self.exchanges,
            network=env.network,
            clock=self.clock,
        )
        self.parts = Parts(
            environment=env,
            secrets=self.secrets,
            clock=self.clock,
            randomness=Chance(),
            digest_key=b"k" * 32,
        )
        self.clients = GuardedClients(self.wire, self.parts)


@contextmanager
def stand(env: Environment, *effects: Effect) -> Iterator[Stand]:
    """Guarded clients with these permissions (none: observing), closed after."""
    made = Stand(env, effects)
    try:
        yield made
    finally:
        made.clients.close()
