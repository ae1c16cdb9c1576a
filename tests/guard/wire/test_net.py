"""The net over the process: sees what goes round the guard, and never blocks a halt."""

from __future__ import annotations

import asyncio
import http.client
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from rollback.errors import GuardRefusal
from rollback.guard.wire import azure_wire, httpx_wire
from rollback.guard.wire.net import Net, Sighting, operator
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from tests.guard.support import bench
from tests.guard.wire.counting import Counting, counting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def server() -> Iterator[Counting]:
    with counting() as story:
        yield story


def _perimeter(server: Counting, kind: HostKind) -> Perimeter:
    return Perimeter(hosts=(GuardedHost(host=server.host, kind=kind),))


def _plainly(server: Counting, method: str = "PUT") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request(method, "/dbs/d")
        return connection.getresponse().status
    finally:
        connection.close()


def test_what_goes_round_is_seen_and_goes_on(server: Counting) -> None:
    """By default the net only reports."""
    seen: list[Sighting] = []
    net = Net(_perimeter(server, HostKind.COSMOS), seen.append)
    net.cast()
    try:
        assert _plainly(server) == 200
    finally:
        net.draw_in()
    assert {sighting.host for sighting in seen} == {server.host}
    assert not any(sighting.refused for sighting in seen)
    before = len(seen)
    _plainly(server)
    assert len(seen) == before


def test_where_opted_in_it_is_refused_before_a_byte(server: Counting) -> None:
    """http.client, a plain connect, and httpx without a guard."""
    net = Net(
        _perimeter(server, HostKind.COSMOS), lambda _: None, refuse=frozenset({HostKind.COSMOS})
    )
    net.cast()
    try:
        with pytest.raises(GuardRefusal):
            _plainly(server)
        with (
            socket.socket() as plain,
            pytest.raises(GuardRefusal),
        ):
            plain.connect(("127.0.0.1", server.port))
        with httpx.Client() as client, pytest.raises(GuardRefusal):
            client.put(f"{server.url}/dbs/d")
    finally:
        net.draw_in()
    assert server.requests == []


def test_guarded_clients_pass_unseen(server: Counting) -> None:
    """What the guard judged is not reported, in any of the synchronous clients."""
    from azure.core.pipeline.transport import HttpRequest

    seen: list[Sighting] = []
    told = bench(perimeter=_perimeter(server, HostKind.COSMOS))
    net = Net(told.wire.perimeter, seen.append, refuse=frozenset({HostKind.COSMOS}))
    azure = azure_wire.transport(told.wire)
    net.cast()
    try:
        with httpx.Client(transport=httpx_wire.transport(told.wire)) as client:
            assert client.get(f"{server.url}/dbs").status_code == 200
        assert azure.send(HttpRequest("GET", f"{server.url}/dbs")).status_code == 200
    finally:
        net.draw_in()
        azure.close()
    assert seen == []


def test_guarded_async_clients_pass_unseen(server: Counting) -> None:
    """The same in both asynchronous clients, lookups by other threads included."""
    from azure.core.pipeline.transport import HttpRequest

    seen: list[Sighting] = []
    known = Perimeter(
        hosts=(
            GuardedHost(host=server.host, kind=HostKind.WEB),
            GuardedHost(host=f"localhost:{server.port}", kind=HostKind.WEB),
        )
    )
    told = bench(perimeter=known)
    net = Net(known, seen.append)

    async def run() -> None:
        url = f"http://localhost:{server.port}/a"
        async with httpx.AsyncClient(transport=httpx_wire.async_transport(told.wire)) as client:
            assert (await client.get(url)).status_code == 200
        transport = azure_wire.aio_transport(told.wire)
        async with transport:
            assert (await transport.send(HttpRequest("GET", url))).status_code == 200

    net.cast()
    try:
        asyncio.run(run())
    finally:
        net.draw_in()
    assert [sighting.event for sighting in seen] == []
    assert len(server.requests) == 2


