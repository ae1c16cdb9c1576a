"""Leases and mirrors in a container: the public suites against Azurite, through the guard."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from rollback.model.effect import HttpWrite
from rollback.running.lease.objects import object_lease
from rollback.running.mirror_places import ObjectMirror
from rollback.wiring.upkeep import lease_effects, mirror_effects, mirror_prefix
from tests.connectors.stand import VARIABLES, stand
from tests.peers.azurite import KEY, Azurite, needs_node
from tests.peers.test_blob_store import container
from tests.running.fakes import SeededRandomness, VirtualClock
from tests.running.lease.suite import SCOPES, TTL_S, LeaseSuite
from tests.running.mirror.suite import MirrorPlaceSuite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment
    from rollback.running.lease.scoped import ScopedLease

pytestmark = needs_node


class TestBlobs(LeaseSuite):
    """The suite, in a container."""

    strength = "shared"

    @pytest.fixture(autouse=True)
    def _container(self, azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setitem(VARIABLES, "BLOB_KEY", KEY)
        self.environment: Environment = container(azurite)
        with ExitStack() as self.open:
            yield

    def lease(self, clock: VirtualClock, who: str) -> ScopedLease:
        create, replace = lease_effects(self.environment)
        here = self.open.enter_context(stand(self.environment, create, replace))
        return object_lease(
            here.clients.objects(),
            "leases/",
            clock,
            SeededRandomness(who),
            ttl_s=TTL_S,
            create=create,
            replace=replace,
        )

    def winners(self, fences: list[int]) -> bool:
        """A racer that outwaits the winner's TTL on its own virtual clock takes over: by rising."""
        return len(fences) >= 1 and sorted(fences) == sorted(set(fences))

    def test_the_service_tells_how_old_a_lease_is(self, ours: ScopedLease) -> None:
        ours.acquire(SCOPES, "r-1@laptop", "effect")
        found = ours._place.read(SCOPES[0])
        assert found is not None
        assert found.age_s is not None
        assert 0 <= found.age_s < TTL_S


class TestMirrorInBlobs(MirrorPlaceSuite):
    """The suite of mirrors, in a container."""

    @pytest.fixture(autouse=True)
    def _container(self, azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setitem(VARIABLES, "BLOB_KEY", KEY)
        asking = container(azurite).model_copy(update={"journal_mirror": True})
        (effect,) = mirror_effects(asking)
        assert isinstance(effect, HttpWrite)
        with stand(asking, effect) as here:
            self.kept = ObjectMirror(here.clients.objects(), mirror_prefix(asking), effect)
            yield

    def make(self) -> ObjectMirror:
        return self.kept
