"""The guard under web sockets: opened towards a surface only, and only ever read."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from rollback.guard.rules.request import Request
from rollback.guard.wire import first_use, tunnel
from rollback.guard.wire.gate import REQUEST_ID
from rollback.guard.wire.net import guarded
from rollback.guard.wire.network import mapped, tls_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.http11 import Response

    from rollback.guard.wire.gate import Admitted, Wire
    from rollback.guard.wire.socket_line import Line
    from rollback.model.environment import Network


_ADDED: Final = (
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "-"),
    ("Sec-WebSocket-Version", "13"),
)


class SocketReader:
    """An open web socket that can only be read: what is sent over one could not be judged."""

    def __init__(self, line: Line, status: int) -> None:
        """Wrap an open connection."""
        self._line = line
        self.status = status

    def receive(self, timeout_s: float) -> str | bytes:
        """The next message. Raises TimeoutError, and websockets' own errors."""
        return self._line.receive(timeout_s)


@contextmanager
def connect(
    wire: Wire,
    url: str,
    headers: tuple[tuple[str, str], ...] = (),
    timeout_s: float = 5.0,
    subprotocols: tuple[str, ...] = (),
) -> Iterator[SocketReader]:
    """Open a guarded web socket, and close it at the end.

    timeout_s: for each of connecting, the proxy's tunnel, TLS, opening and closing. Raises
    GuardRefusal, OSError (TunnelRefusedError where the proxy says no), TimeoutError, and
    websockets' own errors (InvalidStatus holds the answer that refused it).
    """
    first_use.load(first_use.SOCKETS)
    from websockets.exceptions import InvalidStatus

    from rollback.guard.wire import socket_line

    said = dict(headers)
    said.setdefault(REQUEST_ID, wire.next_id())
    parts = urlsplit(url)
    # What websockets adds is judged with the rest, so that a second one of each is refused.
    added = (("Host", parts.netloc), *_ADDED, ("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    admitted = wire.admit(Request(method="GET", url=url, headers=(*said.items(), *added)))
    wire.trap.swallow(admitted.request_id)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    with ExitStack() as held:
        try:
            with guarded():
                raw = _connected(wire.network, host, port, timeout_s)
            held.enter_context(closing(raw))
            context = tls_context(wire.network.ca_file, "websockets") if secure else None
            line = socket_line.Line(raw, url, subprotocols, context)
            held.callback(line.close, timeout_s)
            response = line.open(said, timeout_s)
        except InvalidStatus as error:
            _answered(wire, admitted, error.response)
            raise
        except BaseException as error:
            wire.failed(admitted, error)
            raise
        _answered(wire, admitted, response)
        yield SocketReader(line, response.status_code)


def _connected(network: Network, host: str, port: int, timeout_s: float) -> socket.socket:
    """Where the resolve map says; else through the environment's proxy; else straight."""
    address = mapped(network, host, port)
    if address is None and network.proxy is not None:
        return tunnel.through(network, network.proxy, host, port, timeout_s)
    return socket.create_connection(address or (host, port), timeout=timeout_s)


def _answered(wire: Wire, admitted: Admitted, response: Response) -> None:
    answer = {name.lower(): value for name, value in response.headers.raw_items()}
    wire.answered(admitted, response.status_code, answer)
