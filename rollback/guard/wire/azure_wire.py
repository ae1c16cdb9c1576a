"""The guard under azure-core: below its policies and retries, at the last point before the socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollback.guard.rules.request import Request
from rollback.guard.wire.gate import REQUEST_ID
from rollback.guard.wire.network import mapped, tls_context

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AsyncHttpTransport, RequestsTransport

    from rollback.guard.wire.gate import Wire


def transport(wire: Wire) -> RequestsTransport:
    """A transport for ``transport=`` of any azure-core client. Has `name` and `carry` for canaries."""
    from azure.core.pipeline.transport import HttpRequest, RequestsTransport

    from rollback.guard.wire.requests_adapter import guarded_session

    class GuardedRequestsTransport(RequestsTransport):  # type: ignore[misc, unused-ignore]
        """Sends through a guarded session; callers cannot turn verification off or name a proxy."""

        name = "azure-core"

        def __init__(self) -> None:
            super().__init__(session=guarded_session(wire), use_env_settings=False)

        def send(self, request: Any, *, proxies: Any = None, **kwargs: Any) -> Any:
            del proxies
            for name in ("connection_verify", "connection_cert", "verify", "cert"):
                kwargs.pop(name, None)
            return super().send(request, proxies={}, connection_verify=True, **kwargs)

        def carry(self, request: Request) -> None:
            """Put a canary through."""
            self.send(_canary(HttpRequest, request))

    return GuardedRequestsTransport()


def aio_transport(wire: Wire) -> AsyncHttpTransport[Any, Any]:
    """The same for ``azure.*.aio`` clients, over aiohttp. For embedders."""
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult
    from azure.core.pipeline.transport import AioHttpTransport, HttpRequest
    from yarl import URL

    class Resolver(AbstractResolver):
        """Answers from the resolve map, else asks the system."""

        def __init__(self) -> None:
            self._system = aiohttp.ThreadedResolver()

        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
            address = mapped(wire.network, host, port)
            if address is None:
                return await self._system.resolve(host, port, family)
            name, number = address
            return [
                ResolveResult(hostname=host, host=name, port=number, family=2, proto=0, flags=0)
            ]

        async def close(self) -> None:
            await self._system.close()

    class GuardedAioHttpTransport(AioHttpTransport):  # type: ignore[misc, unused-ignore]
        """Judges what aiohttp will send, in aiohttp's own form of the address."""

        name = "azure-core-aio"

        def __init__(self) -> None:
            super().__init__(use_env_settings=False)
            self.session: Any = None

        async def open(self) -> None:
            if not self.session and not self._has_been_opened:
                self.session = aiohttp.ClientSession(
                    trust_env=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    connector=aiohttp.TCPConnector(
                        resolver=Resolver(),
                        ssl=tls_context(wire.network.ca_file),
                        use_dns_cache=False,
                    ),
                )
            await super().open()

        async def send(self, request: Any, **kwargs: Any) -> Any:
            for name in ("connection_verify", "connection_cert", "proxies", "proxy", "ssl"):
                kwargs.pop(name, None)
            headers = request.headers
            if REQUEST_ID not in headers:
                headers[REQUEST_ID] = wire.next_id()
            _form_to_bytes(request)
            body = request.data
            if isinstance(body, str):
                body = request.data = body.encode()
            admitted = wire.admit(
                Request(
                    method=request.method,
                    url=str(URL(request.url)),
                    headers=tuple((str(name), str(value)) for name, value in headers.items()),
                    body=body if isinstance(body, bytes) else None,
                    streamed=bool(request.files) or not isinstance(body, bytes | None),
                )
            )
            wire.trap.swallow(admitted.request_id)
            if wire.network.proxy is not None:
                kwargs["proxy"] = wire.network.proxy
            try:
                response = await super().send(request, connection_verify=True, **kwargs)
            except BaseException as error:
                wire.failed(admitted, error)
                raise
            answer = {name.lower(): value for name, value in response.headers.items()}
            wire.answered(admitted, response.status_code, answer)
            return response

        def carry(self, request: Request) -> None:
            """Put a canary through; it ends before anything is awaited."""
            step = self.send(_canary(HttpRequest, request))
            try:
                step.send(None)
            except StopIteration:
                return
            finally:
                step.close()

    return GuardedAioHttpTransport()


def _form_to_bytes(request: Any) -> None:
    """Write a form as bytes, as aiohttp would, so that what is judged is what is sent."""
    from urllib.parse import urlencode

    if isinstance(request.data, dict) and not request.files:
        request.data = urlencode(request.data).encode()
        if "Content-Type" not in request.headers:
            request.headers["Content-Type"] = "application/x-www-form-urlencoded"


def _canary(make: Any, request: Request) -> Any:
    built = make(request.method, request.url, headers=dict(request.headers))
    if request.body:
        built.set_bytes_body(request.body)
    return built
