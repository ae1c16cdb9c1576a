"""The guard under httpx, sync and async."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import httpcore
import httpx

from rollback.guard.rules.request import Request
from rollback.guard.wire.gate import REQUEST_ID, latin
from rollback.guard.wire.net import guarded
from rollback.guard.wire.network import mapped, tls_context
from rollback.guard.wire.timed_stream import AsyncTimedStream, TimedStream
from rollback.model.environment import Network

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollback.guard.wire.gate import Wire


def transport(wire: Wire) -> GuardedTransport:
    """A transport for `httpx.Client(transport=...)`."""
    built = GuardedTransport(wire)
    wire.prove(built)
    return built


def async_transport(wire: Wire) -> AsyncGuardedTransport:
    """A transport for `httpx.AsyncClient(transport=...)`."""
    built = AsyncGuardedTransport(wire)
    wire.prove(built)
    return built


class _Backend(httpcore.SyncBackend):
    """Opens connections where the resolve map says; names stay real for TLS and Host."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        host, port = mapped(self._network, host, port) or (host, port)
        opened = super().connect_tcp(host, port, timeout, local_address, socket_options)
        return TimedStream(opened)


class _AsyncBackend(httpcore.AnyIOBackend):
    """The same for async."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the base's signature)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        host, port = mapped(self._network, host, port) or (host, port)
        failed = httpcore.ConnectError("the name has no address")
        with guarded():  # a lookup by the event loop would lose the mark; a copied context keeps it
            for address in await _lookup(host, port):
                try:
                    opened = await super().connect_tcp(
                        address, port, timeout, local_address, socket_options
                    )
                except httpcore.ConnectError as error:
                    failed = error
                else:
                    return AsyncTimedStream(opened)
        raise failed


async def _lookup(host: str, port: int) -> list[str]:
    try:
        found = await anyio.to_thread.run_sync(
            partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        )
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    return [str(address[0]) for *_, address in found]


def _through(proxy: str) -> dict[str, Any]:
    """The proxy as httpx would have it; on a connection of ours, whose answers have their time."""
    named = httpx.Proxy(proxy)
    url = named.url
    address = httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
    return {"proxy_url": address, "proxy_auth": named.raw_auth}


class _Leaf(httpx.HTTPTransport):
    """Below the guard: the network, or the trap for a canary that got through."""

    def __init__(self, wire: Wire) -> None:
        context = tls_context(wire.network.ca_file, "httpx")
        proxy = wire.network.proxy  # the base would make a pool of its own, and no more than that
        self._pool = (
            httpcore.ConnectionPool(ssl_context=context, network_backend=_Backend(wire.network))
            if proxy is None
            else httpcore.HTTPProxy(
                **_through(proxy), ssl_context=context, network_backend=_Backend(Network())
            )
        )
        self._wire = wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._wire.trap.swallow(request.headers[REQUEST_ID])
        with guarded():
            return super().handle_request(request)


class _AsyncLeaf(httpx.AsyncHTTPTransport):
    """The same for async."""

    def __init__(self, wire: Wire) -> None:
        context = tls_context(wire.network.ca_file, "httpx")
        proxy = wire.network.proxy
        self._pool = (
            httpcore.AsyncConnectionPool(
                ssl_context=context, network_backend=_AsyncBackend(wire.network)
            )
            if proxy is None
            else httpcore.AsyncHTTPProxy(
                **_through(proxy), ssl_context=context, network_backend=_AsyncBackend(Network())
            )
        )
        self._wire = wire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._wire.trap.swallow(request.headers[REQUEST_ID])
        return await super().handle_async_request(request)


def _judged(wire: Wire, request: httpx.Request) -> Request:
    """What is judged, and then sent: see `_sent`."""
    if REQUEST_ID not in request.headers:
        request.headers[REQUEST_ID] = wire.next_id()
    stream: Any = request.stream
    whole = type(stream) is httpx.ByteStream
    return Request(
        method=request.method,
        url=str(httpx.URL(request.url)),
        headers=tuple((latin(name), latin(value)) for name, value in request.headers.raw),
        body=b"".join(stream) if whole else None,
        streamed=not whole,
    )


def _sent(request: httpx.Request, judged: Request) -> httpx.Request:
    """A request that holds what was judged and nothing else, and that nobody else holds.

    Of the extensions only the time limits stay; others could name another target or TLS name.
    """
    timeout = request.extensions.get("timeout")
    return httpx.Request(
        judged.method,
        judged.url,
        headers=judged.headers,
        stream=httpx.ByteStream(judged.body or b""),
        extensions={} if timeout is None else {"timeout": timeout},
    )


class GuardedTransport(httpx.BaseTransport):
    """Judges every request, redirects included, before a connection is opened."""

    name = "httpx"

    def __init__(self, wire: Wire) -> None:
        """Build the leaf for the wire's network."""
        self._wire = wire
        self._leaf = _Leaf(wire)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one attempt. Raises GuardRefusal, and httpx's own errors."""
        judged = _judged(self._wire, request)
        admitted = self._wire.admit(judged)
        try:
            response = self._leaf.handle_request(_sent(request, judged))
        except BaseException as error:
            self._wire.failed(admitted, error)
            raise
        self._wire.answered(admitted, response.status_code, response.headers)
        return response

    def carry(self, request: Request) -> None:
        """Put a canary through."""
        self.handle_request(_canary(request))

    def close(self) -> None:
        """Close the connections."""
        self._leaf.close()


class AsyncGuardedTransport(httpx.AsyncBaseTransport):
    """The same for async."""

    name = "httpx-async"

    def __init__(self, wire: Wire) -> None:
        """Build the leaf for the wire's network."""
        self._wire = wire
        self._leaf = _AsyncLeaf(wire)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one attempt. Raises GuardRefusal, and httpx's own errors."""
        judged = _judged(self._wire, request)
        admitted = self._wire.admit(judged)
        try:
            response = await self._leaf.handle_async_request(_sent(request, judged))
        except BaseException as error:
            self._wire.failed(admitted, error)
            raise
        self._wire.answered(admitted, response.status_code, response.headers)
        return response

    def carry(self, request: Request) -> None:
        """Put a canary through; it ends before anything is awaited."""
        self.handle_async_request(_canary(request)).send(None)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._leaf.aclose()


def _canary(request: Request) -> httpx.Request:
    return httpx.Request(
        request.method, request.url, headers=list(request.headers), content=request.body
    )