def test_an_operators_halt_is_never_blocked(server: Counting) -> None:
    """Surfaces cannot be refused at all; elsewhere the operator's own act passes."""
    for kind in (HostKind.BACKEND, HostKind.WEB, HostKind.PLATFORM):
        with pytest.raises(ValueError, match="never refused"):
            Net(_perimeter(server, kind), lambda _: None, refuse=frozenset({kind}))
    seen: list[Sighting] = []
    net = Net(
        _perimeter(server, HostKind.COSMOS), seen.append, refuse=frozenset({HostKind.COSMOS})
    )
    net.cast()
    try:
        with operator():
            assert _plainly(server) == 200
    finally:
        net.draw_in()
    assert seen == [], "nor is it reported"


def test_an_operators_halt_is_not_blocked_in_another_thread(server: Counting) -> None:
    """An event loop looks names up in a thread, and a pool's thread knows nothing of the block."""
    known = Perimeter(
        hosts=tuple(
            GuardedHost(host=f"{name}:{server.port}", kind=HostKind.COSMOS)
            for name in ("localhost", "127.0.0.1")
        )
    )
    net = Net(known, lambda _: None, refuse=frozenset({HostKind.COSMOS}))

    async def halt() -> int:
        with operator():
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.put(f"http://localhost:{server.port}/halt")).status_code

    with ThreadPoolExecutor(1) as pool:
        pool.submit(threading.active_count).result()  # its thread is there before the block is
        net.cast()
        try:
            assert asyncio.run(halt()) == 200
            with operator(), operator():
                assert pool.submit(_plainly, server).result() == 200
            with pytest.raises(GuardRefusal):
                pool.submit(_plainly, server).result()
        finally:
            net.draw_in()
    assert len(server.requests) == 2


def test_a_connection_that_was_open_before_is_seen_when_it_sends(server: Counting) -> None:
    """It connects no more: what it sends is all there is to see."""
    net = Net(
        _perimeter(server, HostKind.COSMOS), lambda _: None, refuse=frozenset({HostKind.COSMOS})
    )
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.connect()
    net.cast()
    try:
        with pytest.raises(GuardRefusal):
            connection.request("PUT", "/dbs/d")
    finally:
        net.draw_in()
        connection.close()
    assert server.requests == []


def test_a_tunnel_through_a_proxy_is_seen_by_where_it_leads(server: Counting) -> None:
    """Libraries take a proxy from the process's variables; the connect is then to the proxy."""
    seen: list[Sighting] = []
    perimeter = Perimeter(hosts=(GuardedHost(host="cosmos.example", kind=HostKind.COSMOS),))
    net = Net(perimeter, seen.append, refuse=frozenset({HostKind.COSMOS}))
    tunnel = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=5)
    tunnel.set_tunnel("cosmos.example", 443)
    net.cast()
    try:
        with pytest.raises(GuardRefusal):
            tunnel.request("PUT", "/dbs/d")
    finally:
        net.draw_in()
        tunnel.close()
    assert [(one.host, one.refused) for one in seen] == [("cosmos.example", True)]
    assert server.requests == []


def test_a_failing_report_stops_nothing(server: Counting) -> None:
    """The net never stops the run."""

    def fail(sighting: Sighting) -> None:
        raise OSError(sighting.host)

    net = Net(_perimeter(server, HostKind.COSMOS), fail)
    net.cast()
    try:
        assert _plainly(server) == 200
    finally:
        net.draw_in()


class Odd(str):
    """A port that cannot be written."""

    __slots__ = ()

    def __format__(self, _: str) -> str:
        raise OSError


def test_an_address_of_another_family_is_let_be(server: Counting) -> None:
    """Their addresses have other forms. One that is not understood never breaks the application."""
    net = Net(
        _perimeter(server, HostKind.COSMOS), lambda _: None, refuse=frozenset({HostKind.COSMOS})
    )
    net.cast()
    try:
        for address in (("can0",), (), "/run/some.socket", b"/run/some.socket", (1, 2), None, ("", None)):
            sys.audit("socket.connect", None, address)
        sys.audit("socket.getaddrinfo", None, 80)
        sys.audit("socket.getaddrinfo", "cosmos.example", Odd("443"), 0, 0, 0)
        sys.audit("socket.gethostbyname", bytearray(b"x"))
    finally:
        net.draw_in()


