"""The guard against a Cosmos server nobody here wrote: a full dump before and after is identical."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import AzureError
from azure.cosmos import CosmosClient, PartitionKey

from rollback.errors import GuardRefusal
from rollback.guard.wire import azure_wire
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from rollback.rehearsal.simulator import names
from tests.guard.support import Bench, bench
from tests.guard.wire.cosmos_calls import WRITE, calls
from tests.peers.azurite import needs_node
from tests.peers.cosmos_server import cosmos_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needs_node

@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    """The server's address."""
    with cosmos_server() as url:
        yield url


def _client(url: str, **named: Any) -> Any:
    return CosmosClient(url, names.COSMOS_KEY, enable_endpoint_discovery=False, **named)


def _dump(url: str) -> str:
    client = _client(url)
    found: dict[str, Any] = {}
    for database in client.list_databases():
        proxy = client.get_database_client(database["id"])
        for container in proxy.list_containers():
            items = proxy.get_container_client(container["id"]).read_all_items()
            key = f"{database['id']}/{container['id']}"
            found[key] = [container, sorted(items, key=lambda item: str(item["id"]))]
        found[database["id"]] = database
    return json.dumps(found, sort_keys=True)


def _fill(url: str) -> None:
    database = _client(url).create_database("d")
    for name in ("c", "control"):
        container = database.create_container(name, PartitionKey("/pk"))
        for number in range(20):
            container.upsert_item({"id": str(number), "pk": "a", "value": number})


def test_no_mutating_call_changes_anything(peer: str) -> None:
    """All of them through the guard; the peer's whole content stays byte for byte."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _fill(peer)
        before = _dump(peer)
        told: Bench = bench(
            perimeter=Perimeter(
                hosts=(GuardedHost(host=peer.removeprefix("http://"), kind=HostKind.COSMOS),)
            )
        )
        client = _client(peer, transport=azure_wire.transport(told.wire))
        database = client.get_database_client("d")
        container = database.get_container_client("c")
        targets = {
            "CosmosClient": client,
            "DatabaseProxy": database,
            "ContainerProxy": container,
            "ScriptsProxy": container.scripts,
            "UserProxy": database.get_user_client("u"),
        }
        refused, unsupported = 0, set()
        for owner, name, kind, given, named in calls():
            if kind != WRITE:
                continue
            try:
                getattr(targets[owner], name)(*given, **named)
            except GuardRefusal:
                refused += 1
            except AzureError:
                unsupported.add(name)
            else:
                pytest.fail(f"{owner}.{name} went through")
        assert (
            len(list(container.query_items("SELECT * FROM c", enable_cross_partition_query=True)))
            == 20
        )
        assert _dump(peer) == before
    assert refused >= 30
    assert unsupported <= {"replace_throughput"}  # the peer has no /offers to read first
