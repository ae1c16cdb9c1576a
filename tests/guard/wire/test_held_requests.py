"""A request that somebody else holds, or that is not what it says, leaves as it was judged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import requests
from azure.core.pipeline.transport import HttpRequest as PipelineRequest
from azure.core.rest import HttpRequest
from botocore.awsrequest import (  # type: ignore[import-untyped, unused-ignore]
    AWSPreparedRequest,
    HeadersDict,
)
from botocore.httpsession import (  # type: ignore[import-untyped, unused-ignore]
    URLLib3Session,
)
from websockets.exceptions import InvalidStatus

from rollback.errors import GuardRefusal
from rollback.guard.rules.request import Request
from rollback.guard.wire import aiohttp_transport, azure_wire, httpx_wire, socket_wire
from rollback.guard.wire.botocore_wire import GuardedClient
from rollback.guard.wire.gate import Admitted
from rollback.guard.wire.requests_adapter import GuardedAdapter
from rollback.model.scope import HostKind
from tests.guard.wire.leaving import CLIENTS, Recording, agrees, azure_request, over, sender
from tests.guard.wire.raw import Raw, raw_server


@pytest.fixture
def raw() -> Iterator[Raw]:
    with raw_server() as running:
        yield running


@pytest.fixture(params=CLIENTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Lying(str):  # noqa: SLOT000 (it has to keep what it says)
    """Text that answers to another name than it is written with."""

    says: str

    def __eq__(self, other: object) -> bool:
        return self.says == other

    def __hash__(self) -> int:
        return hash(self.says)

    def __str__(self) -> str:
        return self.says

    def lower(self) -> str:
        return self.says.lower()

    def upper(self) -> str:
        return self


def lying(written: str, says: str) -> Lying:
    made = Lying(written)
    made.says = says
    return made


class LyingBytes(bytes):
    """The same for what clients keep as bytes."""

    def decode(self, *_: Any, **__: Any) -> str:
        return "x-plain"

    def __bytes__(self) -> bytes:
        return b"x-plain"


def test_text_that_lies_about_itself_is_refused_or_read_by_its_content(name: str, raw: Raw) -> None:
    """A subclass of text may compare, hash and print as one thing, and be written as another."""
    told = over(raw)
    send = sender(name, told.wire)
    for method, path, headers in (
        (lying("DELETE", "GET"), "/b/1", {}),
        ("GET", "/b/1", {lying("X-HTTP-Method", "x-plain"): "DELETE"}),
        ("GET", "/b/1", {"accept": lying("a\r\nX-HTTP-Method: DELETE", "a")}),
        ("GET", "/b/1", {LyingBytes(b"X-HTTP-Method"): b"DELETE"}),
        ("GET", lying("/b/2?_method=DELETE", "/b/1"), {}),
    ):
        try:
            send(method, raw.url + path, headers, None)
        except Exception:  # noqa: BLE001, S112 (the guard's refusal, or the client's own)
            continue
        agrees(told.wire.admitted[-1], raw.taken[-1])  # type: ignore[attr-defined]
    for taken in raw.taken:
        assert taken.method == "GET"
        assert not {"x-http-method"} & {said.lower() for said, _ in taken.headers}
        assert "_method" not in taken.target


def test_what_is_changed_after_the_verdict_does_not_leave(raw: Raw) -> None:
    """Whoever still holds the request (a hook, another thread) holds a copy of what is sent."""
    told = over(raw)
    held: list[Any] = []

    @dataclass(frozen=True, slots=True)
    class Changing(Recording):
        def admit(self, request: Request) -> Admitted:
            admitted = Recording.admit(self, request)
            changed = held[-1]
            changed.method = "DELETE"
            changed.url = httpx.URL(f"{raw.url}/b/2") if hasattr(changed, "stream") else f"{raw.url}/b/2"
            changed.headers["X-HTTP-Method"] = "DELETE"
            if not hasattr(changed, "stream"):
                changed.body = b"other"
            if hasattr(changed, "data"):
                changed.data, changed.files = b"other", {"f": ("n", b"other")}
            return admitted

    parts = {one: getattr(told.wire, one) for one in ("scope", "perimeter", "ledger", "latch", "exchanges", "network", "clock")}
    wire = Changing(**parts)
    headers = {"If-None-Match": "*", "Content-Type": "text/plain", "Content-Length": "1"}

    by_httpx = httpx_wire.transport(wire)
    held.append(httpx.Request("PUT", f"{raw.url}/b/1", headers=headers, content=b"x"))
    by_httpx.handle_request(held[-1]).close()
    by_httpx.close()

    held.append(AWSPreparedRequest("PUT", f"{raw.url}/b/1", HeadersDict(headers), b"x", False))
    leaf = URLLib3Session()
    GuardedClient(wire, leaf.send, leaf.close).before_send(held[-1])

    held.append(requests.Request("PUT", f"{raw.url}/b/1", headers=headers, data=b"x").prepare())
    GuardedAdapter(wire).send(held[-1]).close()

    async def by_aio(*requests: Any) -> None:
        async with azure_wire.aio_transport(wire) as aio:
            for request in requests:
                held.append(request)
                await aio.send(request)

    made = azure_request("PUT", f"{raw.url}/b/1", headers, b"x")
    asyncio.run(by_aio(made, HttpRequest("PUT", f"{raw.url}/b/1", headers=headers, content=b"x")))

    assert len(raw.taken) == len(wire.admitted) == 5
    for judged, taken in zip(wire.admitted, raw.taken, strict=True):
        agrees(judged, taken)
        assert (taken.method, taken.target, taken.body) == ("PUT", "/b/1", b"x")


def test_a_body_without_a_length_leaves_whole(raw: Raw) -> None:
    """By itself requests would send it in chunks: another framing than the one that was judged."""
    told = over(raw)
    made = azure_request("PUT", f"{raw.url}/b/1", {"If-None-Match": "*"}, b"abc")
    del made.headers["Content-Length"]
    azure_wire.transport(told.wire).send(made)
    (taken,) = raw.taken
    assert (taken.header("content-length"), taken.body) == (["3"], b"abc")
    assert taken.header("transfer-encoding") == []


def test_an_aiohttp_that_cannot_be_told_to_send_once_is_not_used(
    raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiohttp_transport, "_RESENDS", "_not_there_any_more")
    send = sender("azure-core-aio", over(raw).wire)
    with pytest.raises(RuntimeError, match="may send a request twice"):
        send("GET", f"{raw.url}/b/1", {}, None)
    assert raw.taken == []


def test_a_web_socket_opens_with_one_of_each_header(raw: Raw) -> None:
    """What websockets adds by itself cannot be added again; its handshake is what was judged."""
    told = over(raw, HostKind.WEB)
    url = f"ws://{raw.host}/live?a=1"
    of_sockets = (f"Sec-WebSocket-{one}" for one in ("Key", "Protocol", "Version"))
    for twice in ("Host", "Connection", "Upgrade", *of_sockets):
        with pytest.raises(GuardRefusal), socket_wire.connect(told.wire, url, ((twice, raw.host),)):
            pass
    assert raw.taken == []
    with (
        pytest.raises(InvalidStatus),
        socket_wire.connect(told.wire, url, (("X-Plain", "a"),), subprotocols=("bearer.t",)),
    ):
        pass
    (taken,) = raw.taken
    assert (taken.method, taken.target) == ("GET", "/live?a=1")
    assert taken.header("x-plain") == ["a"]
    assert taken.header("sec-websocket-protocol") == ["bearer.t"]
    said = [header.lower() for header, _ in taken.headers]
    assert len(set(said)) == len(said)


def test_a_web_socket_does_not_follow_where_it_is_sent(raw: Raw) -> None:
    """Opened there, it would be judged by nobody."""
    told = over(raw, HostKind.WEB)
    raw.answer = b"HTTP/1.1 307 X\r\nLocation: /api/control\r\nContent-Length: 0\r\n\r\n"
    with (
        pytest.raises(InvalidStatus),
        socket_wire.connect(told.wire, f"ws://{raw.host}/live"),
    ):
        pass
    assert [taken.target for taken in raw.taken] == ["/live"]


def test_a_header_that_the_next_server_takes_out_does_not_leave(name: str, raw: Raw) -> None:
    """Named in Connection, the condition of a permitted write is gone where it counts."""
    told = over(raw)
    headers = {"If-None-Match": "*", "Connection": "If-None-Match", "Content-Length": "1"}
    send = sender(name, told.wire)
    with pytest.raises(GuardRefusal) as refused:
        send("PUT", f"{raw.url}/b/1", headers, b"x")
    assert refused.value.code == "guard.normal.connection"
    assert raw.taken == []
    assert told.ledger.spent == []


class Turns:
    """Names another place each time it is asked for one but the first."""

    asked = 0

    @property
    def url(self) -> str:
        self.asked += 1
        return self.place if self.asked == 1 else self.place.replace("/b/1", "/b/2")

    @url.setter
    def url(self, place: str) -> None:
        self.place = place


class Turning(Turns, PipelineRequest):
    """A request that turns."""


class TurningRest(Turns, HttpRequest):
    """The same of azure-core's newer kind."""


@pytest.mark.parametrize("kind", [Turning, TurningRest])
def test_a_request_that_turns_leaves_as_it_was_judged(kind: Any, raw: Raw) -> None:
    told = over(raw)

    async def by_aio() -> None:
        async with azure_wire.aio_transport(told.wire) as aio:
            await aio.send(kind("GET", f"{raw.url}/b/1"))

    asyncio.run(by_aio())
    azure_wire.transport(told.wire).send(kind("GET", f"{raw.url}/b/1"))
    assert [taken.path for taken in raw.taken] == [one.path for one in told.wire.admitted]  # type: ignore[attr-defined]
    assert len(raw.taken) == 2
