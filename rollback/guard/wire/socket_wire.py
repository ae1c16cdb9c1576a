"""The guard under web sockets: opened towards a surface only, and only ever read."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from rollback.guard.rules.request import Request
from rollback.guard.wire import first_use
from rollback.guard.wire.gate import REQUEST_ID
from rollback.guard.wire.net import guarded
from rollback.guard.wire.network import mapped, tls_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.http11 import Response
    from websockets.sync.client import ClientConnection

    from rollback.guard.wire.gate import Admitted, Wire


_ADDED: Final = (("Connection", "Upgrade"), ("Sec-WebSocket-Key", "-"))


class SocketReader:
    """An open web socket that can only be read: what is sent over one could not be judged."""

    def __init__(self, connection: ClientConnection, status: int) -> None:
        """Wrap an open connection."""
        self._connection = connection
        self.status = status

    def receive(self, timeout_s: float) -> str | bytes:
        """The next message. Raises TimeoutError, and websockets' own errors."""
        return self._connection.recv(timeout=timeout_s)


@contextmanager
def connect(
    wire: Wire,
    url: str,
    headers: tuple[tuple[str, str], ...] = (),
    timeout_s: float = 5.0,
    subprotocols: tuple[str, ...] = (),
) -> Iterator[SocketReader]:
    """Open a guarded web socket, and close it at the end.

    Raises GuardRefusal, OSError, TimeoutError, and websockets' own errors (InvalidStatus holds the
    answer that refused the socket).
    """
    first_use.load(first_use.SOCKETS)
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect as open_socket
    from websockets.typing import Subprotocol

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
                raw = socket.create_connection(
                    mapped(wire.network, host, port) or (host, port), timeout=timeout_s
                )
            held.enter_context(_cut_after(2 * timeout_s, held.enter_context(closing(raw))))
            connection = open_socket(
                url,
                sock=raw,
                ssl=tls_context(wire.network.ca_file, "websockets") if secure else None,
                additional_headers=said,
                subprotocols=[Subprotocol(name) for name in subprotocols] or None,
                open_timeout=timeout_s,
                close_timeout=timeout_s,
                user_agent_header=None,
                compression=None,
                proxy=None,
            )
        except InvalidStatus as error:
            _answered(wire, admitted, error.response)
            raise
        except BaseException as error:
            wire.failed(admitted, error)
            raise
        response = cast("Response", connection.response)  # of an open socket there is one
        _answered(wire, admitted, response)
        with connection:
            yield SocketReader(connection, response.status_code)


def _answered(wire: Wire, admitted: Admitted, response: Response) -> None:
    answer = {name.lower(): value for name, value in response.headers.raw_items()}
    wire.answered(admitted, response.status_code, answer)


@contextmanager
def _cut_after(limit_s: float, raw: socket.socket) -> Iterator[None]:
    """Cut the line where the block lasts longer.

    websockets waits for its reading thread even after its own time limit, and that thread may sit
    in a TLS read for as long as the server likes (seen: 100 s).
    """
    with closing(raw.dup()) as line:
        cut = threading.Timer(limit_s, _cut, (line,))
        cut.daemon = True
        cut.start()
        try:
            yield
        finally:
            cut.cancel()


def _cut(line: socket.socket) -> None:
    """End a connection under whoever still waits on it."""
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
