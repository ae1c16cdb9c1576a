"""Real clients, guarded, against a simulator of this test's own; and environments that fit it."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollback.connectors.clients import GuardedClients, Parts
from rollback.connectors.secrets import VariableSecrets
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.wire import Wire
from rollback.model.environment import Environment
from rollback.model.ports import StepContext
from rollback.model.scope import Phase, Scope
from rollback.rehearsal.simulator import names
from tests.guard.support import MemoryExchanges, MemoryLatch, MemoryLedger
from tests.guard.support import environment as simulated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollback.model.effect import Effect
    from rollback.model.ports import EvidenceSink
    from rollback.model.steps import StepSpec
    from rollback.rehearsal.simulator.process import Simulator

VARIABLES = {
    "COSMOS_KEY": names.COSMOS_KEY,
    "AZURE_CLIENT_SECRET": names.CLIENT_SECRET,
    "GITHUB_TOKEN": names.GITHUB_TOKEN,
    "OPERATOR_TOKEN": names.OPERATOR_TOKEN,
    "VIEWER_TOKEN": names.VIEWER_TOKEN,
    "WEBHOOK": f"https://{names.WEBHOOK_HOST}/incident",
}


class StandingClock:
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
    changes.setdefault(
        "halt_authority",
        {
            "token": "${OPERATOR_TOKEN}",
            "refused_token": "${VIEWER_TOKEN}",
            "scopes": ["global", "tenant", "strategy"],
        },
    )
    return simulated(**changes)


def halt_authority(**changes: Any) -> dict[str, Any]:
    """A halt authority as a file writes it."""
    return {
        "token": "${OPERATOR_TOKEN}",
        "refused_token": "${VIEWER_TOKEN}",
        "scopes": ["global", "tenant", "strategy"],
        **changes,
    }


def context(env: Environment, spec: StepSpec, name: str = "step", **changes: Any) -> StepContext:
    """One step."""
    return StepContext(name=name, spec=spec, environment=env, **changes)


class Opened:
    """Clients of one scope, with what stands under them."""

    def __init__(
        self,
        env: Environment,
        effects: tuple[Effect, ...] = (),
        *,
        phase: Phase = Phase.OBSERVE,
        sink: Callable[[Opened], EvidenceSink] | None = None,
    ) -> None:
        self.ledger = MemoryLedger({effect.id: effect.times_max for effect in effects})
        self.latch = MemoryLatch()
        self.exchanges = MemoryExchanges()
        self.clock = StandingClock()
        self.secrets = VariableSecrets(VARIABLES)
        self.wire = Wire(
            scope=Scope(run="r-1", step="step", phase=phase, permissions=effects),
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
            sink=None if sink is None else lambda _: sink(self),
        )
        self.clients = GuardedClients(self.wire, self.parts)


@contextmanager
def opened(
    env: Environment,
    effects: tuple[Effect, ...] = (),
    *,
    phase: Phase = Phase.OBSERVE,
    sink: Callable[[Opened], EvidenceSink] | None = None,
) -> Iterator[Opened]:
    """Open clients; close them after."""
    made = Opened(env, effects, phase=phase, sink=sink)
    try:
        yield made
    finally:
        made.clients.close()
