"""Every method of azure-cosmos through the guard: no write reaches the server, every read does."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

import azure.cosmos
import azure.cosmos.aio
import pytest
from azure.core.exceptions import AzureError

from rollback.errors import GuardRefusal
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.wire import azure_wire
from rollback.model.scope import VerdictKind
from rollback.rehearsal.simulator import names
from tests.guard.support import Bench, bench, environment
from tests.guard.wire.cosmos_calls import (
    LOCAL,
    NOT_CALLS,
    OUTSIDE,
    READ,
    SYNC_ONLY,
    WRITE,
    Call,
    calls,
    public_methods,
)
from tests.guard.wire.counting import Counting, counting

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = calls()
IDS = [f"{owner}.{name}-{kind}-{index}" for index, (owner, name, kind, _, _) in enumerate(CALLS)]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def server() -> Iterator[Counting]:
    with counting() as story:
        yield story


def _bench(server: Counting) -> Bench:
    cosmos = environment().cosmos.model_copy(update={"endpoint": server.url})
    return bench(perimeter=perimeter_of(environment().model_copy(update={"cosmos": cosmos})))


def _targets(client: Any) -> dict[str, Any]:
    database = client.get_database_client("d")
    container = database.get_container_client("c")
    return {
        "CosmosClient": client,
        "DatabaseProxy": database,
        "ContainerProxy": container,
        "UserProxy": database.get_user_client("u"),
    }


@pytest.mark.parametrize("module", [azure.cosmos, azure.cosmos.aio], ids=["sync", "aio"])
def test_every_method_is_classified(module: Any) -> None:
    """A method that is new in the installed release fails here until somebody has classified it."""
    classified = {(owner, name) for owner, name, *_ in CALLS} | NOT_CALLS
    if module is azure.cosmos.aio:
        classified -= SYNC_ONLY
    assert public_methods(module) == classified


def _judge(kind: str, error: BaseException | None, told: Bench, server: Counting) -> None:
    assert server.writes == []
    for arrived in server.requests:
        assert arrived.headers["x-request-id"].startswith(f"{told.wire.scope.request_prefix}.")
    refused = [verdict for verdict, _ in told.latch.refusals]
    if kind == WRITE:
        assert isinstance(error, GuardRefusal), error
        assert error.promise == "no-control-plane-rewrite"
        assert len(refused) == 1
        assert refused[0].kind is VerdictKind.DENY
        return
    assert refused == []
    if kind == OUTSIDE:
        assert "AAD credentials" in str(error)  # unreachable without one, and hidden by our port
    else:
        assert error is None
    if kind in {LOCAL, OUTSIDE}:
        assert {seen.method for seen in server.requests} <= {"GET"}


def _was_asked(kind: str, name: str, server: Counting) -> None:
    """A reading call that asked for nothing would pass any guard. The account is asked by all."""
    if kind == READ:
        asked = [seen for seen in server.requests if seen.path.strip("/")]
        assert asked or name == "get_database_account", name


@pytest.mark.parametrize("call", CALLS, ids=IDS)
def test_sync(call: Call, server: Counting) -> None:
    """The method on the synchronous client."""
    owner, name, kind, given, named = call
    server.requests.clear()
    told = _bench(server)
    error: BaseException | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client: Any = azure.cosmos.CosmosClient(
            server.url,
            names.COSMOS_KEY,
            transport=azure_wire.transport(told.wire),
            enable_endpoint_discovery=False,
        )
        targets = _targets(client)
        if owner == "ScriptsProxy":
            targets[owner] = targets["ContainerProxy"].scripts
        try:
            result = getattr(targets[owner], name)(*given, **named)
            if hasattr(result, "__next__") or hasattr(result, "by_page"):
                list(result)
        except (GuardRefusal, AzureError) as raised:
            error = raised
        finally:
            client.__exit__(None, None, None)
    _judge(kind, error, told, server)
    _was_asked(kind, name, server)


@pytest.mark.parametrize(
    "call", [call for call in CALLS if (call[0], call[1]) not in SYNC_ONLY], ids=str
)
def test_aio(call: Call, server: Counting) -> None:
    """The method on the asynchronous client, over aiohttp."""
    owner, name, kind, given, named = call
    server.requests.clear()
    told = _bench(server)

    async def run() -> BaseException | None:
        async with azure.cosmos.aio.CosmosClient(
            server.url,
            names.COSMOS_KEY,
            transport=azure_wire.aio_transport(told.wire),
            enable_endpoint_discovery=False,
        ) as client:
            targets = _targets(client)
            targets["ScriptsProxy"] = targets["ContainerProxy"].scripts
            try:
                result = getattr(targets[owner], name)(*given, **named)
                if hasattr(result, "__await__"):
                    result = await result
                if hasattr(result, "__aiter__"):
                    async for _ in result:
                        pass
            except (GuardRefusal, AzureError) as raised:
                return raised
        return None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = asyncio.run(run())
    _judge(kind, error, told, server)
    _was_asked(kind, name, server)


SMUGGLED: list[dict[str, Any]] = [
    {"x-ms-documentdb-isquery": "true", "Content-Type": "application/query+json"},
    {"x-ms-cosmos-is-query-plan-request": "True"},
    {"x-ms-thinclient-proxy-operation-type": "Read"},
    {"X-HTTP-Method": "GET"},
]


@pytest.mark.parametrize("headers", SMUGGLED, ids=str)
@pytest.mark.parametrize("hook", [False, True], ids=["initial-headers", "raw-request-hook"])
def test_a_disguised_write_is_refused(
    headers: dict[str, Any], hook: bool, server: Counting
) -> None:
    """Neither initial headers nor a hook that rewrites them makes a read of an upsert."""
    server.requests.clear()
    told = _bench(server)
    client = azure.cosmos.CosmosClient(
        server.url,
        names.COSMOS_KEY,
        transport=azure_wire.transport(told.wire),
        enable_endpoint_discovery=False,
    )
    container = client.get_database_client("d").get_container_client("c")
    named: dict[str, Any] = {"initial_headers": headers}
    if hook:
        named = {"raw_request_hook": lambda request: request.http_request.headers.update(headers)}
    with pytest.raises(GuardRefusal):
        container.upsert_item({"id": "1", "pk": "a"}, **named)
    with pytest.raises(GuardRefusal):
        container.create_item({"id": "1", "pk": "a", "query": "SELECT 1"}, **named)
    assert server.writes == []


def test_a_hook_that_hides_everything_still_cannot_write(server: Counting) -> None:
    """All headers replaced by those of a query: the body is not one, and it is refused."""
    server.requests.clear()
    told = _bench(server)
    client = azure.cosmos.CosmosClient(
        server.url,
        names.COSMOS_KEY,
        transport=azure_wire.transport(told.wire),
        enable_endpoint_discovery=False,
    )
    container = client.get_database_client("d").get_container_client("c")

    def disguise(request: Any) -> None:
        headers = request.http_request.headers
        headers.clear()
        headers["Content-Type"] = "application/query+json"
        headers["x-ms-documentdb-isquery"] = "true"
        headers["x-ms-thinclient-proxy-operation-type"] = "SqlQuery"

    with pytest.raises(GuardRefusal) as refused:
        container.create_item(
            {"id": "1", "pk": "a", "query": "SELECT 1"}, raw_request_hook=disguise
        )
    assert refused.value.code == "guard.cosmos.query-body"
    assert server.requests[-1].method == "GET"
