"""The guard under the async clients of azure-core, over aiohttp. For embedders."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from azure.core.pipeline.transport import AioHttpTransport, HttpRequest
from azure.core.rest import HttpRequest as RestRequest
from azure.core.utils import case_insensitive_dict
from yarl import URL

from rollback.guard.rules.request import Request
from rollback.guard.wire.azure_wire import canary_request
from rollback.guard.wire.gate import REQUEST_ID
from rollback.guard.wire.net import guarded
from rollback.guard.wire.network import mapped, tls_context

if TYPE_CHECKING:
    from rollback.guard.wire.gate import Wire
    from rollback.model.environment import Network

SECONDS_MAX: Final = 120.0
"""The longest that an exchange may take, from connecting to the end of the answer's body."""
_FOR_CALLERS: Final = frozenset({"stream", "connection_timeout", "read_timeout"})
_NOT_FOR_CALLERS: Final = frozenset({"connection_verify", "connection_cert", "proxies"})
"""Left out without a word, as under requests: settled by the environment file."""
_RESENDS: Final = "_retry_connection"


class MappedResolver(AbstractResolver):
    """Answers from the resolve map, else asks the system."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Where to connect for a name."""
        address = mapped(self._network, host, port)
        if address is None:
            address = (host, port)
        infos = await asyncio.to_thread(
            socket.getaddrinfo, *address, family=family, type=socket.SOCK_STREAM
        )
        return [
            ResolveResult(
                hostname=host, host=str(at[0]), port=int(at[1]), family=kind, proto=proto, flags=0
            )
            for kind, _, proto, _, at in infos
        ]

    async def close(self) -> None:
        """Nothing is held."""


class _TimedSession:
    """A session whose exchanges end: azure-core names a limit for each piece, and none for all.

    aiohttp counts from connecting on to the end of the body, also where it is read in parts.
    """

    auto_decompress = False

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(self, *args: Any, timeout: aiohttp.ClientTimeout, **more: Any) -> Any:  # noqa: ASYNC109 (aiohttp's word)
        """Send one. Raises aiohttp's errors, and TimeoutError where its time is over."""
        bounded = aiohttp.ClientTimeout(
            total=SECONDS_MAX, sock_connect=timeout.sock_connect, sock_read=timeout.sock_read
        )
        return await self._session.request(*args, timeout=bounded, **more)

    async def __aenter__(self) -> Self:
        """What azure-core asks a session for; aiohttp's own does no more."""
        return self

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


class GuardedAioHttpTransport(AioHttpTransport):  # type: ignore[misc, unused-ignore]
    """Judges what aiohttp will send, in aiohttp's own form of the address."""

    name = "azure-core-aio"

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.session: Any = None
        self._wire = wire

    async def open(self) -> None:
        """Open the session: no environment, no cookies, our TLS context."""
        if not self.session and not self._has_been_opened:
            session = aiohttp.ClientSession(
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                connector=aiohttp.TCPConnector(
                    resolver=MappedResolver(self._wire.network),
                    ssl=tls_context(self._wire.network.ca_file, "aiohttp"),
                    use_dns_cache=False,
                ),
            )
            await _send_once(session)
            self.session = _TimedSession(session)
        await super().open()

    async def send(self, request: Any, **kwargs: Any) -> Any:
        """Send one attempt. Raises GuardRefusal, azure-core's own errors, and TypeError.

        azure-core hands words that it does not know down to aiohttp, which changes the request by
        them (``params``, ``json``, ``cookies``): after the verdict. None is taken.
        """
        kwargs = {name: value for name, value in kwargs.items() if name not in _NOT_FOR_CALLERS}
        if unknown := kwargs.keys() - _FOR_CALLERS:
            msg = f"the guard would not see what is made of: {', '.join(sorted(unknown))}"
            raise TypeError(msg)
        headers = request.headers
        if REQUEST_ID not in headers:
            headers[REQUEST_ID] = self._wire.next_id()
        body = _whole_body(request)
        judged = Request(
            method=request.method,
            url=str(URL(request.url)),
            headers=tuple(headers.items()),
            body=body if isinstance(body, bytes) else None,
            streamed=bool(request.files) or not isinstance(body, bytes | None),
        )
        admitted = self._wire.admit(judged)
        self._wire.trap.swallow(admitted.request_id)
        if self._wire.network.proxy is not None:
            kwargs["proxy"] = self._wire.network.proxy
        try:
            with guarded():
                sent = _sent(request, judged)
                response = await super().send(sent, connection_verify=True, **kwargs)
        except BaseException as error:
            self._wire.failed(admitted, error)
            raise
        answer = {name.lower(): value for name, value in response.headers.items()}
        self._wire.answered(admitted, response.status_code, answer)
        return response

    def carry(self, request: Request) -> None:
        """Put a canary through; it ends before anything is awaited."""
        self.send(canary_request(HttpRequest, request)).send(None)


async def _send_once(session: Any) -> None:
    """Switch off that aiohttp itself sends GET, PUT and DELETE again where no answer came.

    Raises RuntimeError where it has no such switch: each sending is to be judged.
    """
    if not hasattr(session, _RESENDS):
        await session.close()
        msg = "this aiohttp may send a request twice, and nothing here can tell it not to"
        raise RuntimeError(msg)
    setattr(session, _RESENDS, False)


def _sent(request: Any, judged: Request) -> Any:
    """A request that holds what was judged, and that nobody else holds.

    Of azure-core's own class: one of the caller's could answer otherwise each time it is asked.
    """
    kind = RestRequest if isinstance(request, RestRequest) else HttpRequest
    sent: Any = kind.__new__(kind)
    vars(sent).update(vars(request))
    sent.method, sent.url = judged.method, judged.url
    sent.headers = case_insensitive_dict(dict(judged.headers))
    sent.data, sent.files = judged.body, None
    return sent


def _whole_body(request: Any) -> Any:
    """The body as bytes, where it is whole; a form is written as aiohttp would write it."""
    body = request.data
    if isinstance(body, dict) and not request.files:
        body = request.data = urlencode(body).encode()
        if "Content-Type" not in request.headers:
            request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    elif isinstance(body, str):
        body = request.data = body.encode()
    return body
