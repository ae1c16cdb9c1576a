"""What an operator works with, and the clients that only read."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from rollback.guard.rules.perimeter import perimeter_of
from rollback.wiring.log import EventLog, LoggedExchanges
from rollback.wiring.own_stores import NO_STORES, Stores
from rollback.wiring.scopes import MemoryLatch, NoPermissions, Opener, Unheard

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rollback.model.environment import Environment
    from rollback.model.ports import Catalogue, Clock, Journal, Randomness, SecretSource
    from rollback.running.store import StateDirectory
    from rollback.wiring.process_watch import ProcessWatch


def tool_version() -> str:
    """The installed version."""
    try:
        return version("trade-rollback")
    except PackageNotFoundError:
        return "0+unknown"


@dataclass(frozen=True, slots=True)
class Setting:
    """What an operator works with."""

    environment: Environment
    state: StateDirectory
    secrets: SecretSource
    clock: Clock
    randomness: Randomness
    catalogue: Catalogue
    user: str
    watch: ProcessWatch | None = None
    stores: Stores = NO_STORES

    def watching(self, journal: Journal | None = None) -> AbstractContextManager[None]:
        """Around what is planned or applied: the net over the process, where it was opted for."""
        if self.watch is None:
            return nullcontext()
        return self.watch.over(perimeter_of(self.environment), journal)


def log_of(setting: Setting) -> EventLog:
    """The library's log, of what is done in one environment outside a run."""
    return EventLog(setting.secrets.redact, environment=setting.environment.environment)


def planning_opener(setting: Setting) -> Opener:
    """Clients that can only read."""
    from rollback.connectors.clients import Parts

    return Opener(
        environment=setting.environment,
        parts=Parts(
            environment=setting.environment,
            secrets=setting.secrets,
            clock=setting.clock,
            randomness=setting.randomness,
            digest_key=setting.randomness.hex(32).encode(),
        ),
        ledger=NoPermissions(),
        latch=MemoryLatch(),
        exchanges=LoggedExchanges(Unheard(), log_of(setting)),
        clock=setting.clock,
    )
