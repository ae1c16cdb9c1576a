"""All wires over TLS against the simulated platform: what it received is what was permitted."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.core.pipeline.transport import HttpRequest
from azure.cosmos import CosmosClient
from azure.identity import ClientSecretCredential
from azure.mgmt.web import WebSiteManagementClient
from websockets.exceptions import InvalidStatus

from rollback.errors import GuardRefusal
from rollback.guard.wire import azure_wire, canaries, httpx_wire, socket_wire
from rollback.model.environment import Network
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from tests.guard.support import Bench, bench, environment, swap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BACKEND = f"{names.BACKEND}.azurewebsites.net"
WEB = f"{names.WEB}.azurewebsites.net"
OPERATOR = (("Authorization", f"Bearer {names.OPERATOR_TOKEN}"),)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator.start(tmp_path_factory.mktemp("simulator")) as running:
        yield running


def _bench(simulator: Simulator, *, trusting: bool = True) -> Bench:
    resolve = tuple(simulator.resolve.items())
    return bench(
        [swap()],
        network=Network(resolve=resolve, ca_file=simulator.ca_file if trusting else None),
    )


def _arm(told: Bench, *, secret: str = names.CLIENT_SECRET) -> Any:
    credential = ClientSecretCredential(
        names.TENANT,
        names.CLIENT_ID,
        secret,
        disable_instance_discovery=True,
        transport=azure_wire.transport(told.wire),
    )
    return WebSiteManagementClient(
        credential, names.SUBSCRIPTION, transport=azure_wire.transport(told.wire), retry_total=0
    )


@pytest.fixture
def swapped(tmp_path: Path) -> Iterator[Simulator]:
    """One for a test that swaps: workers are recycled long after the test, and sockets with them."""
    with Simulator.start(tmp_path / "simulator") as running:
        yield running


def test_only_what_is_permitted_arrives(swapped: Simulator) -> None:
    """Reads, one token, one swap; canaries and forbidden writes leave no trace on the other side."""
    simulator = swapped
    told = _bench(simulator)
    arm = _arm(told)
    cosmos_transport: Any = azure_wire.transport(told.wire)
    cosmos = CosmosClient(
        f"https://{names.COSMOS_HOST}:443/", names.COSMOS_KEY, transport=cosmos_transport
    )
    container = cosmos.get_database_client(names.DATABASE).get_container_client("audit_log")
    surface = httpx_wire.transport(told.wire)
    canaries.plant(told.wire, environment(), (surface, cosmos_transport))
    assert arm.web_apps.get("trading", names.BACKEND).name == names.BACKEND
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert list(container.query_items("SELECT * FROM c", enable_cross_partition_query=True))
    with httpx.Client(transport=surface) as client:
        assert client.get(f"https://{BACKEND}/api/release").status_code == 200
    target = {"targetSlot": "staging", "preserveVnet": True}
    arm.web_apps.begin_swap_slot_with_production("trading", names.BACKEND, target, polling=False)
    for act in (
        lambda: container.upsert_item({"id": "x"}),
        lambda: arm.web_apps.begin_swap_slot_with_production(
            "trading", names.BACKEND, target, polling=False
        ),
        lambda: arm.web_apps.stop("trading", names.BACKEND),
    ):
        with pytest.raises(GuardRefusal):
            act()
    arrived = [
        entry
        for entry in simulator.control.ledger()
        if (entry.request_id or "").startswith(told.wire.scope.request_prefix)
    ]
    assert {entry.kind for entry in arrived} == {"read", "write", "credential"}
    assert [entry.path.rsplit("/", 1)[1] for entry in arrived if entry.write] == ["slotsswap"]
    echoes = [seen.echoed for seen in told.exchanges.seen_all if seen.host == BACKEND]
    assert echoes == [True]


def test_the_certificate_is_checked_against_the_real_name(simulator: Simulator) -> None:
    """A server whose authority is not trusted is not spoken to, on any wire."""
    told = _bench(simulator, trusting=False)
    with (
        httpx.Client(transport=httpx_wire.transport(told.wire)) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.get(f"https://{WEB}/release.json")
    with pytest.raises(ServiceRequestError):
        CosmosClient(
            f"https://{names.COSMOS_HOST}/",
            names.COSMOS_KEY,
            transport=azure_wire.transport(told.wire),
            connection_verify=False,
            retry_total=0,
        )
    request = HttpRequest("GET", f"https://{WEB}/release.json")

    async def by_aio() -> None:
        async with azure_wire.aio_transport(told.wire) as aio:
            await aio.send(request, connection_verify=False)

    with pytest.raises(ServiceRequestError):
        asyncio.run(by_aio())
    with (
        pytest.raises(OSError, match="certificate"),
        socket_wire.connect(told.wire, f"wss://{BACKEND}/ws", OPERATOR),
    ):
        pass
    host = names.COSMOS_HOST
    wrong = Network(
        resolve=(
            (host, simulator.resolve[host]),
            ("elsewhere.azurewebsites.net", simulator.resolve[host]),
        ),
        ca_file=simulator.ca_file,
    )
    from rollback.model.scope import GuardedHost, HostKind, Perimeter

    perimeter = Perimeter(
        hosts=(GuardedHost(host="elsewhere.azurewebsites.net", kind=HostKind.WEB),)
    )
    other = bench(perimeter=perimeter, network=wrong)
    with (
        httpx.Client(transport=httpx_wire.transport(other.wire)) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.get("https://elsewhere.azurewebsites.net/")


def test_a_refused_token_is_an_answer_and_not_retried(simulator: Simulator) -> None:
    """The identity's own error comes out; the exchange is told."""
    told = _bench(simulator)
    with pytest.raises(ClientAuthenticationError):
        _arm(told, secret="wrong").web_apps.get("trading", names.BACKEND)
    posts = [seen for seen in told.exchanges.seen_all if seen.method == "POST"]
    assert [(seen.host, seen.status) for seen in posts] in (
        [(names.LOGIN_HOST, 401)],
        [(names.LOGIN_HOST, 400)],
    )


