"""Below the guard of a web socket: the protocol of `websockets`, over a connection of ours.

That library's own client reads in one thread while it writes in another, over one TLS connection,
and Python 3.11 has no lock there: of a hundred sockets one did not open (measured: an answer that
never came, "EOF occurred in violation of protocol"). Here one thread does both, in the time it has.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosedError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from rollback.guard.wire.tunnel import tls_over

if TYPE_CHECKING:
    import socket
    import ssl

    from websockets.protocol import Event

_PIECE: Final = 65_536
_OF_MESSAGES: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class Line:
    """One connection. Every call ends in its own time limit, whatever the server does."""

    def __init__(
        self,
        raw: socket.socket,
        url: str,
        subprotocols: tuple[str, ...],
        context: ssl.SSLContext | None,
    ) -> None:
        """Speak TLS where there is a context. raw: connected; its time limit bounds this."""
        named = [Subprotocol(name) for name in subprotocols]
        self._protocol = ClientProtocol(parse_uri(url), subprotocols=named or None)
        self._events: deque[Event] = deque()
        host = urlsplit(url).hostname
        self._line = raw if context is None else tls_over(raw, context, host)

    def open(self, headers: dict[str, str], timeout_s: float) -> Response:
        """Ask for the socket. Raises InvalidStatus where it is refused, InvalidMessage, OSError."""
        asked = self._protocol.connect()
        asked.headers.update(headers)
        self._protocol.send_request(asked)
        event = self._next(time.monotonic() + timeout_s)
        if self._protocol.handshake_exc is not None:
            raise self._protocol.handshake_exc
        assert isinstance(event, Response)  # noqa: S101 - what the protocol says first
        return event

    def receive(self, timeout_s: float) -> str | bytes:
        """The next message, whole. Raises TimeoutError, OSError, ConnectionClosed, ValueError."""
        until = time.monotonic() + timeout_s
        held: list[Frame] = []
        while not (held and held[-1].fin):
            event = self._next(until)
            if isinstance(event, Frame) and event.opcode in _OF_MESSAGES:
                held.append(event)
        data = b"".join(bytes(frame.data) for frame in held)
        return data.decode() if held[0].opcode is Opcode.TEXT else data

    def close(self, timeout_s: float) -> None:
        """Hang up; of an open socket say so first, and let the server do it. Raises nothing."""
        until = time.monotonic() + timeout_s
        with closing(self._line), suppress(OSError):
            if self._protocol.state is not State.OPEN:
                return
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._write(until)
            while self._read(until):
                pass  # what it still says is for nobody

    def _next(self, until: float) -> Event:
        """What the protocol says next. Raises TimeoutError, OSError, and why nothing comes."""
        while not self._events:
            if self._protocol.parser_exc is not None or self._protocol.close_rcvd is not None:
                with suppress(OSError):  # who has gone already hears no answer to its end
                    self._write(until)
                raise self._ended()
            self._write(until)
            if data := self._read(until):
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            self._events.extend(self._protocol.events_received())
            if not data and not self._events:
                raise self._ended()
        return self._events.popleft()

    def _ended(self) -> Exception:
        protocol = self._protocol
        if protocol.handshake_exc is not None:
            return protocol.handshake_exc
        order = protocol.close_rcvd_then_sent
        error = ConnectionClosedError(protocol.close_rcvd, protocol.close_sent, order)
        error.__cause__ = protocol.parser_exc
        return error

    def _write(self, until: float) -> None:
        for data in self._protocol.data_to_send():
            self._in_time(until).sendall(data)

    def _read(self, until: float) -> bytes:
        return self._in_time(until).recv(_PIECE)

    def _in_time(self, until: float) -> socket.socket:
        self._line.settimeout(_left(until))
        return self._line


def _left(until: float) -> float:
    left_s = until - time.monotonic()
    if left_s <= 0:
        msg = "the time is over"
        raise TimeoutError(msg)
    return left_s
