"""Feature flags, trading-control state, open orders: as the backend says them, only ever read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.connectors.trading_backend import bearer
from rollback.evidence.source import Read, Source
from rollback.evidence.sources.raw import raw_answers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment
    from rollback.model.ports import Clients


def control_state(environment: Environment, seconds_max: int) -> tuple[Source, ...]:
    """One source for each of the three that the environment gives a path for."""
    halt = environment.halt_authority
    surface = environment.surface(halt.surface)
    if not surface.hosts:
        return ()
    wanted = (
        ("feature-flags", halt.flags_path),
        ("trading-control", halt.control_path),
        ("open-orders", halt.orders_path),
    )

    def one(name: str, path: str) -> Source:
        def read(clients: Clients) -> Iterator[Read]:
            headers = bearer(clients.secret(halt.token))
            yield from raw_answers(clients, surface.hosts[0], path, headers)

        return Source(name, read, seconds_max)

    return tuple(one(name, path) for name, path in wanted if path is not None)
