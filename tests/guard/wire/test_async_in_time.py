"""What embedders' async transports wait for ends: heads, interim answers, bodies, a silent server."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import httpcore
import httpx
import pytest
from azure.core.exceptions import ServiceResponseTimeoutError
from azure.core.pipeline.transport import HttpRequest

from rollback.guard.wire import Wire, aiohttp_transport, azure_wire, httpx_wire, timed_stream
from rollback.guard.wire.timed_stream import AsyncTimedStream
from rollback.model.environment import Network
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from tests.connectors.loopback import Little, Said, answer, serving
from tests.guard.support import bench

INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
SHORT = 0.05


GOES_ON = {"a head": HEAD[:15], "interim answers": INTERIM, "a body": HEAD + b"x"}
IN_TIME: dict[str, Callable[[int], Said]] = {
    "interim answers": lambda _: [INTERIM * 1000, answer("200 OK", b"{}")],
    "a body": lambda _: [answer("200 OK", b" " * 200_000)],
}


def wire_to(host: str, proxy: str | None = None) -> Wire:
    guarded = GuardedHost(host=host, kind=HostKind.BACKEND)
    return bench(perimeter=Perimeter(hosts=(guarded,)), network=Network(proxy=proxy)).wire


async def by_httpx(wire: Wire, url: str) -> int:
    patient = httpx.Timeout(None)
    async with httpx.AsyncClient(
        transport=httpx_wire.async_transport(wire), timeout=patient
    ) as client:
        return len((await client.get(url)).content)


async def by_azure(wire: Wire, url: str) -> int:
    async with azure_wire.aio_transport(wire) as aio:
        return len((await aio.send(HttpRequest("GET", url), read_timeout=None)).body())


async def by_azure_in_parts(wire: Wire, url: str) -> int:
    async with azure_wire.aio_transport(wire) as aio:
        came = await aio.send(HttpRequest("GET", url), stream=True, read_timeout=None)
        parts: Any = came.stream_download(None)
        try:
            return sum([len(part) async for part in parts])
        finally:
            came.internal_response.close()


CLIENTS = {"httpx": by_httpx, "azure-core": by_azure, "azure-core, in parts": by_azure_in_parts}
ERRORS = (httpx.ReadTimeout, ServiceResponseTimeoutError)


@contextmanager
def stuck(said: bytes) -> Iterator[Little]:
    """A server that begins an answer, and goes on with it when the block ends, or too late."""
    over = threading.Event()

    def say(_: int) -> Iterable[bytes]:
        yield said
        over.wait(10)

    with serving(say) as little:
        yield little
        over.set()


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("what", GOES_ON)
def test_what_does_not_end_is_not_waited_for(
    name: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_stream, "SECONDS_MAX", SHORT)
    monkeypatch.setattr(aiohttp_transport, "SECONDS_MAX", SHORT)
    with stuck(GOES_ON[what]) as little, pytest.raises(ERRORS):
        asyncio.run(CLIENTS[name](wire_to(little.host), f"http://{little.host}/a"))


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("what", IN_TIME)
def test_what_comes_in_time_is_whole(name: str, what: str) -> None:
    with serving(IN_TIME[what]) as little:
        found = asyncio.run(CLIENTS[name](wire_to(little.host), f"http://{little.host}/a"))
    assert found == (2 if what == "interim answers" else 200_000)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_proxy_that_goes_on_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, *, asynchronous: bool
) -> None:
    monkeypatch.setattr(timed_stream, "SECONDS_MAX", -1.0)
    pieces = [INTERIM] * 5000

    def ask(wire: Wire) -> None:
        if asynchronous:
            asyncio.run(by_httpx(wire, "https://a.example/a"))
        with httpx.Client(transport=httpx_wire.transport(wire)) as client:
            client.get("https://a.example/a")

    with serving(lambda _: pieces) as little, pytest.raises(httpx.ReadTimeout):
        ask(wire_to("a.example", f"http://{little.host}"))


def test_of_the_limits_of_azure_core_the_others_stay() -> None:
    """For connecting, and for each piece."""
    seen: list[aiohttp.ClientTimeout] = []

    class Session:
        async def request(self, *args: str, timeout: aiohttp.ClientTimeout) -> str:  # noqa: ASYNC109
            seen.append(timeout)
            return " ".join(args)

    session = aiohttp_transport._TimedSession(Session())  # type: ignore[arg-type]
    named = aiohttp.ClientTimeout(sock_connect=1.0, sock_read=2.0)
    assert asyncio.run(session.request("GET", "/a", timeout=named)) == "GET /a"
    assert seen == [aiohttp.ClientTimeout(total=120.0, sock_connect=1.0, sock_read=2.0)]


class Hands:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


class Plain(httpcore.AsyncNetworkStream):
    """A connection that keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def start_tls(self, *args: Any) -> httpcore.AsyncNetworkStream:
        self.asked.append(args)
        return self

    async def read(self, *args: Any) -> bytes:
        self.asked.append(args)
        return b"a"

    async def write(self, *args: Any) -> None:
        self.asked.append(args)

    def get_extra_info(self, info: str) -> Any:
        return info.upper()

    async def aclose(self) -> None:
        self.asked.append("close")


@pytest.mark.parametrize(("later", "stops"), [(120.0, False), (120.5, True)])
def test_it_counts_from_the_first_byte(
    monkeypatch: pytest.MonkeyPatch, later: float, *, stops: bool
) -> None:
    hands, plain = Hands(), Plain()
    monkeypatch.setattr(timed_stream, "time", hands)

    async def go() -> None:
        stream = AsyncTimedStream(plain)
        hands.now += 500.0  # how long nothing comes is for the limit of httpx
        await stream.read(9)
        hands.now += later
        if stops:
            with pytest.raises(httpcore.ReadTimeout):
                await stream.read(9)
            await stream.write(b"another request")
        await stream.read(9)

    asyncio.run(go())
    assert plain.asked[-1] == ((9, None) if stops else (9, 0.0))


def test_who_waits_less_is_not_made_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    hands, plain = Hands(), Plain()
    monkeypatch.setattr(timed_stream, "time", hands)

    async def go() -> None:
        stream = AsyncTimedStream(plain)
        for limit in (3.0, 3.0, 300.0):
            await stream.read(9, limit)

    asyncio.run(go())
    assert plain.asked == [(9, 3.0), (9, 3.0), (9, 120.0)]


def test_all_of_a_connection_is_there_over_tls_too() -> None:
    plain, context = Plain(), ssl.create_default_context()

    async def go() -> None:
        stream = await AsyncTimedStream(plain).start_tls(context, "a.example", 3.0)
        assert isinstance(stream, AsyncTimedStream)
        assert await stream.read(5, 2.0) == b"a"
        await stream.write(b"b", 1.0)
        assert stream.get_extra_info("socket") == "SOCKET"
        await stream.aclose()

    asyncio.run(go())
    assert plain.asked == [(context, "a.example", 3.0), (5, 2.0), (b"b", 1.0), "close"]
