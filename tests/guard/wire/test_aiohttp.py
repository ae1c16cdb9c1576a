"""The guard under aiohttp: what it makes of a body, of a closed transport, of a name."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import pytest
from azure.core.pipeline.transport import HttpRequest
from azure.core.rest import HttpRequest as RestRequest

from rollback.errors import GuardRefusal
from rollback.guard.wire import azure_wire
from rollback.guard.wire.aiohttp_transport import MappedResolver
from rollback.model.environment import Network
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from tests.guard.support import Bench, bench
from tests.guard.wire.leaving import agrees, azure_request, over
from tests.guard.wire.raw import ANSWER, Raw, Taken, raw_server


@pytest.fixture
def raw() -> Iterator[Raw]:
    with raw_server() as running:
        yield running


def sent(told: Bench, *requests: HttpRequest) -> None:
    async def go() -> None:
        async with azure_wire.aio_transport(told.wire) as aio:
            for request in requests:
                await aio.send(request)

    asyncio.run(go())


def only(raw: Raw, told: Bench) -> Taken:
    (taken,) = raw.taken
    agrees(told.wire.admitted[-1], taken)  # type: ignore[attr-defined]
    return taken


@pytest.mark.parametrize(
    ("headers", "media"),
    [
        ({}, "application/x-www-form-urlencoded"),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, "application/x-www-form-urlencoded; charset=utf-8"),
    ],
)
def test_a_form_is_judged_as_it_is_written(raw: Raw, headers: dict[str, str], media: str) -> None:
    told = over(raw, HostKind.WEB, reads=("/b/form",))
    form: Any = {"a": "b c", "d": "&"}
    request = HttpRequest("POST", f"{raw.url}/b/form", headers=headers)
    request.data = form
    sent(told, request)
    taken = only(raw, told)
    assert taken.body == b"a=b+c&d=%26"
    assert taken.header("content-type") == [media]


def test_text_is_judged_as_the_bytes_it_becomes(raw: Raw) -> None:
    told = over(raw, HostKind.WEB, reads=("/b/text",))
    request = HttpRequest("POST", f"{raw.url}/b/text", headers={"Content-Type": "text/plain"})
    request.data = "größer"
    sent(told, request)
    assert only(raw, told).body == "größer".encode()


def test_files_and_pieces_are_refused(raw: Raw) -> None:
    told = over(raw, HostKind.WEB, reads=("/b/text",))
    files = HttpRequest("POST", f"{raw.url}/b/text", files={"f": ("n", b"x")})
    both = HttpRequest("POST", f"{raw.url}/b/text", files={"f": ("n", b"x")})
    both.data = {"a": "b"}
    pieces = HttpRequest("POST", f"{raw.url}/b/text")
    coming: Any = iter([b"x"])
    pieces.data = coming
    for request in (files, both, pieces):
        with pytest.raises(GuardRefusal):
            sent(told, request)
    assert raw.taken == []


def test_a_closed_transport_stays_closed(raw: Raw) -> None:
    told = over(raw)

    async def go() -> None:
        aio = azure_wire.aio_transport(told.wire)
        async with aio:
            await aio.send(azure_request("GET", f"{raw.url}/b/1", {}, None))
        await aio.send(azure_request("GET", f"{raw.url}/b/2", {}, None))

    with pytest.raises(ValueError, match="closed"):
        asyncio.run(go())
    assert [taken.target for taken in raw.taken] == ["/b/1"]


def test_what_was_answered_is_told(raw: Raw) -> None:
    """By the provider's own id too, however its name is written."""
    told = over(raw)
    raw.answer = b"HTTP/1.1 404 X\r\nX-MS-Request-Id: p-1\r\nContent-Length: 0\r\n\r\n"
    sent(told, HttpRequest("GET", f"{raw.url}/b/1"))
    (seen,) = told.exchanges.seen_all
    assert (seen.method, seen.path, seen.status, seen.provider_id) == ("GET", "/b/1", 404, "p-1")


def test_an_answer_is_handed_on_as_it_came(raw: Raw) -> None:
    """Packed, where its bytes are asked for; azure-core unpacks it for whoever asks for the content."""
    packed = gzip.compress(b"{}")
    head = f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    raw.answer = b"HTTP/1.1 200 OK\r\n" + head.encode() + packed
    told = over(raw)

    async def go() -> tuple[bytes, bytes]:
        async with azure_wire.aio_transport(told.wire) as aio:
            streamed: Any = await aio.send(RestRequest("GET", f"{raw.url}/b/1"), stream=True)
            came = b"".join([part async for part in streamed.iter_raw()])
            return came, (await aio.send(RestRequest("GET", f"{raw.url}/b/1"))).content

    assert asyncio.run(go()) == (packed, b"{}")


def test_an_answer_knows_what_was_asked(raw: Raw) -> None:
    """All that azure-core keeps with a request, though what is sent is a request of our own."""
    told = over(raw, HostKind.WEB)
    asked = HttpRequest("GET", f"{raw.url}/b/1")
    asked.set_multipart_mixed(boundary="b")

    async def go() -> Any:
        async with azure_wire.aio_transport(told.wire) as aio:
            return await aio.send(asked)

    answer = asyncio.run(go())
    assert answer.request.multipart_mixed_info == asked.multipart_mixed_info


def test_a_name_is_looked_up_for_each_connection(
    raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that was moved meanwhile is followed at once, as the other clients do."""
    with raw_server() as moved:
        raw.answer = moved.answer = ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        ports = chain([raw.port], repeat(moved.port))

        def find(*_: object, **__: object) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", next(ports)))]

        monkeypatch.setattr(socket, "getaddrinfo", find)
        perimeter = Perimeter(hosts=(GuardedHost(host="localhost:4711", kind=HostKind.WEB),))
        get = [HttpRequest("GET", f"http://localhost:4711/{path}") for path in "ab"]
        sent(bench(perimeter=perimeter), *get)
        assert [taken.target for taken in raw.taken] == ["/a"]
        assert [taken.target for taken in moved.taken] == ["/b"]


@pytest.mark.parametrize(("name", "port"), [("127.0.0.1", 0), ("mapped.example", 7777)])
def test_a_name_is_looked_up_once_mapped(name: str, port: int) -> None:
    """A mapped name is connected to where the map says; another is the system's to find."""
    resolver = MappedResolver(Network(resolve=(("mapped.example:0", "127.0.0.1:7777"),)))
    found = asyncio.run(resolver.resolve(name))
    assert {(one["hostname"], one["host"], one["port"], one["flags"]) for one in found} == {
        (name, "127.0.0.1", port, 0)
    }
    asyncio.run(resolver.close())
