"""The guard under httpx: every hop, every form of body, never the environment's proxies."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from rollback.errors import GuardRefusal
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.wire import httpx_wire
from rollback.model.environment import Network
from rollback.model.scope import GuardedHost, HostKind, Perimeter, Phase
from rollback.rehearsal.simulator import names
from tests.guard.support import Bench, bench, environment
from tests.guard.wire.counting import Counting, counting

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKEND = f"{names.BACKEND}.azurewebsites.net"


@pytest.fixture
def server() -> Iterator[Counting]:
    with counting() as story:
        yield story


def _bench(server: Counting, kind: HostKind = HostKind.BACKEND, **network: Any) -> Bench:
    known = perimeter_of(environment())
    host = GuardedHost(host=server.host, kind=kind, control_paths=("/api/control",))
    perimeter = Perimeter(hosts=(*known.hosts, host), exchanges=known.exchanges)
    return bench(perimeter=perimeter, phase=Phase.OBSERVE, network=Network(**network))


def _get(told: Bench, url: str, **named: Any) -> httpx.Response:
    with httpx.Client(transport=httpx_wire.transport(told.wire), **named) as client:
        return client.get(url)


def test_a_read_passes_and_is_told(server: Counting) -> None:
    """The answer, the request id and its echo."""
    told = _bench(server)
    assert _get(told, f"{server.url}/api/release").status_code == 200
    (seen,) = told.exchanges.seen_all
    assert (seen.method, seen.path, seen.status, seen.echoed) == ("GET", "/api/release", 200, True)
    assert server.requests[0].headers["x-request-id"] == seen.request_id == "r-1.revert.1.1"


def test_ids_count_and_a_given_one_is_kept(server: Counting) -> None:
    """Each attempt has its own id; one that the caller set stays."""
    told = _bench(server)
    with httpx.Client(transport=httpx_wire.transport(told.wire)) as client:
        client.get(f"{server.url}/a")
        client.get(f"{server.url}/b", headers={"x-request-id": "mine"})
        client.get(f"{server.url}/c")
    ids = [seen.headers["x-request-id"] for seen in server.requests]
    assert ids == ["r-1.revert.1.1", "mine", "r-1.revert.1.2"]


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_write_to_a_surface_never_leaves(method: str, server: Counting) -> None:
    """Latched before it is raised; not one byte arrives."""
    told = _bench(server)
    with (
        httpx.Client(transport=httpx_wire.transport(told.wire)) as client,
        pytest.raises(GuardRefusal) as refused,
    ):
        client.request(method, f"{server.url}/api/control/trading", json={"halted": False})
    assert refused.value.exit_status == 3
    assert server.requests == []
    ((verdict, shape),) = told.latch.refusals
    assert refused.value.code == f"guard.{verdict.rule}"
    assert "halted" not in shape.model_dump_json()


def test_each_redirect_is_judged(server: Counting) -> None:
    """A redirect to elsewhere is refused where it would leave."""
    told = _bench(server)
    server.status, server.headers = 307, {"Location": "https://evil.example/x"}
    with pytest.raises(GuardRefusal) as refused:
        _get(told, f"{server.url}/a", follow_redirects=True)
    assert refused.value.code == "guard.host.unknown"
    assert len(server.requests) == 1


def test_streams_and_forms_in_pieces_are_refused(server: Counting) -> None:
    """A generator, a file upload: their bodies cannot be judged before they leave."""
    told = _bench(server, HostKind.CHANNEL)
    with httpx.Client(transport=httpx_wire.transport(told.wire)) as client:
        with pytest.raises(GuardRefusal, match="piece by piece"):
            client.post(f"{server.url}/incident", content=iter([b"a", b"b"]))
        with pytest.raises(GuardRefusal, match="piece by piece"):
            client.post(f"{server.url}/incident", files={"a": b"b"})
    assert server.requests == []


def test_extensions_cannot_name_another_target(server: Counting) -> None:
    """Httpcore would send another path than the one judged; the guard does not pass it on."""
    told = _bench(server)
    with httpx.Client(transport=httpx_wire.transport(told.wire)) as client:
        client.get(f"{server.url}/judged", extensions={"target": b"/smuggled"})
    assert server.requests[0].path == "/judged"


def test_a_host_header_cannot_name_another_host(server: Counting) -> None:
    """The virtual host is the one judged."""
    told = _bench(server)
    with (
        httpx.Client(transport=httpx_wire.transport(told.wire)) as client,
        pytest.raises(GuardRefusal),
    ):
        client.get(f"{server.url}/a", headers={"Host": names.COSMOS_HOST})
    assert server.requests == []


def test_proxy_variables_are_ignored(server: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a proxy that the environment file names is used."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    told = _bench(server)
    assert _get(told, f"{server.url}/a").status_code == 200
    with counting() as proxy:
        assert _get(_bench(server, proxy=proxy.url), f"{server.url}/b").status_code == 200
        assert [seen.path for seen in proxy.requests] == [f"{server.url}/b"]


def test_the_resolve_map_keeps_the_name(server: Counting) -> None:
    """The connection goes where the map says; the Host header stays real."""
    local = "localhost:4711"
    known = perimeter_of(environment())
    perimeter = Perimeter(hosts=(*known.hosts, GuardedHost(host=local, kind=HostKind.WEB)))
    told = bench(perimeter=perimeter, network=Network(resolve=((local, server.host),)))
    assert _get(told, f"http://{local}/release.json").status_code == 200
    assert server.requests[0].headers["host"] == local


def test_what_got_no_answer_is_told(server: Counting) -> None:
    """A dropped connection is an exchange without a status."""
    dead = "127.0.0.1:9"
    told = bench(perimeter=Perimeter(hosts=(GuardedHost(host=dead, kind=HostKind.WEB),)))
    with pytest.raises(httpx.ConnectError):
        _get(told, f"http://{dead}/")
    assert [(seen.status, seen.problem) for seen in told.exchanges.seen_all] == [
        (None, "ConnectError")
    ]


def test_async_is_the_same(server: Counting) -> None:
    """Read, refusal and redirect under the async client."""
    told = _bench(server)

    async def run() -> None:
        async with httpx.AsyncClient(
            transport=httpx_wire.async_transport(told.wire), follow_redirects=True
        ) as client:
            assert (await client.get(f"{server.url}/a")).status_code == 200
            with pytest.raises(GuardRefusal):
                await client.post(f"{server.url}/api/control/trading", json={})
            server.status, server.headers = 307, {"Location": "https://evil.example/x"}
            with pytest.raises(GuardRefusal):
                await client.get(f"{server.url}/b")

    asyncio.run(run())
    assert [seen.path for seen in server.requests] == ["/a", "/b"]
    assert [(seen.method, seen.path, seen.status, seen.echoed) for seen in told.exchanges.seen_all] == [
        ("GET", "/a", 200, True),
        ("GET", "/b", 307, True),
    ]


def _get_by_async(told: Bench, url: str) -> int:
    async def run() -> int:
        async with httpx.AsyncClient(transport=httpx_wire.async_transport(told.wire)) as client:
            return (await client.get(url)).status_code

    return asyncio.run(run())


def _found(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let the system find these addresses, and no other, for whatever name."""

    def find(_: object, port: int, **__: object) -> list[Any]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", find)


def test_async_tries_each_address_of_a_name(
    server: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first nobody listens."""
    _found(monkeypatch, "::1", "127.0.0.1")
    told = _bench(server)
    assert _get_by_async(told, f"{server.url}/a") == 200
    assert [seen.path for seen in server.requests] == ["/a"]


@pytest.mark.parametrize(
    ("addresses", "why"), [(("::1",), "attempts failed"), ((), "no such name")]
)
def test_async_says_why_nothing_answers(
    server: Counting, monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...], why: str
) -> None:
    _found(monkeypatch, *addresses)
    told = _bench(server)
    with pytest.raises(httpx.ConnectError, match=why):
        _get_by_async(told, f"{server.url}/a")
    assert [(seen.status, seen.problem) for seen in told.exchanges.seen_all] == [
        (None, "ConnectError")
    ]
