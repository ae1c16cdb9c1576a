"""Requests sent by each client over a wire to the raw server, and what is to be true of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from azure.core.pipeline.transport import HttpRequest
from botocore.awsrequest import (  # type: ignore[import-untyped, unused-ignore]
    AWSPreparedRequest,
    HeadersDict,
)
from botocore.httpsession import (  # type: ignore[import-untyped, unused-ignore]
    URLLib3Session,
)

from rollback.guard.rules.judge import decide
from rollback.guard.rules.request import Normal, Request
from rollback.guard.wire import Wire, azure_wire, httpx_wire
from rollback.guard.wire.botocore_wire import GuardedClient
from rollback.guard.wire.gate import Admitted
from rollback.model.direction import Direction, Undo
from rollback.model.effect import BoundedBody, HttpWrite, Purpose
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from tests.guard.support import Bench, bench
from tests.guard.wire.raw import Raw, Taken

CLIENTS = ("httpx", "httpx-async", "azure-core", "azure-core-aio", "botocore")
ADDED = frozenset({
    "accept", "accept-encoding", "connection", "content-length", "host", "user-agent", "x-request-id",
})  # fmt: skip
"""What a client may add below the guard."""


@dataclass(frozen=True, slots=True)
class Recording(Wire):
    """Keeps the normal form of what was let through."""

    admitted: list[Normal] = field(default_factory=list)

    def admit(self, request: Request) -> Admitted:
        admitted = Wire.admit(self, request)
        normal = decide(request, self.scope, self.perimeter, {})[1]
        assert normal is not None
        self.admitted.append(normal)
        return admitted


def put(times: int = 1_000_000) -> HttpWrite:
    return HttpWrite(
        id="keep", method="PUT", host="store.example", path="/b/{key}",
        body=BoundedBody(bytes_max=1000), condition="create-only", purpose=Purpose.EVIDENCE,
        times_max=times, direction=Direction.NEITHER, undo=Undo(possible=False, by=""),
    )  # fmt: skip


def over(raw: Raw, kind: HostKind = HostKind.STORE, times: int = 1_000_000, **host: Any) -> Bench:
    """A wire over one host, the raw server, that may be read and written below one path."""
    guarded = GuardedHost(host=raw.host, kind=kind, **host)
    effect = put(times).model_copy(update={"host": raw.host})
    return bench([effect], perimeter=Perimeter(hosts=(guarded,)), make=Recording)


Send = Callable[..., None]


def sender(name: str, wire: Wire) -> Send:
    """Send a request by that client, whatever it answers. Raises what the guard raises."""
    match name:
        case "httpx":
            transport = httpx_wire.transport(wire)

            def by_httpx(method: str, url: str, headers: dict[str, str], body: bytes | None) -> None:
                with httpx.Client(transport=transport, trust_env=False) as client:
                    client.request(method, url, headers=headers, content=body)

            return by_httpx
        case "httpx-async":

            def by_async(method: str, url: str, headers: dict[str, str], body: bytes | None) -> None:
                async def go() -> None:
                    made = httpx_wire.async_transport(wire)
                    async with httpx.AsyncClient(transport=made, trust_env=False) as client:
                        await client.request(method, url, headers=headers, content=body)

                asyncio.run(go())

            return by_async
        case "azure-core":
            made = azure_wire.transport(wire)
            return lambda *parts, **more: made.send(azure_request(*parts), **more)
        case "azure-core-aio":

            def by_aio(*parts: Any, **more: Any) -> None:
                async def go() -> None:
                    async with azure_wire.aio_transport(wire) as aio:
                        await aio.send(azure_request(*parts), **more)

                asyncio.run(go())

            return by_aio
        case _:
            return _by_botocore(wire)


def azure_request(method: str, url: str, headers: dict[str, str], body: bytes | None) -> Any:
    made = HttpRequest(method, url, headers=headers)
    if body is not None:
        made.set_bytes_body(body)
    return made


def _by_botocore(wire: Wire) -> Send:
    leaf = URLLib3Session()
    client = GuardedClient(wire, leaf.send, leaf.close)

    def send(method: str, url: str, headers: dict[str, str], body: bytes | None) -> None:
        client.before_send(AWSPreparedRequest(method, url, HeadersDict(headers), body, False))

    return send


def agrees(judged: Normal, taken: Taken) -> None:
    assert taken.method == judged.method
    assert taken.path == judged.path, (taken.line, judged.path)
    assert taken.query == list(judged.query)
    assert taken.header("host") == [judged.host]
    assert taken.body == judged.body
    assert taken.header("transfer-encoding") == []
    said = [name.lower() for name, _ in taken.headers]
    assert len(set(said)) == len(said)
    for name, value in judged.headers.items():
        assert [one.strip() for one in taken.header(name)] == [value.strip()], (name, value)
    assert set(said) - set(judged.headers) <= ADDED