def test_a_socket_is_read_and_never_written(simulator: Simulator) -> None:
    """With a token it opens, without one it does not; there is nothing to send with."""
    told = _bench(simulator)
    with socket_wire.connect(told.wire, f"wss://{BACKEND}/ws", OPERATOR, timeout_s=60) as reader:
        assert reader.status == 101
        assert "hello" in str(reader.receive(60))
        assert not hasattr(reader, "send")
    with (
        pytest.raises(InvalidStatus),
        socket_wire.connect(told.wire, f"wss://{BACKEND}/ws", timeout_s=60),
    ):
        pass
    statuses = [(seen.path, seen.status) for seen in told.exchanges.seen_all]
    assert statuses[0] == ("/ws", 101)
    assert statuses[1][1] in {401, 403}


@pytest.mark.parametrize(
    "url",
    [
        f"wss://{names.COSMOS_HOST}/",
        f"wss://{names.ARM_HOST}/",
        f"wss://{names.PLATFORM_HOST}/",
        "wss://elsewhere.example/",
        f"ws://{BACKEND}/ws",
    ],
)
def test_sockets_open_towards_surfaces_only(url: str) -> None:
    """Elsewhere, or unencrypted: refused before a connection is opened."""
    told = bench()
    with pytest.raises(GuardRefusal), socket_wire.connect(told.wire, url):
        pass


def test_the_async_wires_over_tls(simulator: Simulator) -> None:
    """The resolve map, the certificate and the verdicts, under asyncio."""
    from azure.cosmos.aio import CosmosClient as AsyncCosmosClient

    told = _bench(simulator)

    async def run() -> int:
        async with httpx.AsyncClient(transport=httpx_wire.async_transport(told.wire)) as client:
            assert (await client.get(f"https://{WEB}/release.json")).status_code == 200
        async with AsyncCosmosClient(
            f"https://{names.COSMOS_HOST}:443/",
            names.COSMOS_KEY,
            transport=azure_wire.aio_transport(told.wire),
        ) as cosmos:
            container = cosmos.get_database_client(names.DATABASE).get_container_client("audit_log")
            with pytest.raises(GuardRefusal):
                await container.upsert_item({"id": "x"})
            return len([item async for item in container.query_items("SELECT * FROM c")])

    assert asyncio.run(run()) > 0


def test_one_clients_tls_settings_do_not_reach_another(simulator: Simulator) -> None:
    """urllib3 switches name checking off on its own context; httpx must go on checking."""
    told = _bench(simulator)
    arm = _arm(told)
    assert arm.web_apps.get("trading", names.BACKEND).name == names.BACKEND
    from rollback.guard.wire.network import tls_context

    assert tls_context(simulator.ca_file, "httpx").check_hostname
    assert tls_context(simulator.ca_file, "websockets").check_hostname