def _net(report: Callable[[Sighting], None], host: str = "cosmos.example") -> Net:
    perimeter = Perimeter(hosts=(GuardedHost(host=host, kind=HostKind.COSMOS),))
    return Net(perimeter=perimeter, report=report)


def _heard(host: str, event: str, args: tuple[object, ...]) -> list[Sighting]:
    """What a net over that host says of one event."""
    seen: list[Sighting] = []
    net = _net(seen.append, host)
    net.cast()
    try:
        sys.audit(event, *args)
    finally:
        net.draw_in()
    return seen


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("socket.connect", (None, ("cosmos.example", 443))),
        ("socket.connect", (None, ("cosmos.example", 443, 0, 0))),
        ("socket.getaddrinfo", ("Cosmos.Example.", 443, 0, 0, 0)),
        ("socket.getaddrinfo", (b"cosmos.example", "https", 0, 0, 0)),
        ("socket.gethostbyname", ("cosmos.example",)),
        ("http.client.connect", (None, "cosmos.example", 443)),
    ],
)
def test_each_way_to_reach_for_a_name_is_seen(event: str, args: tuple[object, ...]) -> None:
    (sighting,) = _heard("cosmos.example", event, args)
    assert (sighting.event, sighting.host, sighting.kind) == (event, "cosmos.example", HostKind.COSMOS)
    assert sighting.refused is False
    assert sighting.thread == threading.current_thread().name


def test_each_reach_is_said_once_while_the_net_is_cast() -> None:
    """Drawn in it says nothing; cast again it says it again, and other events are not its own."""
    seen: list[Sighting] = []
    net = _net(seen.append)
    said = []
    for _ in range(2):
        net.cast()
        try:
            for _ in range(3):
                sys.audit("socket.gethostbyname", "cosmos.example")
            sys.audit("socket.bind", "cosmos.example", 443)
        finally:
            net.draw_in()
        sys.audit("http.client.connect", None, "cosmos.example", 443)
        said.append([sighting.event for sighting in seen])
    once = "socket.gethostbyname"
    assert said == [[once], [once, once]]


def test_the_net_hooks_in_once() -> None:
    """A hook cannot be taken out again: casting for ever must not pile them up."""
    hooks: list[str] = []
    sys.addaudithook(lambda event, _: hooks.append(event) if event == "sys.addaudithook" else None)
    net = _net(lambda _: None)
    for _ in range(3):
        net.cast()
        net.draw_in()
    assert hooks == ["sys.addaudithook"]


def test_a_report_that_reaches_out_itself_is_not_reported() -> None:
    """It would be told of its own telling for ever."""
    seen: list[Sighting] = []

    def report(sighting: Sighting) -> None:
        seen.append(sighting)
        sys.audit("socket.getaddrinfo", "cosmos.example", 443, 0, 0, 0)

    net = _net(report)
    net.cast()
    try:
        sys.audit("http.client.connect", None, "cosmos.example", 443)
    finally:
        net.draw_in()
    assert [sighting.event for sighting in seen] == ["http.client.connect"]


@pytest.mark.parametrize(
    ("event", "args", "seen_too"),
    [
        ("http.client.connect", (None, "127.0.0.1", 7), True),
        ("http.client.connect", (None, "127.0.0.1", 8), False),
        ("socket.getaddrinfo", ("127.0.0.1", 7, 0, 0, 0), True),
        ("socket.getaddrinfo", ("127.0.0.1", 8, 0, 0, 0), False),
        ("socket.connect", (None, ("127.0.0.1", 7)), True),
        ("socket.connect", (None, ("127.0.0.1", 8)), False),
        ("socket.gethostbyname", ("127.0.0.1",), False),
    ],
)
def test_a_port_is_part_of_a_name_that_has_one(
    event: str, args: tuple[object, ...], seen_too: bool
) -> None:
    """Another port of the same machine is another host."""
    assert bool(_heard("127.0.0.1:7", event, args)) is seen_too
