"""A tunnel through the environment's proxy, asked for by CONNECT: for what is no client of HTTP.

The proxy is told the name of the host and its port, and nothing else: TLS with the real name begins
behind it. The address of a proxy holds no user and no password; one that asks for them refuses.
"""

from __future__ import annotations

import socket
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from rollback.guard.wire.network import tls_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.environment import Network

T = TypeVar("T")

_PIECE: Final = 65_536
_HEAD_MAX: Final = 65_536
"""More than this is no answer to CONNECT."""
_END: Final = b"\r\n\r\n"
_ENDED: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""TLS came to its end: cut off, or said so."""


class TunnelRefusedError(OSError):
    """The proxy did not open a tunnel. status: what it answered; 0: nothing that can be read."""

    def __init__(self, status: int) -> None:
        """Say what it answered."""
        self.status = status
        said = f"answered {status}" if status else "gave no answer that can be read"
        super().__init__(f"the proxy did not open a tunnel: it {said}")


def through(network: Network, proxy: str, host: str, port: int, timeout_s: float) -> socket.socket:
    """A connection to a host through the proxy.

    timeout_s: for connecting, for TLS with the proxy, and for its answer. Raises
    TunnelRefusedError, TimeoutError, OSError.
    """
    parts = urlsplit(proxy)
    name, secure = parts.hostname or "", parts.scheme == "https"
    raw = socket.create_connection((name, parts.port or (443 if secure else 80)), timeout_s)
    try:
        if secure:
            raw = tls_context(network.ca_file, "proxy").wrap_socket(raw, server_hostname=name)
        _ask(raw, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", timeout_s)
        raw.settimeout(timeout_s)
    except BaseException:
        raw.close()
        raise
    return raw


def _ask(raw: socket.socket, place: str, timeout_s: float) -> None:
    raw.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode("ascii"))
    until, head = time.monotonic() + timeout_s, b""
    while _END not in head:
        left_s = until - time.monotonic()
        if left_s <= 0:
            msg = "the proxy's answer takes longer than it may"
            raise TimeoutError(msg)
        raw.settimeout(left_s)
        piece = raw.recv(_PIECE)
        head += piece
        if not piece or len(head) > _HEAD_MAX:
            raise TunnelRefusedError(0)
    version, _, rest = head.partition(b" ")
    status = int(rest[:3]) if version.startswith(b"HTTP/1.") and rest[:3].isdigit() else 0
    # Nobody speaks in the tunnel before we do: what comes with the answer is none of the host's.
    if not 200 <= status <= 299 or head.partition(_END)[2]:  # noqa: PLR2004
        raise TunnelRefusedError(status)


def tls_over(raw: socket.socket, context: ssl.SSLContext, host: str | None) -> socket.socket:
    """TLS with a host; where the connection is one of TLS already, inside of it."""
    if isinstance(raw, ssl.SSLSocket):
        return _Inside(raw, context, host)  # type: ignore[return-value] # as much of it as is used
    return context.wrap_socket(raw, server_hostname=host)


class _Inside:
    """TLS in TLS, which Python's own sockets do not speak. Each wait is that of the outer line."""

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, host: str | None) -> None:
        self._outer = outer
        self._coming, self._going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._coming, self._going, server_hostname=host)
        self._done(self._tls.do_handshake)

    def settimeout(self, timeout_s: float) -> None:
        """Of the line."""
        self._outer.settimeout(timeout_s)

    def sendall(self, data: bytes) -> None:
        """All of it: TLS over memory takes whatever it is given. Raises OSError."""
        self._done(partial(self._tls.write, data))

    def recv(self, most: int) -> bytes:
        """Some of what comes; empty at its end. Raises OSError."""
        try:
            return self._done(partial(self._tls.read, most))
        except _ENDED:
            return b""

    def close(self) -> None:
        """The line with it."""
        self._outer.close()

    def _done(self, do: Callable[[], T]) -> T:
        while True:
            try:
                done = do()
            except ssl.SSLWantReadError:
                self._send()
                piece = self._outer.recv(_PIECE)
                if piece:
                    self._coming.write(piece)
                else:
                    self._coming.write_eof()
            else:
                self._send()
                return done

    def _send(self) -> None:
        if data := self._going.read():
            self._outer.sendall(data)
