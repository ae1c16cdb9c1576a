"""azure-cosmos asks a second region where the first is slow: a request of its own, and judged."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import azure.cosmos
import azure.cosmos.aio
import pytest

from rollback.errors import GuardRefusal
from rollback.guard.wire import azure_wire
from rollback.model.scope import GuardedHost, GuardVerdict, HostKind, Perimeter, Shape
from rollback.rehearsal.simulator import names
from tests.guard.support import Bench, MemoryLatch, bench
from tests.guard.wire.counting import Arrived, Counting, counting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEDGED = {"threshold_ms": 1, "threshold_steps_ms": 1}
WAIT_S = 20.0


class Regions:
    """Two servers. Neither answers a question about items before the other was asked."""

    def __init__(self, first: Counting, second: Counting) -> None:
        self.first, self.second = first, second
        self.begun, self.asked = threading.Event(), threading.Event()
        first.others, first.hear = [second], self._slow
        second.others, second.hear = [], self._quick

    def _slow(self, seen: Arrived) -> None:
        if "/docs/" in seen.path:
            self.begun.set()
            assert self.asked.wait(WAIT_S)

    def _quick(self, seen: Arrived) -> None:
        if "/docs/" in seen.path:
            self.asked.set()
            assert self.begun.wait(WAIT_S)


class Heard(MemoryLatch):
    """Tells that something was refused."""

    def __init__(self, told: threading.Event) -> None:
        super().__init__()
        self.told = told

    def refuse(self, verdict: GuardVerdict, shape: Shape) -> None:
        super().refuse(verdict, shape)
        self.told.set()


@pytest.fixture
def regions() -> Iterator[Regions]:
    with counting() as first, counting() as second:
        yield Regions(first, second)


def over(*known: Counting) -> Bench:
    hosts = tuple(GuardedHost(host=one.host, kind=HostKind.COSMOS) for one in known)
    return bench(perimeter=Perimeter(hosts=hosts))


def sync(told: Bench, regions: Regions, call: Callable[[Any], Any]) -> Any:
    client: Any = azure.cosmos.CosmosClient(
        regions.first.url, names.COSMOS_KEY, transport=azure_wire.transport(told.wire),
        preferred_locations=["Local 0", "Local 1"],
    )  # fmt: skip
    try:
        return call(client.get_database_client("d").get_container_client("c"))
    finally:
        client.__exit__(None, None, None)


def aio(told: Bench, regions: Regions, call: Callable[[Any], Any]) -> Any:
    async def run() -> Any:
        async with azure.cosmos.aio.CosmosClient(
            regions.first.url, names.COSMOS_KEY, transport=azure_wire.aio_transport(told.wire),
            preferred_locations=["Local 0", "Local 1"],
        ) as client:  # fmt: skip
            return await call(client.get_database_client("d").get_container_client("c"))

    return asyncio.run(run())


def of_items(one: Counting) -> list[str]:
    return [seen.headers["x-request-id"] for seen in one.requests if "/docs/" in seen.path]


BOTH = pytest.mark.parametrize("through", [sync, aio])


@BOTH
def test_a_second_region_is_asked_through_the_guard(through: Any, regions: Regions) -> None:
    """Each of the two requests has a number of the guard's own, so each was judged."""
    told = over(regions.first, regions.second)
    through(told, regions, lambda one: one.read_item("1", "a", availability_strategy=HEDGED))
    numbers = [*of_items(regions.first), *of_items(regions.second)]
    assert len(set(numbers)) == 2
    assert all(one.startswith(f"{told.wire.scope.request_prefix}.") for one in numbers)
    assert told.latch.refusals == []


@BOTH
def test_a_region_that_nobody_named_is_not_asked(through: Any, regions: Regions) -> None:
    """The account's own document names it; what a server says opens no host."""
    told = over(regions.first)
    latch = Heard(regions.asked)
    told = replace(told, wire=replace(told.wire, latch=latch), latch=latch)
    through(told, regions, lambda one: one.read_item("1", "a", availability_strategy=HEDGED))
    assert regions.second.requests == []
    assert {shape.host for _, shape in latch.refusals} == {regions.second.host}
    assert {verdict.rule for verdict, _ in latch.refusals} == {"host.unknown"}


@BOTH
def test_a_write_is_refused_in_every_region(through: Any, regions: Regions) -> None:
    """A write that the SDK would try elsewhere too: not one byte of it arrives anywhere."""
    told = over(regions.first, regions.second)

    def write(container: Any) -> Any:
        body = {"id": "1", "pk": "a"}
        return container.upsert_item(body, availability_strategy=HEDGED, retry_write=1)

    with pytest.raises(GuardRefusal):
        through(told, regions, write)
    assert [*regions.first.writes, *regions.second.writes] == []
    assert {verdict.promise for verdict, _ in told.latch.refusals} == {"no-control-plane-rewrite"}
