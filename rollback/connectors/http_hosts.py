"""One host over guarded httpx: the implementation of `HttpPort`.

A GET is asked again only when nobody answered; whatever is answered is an answer. Redirects are
not followed, cookies are not kept, and an answer's size is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from threading import Lock
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

from rollback.connectors.crossing import Border, Failure
from rollback.connectors.reading import read_again
from rollback.errors import ConnectorError, ProductDefect
from rollback.model.ports import Answer, Clock, RefusalLatch, SocketHello

if TYPE_CHECKING:
    import httpx

    from rollback.model.effect import HttpWrite

BYTES_MAX = 16 * 2**20
TIMEOUT_S = 10.0
BODY_S_MAX = 60.0
"""The longest that an answer's body may take: one that comes byte by byte never ends."""
REQUEST_ID = "x-request-id"
CODINGS = ("gzip", "deflate")
"""How an answer may be packed, and that once: each unpacks to a thousand times its size at most.

Packed twice, two kilobytes are two gigabytes before anybody can count them, and other codings
(httpx knows them where their packages are installed) do that at once.
"""

Headers = tuple[tuple[str, str], ...]


class Socket(Protocol):
    """An open web socket, as much of it as is used."""

    def receive(self, timeout_s: float) -> str | bytes:
        """The next message. Raises TimeoutError."""
        ...


OpenSocket = Callable[[str, Headers, float], AbstractContextManager[Socket]]
"""Opens a guarded web socket: address, headers, time limit in seconds."""


def http_failure(error: Exception) -> Failure | None:
    """What an exception of httpx means."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return Failure("timeout", "no answer in time", transient=True)
    if isinstance(error, httpx.ConnectError):
        return Failure("unreachable", "it could not be reached", transient=True)
    if isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError)):
        return Failure("dropped", "the connection broke before the answer", transient=True)
    if isinstance(error, (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)):
        return Failure("unreadable", "the request or its answer was not valid", transient=False)
    return None


class HttpHost:
    """One host, for one scope. Safe to read from several threads."""

    def __init__(  # noqa: PLR0913 (every part is passed in)
        self,
        *,
        host: str,
        transport: Callable[[], httpx.BaseTransport],
        socket: OpenSocket,
        latch: RefusalLatch,
        clock: Clock,
        echoes: bool = False,
        scheme: str = "https",
        timeout_s: float = TIMEOUT_S,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        """transport: makes guarded transports. echoes: the host is to return our x-request-id."""
        self.host = host
        self._base = f"{scheme}://{host}"
        self._transport = transport
        self._socket = socket
        self._border = Border("http", latch, http_failure)
        self._socket_border = Border("socket", latch, socket_failure)
        self._clock = clock
        self._echoes = echoes
        self._timeout_s = timeout_s
        self._bytes_max = bytes_max
        self._lock = Lock()
        self._kept: httpx.Client | None = None

    def get(
        self,
        path: str,
        *,
        query: Headers = (),
        headers: Headers = (),
        fresh: bool = False,
        tries: int = 2,
    ) -> Answer:
        """GET. fresh: a new connection, and headers that forbid cached answers."""
        if fresh:
            headers = (("cache-control", "no-cache, no-store"), ("pragma", "no-cache"), *headers)
        target = f"{path}?{urlencode(query)}" if query else path
        return read_again(
            lambda: self._once("GET", target, None, headers, fresh=fresh), self._clock, tries=tries
        )

    def read_by_post(self, path: str, body: bytes, headers: Headers) -> Answer:
        """POST to a path the environment declares as a read. Sent once."""
        return self._once("POST", path, body, headers)

    def exchange(self, path: str, body: bytes, headers: Headers) -> Answer:
        """Ask for a token. Sent once; the answer's body is a secret."""
        return self._once("POST", path, body, headers)

    def send(
        self, effect: HttpWrite, body: bytes, headers: Headers, *, secret_target: str = ""
    ) -> Answer:
        """Send exactly one permitted write, once, whatever comes back.

        secret_target: path and query that only the wire may know. The transport is used directly
        then: httpx writes every address that its client asks to the log of the process.
        """
        if effect.host != self.host:
            msg = f"effect {effect.id} is for {effect.host}, not for {self.host}"
            raise ProductDefect("http.wrong-host", msg, promise="plan-is-permission")
        if secret_target:
            return self._once_in_secret(effect, secret_target, body, headers)
        query = f"?{urlencode(effect.query)}" if effect.query else ""
        return self._once(effect.method, f"{effect.path}{query}", body, headers, fresh=True)

    def socket(self, path: str, *, headers: Headers = (), timeout_s: float = 5.0) -> SocketHello:
        """Open a web socket, read the first message, close. A lost opening is tried once more."""
        hello = self._hello_once(path, headers, timeout_s)
        lost = hello.status == 0 and bool(hello.problem)
        return self._hello_once(path, headers, timeout_s) if lost else hello

    def _hello_once(self, path: str, headers: Headers, timeout_s: float) -> SocketHello:
        address = f"{self._base.replace('http', 'ws', 1)}{path}"
        try:
            with (
                self._socket_border.crossing(f"opening a socket to {self.host}"),
                self._socket(address, headers, timeout_s) as opened,
            ):
                return _hello(opened, timeout_s)
        except ConnectorError as error:
            return SocketHello(status=error.status or 0, message="", problem=error.reason)

    def close(self) -> None:
        """Close the kept connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _once(
        self, method: str, target: str, body: bytes | None, headers: Headers, *, fresh: bool = False
    ) -> Answer:
        doing = f"{method} {self.host}{target.partition('?')[0]}"
        with self._border.crossing(doing):
            client = self._client() if fresh else self._keeping()
            try:
                return self._ask(client, doing, method, target, body, headers)
            finally:
                if fresh:
                    client.close()

    def _once_in_secret(
        self, effect: HttpWrite, target: str, body: bytes, headers: Headers
    ) -> Answer:
        doing = f"{effect.method} {self.host}{effect.path}"
        with self._border.crossing(doing), self._client() as client:
            request = client.build_request(
                effect.method, f"{self._base}{target}", content=body, headers=list(headers)
            )
            with self._transport() as transport:
                response = transport.handle_request(request)
                response.request = request
                return self._read(response, doing)

    def _ask(
        self,
        client: httpx.Client,
        doing: str,
        method: str,
        target: str,
        body: bytes | None,
        headers: Headers,
    ) -> Answer:
        request = client.build_request(
            method, f"{self._base}{target}", content=body, headers=list(headers)
        )
        return self._read(client.send(request, stream=True), doing)

    def _read(self, response: httpx.Response, doing: str) -> Answer:
        try:
            self._unpackable(response, doing)
            content, until = bytearray(), self._clock.monotonic() + BODY_S_MAX
            for piece in response.iter_bytes():
                content += piece
                if len(content) > self._bytes_max:
                    failure = Failure("too-large", "the answer is too large", transient=False)
                    raise self._border.error(failure, doing)
                if self._clock.monotonic() > until:
                    failure = Failure("timeout", "the answer does not end", transient=False)
                    raise self._border.error(failure, doing)
        finally:
            response.close()
        sent = response.request.headers.get(REQUEST_ID, "")
        echoed = response.headers.get(REQUEST_ID, "") == sent if self._echoes else None
        return Answer(
            status=response.status_code,
            headers=tuple(response.headers.multi_items()),
            body=bytes(content),
            request_id=sent,
            echoed=echoed,
            at=self._clock.now(),
        )

    def _unpackable(self, response: httpx.Response, doing: str) -> None:
        packed = response.headers.get("content-encoding", "identity").strip().lower()
        if packed not in {"", "identity", *CODINGS}:
            what = "its answer is packed in a way that was not asked for"
            raise self._border.error(Failure("unreadable", what, transient=False), doing)

    def _keeping(self) -> httpx.Client:
        with self._lock:
            if self._kept is None:
                self._kept = self._client()
            return self._kept

    def _client(self) -> httpx.Client:
        import httpx

        return httpx.Client(
            transport=self._transport(),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=self._timeout_s,
            follow_redirects=False,
            trust_env=False,
            headers={
                "user-agent": "trade-rollback",
                "accept": "*/*",
                "accept-encoding": ", ".join(CODINGS),
            },
        )


def _hello(opened: Socket, timeout_s: float) -> SocketHello:
    try:
        message = opened.receive(timeout_s)
    except TimeoutError:
        return SocketHello(status=101, message="", problem="it opened and said nothing in time")
    text = message if isinstance(message, str) else message.decode(errors="replace")
    return SocketHello(status=101, message=text)


def socket_failure(error: Exception) -> Failure | None:
    """What an exception of websockets means."""
    from websockets import exceptions as sockets

    from rollback.guard.wire.tunnel import TunnelRefusedError

    if isinstance(error, sockets.InvalidStatus):
        status = error.response.status_code
        return Failure(
            "refused", f"the socket was refused ({status})", transient=False, status=status
        )
    if isinstance(error, TunnelRefusedError):
        # Its status is not the socket's: that of a refused socket proves something.
        said = f"answered {error.status}" if error.status else "gave no answer that can be read"
        what = f"the proxy of the environment's network opened no tunnel: it {said}"
        return Failure("proxy", what, transient=False)
    if isinstance(error, sockets.ConnectionClosed):
        return Failure(
            "closed", "the socket was closed before it spoke", transient=True, status=101
        )
    if isinstance(error, (sockets.WebSocketException, ValueError)):
        return Failure("unreadable", "the socket's handshake was not valid", transient=False)
    if isinstance(error, (OSError, EOFError)):
        return Failure("unreachable", "it could not be reached", transient=True)
    return None
